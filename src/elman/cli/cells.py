"""``--cell-from``: a cell of one's own, run from its file only when asked for."""

from __future__ import annotations

import argparse

from elman.cells.load import load_cell
from elman.cli.output import say


def add_cell_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--cell-from``."""
    parser.add_argument(
        "--cell-from",
        metavar="FILE.py",
        help="run this Python file, which registers a cell of your own; run only what you trust",
    )


def load_cells(arguments: argparse.Namespace) -> None:
    """Register the cells of the file; learning takes the only one if no other was asked for."""
    if arguments.cell_from is None:
        return
    found = load_cell(arguments.cell_from)
    names = [cell.name for cell in found]
    say(f"{arguments.cell_from} registers the cell {', '.join(names)}")
    if len(names) == 1 and not hasattr(arguments, "recurrence"):
        arguments.recurrence = names[0]
