"""``elman predict``: answer rows, lines or texts; one row comes out for each that goes in, in order.

The rows come, are answered and go part after part, so that a file may be larger than the memory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from elman.cli.answering import Remarks, Way, way_of
from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.progress import row_count
from elman.cli.rows import add_output_arguments, check_output, row_writer
from elman.data.contiguous import is_contiguous, whole_sequences
from elman.data.table import PART, Table, stream_parts
from elman.errors import DataError, UsageError
from elman.models.model import Model
from elman.models.saving import load

Parts = Iterable[tuple[Table, float | None]]
"""Rows, and how much of the file has been read at their end, from 0 to 1."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("data", metavar="DATA", nargs="?", help="a file; - reads a text a line from stdin")
    parser.add_argument(
        "--text", metavar="T", nargs="+", action="extend", help="answer these texts instead of a file"
    )
    shares = parser.add_mutually_exclusive_group()
    shares.add_argument("--proba", action="store_true", help="add the probability of each label")
    shares.add_argument("--top", type=int, metavar="K", help="add the K most probable labels")
    parser.add_argument(
        "--input", metavar="COL", nargs="+", action="extend", help="column to read (default: as in training)"
    )
    parser.add_argument("--id", metavar="COL", help="column with the ids (default: as in training)")
    parser.add_argument("--time", metavar="COL", help="column with the order (default: as in training)")
    add_cell_argument(parser)
    parser.add_argument(
        "--encoding", metavar="NAME", help="encoding of the file (default: UTF-8, or by its mark)"
    )
    add_output_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command: read, answer, write."""
    check_output(arguments)
    load_cells(arguments)
    model = load(arguments.model)
    _check_task(model, arguments)
    way = way_of(model, arguments)
    write_answers(model, way, read_parts(way, arguments), arguments)
    return 0


def write_answers(model: Model, way: Way, parts: Parts, arguments: argparse.Namespace) -> None:
    """Answer part after part, and write each before the next is read."""
    remarks, done = Remarks(), 0
    on_terminal = arguments.output is None and sys.stdout.isatty()
    with row_writer(arguments) as write, row_count(result_on_terminal=on_terminal) as count:
        for table, share in parts:
            answers = way.answer(model, table, arguments, remarks)
            _check_names(table, answers)
            write({**table.columns, **answers})
            done += len(table)
            count(done, share)
    remarks.tell()


def _check_task(model: Model, arguments: argparse.Namespace) -> None:
    if model.task == "generate":
        message = "this model learnt to generate texts"
        raise UsageError(message, code="E133", help=f"elman generate {arguments.model}")
    asked = "--proba" if arguments.proba else "--top"
    if (arguments.proba or arguments.top is not None) and model.task != "classify":
        message = f"this model learnt to {model.task}: its answers have no probability to write"
        raise UsageError(message, code="E133", help=f"leave {asked} out")
    if arguments.top is not None and arguments.top < 1:
        message = f"--top must be a whole number of at least 1, not {arguments.top}"
        raise UsageError(message, code="E111", help="--top 3")


def read_parts(way: Way, arguments: argparse.Namespace) -> Parts:
    """Read what is to be answered: a file, or texts from stdin or ``--text``."""
    if way.text is None and (arguments.text is not None or arguments.data in (None, "-")):
        message = "this model reads numbers: it needs a file"
        raise UsageError(message, code="E133", help="elman predict MODEL FILE")
    if (arguments.text is None) == (arguments.data is None):
        message = "give either a file (or - for stdin) or --text"
        raise UsageError(message, code="E118", help="elman predict --help")
    if arguments.text is not None:
        lines = list(range(1, len(arguments.text) + 1))
        return [(Table({way.text or "text": arguments.text}, lines, "--text"), 1.0)]
    if arguments.data == "-":
        return stream_parts(sys.stdin, PART, way.text or "text", arguments.encoding)
    return read_steps(arguments, way.id) if way.layout == "steps" else file_parts(arguments)


def file_parts(arguments: argparse.Namespace) -> Parts:
    """The file, part after part."""
    return Table.parts(arguments.data, PART, encoding=arguments.encoding)


def read_steps(arguments: argparse.Namespace, name: str | None) -> Parts:
    """A file whose rows are steps: sequence after sequence if they stand so, else whole."""
    once = name is None or not Path(arguments.data).is_file()
    if once or not is_contiguous((table for table, _ in file_parts(arguments)), name or ""):
        return [(Table.read(arguments.data, encoding=arguments.encoding), 1.0)]
    return whole_sequences(file_parts(arguments), name or "")


def _check_names(table: Table, answers: Mapping[str, Any]) -> None:
    both = [name for name in answers if name in table.columns]
    if both:
        raise DataError(
            f"{table.source} has a column {both[0]} already, which the answers would need",
            code="E246",
            help="rename it, or leave it out",
        )
