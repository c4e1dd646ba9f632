"""What comes from Python (lists, arrays, Series, Arrow columns) as plain texts, labels and weights.

pandas, polars and pyarrow objects are known by what they can do; none of them is imported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from elman.errors import DataError, UsageError

LONGEST_LABEL = 256  # characters; an array of labels is as wide as its longest one


def as_texts(X: Any, where: str = "X") -> list[str]:
    """Return the texts of a list, tuple, array, Series or Arrow column, or of a table with one column.

    Parameters
    ----------
    X
        B texts; an empty text is legal.
    where
        What errors call ``X``.

    Raises
    ------
    UsageError
        E124 if ``X`` is not a column of values.
    DataError
        E231 if a value is missing, E232 if it is not a text, E233 if it holds half a character.
    """
    values = as_column(X, where)
    if all(type(value) is str for value in values):
        texts: list[str] = values
    else:
        texts = [_text(value, where, row) for row, value in enumerate(values)]
    for row, text in enumerate(texts):
        _check_whole(text, where, row)
    return texts


def as_labels(y: Any, where: str = "y") -> npt.NDArray[Any]:
    """Return labels (B,): text, whole numbers, floats or truth values, of the type that came.

    Raises
    ------
    UsageError
        E124 if ``y`` is not a column of values.
    DataError
        E231 if a label is missing, E234 if it is empty, E235 if it can be no label, E236 if the labels are
        of several types.
    """
    values = as_column(y, where)
    for value, row in sorted(_first_rows(values, where).items(), key=itemgetter(1)):
        _check_label(value, where, row)
    kind = _common_kind(values, where)
    given = getattr(y, "dtype", None)
    if (
        kind in ("int", "float")
        and isinstance(given, np.dtype)
        and given.kind in "iuf"
        and given.itemsize <= 8
    ):
        return np.array(values, dtype=given.newbyteorder("="))
    return np.array(
        values, dtype={"str": np.str_, "bool": np.bool_, "int": np.int64, "float": np.float64}[kind]
    )


def as_weights(weights: Any, where: str = "sample_weight") -> npt.NDArray[np.float32]:
    """Return weights (B,), each finite and at least 0, and one of them above 0.

    Raises
    ------
    UsageError
        E124 if ``weights`` is not a column of values.
    DataError
        E231 if a weight is missing, E237 if it cannot be one.
    """
    values = as_column(weights, where)
    for row, value in enumerate(values):
        if is_missing(value):
            raise _missing(where, row)
        if not _is_number(value) or not 0 <= float(value) <= float(np.finfo(np.float32).max):
            raise _bad_value(where, row, f"{short(value)}, not a finite number of at least 0", "E237")
    if values and not any(values):
        raise DataError(f"every weight of {where} is 0", code="E237", help="leave some rows a weight above 0")
    return np.array(values, dtype=np.float32)


def as_groups(groups: Any, where: str = "groups") -> list[Any]:
    """Return group keys (B): rows with equal keys belong together.

    Raises
    ------
    UsageError
        E124 if ``groups`` is not a column of values.
    DataError
        E231 if a key is missing, E238 if it cannot be compared with others.
    """
    values = as_column(groups, where)
    for row, value in enumerate(values):
        if is_missing(value):
            raise _missing(where, row)
        if value.__hash__ is None:
            raise _bad_value(where, row, f"{a_kind(value)}, which cannot be a key", "E238")
    return values


def check_same_length(
    first: Sequence[Any], second: Sequence[Any], names: tuple[str, str] = ("X", "y")
) -> None:
    """Raise ``DataError`` (E239) unless both have the same number of rows."""
    if len(first) != len(second):
        message = f"{names[0]} has {len(first):,} rows, {names[1]} has {len(second):,}"
        raise DataError(message, code="E239", help="give one of each for every row")


def as_column(X: Any, where: str) -> list[Any]:
    """Return the values of a 1-D container, or of a 2-D one that has a single column."""
    if isinstance(X, (str, bytes)):
        shown = short(X)
        raise UsageError(
            f"{where} is one text, not a list of texts", code="E124", help=f"did you mean [{shown}] ?"
        )
    shape = getattr(X, "shape", None)
    if isinstance(shape, tuple) and len(shape) > 1:
        return as_column(_only_column(X, shape, where), where)
    if isinstance(X, (Mapping, Set)) or shape == () or not isinstance(X, Iterable):
        raise UsageError(
            f"{where} is {a_kind(X)}, not a list of values", code="E124", help="give a list or an array"
        )
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(X, method):
            return list(getattr(X, method)())
    return list(X)


def _only_column(X: Any, shape: tuple[Any, ...], where: str) -> Any:
    if len(shape) != 2 or shape[1] != 1:
        size = " x ".join(str(n) for n in shape)
        raise UsageError(
            f"{where} must be one column, but its shape is {size}", code="E124", help="choose one column"
        )
    if hasattr(X, "iloc"):
        return X.iloc[:, 0]
    if hasattr(X, "get_columns"):  # polars
        return X.get_columns()[0]
    return X.column(0) if hasattr(X, "column_names") else X[:, 0]


def is_missing(value: Any) -> bool:
    """Whether ``value`` is None, NaN, or pandas' NA or NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def _text(value: Any, where: str, row: int) -> str:
    if is_missing(value):
        raise _missing(where, row)
    if not isinstance(value, str):
        raise _bad_value(where, row, f"{a_kind(value)}, not a text", "E232")
    return str(value)


