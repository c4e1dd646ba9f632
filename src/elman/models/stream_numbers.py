"""How one step of numbers becomes what a network reads; of a forecaster, relative to its series so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.data.numbers import NumberCodec
from elman.data.numeric import as_number, placed
from elman.errors import DataError
from elman.models.forecasting import Form, in_units, sizes
from elman.models.stream_reads import Arrays, Reads, refuse_beside

Values = NDArray[np.float64]


class NumberReading:
    """D numbers a step, NaN where one is missing; nothing is kept between the steps."""

    def __init__(self, codec: NumberCodec) -> None:
        self._codec = codec

    def take(
        self, values: Sequence[Any], rows: Sequence[int], covariates: Any = None, past: Any = None
    ) -> Reads:
        """Read a number, or D of them, for each row."""
        refuse_beside(covariates, past)
        steps = numbers_of(values, self._codec.features)
        return Reads(None, self._codec.channels(steps, lambda row: f"row {rows[row]}"))

    def reset(self, rows: Sequence[int]) -> None:
        """Nothing is kept."""

    def state(self) -> Arrays:
        """Nothing is kept."""
        return {}

    def restore(self, state: Arrays) -> None:
        """Nothing is kept."""


class FormReading:
    """The numbers of a forecaster that has covariates, or measures values by their own series."""

    def __init__(self, codec: NumberCodec, form: Form, rows: int) -> None:
        self._codec, self.form = codec, form
        self._last, self._total = np.zeros((2, rows, form.values))
        self._count = np.zeros((rows, 1))

    def take(self, values: Sequence[Any], rows: Sequence[int], covariates: Any, past: Any) -> Reads:
        """Read the values of a step, its past covariates, and the known ones of the H steps after it.

        Parameters
        ----------
        covariates
            (R, H, K), or (R, K) if H is 1; of a model with past ones alone: those.
        past
            (R, P).
        """
        form, rows = self.form, list(rows)
        if form.past and not form.known and past is None:
            covariates, past = None, covariates
        given = numbers_of(values, form.values)
        if np.isnan(given).any():
            message = "a number is missing (NaN), and a forecast goes on from every number"
            raise DataError(message, code="E287", help="fill it in, or reset the stream")
        read, last, total, count = self._moved(given, rows)
        parts = [read]
        for name, beside, width in (
            ("past covariates", past, form.past),
            ("covariates", covariates, form.known * form.horizon),
        ):
            if width or beside is not None:
                parts.append(_beside(beside, len(rows), width, name))
        channels = self._codec.channels(np.concatenate(parts, axis=1), lambda row: f"row {rows[row]}")
        self._last[rows], self._total[rows], self._count[rows] = last, total, count
        return Reads(None, channels)

    def _moved(self, given: Values, rows: list[int]) -> tuple[Values, Values, Values, Values]:
        """What is read of values (R, D), and the sizes so far after them; as ``forecasting.measures``."""
        first = self._count[rows] == 0
        before = np.where(first, given, self._last[rows])
        total, count = self._total[rows] + np.abs(given), self._count[rows] + 1
        read = given
        if self.form.normalise == "last":
            read = given - before
        elif self.form.normalise == "scale":
            read = given / sizes(total / count)
        return read, given, total, count

    def in_units(self, said: Values, rows: Sequence[int]) -> Values:
        """What a network says (R, H · D), decoded, as values (R, H, D)."""
        rows = list(rows)
        shift, scale = np.zeros_like(self._last[rows]), np.ones_like(self._last[rows])
        if self.form.normalise == "last":
            shift = self._last[rows]
        elif self.form.normalise == "scale":
            scale = sizes(self._total[rows] / self._count[rows])
        return in_units(said, shift, scale, self.form)

    def reset(self, rows: Sequence[int]) -> None:
        """Begin anew."""
        for kept in (self._last, self._total, self._count):
            kept[list(rows)] = 0

    def state(self) -> Arrays:
        """The last values (n, D), the sums of their sizes (n, D), and how many there were (n, 1)."""
        return {"last": self._last.copy(), "total": self._total.copy(), "count": self._count.copy()}

    def restore(self, state: Arrays) -> None:
        """Go on from a state."""
        self._last, self._total = state["last"].astype(np.float64), state["total"].astype(np.float64)
        self._count = state["count"].astype(np.float64)


def numbers_of(values: Sequence[Any], width: int) -> Values:
    """Give R steps of ``width`` numbers as float64 (R, width); NaN where one is missing.

    ``DataError``: E271 for something else than a number, E272 for infinity, E273 for another width.
    """
    try:
        array = np.asarray(values)
    except ValueError:  # steps of different widths: each is looked at by itself
        array = np.empty(0, object)
    if array.dtype.kind not in "biuf":
        array = np.array([_row(value, width, row) for row, value in enumerate(values)], np.float64)
    shape = (len(values), width)
    if array.shape != shape and not (width == 1 and array.shape == shape[:1]):
        given = array.size // max(1, len(values))
        raise _wrong_width(given, width)
    steps: Values = array.reshape(shape).astype(np.float64)
    if np.isinf(steps).any():
        raise DataError("a number is infinite", code="E272", help="write NaN if the value is missing")
    return steps


def _row(value: Any, width: int, row: int) -> list[float]:
    listed = isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) == 1
    try:
        found = [as_number(number) for number in (value if listed else [value])]
    except DataError as error:
        raise placed(error, f"row {row}") from None
    if len(found) != width:
        raise _wrong_width(len(found), width)
    return found


def _wrong_width(given: int, width: int) -> DataError:
    message = f"{given} number{'' if given == 1 else 's'} a step, but {width} in training"
    return DataError(message, code="E273", help="give the features of the training data, in their order")


def _beside(given: Any, rows: int, width: int, name: str) -> Values:
    """Covariates of R steps, (R, width)."""
    if given is None:
        message = f"this model reads {name} at every step, and there are none"
        raise DataError(message, code="E275", help=f"give {width} numbers; NaN where one is not known")
    flat = [np.ravel(np.asarray(one, object)).tolist() for one in given]
    if len(flat) != rows:
        message = f"there are {name} for {len(flat)} rows, and {rows} rows"
        raise DataError(message, code="E239", help="give each row its own")
    try:
        return numbers_of(flat, width)
    except DataError as error:
        raise placed(error, name) from None
