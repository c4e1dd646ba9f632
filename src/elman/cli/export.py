"""``elman export``: carry a model to ONNX, NumPy or torch, checked beside the model."""

from __future__ import annotations

import argparse
from pathlib import Path

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.output import print_json, say
from elman.models.export import FORMATS, Export, check_place, export
from elman.models.saving import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument(
        "--format", choices=tuple(FORMATS), default="onnx", help="what to write (default: onnx)"
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="folder to write (default: the model's name and the format)"
    )
    parser.add_argument("--force", action="store_true", help="write over a folder that an export wrote")
    add_cell_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    load_cells(arguments)
    path = Path(arguments.model)
    folder = Path(arguments.output or f"{path.stem}-{arguments.format}")
    check_place(folder, force=arguments.force)
    found = export(load(path), arguments.format, path.read_bytes())
    files = found.write(folder, force=arguments.force)
    _tell(found)
    if arguments.json:
        checks = [check._asdict() for check in found.checks]
        print_json({"files": [str(file) for file in files], "checks": checks, "notes": found.notes})
        return 0
    for file in files:
        print(file)
    return 0


def _tell(found: Export) -> None:
    """Say what was checked, and what there is to know."""
    for note in found.notes:
        say(note)
    for one in found.checks:
        rows = "1 row" if one.rows == 1 else f"{one.rows} rows"
        steps = "1 step" if one.steps == 1 else f"{one.steps} steps"
        say(f"checked {one.what}, {rows}, {steps}: largest difference {one.difference:.1e}")
    if found.checks:
        worst = max(one.difference for one in found.checks)
        say(f"largest difference of all: {worst:.1e} of max(1, |y|)")
