"""One number: what a cell of a table, or a value of Python, means."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from elman.data.sequences import a_kind, is_missing, short
from elman.data.table import Table
from elman.errors import DataError

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None"})
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_INFINITE = re.compile(r"[+-]?(?:inf|infinity|∞)", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"[+-]?0[xX][0-9a-fA-F]{1,16}")
_TRUTH = re.compile(r"true|false|yes|no", re.IGNORECASE)
_COMMA = re.compile(r"([+-]?[0-9]*),([0-9]+)")
_THOUSANDS = re.compile(r"([+-]?[0-9]{1,3}(?:[,.'_ \u00a0\u202f][0-9]{3})+)(?:[,.]([0-9]+))?")


def parse_number(text: str) -> float:
    """Return the number that ``text`` says, NaN if it says that there is none.

    A number is written in decimal digits with a point: ``3``, ``+2``, ``-0.5``, ``.5``, ``1e3``. Blanks
    around it do not count. An empty text, ``NA``, ``N/A``, ``NaN``, ``nan``, ``null`` and ``None`` mean that
    the value is missing. Nothing else is read.

    Raises
    ------
    DataError
        E271 if it is not a number, E272 if it is infinite or too large for a float64.
    """
    plain = text.strip()
    if NUMBER.fullmatch(plain):
        return _finite(float(plain), text)
    if plain in MISSING:
        return math.nan
    if _INFINITE.fullmatch(plain):
        raise _too_large(text)
    raise DataError(f"{short(text)} is not a number", code="E271", help=_advice(plain))


def as_number(value: Any) -> float:
    """Return a number of Python or NumPy as a float: 1 and 0 for truth values, NaN for a missing value.

    Raises
    ------
    DataError
        E271 if it is not a number, E272 if it is infinite or too large for a float64.
    """
    if is_missing(value):
        return math.nan
    try:
        if isinstance(value, (Real, Decimal, np.bool_)):
            return _finite(float(value), value)
    except OverflowError:
        raise _too_large(value) from None
    except ValueError as error:  # a Decimal may be a signalling NaN
        if isinstance(error, DataError):
            raise
    kind = "a text" if isinstance(value, str) else a_kind(value)
    raise DataError(f"{short(value)} is {kind}, not a number", code="E271", help="convert it first")


def number_column(table: Table, name: str) -> npt.NDArray[np.float64]:
    """Return the numbers (N,) of a column; NaN where one is missing.

    Texts are read as ``parse_number`` says; numbers and truth values, as JSON Lines and Parquet have them,
    are taken as they are.

    Raises
    ------
    DataError
        E201 if there is no such column; E271 or E272, with the line, if a cell is not a finite number.
    """
    values = table.column(name)
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            numbers[row] = parse_number(value) if isinstance(value, str) else as_number(value)
        except DataError as error:
            raise placed(error, table.place(row, name)) from None
    return numbers


def constant_columns(table: Table, columns: list[str]) -> list[str]:
    """Name those of these number columns that hold one and the same number in every row that has one."""
    numbers = {name: number_column(table, name) for name in columns}
    return [name for name, values in numbers.items() if len(np.unique(values[~np.isnan(values)])) == 1]


def placed(error: DataError, where: str) -> DataError:
    """Return the same error with the place where it is."""
    return DataError(error.message, code=error.code, where=where, help=error.help)


def _finite(number: float, shown: Any) -> float:
    if math.isinf(number):
        raise _too_large(shown)
    return number


def _too_large(value: Any) -> DataError:
    help_ = "leave the cell empty (in Python: NaN) if the value is missing"
    return DataError(f"{short(value)} is infinite, or too large for a number", code="E272", help=help_)


def _advice(text: str) -> str:
    """Say how ``text`` could have been meant, without guessing."""
    if comma := _COMMA.fullmatch(text):
        whole, part = comma.groups()
        both = (
            f"{whole or 0}.{part} or {whole}{part}" if _THOUSANDS.fullmatch(text) else f"{whole or 0}.{part}"
        )
        return f"write {both}; a decimal comma is not guessed"
    if thousands := _THOUSANDS.fullmatch(text):
        whole = re.sub("[^0-9+-]", "", thousands[1])
        plain = f"{whole}.{thousands[2]}" if thousands[2] else whole
        return f"write {plain}; separators between thousands are not read"
    if _HEXADECIMAL.fullmatch(text):
        return f"write {int(text, 16)}; only decimal digits are read"
    if _TRUTH.fullmatch(text):
        return "write 1 or 0"
    return "write it like 1.5, or leave the cell empty if the value is missing"