_HALVES = re.compile("[\ud800-\udfff]")


def is_broken(text: str) -> bool:
    """Whether ``text`` holds half a character (a lone surrogate), which no file can hold."""
    return not text.isascii() and _HALVES.search(text) is not None


def _check_whole(text: str, where: str, row: int) -> None:
    if is_broken(text):
        raise _bad_value(where, row, "broken: it holds half a character (a lone surrogate)", "E233")


def _check_label(value: Any, where: str, row: int) -> None:
    if is_missing(value):
        raise _missing(where, row)
    if isinstance(value, str):
        _check_name(value, where, row)
    elif not (_is_number(value) or isinstance(value, (bool, np.bool_))) or not math.isfinite(value):
        raise _bad_value(where, row, f"{short(value)}, which cannot be a label", "E235")


def _check_name(label: str, where: str, row: int) -> None:
    if not label.strip():
        raise DataError(
            f"{where}[{row}] is an empty label", code="E234", where=_place(where, row), help=_REMOVE
        )
    _check_whole(label, where, row)
    if "\0" in label:
        raise _bad_value(where, row, "a label with a NUL character", "E235")
    if len(label) > LONGEST_LABEL:
        raise _bad_value(where, row, f"a text of {len(label):,} characters, too long for a label", "E235")


def _first_rows(values: list[Any], where: str) -> dict[Any, int]:
    """Each different value with its first row: labels repeat, so one look at each is enough."""
    try:
        return dict(zip(reversed(values), reversed(range(len(values))), strict=True))
    except TypeError:
        row = next(row for row, value in enumerate(values) if type(value).__hash__ is None)
        raise _bad_value(where, row, f"{short(values[row])}, which cannot be a label", "E235") from None


def _common_kind(values: list[Any], where: str) -> str:
    if set(map(type, values)) == {str}:
        return "str"
    kinds = {_kind(value): row for row, value in reversed(list(enumerate(values)))}
    if set(kinds) == {"int", "float"}:
        return "float"
    if len(kinds) > 1:
        (one, first), (other, second) = sorted(kinds.items(), key=lambda item: item[1])[:2]
        message = f"the labels of {where} are of several types: {one} in row {first}, {other} in row {second}"
        raise DataError(
            message, code="E236", where=_place(where, second), help="make them all text or all numbers"
        )
    return next(iter(kinds), "str")


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "str"
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    return "float" if isinstance(value, (float, np.floating)) else "int"


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return False
    if isinstance(value, (int, np.integer)):
        return -(2**63) <= int(value) < 2**63
    return isinstance(value, (float, np.floating))


_REMOVE = "fill it in, or leave the row out"


def _missing(where: str, row: int) -> DataError:
    return DataError(f"{where}[{row}] is missing", code="E231", where=_place(where, row), help=_REMOVE)


def _bad_value(where: str, row: int, what: str, code: str) -> DataError:
    help_ = "convert it first" if code == "E232" else "correct the row, or leave it out"
    return DataError(f"{where}[{row}] is {what}", code=code, where=_place(where, row), help=help_)


def _place(where: str, row: int) -> str:
    return f"{where}, row {row}, counted from 0"


def a_kind(value: Any) -> str:
    """Name the type of ``value``, as a message does: a list, an int."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def short(value: Any) -> str:
    """Return ``value`` as a message shows it, cut if it is long."""
    shown = repr(value.item() if isinstance(value, np.generic) else value)
    return shown if len(shown) <= 40 else shown[:36] + " ..."
