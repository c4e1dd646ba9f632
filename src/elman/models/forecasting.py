"""Forecasts beyond the plain ones: covariates, several steps at once, values relative to their own series.

At step t a network reads r_t, the value brought to its series' own size, what else was measured at t (past
covariates), and what is known of the H steps after t (known ones). It says (y_{t+j} - shift_t) / scale_t for
j = 1 ... H.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman.data.numbers import NumberCodec
from elman.errors import DataError, UsageError
from elman.models.answers import batches, channels, check_not_empty, mean_of, run

if TYPE_CHECKING:
    from elman.models.model import Model

Values = NDArray[np.float64]
NORMALISE = ("none", "last", "scale")


@dataclass(frozen=True)
class Form:
    """What a forecaster reads and says.

    Attributes
    ----------
    values
        D, the numbers of a step that are forecast.
    horizon
        H, how many steps are said at once.
    known, past
        How many covariates are known ahead, and how many are not.
    normalise
        "none"; "last": changes, from the last value on; "scale": shares of the mean size so far.
    """

    values: int
    horizon: int = 1
    known: int = 0
    past: int = 0
    normalise: str = "none"

    @property
    def plain(self) -> bool:
        """Whether what it says is what it reads next."""
        return self == Form(self.values)

    @property
    def width(self) -> int:
        """Numbers of a step that are read."""
        return self.values + self.past + self.known * self.horizon

    def details(self) -> dict[str, Any]:
        """What the model file says; nothing of a plain one."""
        return {} if self.plain else {"form": asdict(self)}

    @classmethod
    def of(cls, model: Model) -> Form:
        """The form of a forecaster; ``ValueError`` if it is none."""
        told = model.details.get("form")
        if told is None:
            return cls(model.numbers.features)
        form = cls(**told)
        whole = all(type(n) is int and n >= 0 for n in (form.values, form.horizon, form.known, form.past))
        if not whole or not form.values or not form.horizon or form.normalise not in NORMALISE:
            raise ValueError("the form of the forecast is none")
        return form


def check_details(model: Model) -> None:
    """Raise ``ValueError`` unless the codecs of a forecaster fit its form."""
    from elman.models.codecs import check_same

    form = Form.of(model)
    if not model.details.keys() <= {"form", "intervals"}:
        raise ValueError("its details are other than those of a forecast")
    _check_widths(model.details.get("intervals"), form)
    if form.plain:
        return check_same(model.inputs, model.targets)
    reads, says = model.inputs.settings(), model.numbers.features
    if not isinstance(model.inputs, NumberCodec) or model.inputs.features != form.width:
        raise ValueError(f"it reads other numbers than its forecast needs ({reads})")
    if says != form.values * form.horizon:
        raise ValueError("it says other numbers than its forecast needs")
    return None


def _check_widths(intervals: Any, form: Form) -> None:
    """Raise ``ValueError`` unless intervals are coverages that rise, each with half widths (J, D)."""
    if intervals is None:
        return
    levels = [level["coverage"] for level in intervals]
    if not all(level.keys() == {"coverage", "widths"} for level in intervals) or not all(
        type(level) is float and 0 < level < 1 for level in levels
    ):
        raise ValueError("its intervals are none")
    parts = [np.array(level["widths"]) for level in intervals]
    fits = all(p.ndim == 2 and p.shape[1] == form.values and p.dtype.kind in "if" for p in parts)
    if levels != sorted(set(levels)) or not fits or not all((p >= 0).all() for p in parts):
        raise ValueError("its intervals are none")


@dataclass
class Running:
    """The size of B series so far: what a value is measured by, step by step."""

    form: Form
    last: Values
    total: Values
    count: Values

    @classmethod
    def start(cls, form: Form, rows: int) -> Running:
        """Before the first step."""
        return cls(
            form, np.full((rows, form.values), np.nan), np.zeros((rows, form.values)), np.zeros((rows, 1))
        )

    @classmethod
    def after(cls, form: Form, series: Sequence[Values]) -> Running:
        """After the last step of B series (T, D), none empty: the same bits as step by step."""
        totals = [np.cumsum(np.abs(values), axis=0)[-1] for values in series]  # a sum adds in another order
        counts = np.array([[len(values)] for values in series], np.float64)
        return cls(form, np.stack([values[-1] for values in series]), np.stack(totals), counts)

    def take(self, values: Values) -> Values:
        """Move on by one step (B, D): what is read of it."""
        before = np.where(np.isnan(self.last), values, self.last)
        self.last, self.total, self.count = values, self.total + np.abs(values), self.count + 1
        if self.form.normalise == "last":
            return values - before
        return values / self.scale()

    def scale(self) -> Values:
        """What an answer is multiplied by (B, D)."""
        return (
            sizes(self.total / np.maximum(self.count, 1))
            if self.form.normalise == "scale"
            else np.ones_like(self.last)
        )

    def shift(self) -> Values:
        """What is added to an answer (B, D)."""
        return self.last if self.form.normalise == "last" else np.zeros_like(self.last)


def sizes(means: Values) -> Values:
    """A mean size that can be divided by: 1 where there is none."""
    return np.where(means > 0, means, 1.0)


def measures(series: Values, form: Form) -> tuple[Values, Values, Values]:
    """What is read of a series (T, D), and the shift and scale (T, D) of what is said at each step."""
    nought, one = np.zeros_like(series), np.ones_like(series)
    if form.normalise == "last":
        return np.diff(series, axis=0, prepend=series[:1]), series, one
    if form.normalise == "scale":
        count = np.arange(1, len(series) + 1)[:, None]
        scale = sizes(np.cumsum(np.abs(series), axis=0) / count)
        return series / scale, nought, scale
    return series, nought, one


def readings(series: Values, known: Values | None, past: Values | None, form: Form) -> Values:
    """What is read at each step (T, width); NaN where what is known ends before T + H."""
    parts = [measures(series, form)[0]]
    if past is not None:
        parts.append(past[: len(series)])
    if known is not None:
        parts.append(_ahead(known, 0, len(series), form))
    return np.concatenate(parts, axis=1)


def _ahead(known: Values, first: int, steps: int, form: Form) -> Values:
    """What is known (N, K) of the H steps after each of ``steps`` from ``first`` on: (steps, H · K)."""
    rows = first + np.arange(steps)[:, None] + np.arange(1, form.horizon + 1)
    padded = np.concatenate([known, np.full((1, known.shape[1]), np.nan)])  # beyond its end nothing is known
    found: Values = padded[np.minimum(rows, len(known))].reshape(steps, form.horizon * known.shape[1])
    return found


def truths(series: Values, form: Form) -> Values:
    """What is to be said at each step from which H values follow: (T - H, H · D)."""
    _, shift, scale = measures(series, form)
    steps = len(series) - form.horizon
    parts = [(series[j : j + steps] - shift[:steps]) / scale[:steps] for j in range(1, form.horizon + 1)]
    return np.concatenate(parts, axis=1)


def in_units(said: Values, shift: Values, scale: Values, form: Form) -> Values:
    """What a network says (..., H · D), decoded, as values (..., H, D)."""
    apart = said.reshape(*said.shape[:-1], form.horizon, form.values)
    return apart * scale[..., None, :] + shift[..., None, :]


@dataclass(frozen=True)
class Given:
    """B series (T, D) with their covariates: known (T + future, K), past (T, P), or None."""

    series: list[Values]
    known: list[Values] | None = None
    past: list[Values] | None = None

    def read(self, form: Form) -> list[Values]:
        """What is read at each step of each."""
        return [
            readings(values, _at(self.known, row), _at(self.past, row), form)
            for row, values in enumerate(self.series)
        ]


def _at(parts: list[Values] | None, row: int) -> Values | None:
    return None if parts is None else parts[row]


def check_given(given: Given, form: Form, horizon: int) -> None:
    """Refuse, in one sentence, what a forecast cannot be made from."""
    check_not_empty(given.series, "series")
    for row, values in enumerate(given.series):
        where = f"series[{row}]"
        if values.shape[1] != form.values:
            message = f"a step has {values.shape[1]} numbers, in training it had {form.values}"
            raise DataError(
                message, code="E273", where=where, help="give the numbers of training, in their order"
            )
        gaps = np.isnan(values)
        if gaps.any():
            message = "a number is missing (NaN), and a forecast goes on from every number"
            place = f"{where}, step {int(np.argwhere(gaps)[0, 0])}, counted from 0"
            raise DataError(message, code="E287", where=place, help="fill it in, or cut the series there")
    for name, wanted, parts, ahead in (
        ("known", form.known, given.known, horizon),
        ("past", form.past, given.past, 0),
    ):
        _check_covariates(name, wanted, parts, given.series, ahead)


def _check_covariates(
    name: str, wanted: int, parts: list[Values] | None, series: Sequence[Values], ahead: int
) -> None:
    if not wanted and parts is None:
        return
    if not wanted or parts is None:
        given = "there are none" if parts is None else "some are given"
        message = f"it learnt with {wanted or 'no'} {name} covariates, and {given}"
        raise UsageError(
            message, code="E177", help="give the covariates of training, or none if there were none"
        )
    if len(parts) != len(series):
        message = f"there are covariates for {len(parts)} series, but {len(series)} series"
        raise DataError(message, code="E239", help="give each series its own")
    for row, (part, values) in enumerate(zip(parts, series, strict=True)):
        where = f"covariates[{row}]"
        if part.shape[1] != wanted:
            message = f"a step has {part.shape[1]} covariates, in training it had {wanted}"
            raise DataError(message, code="E273", where=where, help="give those of training, in their order")
        if len(part) < len(values) + ahead:
            message = f"there are {len(part):,} steps of covariates, and {len(values):,} + {ahead} are needed"
            raise DataError(
                message,
                code="E275",
                where=where,
                help="give the future ones with future=, a row for each step ahead",
            )


def check_horizon(form: Form, horizon: Any) -> int:
    """Give the horizon that is meant; ``UsageError`` if it cannot be."""
    if horizon is None:
        return form.horizon
    if isinstance(horizon, bool) or not hasattr(horizon, "__index__") or horizon < 1:
        message = f"horizon must be a whole number of at least 1, not {horizon!r}"
        raise UsageError(message, code="E110", help="horizon: how many steps to go beyond the end")
    if form.past and horizon > form.horizon:
        message = f"a horizon of {horizon} needs covariates that nobody knows yet"
        raise UsageError(
            message, code="E177", help=f"learn with horizon = {horizon}, which is {form.horizon} now"
        )
    if form.known and horizon > form.horizon and horizon % form.horizon:
        message = f"with covariates a horizon must be at most {form.horizon}, or so many times as much"
        raise UsageError(message, code="E177", help=f"horizon = {-(-horizon // form.horizon) * form.horizon}")
    return int(horizon)


def _codec(model: Model) -> NumberCodec:
    """What reads the numbers."""
    if not isinstance(model.inputs, NumberCodec):
        raise UsageError("this model reads no numbers", code="E133", help="use predict(X)")
    return model.inputs


def forecast(model: Model, given: Given, horizon: int) -> Values:
    """Give the next values of each series: (B, horizon, D); beyond H what is said is what is read next."""
    form = Form.of(model)
    answer = np.empty((len(given.series), horizon, form.values))
    for rows, inputs, lengths in batches(model, _codec(model).encode_all(given.read(form))):
        some = Given(
            [given.series[row] for row in rows],
            given.known and [given.known[row] for row in rows],
        )
        answer[rows] = _go_on(model, form, some, inputs, lengths, horizon)
    return answer


def _go_on(
    model: Model, form: Form, given: Given, inputs: NDArray[Any], lengths: NDArray[np.int64], horizon: int
) -> Values:
    """Block by block of H steps, from the state after the series on: (B, horizon, D)."""
    parts, states = run(model, inputs, lengths)
    now = Running.after(form, given.series)
    said = mean_of(parts)[np.arange(len(lengths)), lengths - 1]
    blocks = [in_units(model.numbers.decode(said), now.shift(), now.scale(), form)]
    for done in range(form.horizon, horizon, form.horizon):
        read = _next_readings(now, blocks[-1], given.known, lengths + done - form.horizon)
        steps = np.stack(_codec(model).encode_all(list(read)))
        parts, states = run(model, steps, np.full(len(lengths), form.horizon), states)
        said = mean_of(parts)[:, -1]
        blocks.append(in_units(model.numbers.decode(said), now.shift(), now.scale(), form))
    return np.concatenate(blocks, axis=1)[:, :horizon]


def _next_readings(now: Running, said: Values, known: list[Values] | None, at: NDArray[np.int64]) -> Values:
    """What is read of H steps that were said, the first of them step ``at`` of each series: (B, H, width)."""
    steps = said.shape[1]
    read = np.stack([now.take(said[:, j]) for j in range(steps)], axis=1)
    if known is None:
        return read
    ahead = [_ahead(part, int(first), steps, now.form) for part, first in zip(known, at, strict=True)]
    return np.concatenate([read, np.stack(ahead)], axis=2)


def every_step(model: Model, given: Given) -> list[Values]:
    """Give the next H values after every step of each series: B arrays (T, H, D)."""
    form = Form.of(model)
    said = channels(model, _codec(model).encode_all(given.read(form)))
    found = []
    for values, series in zip(said, given.series, strict=True):
        _, shift, scale = measures(series, form)
        found.append(in_units(model.numbers.decode(values), shift, scale, form))
    return found
