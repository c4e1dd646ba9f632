"""Tables to sequences of numbers: one row a step, or one row a sequence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from elman.data.numeric import number_column
from elman.data.sequences import a_kind, is_missing, short
from elman.data.series import Series, series_of
from elman.data.table import Table
from elman.data.times import time_column
from elman.errors import DataError, UsageError

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Steps:
    """B sequences of a table with one row a step.

    Attributes
    ----------
    sequences
        float64 (T, D) each, NaN where a number is missing.
    ids
        What the id column says of each (B); ``[None]`` without one.
    rows
        int64 (T,) each: the rows of the table that the steps come from.
    """

    sequences: list[Series]
    ids: list[Any]
    rows: list[Rows]


def steps(
    table: Table,
    columns: str | Sequence[str],
    id: str | None = None,  # noqa: A002
    time: str | None = None,
) -> Steps:
    """Gather the rows of a table, each a step, to sequences.

    Parameters
    ----------
    columns
        The D columns of numbers.
    id
        The column whose equal values make a sequence; sequences come in the order in which their ids first
        come, and rows of several may be mixed. None: all rows are one sequence.
    time
        The column that says in which order the rows come (``time_column``): rising within each sequence, as
        the rows stand. It is there so that nothing is learnt from rows in a wrong order.

    Raises
    ------
    UsageError
        E124 if no column of numbers is named.
    DataError
        With the line: E271 or E272 if a cell is not a finite number, E231 or E238 if an id is missing or
        none, E279 if a time is none, E280 if one stands twice in a sequence, E281 if one goes back; E278 if
        ``time`` is None.
    """
    numbers = _numbers(table, _named(columns))
    groups = step_rows(table, id, time)
    return Steps([numbers[rows] for rows in groups.values()], list(groups), list(groups.values()))


def step_rows(table: Table, id: str | None, time: str | None) -> dict[Any, Rows]:  # noqa: A002
    """Return the rows of each sequence by its id, checked as ``steps`` does."""
    groups = _groups(table, id)
    if time is None:
        raise _no_order(table, groups, id)
    _check_order(table, groups, id, time)
    return groups


def wide(table: Table, columns: str | Sequence[str]) -> list[Series]:
    """Take each row of a table for a sequence.

    Parameters
    ----------
    columns
        T columns of numbers, in the order of time: each row is a sequence (T, 1), NaN where a number is
        missing. Or one column of lists (JSON Lines, Parquet), each a sequence of its own length: (T, 1), or
        (T, D) for lists of lists.

    Raises
    ------
    UsageError
        E124 if no column is named.
    DataError
        With the line, E271 or E272 if a cell is not a finite number; E231 and E271 to E274 as for
        ``as_series``.
    """
    names = _named(columns)
    if len(names) == 1 and table.holds_lists(names[0]):
        return series_of(table.column(names[0]), lambda row: table.place(row, names[0]))
    return list(_numbers(table, names)[:, :, None])


def _named(columns: str | Sequence[str]) -> list[str]:
    names = [columns] if isinstance(columns, str) else list(columns)
    if not names:
        raise UsageError("no column of numbers is named", code="E124", help="name at least one")
    return names


def _numbers(table: Table, names: list[str]) -> Series:
    return np.stack([number_column(table, name) for name in names], axis=1)


def _groups(table: Table, name: str | None) -> dict[Any, Rows]:
    """Return the rows of each id, ids in the order of their first coming."""
    if name is None:
        return {None: np.arange(len(table), dtype=np.int64)}
    rows: dict[Any, list[int]] = {}
    for row, value in enumerate(table.column(name)):
        _check_id(value, row, table, name)
        rows.setdefault(value, []).append(row)
    return {value: np.array(found, dtype=np.int64) for value, found in rows.items()}


def _check_id(value: Any, row: int, table: Table, name: str) -> None:
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        help_ = "fill it in, or leave the row out"
        raise DataError("an id is missing", code="E231", where=table.place(row, name), help=help_)
    if type(value).__hash__ is None:
        message = f"{short(value)} is {a_kind(value)}, which cannot be an id"
        raise DataError(message, code="E238", where=table.place(row, name), help="give texts or numbers")


def _check_order(table: Table, groups: dict[Any, Rows], name: str | None, time: str) -> None:
    keys = time_column(table, time)
    for rows in groups.values():
        for before, row in itertools.pairwise(rows.tolist()):
            if keys[before] == keys[row]:
                raise _twice(table, before, row, name, time)
            if keys[before] > keys[row]:
                raise _goes_back(table, before, row, name, time)


def _twice(table: Table, before: int, row: int, name: str | None, time: str) -> DataError:
    message = f"the time {short(table.column(time)[row])} stands twice{_within(table, row, name)}"
    help_ = f"it stands in {table.counted} {table.lines[before]} too; keep one of the rows{_or_id(name)}"
    return DataError(message, code="E280", where=table.place(row, time), help=help_)


def _goes_back(table: Table, before: int, row: int, name: str | None, time: str) -> DataError:
    times = table.column(time)
    message = f"the time {short(times[row])} comes after {short(times[before])}{_within(table, row, name)}"
    help_ = f"sort the file by {time if name is None else f'{name} and {time}'}{_or_id(name)}"
    return DataError(message, code="E281", where=table.place(row, time), help=help_)


def _within(table: Table, row: int, name: str | None) -> str:
    return "" if name is None else f" in the sequence {short(table.column(name)[row])}"


def _or_id(name: str | None) -> str:
    return ", or name with --id the column that tells sequences apart" if name is None else ""


def _no_order(table: Table, groups: dict[Any, Rows], name: str | None) -> DataError:
    """Say that an order is needed, and which columns rise within every sequence."""
    rising = [column for column in table.columns if column != name and _rises(table, groups, column)]
    columns = " or ".join(rising)
    help_ = f"name it with --time; it could be {columns}" if columns else "add one that counts the steps"
    message = f"rows are steps, but no column says in which order those of {table.source} come"
    where = f"{table.source}, header: {', '.join(table.columns)}"
    return DataError(message, code="E278", where=where, help=help_)


def _rises(table: Table, groups: dict[Any, Rows], column: str) -> bool:
    try:
        _check_order(table, groups, None, column)
    except DataError:
        return False
    return True
