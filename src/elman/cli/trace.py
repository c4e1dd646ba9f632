"""``elman trace``: every state, gate and belief of a model over one sequence, as a picture."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.output import print_json, say
from elman.data.numeric import parse_number
from elman.errors import UsageError
from elman.files import check_writable
from elman.models.model import Model
from elman.models.saving import load
from elman.models.stream_reading import text_codec
from elman.models.trace import Trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("--text", metavar="T", help="the text to look at")
    parser.add_argument(
        "--numbers",
        metavar="X",
        nargs="+",
        action="extend",
        help="the numbers, a step each; several of a step as 1.5,2",
    )
    parser.add_argument(
        "-o", "--output", metavar="PNG", default="trace.png", help="the picture (default: trace.png)"
    )
    parser.add_argument("--force", action="store_true", help="write over what is there")
    add_cell_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    path = Path(arguments.output)
    check_writable(path)
    if path.exists() and not arguments.force:
        raise UsageError(f"{path} exists already", code="E115", help="--force writes over it")
    load_cells(arguments)
    model = load(arguments.model)
    trace = model.trace(sequence(model, arguments.text, arguments.numbers))
    trace.draw(path)
    if arguments.json:
        print_json({"picture": str(path), **arrays(trace)})
    else:
        say(f"written: {path}")
    return 0


def sequence(model: Model, text: str | None, numbers: list[str] | None) -> Any:
    """The sequence that the arguments give; ``UsageError`` if it is not what the model reads."""
    if text_codec(model) is not None and model.inputs.kind != "mixed":
        if text is None or numbers is not None:
            raise UsageError("this model reads a text", code="E133", help="elman trace MODEL --text T")
        return text
    if model.inputs.kind == "mixed":
        message = "this model reads a text with numbers, which the shell cannot give"
        raise UsageError(message, code="E133", help="in Python: model.trace((text, numbers))")
    if numbers is None or text is not None:
        raise UsageError("this model reads numbers", code="E133", help="elman trace MODEL --numbers 1 2 3")
    return np.array([[parse_number(cell) for cell in step] for step in csv.reader(numbers)])


def arrays(trace: Trace) -> dict[str, Any]:
    """A trace as JSON has it."""
    layers = [
        {
            "name": layer.name,
            "states": {name: values.tolist() for name, values in layer.states.items()},
            "gates": {name: values.tolist() for name, values in layer.gates.items()},
        }
        for layer in trace.layers
    ]
    said = {
        name: value.tolist()
        for name in ("classes", "probabilities", "values")
        if (value := getattr(trace, name)) is not None
    }
    return {"symbols": trace.symbols, **said, "layers": layers}
