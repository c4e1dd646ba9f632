"""The column that says in which order rows come: numbers, or dates in ISO 8601."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import numpy as np

from elman.data.numeric import MISSING, NUMBER, as_number, parse_number, placed
from elman.data.sequences import is_missing, short
from elman.data.table import Table
from elman.errors import DataError

_WHOLE = re.compile(r"[+-]?[0-9]{1,300}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_BEYOND_MICROSECONDS = re.compile(r"[.,][0-9]{6}([0-9]+)")

_Time = tuple[str, Any]
"""What kind of time it is, and a key that can be compared with others of the kind."""


def time_column(table: Table, name: str) -> list[Any]:
    """Return a key for the time of each row (N): an earlier row has a smaller one.

    A time is a number; or a date, or a date with its time, as ISO 8601 writes them (``2024-01``,
    ``2024-01-31``, ``2024-01-31T09:30:00+01:00``); or a date of Python or pandas. All are of one kind.

    Raises
    ------
    DataError
        E201 if there is no such column; with the line, E231 if a time is missing, E279 if it is none, or of
        another kind than the first, E272 if it is an infinite number.
    """
    times: list[_Time] = []
    for row, value in enumerate(table.column(name)):
        try:
            times.append(_time(value))
        except DataError as error:
            raise placed(error, table.place(row, name)) from None
        if times[-1][0] != times[0][0]:
            message = f"the time {short(value)} is {times[-1][0]}, but the first one is {times[0][0]}"
            help_ = "write all times in the same way"
            raise DataError(message, code="E279", where=table.place(row, name), help=help_)
    return [key for _, key in times]


def _time(value: Any) -> _Time:
    plain = value.strip() if isinstance(value, str) else value
    if is_missing(plain) or (isinstance(plain, str) and plain in MISSING):
        raise DataError("a time is missing", code="E231", help="fill it in, or leave the row out")
    if isinstance(plain, str):
        return _number(plain) if NUMBER.fullmatch(plain) else _dated(_parse(plain), _rest(plain))
    if isinstance(plain, (int, np.integer)):
        return "a number", int(plain)
    if isinstance(plain, (float, np.floating)):
        return "a number", as_number(plain)
    if isinstance(plain, datetime):
        return _dated(plain, 0.0)
    if isinstance(plain, date):
        return _dated(datetime(plain.year, plain.month, plain.day), 0.0)
    raise _no_time(plain)


def _number(text: str) -> _Time:
    # nanoseconds since 1970 have more digits than a float64
    return "a number", int(text) if _WHOLE.fullmatch(text) else parse_number(text)


def _parse(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text + "-01" if _MONTH.fullmatch(text) else text)
    except ValueError:
        raise _no_time(text) from None


def _rest(text: str) -> float:
    """Return the part of a microsecond that ``datetime`` cannot hold."""
    found = _BEYOND_MICROSECONDS.search(text)
    return float(f"0.{found[1]}") if found else 0.0


def _dated(moment: datetime, rest: float) -> _Time:
    return "a date" if moment.utcoffset() is None else "a date with a time zone", (moment, rest)


def _no_time(value: Any) -> DataError:
    message = f"{short(value)} is neither a number nor a date in ISO 8601"
    return DataError(message, code="E279", help="write times like 17, 2024-01-31 or 2024-01-31T09:30:00")
