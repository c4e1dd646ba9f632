"""What comes from Python (lists, arrays, Series, Arrow columns) as plain sequences of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
import numpy.typing as npt

from elman.data.numeric import as_number, placed
from elman.data.sequences import a_kind, check_same_length, is_missing, short
from elman.errors import DataError, UsageError

Series = npt.NDArray[np.float64]


def as_series(X: Any, where: str = "X") -> list[Series]:
    """Return B sequences of numbers as float64 arrays (T, D), all of one D; NaN where a number is missing.

    A sequence is a 1-D array or a list of numbers (one number a step: D = 1), or a 2-D array or a list of
    lists (T, D). It may be empty. Truth values are 1 and 0; None is a missing number.

    Parameters
    ----------
    X
        A list, tuple, Series, object array or Arrow list column of sequences, or one array (B, T) or
        (B, T, D). The arrays that are returned may share its memory.
    where
        What errors call ``X``.

    Raises
    ------
    UsageError
        E124 if ``X`` is not a list of sequences.
    DataError
        E231 if a sequence is missing, E271 if a value is not a number, E272 if it is infinite, E273 if steps
        differ in how many numbers they have, E274 if something is not a sequence of numbers.
    """
    return series_of(_values(X, where), lambda row: f"{where}[{row}]")


def series_of(values: Iterable[Any], place: Callable[[int], str]) -> list[Series]:
    """Do as ``as_series``, for sequences (B,) of which ``place`` says where each stands."""
    arrays = [_array(value, place(row)) for row, value in enumerate(values)]
    width = _width(arrays, place)
    return [array.reshape(len(array), width) for array in arrays]


def as_targets(y: Any, sequences: Sequence[Any], where: str = "y") -> list[Series]:
    """Return the numbers to learn at every step of B ``sequences``: float64 arrays (T, K), all of one K.

    Raises
    ------
    UsageError
        E124 if ``y`` is not a list of sequences.
    DataError
        E231 and E271 to E274 as for ``as_series``; E239 if there are more or fewer than ``sequences``, E275
        if one is not as long as its sequence, E276 if a number is missing.
    """
    targets = as_series(y, where)
    check_same_length(sequences, targets, ("X", where))
    for row, (sequence, target) in enumerate(zip(sequences, targets, strict=True)):
        _check_target(target, len(sequence), f"{where}[{row}]")
    return targets


def _check_target(target: Series, steps: int, where: str) -> None:
    if len(target) != steps:
        message = f"there are {_count(len(target), 'target')}, but the sequence has {_count(steps, 'step')}"
        raise DataError(message, code="E275", where=where, help="give a target for every step")
    gaps = np.isnan(target)
    if gaps.any():
        help_ = "fill it in, or cut the sequence there"
        place = _step(gaps, where)
        raise DataError("a number to learn is missing (NaN)", code="E276", where=place, help=help_)


def _values(X: Any, where: str) -> list[Any]:
    """Return the sequences of ``X``, each as it came."""
    if any(hasattr(X, name) for name in ("columns", "get_columns", "column_names")):
        help_ = "elman.data.Table.from_frame takes it; then steps or wide makes the sequences"
        raise UsageError(f"{where} is a table, not a list of sequences", code="E124", help=help_)
    shape = getattr(X, "shape", None)
    if isinstance(X, (str, bytes, Mapping, Set)) or not isinstance(X, Iterable) or shape == ():
        help_ = "give a list of arrays, or an array (B, T) or (B, T, D)"
        raise UsageError(f"{where} is {a_kind(X)}, not a list of sequences", code="E124", help=help_)
    values = list(X) if isinstance(X, np.ndarray) else _listed(X)
    if values and all(map(_is_single, values)):
        message = f"{where} is one sequence, not a list of sequences"
        raise UsageError(message, code="E124", help=f"did you mean [{where}] ?")
    return values


def _listed(X: Any) -> list[Any]:
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(X, method):
            return list(getattr(X, method)())
    return list(X)


def _is_single(value: Any) -> bool:
    return isinstance(value, (int, float, np.number, np.bool_))


def _array(value: Any, where: str) -> Series:
    """Return a sequence as float64 (T,) or (T, D)."""
    plain = value.as_py() if hasattr(value, "as_py") else value  # an Arrow scalar
    if is_missing(plain):
        raise DataError("the sequence is missing", code="E231", where=where, help="leave the row out")
    try:
        array = np.asanyarray(plain)
    except ValueError:  # its steps differ in length: looked at one by one, so that the place can be told
        return _one_by_one(plain, where)
    if array.ndim not in (1, 2):
        message = f"{short(plain)} is {_what(plain, array.ndim)}, not a sequence of numbers"
        raise DataError(message, code="E274", where=where, help="give numbers (T,) or (T, D)")
    if array.dtype.kind not in "biuf":
        return _one_by_one(plain, where)
    return _floats(array, where)


def _what(value: Any, axes: int) -> str:
    return f"an array of {axes} axes" if axes else "a text" if isinstance(value, str) else a_kind(value)


def _floats(array: npt.NDArray[Any], where: str) -> Series:
    with np.errstate(over="ignore"):  # what a float64 cannot hold becomes infinite, and is refused
        floats = array.astype(np.float64, copy=False)
    if isinstance(floats, np.ma.MaskedArray):
        floats = floats.filled(np.nan)
    infinite = np.isinf(floats)
    if infinite.any():
        help_ = "write NaN if the value is missing"
        raise DataError("a number is infinite", code="E272", where=_step(infinite, where), help=help_)
    return np.asarray(floats)


def _one_by_one(sequence: Iterable[Any], where: str) -> Series:
    """Return a sequence whose values are of several kinds, or of none that NumPy takes for numbers."""
    steps = list(sequence)
    width = next((len(step) for step in steps if _is_list(step)), None)
    if width is None:
        return np.array([_number(step, where, t) for t, step in enumerate(steps)], dtype=np.float64)
    for t, step in enumerate(steps):
        if not _is_list(step) or len(step) != width:
            found = _count(len(step), "number") if _is_list(step) else short(step)
            message = f"a step of {found} stands among steps of {_count(width, 'number')}"
            raise DataError(
                message, code="E273", where=f"{where}, step {t}, counted from 0", help=_SAME_WIDTH
            )
    values = [[_number(value, where, t, d) for d, value in enumerate(step)] for t, step in enumerate(steps)]
    return np.array(values, dtype=np.float64)


def _is_list(step: Any) -> bool:
    if getattr(step, "shape", None) == ():  # an array of no axes: a number
        return False
    return hasattr(step, "__len__") and not isinstance(step, (str, bytes, Mapping, Set))


def _number(value: Any, where: str, *at: int) -> float:
    try:
        return as_number(value)
    except DataError as error:
        raise placed(error, _at(where, *at)) from None


def _width(arrays: Sequence[Series], place: Callable[[int], str]) -> int:
    """Return how many numbers a step has in all ``arrays``; an empty list may be of any."""
    widths = {
        row: array.shape[1] if array.ndim == 2 else 1
        for row, array in enumerate(arrays)
        if array.shape != (0,)
    }
    first = next(iter(widths), 0)
    for row, width in widths.items():
        if width == 0:
            message = "the steps of the sequence hold no numbers"
            raise DataError(message, code="E273", where=place(row), help="give at least one number a step")
        if width != widths[first]:
            message = (
                f"the steps have {_count(width, 'number')}, those of {place(first)} have {widths[first]}"
            )
            raise DataError(message, code="E273", where=place(row), help=_SAME_WIDTH)
    return widths.get(first, 1)


_SAME_WIDTH = "give every step the same numbers; NaN where one is missing"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _step(bad: npt.NDArray[np.bool_], where: str) -> str:
    """Return the place of the first of the ``bad`` values (T,) or (T, D)."""
    step, *number = np.argwhere(bad)[0].tolist()
    return _at(where, step, *(number if bad.size > len(bad) else []))


def _at(where: str, step: int, number: int | None = None) -> str:
    return f"{where}, step {step}" + ("" if number is None else f", number {number}") + ", counted from 0"
