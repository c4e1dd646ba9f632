"""Rolling-origin evaluation: forecasts from several ends of each series, compared with what came."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.data.series import as_series
from elman.errors import DataError
from elman.models.forecasting import Form, Given, Values, check_given, check_horizon, forecast
from elman.models.forecasts import given_of
from elman.models.model import Model
from elman.train.series_scores import scores_of


def backtest(
    model: Model,
    series: Any,
    horizon: int | None = None,
    *,
    origins: int = 10,
    covariates: Any = None,
    past: Any = None,
) -> dict[str, Any]:
    """Forecast each series from its last ``origins`` origins, and score all of it.

    The network is not learnt again at each origin: it must not have learnt from what is forecast.

    Returns
    -------
    ``scores`` over all forecasts (rmse, mae, smape, and mase against the last value's error on what lay
    before), ``by_step`` the rmse of each step ahead, ``forecasts`` how many there were, and ``last value``:
    the scores of saying the last value.

    Raises
    ------
    DataError
        E288 if no series is long enough.
    """
    form = Form.of(model)
    steps, given = check_horizon(form, horizon), given_of(form, series, covariates, None, past)
    check_given(given, form, 0)
    places = _places(as_series(given.series), steps, origins)
    some = Given(
        [given.series[row][:end] for row, end in places],
        given.known and [given.known[row] for row, _ in places],
        given.past and [given.past[row][:end] for row, end in places],
    )
    said = forecast(model, some, steps)
    truth = np.stack([given.series[row][end : end + steps] for row, end in places])
    last = np.stack([np.repeat(values[-1:], steps, axis=0) for values in some.series])
    usual = np.concatenate([np.abs(np.diff(values, axis=0)).ravel() for values in some.series])
    return {
        "scores": scores_of(said, truth, usual),
        "last value": scores_of(last, truth, usual),
        "by_step": _by_step(said, truth),
        "forecasts": len(places),
        "horizon": steps,
    }


def _places(series: list[Values], steps: int, origins: int) -> list[tuple[int, int]]:
    """The last origins of each series from which ``steps`` more are known: its row, and where it is cut."""
    places = [
        (row, end)
        for row, values in enumerate(series)
        for end in range(max(1, len(values) - steps - origins + 1), len(values) - steps + 1)
    ]
    if not places:
        message = f"no series has more than {steps} steps, so none can be forecast {steps} ahead and compared"
        raise DataError(message, code="E288", help="give longer series, or a smaller horizon")
    return places


def _by_step(said: Values, truth: Values) -> list[float]:
    found: list[float] = np.sqrt(((said - truth) ** 2).mean(axis=(0, 2))).tolist()
    return found
