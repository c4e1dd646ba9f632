"""Tables of numbers as the command line reads them: one row a step, or one row a sequence."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.cli.gather import is_text
from elman.data.numeric import constant_columns, number_column
from elman.data.series import as_targets
from elman.data.steps import step_rows, wide
from elman.data.table import Table
from elman.data.times import time_column
from elman.errors import DataError, UsageError
from elman.models.number_trial import NumberRows

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read, and how.

    Attributes
    ----------
    layout
        "steps": a row is a step of the sequence that ``id`` names; "wide": a row is a sequence.
    """

    layout: str
    input: list[str]
    target: str | None = None
    id: str | None = None
    time: str | None = None
    covariates: list[str] | None = None
    past: list[str] | None = None
    symbols: dict[str, list[str]] | None = None

    def to_json(self) -> dict[str, Any]:
        """What the model remembers."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def of_model(cls, given: dict[str, Any], arguments: argparse.Namespace) -> Columns:
        """As in training; the command line may name other columns."""
        asked = {name: getattr(arguments, name, None) for name in ("input", "target", "id", "time")}
        return cls(**{"layout": "steps", "input": [], **given, **{k: v for k, v in asked.items() if v}})


@dataclass(frozen=True)
class Read:
    """The sequences of a table, and for each of their steps the row it comes from."""

    table: Table
    columns: Columns
    rows: NumberRows
    names: list[str]
    places: list[NDArray[np.int64]]


def choose(table: Table, task: str, arguments: argparse.Namespace) -> Columns:
    """Find the columns to learn from."""
    named = [*(arguments.input or []), *filter(None, (arguments.id, arguments.time, arguments.target))]
    for name in named:
        table.column(name)
    known, past = (getattr(arguments, name, None) or [] for name in ("covariates", "past"))
    beside = [*known, *past]
    for name in beside:
        table.column(name)
    named_ones = (arguments.id, arguments.time, arguments.target, *beside)
    left = [name for name in table.columns if name not in named_ones]
    if task == "tag":
        return _choose_tag(table, arguments, left)
    if arguments.target is None and arguments.id is None and arguments.time is None:
        return Columns("wide", arguments.input or left)
    if arguments.input:
        message = "a forecast reads the series itself, so --input has no meaning beside --time"
        raise UsageError(message, code="E112", help="--target COL names the numbers to forecast")
    if arguments.target is None and len(left) != 1:
        message = f"which column of {table.source} is to be forecast? it could be {', '.join(left)}"
        raise UsageError(message, code="E112", help=f"--target {left[0]}" if left else "add one")
    values = arguments.target or left[0]
    symbols = _symbols(table, beside)
    return Columns(
        "steps", [values], None, arguments.id, arguments.time, known or None, past or None, symbols
    )


def _choose_tag(table: Table, arguments: argparse.Namespace, left: list[str]) -> Columns:
    if arguments.target is None:
        message = f"which column of {table.source} is the target? it could be {', '.join(left)}"
        raise UsageError(message, code="E112", help=f"--target {left[-1]}")
    inputs = arguments.input or left
    if not inputs:
        message = f"{table.source} has no column but the target {arguments.target}"
        raise UsageError(message, code="E112", help="add a column to learn from")
    if arguments.target in inputs:
        where = f"{table.source}, column {arguments.target}"
        message = f"the target {arguments.target} is an input too"
        raise DataError(message, code="E244", where=where, help="choose another --target or --input")
    lists = any(isinstance(value, list) for value in table.column(arguments.target)[:1])
    layout = "wide" if lists and arguments.time is None else "steps"
    symbols = None if layout == "wide" else _symbols(table, inputs)
    inputs = [name for name in inputs if name not in (symbols or {})]
    return Columns(layout, inputs, arguments.target, arguments.id, arguments.time, symbols=symbols)


def _symbols(table: Table, names: list[str]) -> dict[str, list[str]] | None:
    """The columns of texts among these, each with its values; each value is read as 0 or 1."""
    texts = [name for name in names if not table.holds_lists(name) and is_text(table, name)]
    for name in texts:
        values = {str(value) for value in table.column(name)}
        if len(values) > MOST_SYMBOLS:
            message = (
                f"the column {name} is a text with {len(values):,} values, too many to be read one by one"
            )
            raise DataError(
                message, code="E271", where=table.source, help="leave it out: --input names the others"
            )
    return {name: sorted({str(value) for value in table.column(name)}) for name in texts} or None


MOST_SYMBOLS = 100


def read(table: Table, task: str, columns: Columns, *, learning: bool, truth: bool = True) -> Read:
    """Gather sequences and their targets, each wrong thing with its line.

    ``learning`` refuses what teaches nothing; ``truth`` reads the target too.
    """
    if columns.layout == "wide":
        found = _read_wide(table, task, columns, truth=truth)
    else:
        found = _read_steps(table, task, columns, truth=truth)
    if truth:
        _check_missing(found)
    if learning:
        _check_lengths(found)
    return found


def _read_steps(table: Table, task: str, columns: Columns, *, truth: bool) -> Read:
    groups = step_rows(table, columns.id, columns.time)
    symbols, beside = columns.symbols or {}, [*(columns.covariates or []), *(columns.past or [])]

    def gathered(names: list[str]) -> list[Values]:
        every = _matrix(table, names, symbols)
        return [every[rows] for rows in groups.values()]

    inputs = gathered([*columns.input, *(name for name in symbols if name not in beside)])
    targets = gathered([columns.target]) if columns.target and truth else None
    covariates, past = (gathered(names) if names else None for names in (columns.covariates, columns.past))
    names = [table.source if name is None else f"{columns.id} {name}" for name in groups]
    rows = NumberRows(task, inputs, targets, covariates, past)
    return Read(table, columns, rows, names, list(groups.values()))


def _matrix(table: Table, names: list[str], symbols: dict[str, list[str]]) -> Values:
    """Columns of numbers as they are, of texts as 0 or 1 for each of their values: (N, ...)."""
    found: list[Values] = []
    for name in names:
        if name in symbols:
            values = [str(value) for value in table.column(name)]
            found += [np.array([value == one for value in values], float) for one in symbols[name]]
        else:
            found.append(number_column(table, name))
    return np.stack(found, axis=1) if found else np.zeros((len(table), 0))


def cuts_at(found: Read, time: str) -> list[int]:
    """The first step of each sequence that is not before ``time``."""
    columns = found.columns
    if columns.time is None:
        raise UsageError("--cut needs a column of times", code="E112", help="--time COL names it")
    column = [*found.table.column(columns.time), time]
    more = Table({columns.time: column}, [*found.table.lines, 0], "--cut", counted="row")
    keys = time_column(more, columns.time)
    return [
        next((step for step, row in enumerate(rows.tolist()) if keys[row] >= keys[-1]), len(rows))
        for rows in found.places
    ]


def _read_wide(table: Table, task: str, columns: Columns, *, truth: bool) -> Read:
    sequences = wide(table, columns.input)
    targets = None
    if columns.target and truth:
        targets = as_targets(wide(table, columns.target), sequences)
    names = [f"{table.counted} {line}" for line in table.lines]
    places = [np.full(len(values), row, np.int64) for row, values in enumerate(sequences)]
    return Read(table, columns, NumberRows(task, sequences, targets), names, places)


def _check_missing(found: Read) -> None:
    """A missing number may be an input, never what is to be learnt or scored."""
    named = [found.columns.target] if found.rows.targets is not None else found.columns.input
    wanted = found.rows.sequences if found.rows.targets is None else found.rows.targets
    for values, rows in zip(wanted, found.places, strict=True):
        gaps = np.argwhere(np.isnan(values))
        if len(gaps):
            step, column = gaps[0].tolist()
            at = step if found.columns.layout == "wide" and len(named) > 1 else column
            where = found.table.place(int(rows[step]), named[min(at, len(named) - 1)])
            message = "the number is missing, and it is one to learn or to compare with"
            raise DataError(message, code="E287", where=where, help="fill it in, or leave the row out")


def _check_lengths(found: Read) -> None:
    least = 2 if found.rows.task == "forecast" else 1
    for row, (values, name) in enumerate(zip(found.rows.sequences, found.names, strict=True)):
        if len(values) < least:
            places = found.places[row]
            where = found.table.place(int(places[0]) if len(places) else row)
            what = "is empty" if not len(values) else "has one step only, so there is no next value to learn"
            message = f"the sequence {name} {what}"
            code = "E286" if len(values) else "E284"
            raise DataError(message, code=code, where=where, help="leave it out, or add steps")


def notes(found: Read) -> list[str]:
    """Say what was read, and what is unusual about it."""
    rows, columns = found.rows, found.columns
    beside = [*(columns.covariates or []), *(columns.past or [])]
    named = [*columns.input, *beside, *(name for name in columns.symbols or {} if name not in beside)]
    reads = ", ".join(named[:6]) + (" …" if len(named) > 6 else "")
    arrow = "the next value" if columns.target is None else columns.target
    many = "1 sequence" if len(rows.sequences) == 1 else f"{len(rows.sequences):,} sequences"
    lines = [f"{found.table.source}: {many}, {rows.steps:,} steps, {reads} -> {arrow}"]
    if columns.layout == "steps":
        named = [*columns.input, *([columns.target] if columns.target else [])]
        constant = constant_columns(found.table, named)
        if constant:
            lines.append(f"constant, so nothing can be learnt of it: {', '.join(constant)}")
    return lines
