"""``elman verify``: whether a model gives one answer, however its sequences are run."""

from __future__ import annotations

import argparse
import math
from typing import Any

from elman.cli.answer_numbers import answer_numbers, columns_of_model
from elman.cli.answering import answer_texts, asked_column, way_of
from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.columns import choose_input, input_texts
from elman.cli.gather import gather, plan_of
from elman.cli.numbers import read
from elman.cli.output import print_json, say
from elman.data.table import Table
from elman.errors import UsageError
from elman.models.model import Model
from elman.models.saving import load
from elman.models.verify import REPORTED, Line, verify
from elman.models.verify_cases import Case, cases_of, own_cases

HEADINGS = ("way", "promise", "largest difference", "where", "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument(
        "data", metavar="FILE", nargs="?", help="sequences to run (default: a few that the model file makes)"
    )
    parser.add_argument(
        "--rows",
        type=int,
        default=100,
        metavar="N",
        help="most sequences of FILE that are run (default: 100)",
    )
    parser.add_argument(
        "--input", metavar="COL", nargs="+", action="extend", help="column to read (default: as in training)"
    )
    parser.add_argument("--id", metavar="COL", help="column with the ids (default: as in training)")
    parser.add_argument("--time", metavar="COL", help="column with the order (default: as in training)")
    parser.add_argument(
        "--encoding", metavar="NAME", help="encoding of the file (default: UTF-8, or by its mark)"
    )
    add_cell_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command: exit code 1 if a promise is broken."""
    if arguments.rows < 1:
        raise UsageError(f"--rows must be at least 1, not {arguments.rows}", code="E111", help="--rows 100")
    load_cells(arguments)
    model = load(arguments.model)
    cases = own_cases(model) if arguments.data is None else cases_in(model, arguments)
    lines = verify(model, cases)
    if arguments.json:
        told = [_to_json(line) for line in lines]
        print_json({"holds": _holds(lines), "sequences": len(cases), "lines": told})
    else:
        _print_table(lines)
        _tell(lines, len(cases))
    return 0 if _holds(lines) else 1


def cases_in(model: Model, arguments: argparse.Namespace) -> list[Case]:
    """The first sequences of the file, read as ``elman predict`` reads them."""
    table = Table.read(arguments.data, encoding=arguments.encoding)
    reads, most = way_of(model, arguments).answer, arguments.rows
    if reads is answer_texts:
        texts = input_texts(table, choose_input(table, asked_column(arguments, model)), learning=False)
        return cases_of(model, texts[:most])
    if reads is answer_numbers:
        columns = columns_of_model(model, arguments)
        rows = read(table, model.task, columns, learning=False, truth=False).rows
        known, past = (part and part[:most] for part in (rows.covariates, rows.past))
        return cases_of(model, rows.sequences[:most], covariates=known, past=past)
    plan = plan_of(model, arguments)
    inputs = gather(table, plan, model.task, truth=False).inputs[:most]
    conditions: list[Any] | None = None
    if plan.condition is not None:
        conditions = [str(value) for value in table.column(plan.condition)[:most]]
    return cases_of(model, inputs, conditions=conditions)


def _holds(lines: list[Line]) -> bool:
    return all(line.held is not False for line in lines)


def _print_table(lines: list[Line]) -> None:
    """A line for each way, its columns as wide as they need to be."""
    rows = [HEADINGS, *map(_cells, lines)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEADINGS) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())


def _cells(line: Line) -> tuple[str, ...]:
    """What a line of the table says."""
    if line.difference is None:
        return line.way, "", "", "", line.note
    verdict = {True: "held", False: "BROKEN", None: line.note}[line.held]
    difference = "0" if line.difference == 0 else f"{line.difference:.1e}"
    return line.way, line.promise, difference, _place(line), verdict


def _place(line: Line) -> str:
    if line.where is None:
        return ""
    row, step = line.where
    return f"sequence {row}" + ("" if step is None else f", step {step}")


def _tell(lines: list[Line], count: int) -> None:
    """Say on how many sequences what was found."""
    broken = [line.way for line in lines if line.held is False]
    say(f"{count:,} sequence{'s' * (count != 1)}; differences are shares of max(1, |y|)")
    if broken:
        say(f"a promise is broken: {', '.join(broken)}")
    elif any(line.promise != REPORTED for line in lines):
        say("every promise is kept")


def _to_json(line: Line) -> dict[str, Any]:
    """A line as JSON has it; a difference that is no number is null, and its promise broken."""
    finite = line.difference is not None and math.isfinite(line.difference)
    row, step = line.where or (None, None)
    return {
        "way": line.way,
        "promise": line.promise,
        "difference": line.difference if finite else None,
        "sequence": row,
        "step": step,
        "held": line.held,
        "note": line.note,
    }
