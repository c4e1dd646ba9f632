"""Tables that come as Python objects: DataFrames of pandas and polars, Arrow tables, dicts of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elman.data.sequences import as_column
from elman.data.source import Parsed, check_names
from elman.errors import DataError, UsageError


def columns_of(frame: Any, name: str) -> Parsed:
    """Return the columns of ``frame``, and its row numbers from 1.

    Raises
    ------
    UsageError
        E222 if it is not a table.
    DataError
        E206 if it has no rows, E212 or E213 if columns share a name or have none, E221 if they differ in
        length.
    """
    pairs = _pairs(frame)
    check_names([column for column, _ in pairs], name)
    columns = {column: as_column(values, column) for column, values in pairs}
    lengths = {column: len(values) for column, values in columns.items()}
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{column} {length:,}" for column, length in lengths.items())
        message = f"the columns of {name} differ in length: {sizes}"
        raise DataError(message, code="E221", help="give every column a value for every row")
    rows = next(iter(lengths.values()), 0)
    if rows == 0:
        raise DataError(f"{name} has no rows", code="E206", help="is it the right table?")
    return Parsed(columns, list(range(1, rows + 1)))


def _pairs(frame: Any) -> list[tuple[Any, Any]]:
    if isinstance(frame, Mapping):
        return list(frame.items())
    if hasattr(frame, "column_names") and hasattr(frame, "column"):  # Arrow
        return [(column, frame.column(place)) for place, column in enumerate(frame.column_names)]
    if hasattr(frame, "get_columns"):  # polars
        return [(series.name, series) for series in frame.get_columns()]
    if hasattr(frame, "columns") and hasattr(frame, "iloc"):  # pandas
        return [(column, frame.iloc[:, place]) for place, column in enumerate(frame.columns)]
    message = f"{type(frame).__name__} is not a table"
    raise UsageError(message, code="E222", help="give a DataFrame, an Arrow table or a dict of columns")
