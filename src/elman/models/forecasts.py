"""What a forecaster answers to what came from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman.data.series import as_series
from elman.errors import DataError, UsageError
from elman.models import answers
from elman.models.forecasting import (
    Form,
    Given,
    check_given,
    check_horizon,
    every_step,
    forecast,
)

if TYPE_CHECKING:
    from elman.models.model import Model

Values = NDArray[np.float64]


def predict(
    model: Model, series: Any, horizon: Any, covariates: Any, future: Any, past: Any = None
) -> Values:
    """Give the next values: (B, horizon) or (B, horizon, D)."""
    form = Form.of(model)
    steps = check_horizon(form, horizon)
    if form.plain and covariates is None and future is None and past is None:
        return answers.forecast(model, series, steps)
    given = given_of(form, series, covariates, future, past)
    check_given(given, form, steps)
    return answers.narrow(forecast(model, given, steps))


def predict_steps(model: Model, series: Any, covariates: Any, past: Any = None) -> Any:
    """Give the next value after every step: B arrays (T,) or (T, D); one array if ``series`` is one."""
    form = Form.of(model)
    if form.plain and covariates is None and past is None:
        return answers.tag(model, series)
    given = given_of(form, series, covariates, None, past)
    check_given(given, form, 0)
    found = [answers.narrow(values[:, 0]) for values in every_step(model, given)]
    if form.known:
        for values, known in zip(found, given.known or [], strict=True):
            values[max(0, len(known) - 1) :] = np.nan  # nothing is known of the step ahead
    return np.array(found) if isinstance(series, np.ndarray) and series.dtype.kind != "O" else found


def predict_interval(
    model: Model, series: Any, horizon: Any, coverage: float, covariates: Any, future: Any, past: Any = None
) -> Values:
    """Give the ends of the intervals: (B, horizon, 2) or (B, horizon, D, 2)."""
    from elman.models.conformal import interval

    form = Form.of(model)
    steps, given = check_horizon(form, horizon), given_of(form, series, covariates, future, past)
    check_given(given, form, steps)
    ends = interval(model, given, steps, coverage)
    return ends[:, :, 0] if form.values == 1 else ends


def given_of(form: Form, series: Any, covariates: Any, future: Any, past: Any = None) -> Given:
    """Read series and covariates; known ones go on into the future.

    Where the network learnt past covariates alone, ``covariates`` are those.
    """
    known = as_series(series, "series")
    if form.past and not form.known and past is None:
        covariates, past = None, covariates
        if future is not None:
            message = "this model learnt covariates of the past only, so those of the future have no meaning"
            raise UsageError(message, code="E177", help="leave future= out")
    gone = None if past is None else _beside(past, known, "past")
    if covariates is None:
        if future is not None:
            raise UsageError(
                "future covariates need those of the past", code="E177", help="give covariates= too"
            )
        return Given(known, None, gone)
    beside = _beside(covariates, known, "covariates")
    return Given(known, beside if future is None else _joined(beside, future, known), gone)


def _beside(covariates: Any, known: list[Values], name: str) -> list[Values]:
    """Covariates of each series."""
    beside = as_series(covariates, name)
    if len(beside) != len(known):
        message = f"there are covariates for {len(beside)} series, but {len(known)} series"
        raise DataError(message, code="E239", help="give each series its own")
    return beside


def _joined(beside: list[Values], future: Any, known: list[Values]) -> list[Values]:
    """Covariates up to the end of each series, then those ahead."""
    ahead = as_series(future, "future")
    if len(ahead) != len(beside):
        message = f"there are future covariates for {len(ahead)} series, but covariates for {len(beside)}"
        raise DataError(message, code="E239", help="give each series its own")
    for row, (a, b) in enumerate(zip(beside, ahead, strict=True)):
        if a.shape[1] != b.shape[1]:
            message = f"a step has {b.shape[1]} covariates, in the past it had {a.shape[1]}"
            raise DataError(message, code="E273", where=f"future[{row}]", help="give the same ones")
    return [np.concatenate([a[: len(s)], b]) for a, b, s in zip(beside, ahead, known, strict=True)]
