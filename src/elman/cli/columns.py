"""From a table to inputs and labels: which columns, and which values are wrong."""

from __future__ import annotations

from typing import Any

from elman.data.sequences import as_labels, as_texts
from elman.data.table import Table
from elman.errors import DataError, UsageError


def choose_input(table: Table, name: str | None, besides: str | None = None) -> str:
    """Find the input column: the one that was asked for, or the only one that is left."""
    if name is not None:
        table.column(name)
        return name
    left = [column for column in table.columns if column != besides]
    if len(left) == 1:
        return left[0]
    if not left:
        raise UsageError(
            f"{table.source} has no column but the target {besides}",
            code="E112",
            help="add a column to learn from",
        )
    raise UsageError(
        f"which column of {table.source} is the input? it could be {', '.join(left)}",
        code="E112",
        help=f"--input {left[0]}",
    )


def input_texts(table: Table, column: str, *, learning: bool) -> list[str]:
    """Read the input column as texts; learning refuses an empty one, predicting takes it."""
    values = table.column(column)
    for row, value in enumerate(values):
        if not isinstance(value, str):
            what = "is missing" if value is None else f"is {value!r}, not a text"
            raise DataError(
                f"the input {what}",
                code="E241",
                where=table.place(row, column),
                help="put the value in quotes",
            )
        if learning and not value.strip():
            raise DataError(
                "the input is empty", code="E242", where=table.place(row, column), help="leave the row out"
            )
    return as_texts(values, where=column)


def label_column(table: Table, column: str, source: str) -> Any:
    """Read the target column as labels (B,), of the type that the file gives them."""
    values = table.column(column)
    for row, value in enumerate(values):
        if value is None or (isinstance(value, str) and not value.strip()):
            raise DataError(
                "the label is empty",
                code="E243",
                where=table.place(row, column),
                help="fill it in, or leave the row out",
            )
    if column == source or values == table.column(source):
        raise DataError(
            f"the target {column} is equal to the input {source} in every row",
            code="E244",
            where=table.source,
            help="choose another --target or --input",
        )
    return as_labels(values, where=column)


def group_column(table: Table, name: str | None, split: str | None) -> list[Any] | None:
    """Read the column that says which rows belong together; None if there is none."""
    if name is None:
        if split == "group":
            raise UsageError("--split group needs a column", code="E116", help="--group COL")
        return None
    values = table.column(name)
    for row, value in enumerate(values):
        if value is None or value == "":
            raise DataError(
                "the group is empty",
                code="E245",
                where=table.place(row, name),
                help="fill it in, or leave the row out",
            )
    return values
