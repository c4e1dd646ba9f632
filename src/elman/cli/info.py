"""``elman info``: what is in a model file."""

from __future__ import annotations

import argparse
import dataclasses
import textwrap
from pathlib import Path
from typing import Any

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.output import print_json
from elman.cli.run import name_of
from elman.data.codec import LabelCodec, TextCodec
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec
from elman.errors import printable
from elman.models.forecasting import Form
from elman.models.model import Model
from elman.models.saving import load_and_manifest

WIDTH = 110
"""Columns of a printed line."""

MOST_SHOWN = 40
"""Labels, or other things of a list, that are printed; ``--json`` gives all."""

DEEPEST = 8
"""Values within values that are printed."""

LEARNT = ("source", "columns", "split", "seed", "complete", "elman", "libraries", "rows")
"""What is told of the training as the file has it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    add_cell_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    load_cells(arguments)
    model, manifest = load_and_manifest(arguments.model)
    facts = describe(model, manifest, Path(arguments.model))
    if arguments.json:
        print_json(facts)
        return 0
    for name, value in facts.items():
        if value not in (None, {}, []):
            print(_line(name, value))
    return 0


def classes_of(model: Model) -> list[str] | None:
    """The labels that it can answer; of a generator they are symbols, which are not listed."""
    if not isinstance(model.targets, LabelCodec) or model.task == "generate":
        return None
    return [str(label) for label in model.classes_.tolist()]


def conditions_of(model: Model) -> list[str] | None:
    """What texts can be written under."""
    conditions = model.inputs.conditions if isinstance(model.inputs, PromptCodec) else None
    return None if conditions is None else [str(label) for label in conditions.classes_.tolist()]


def text_codec_of(model: Model) -> TextCodec | None:
    """What reads its texts."""
    reader = model.inputs
    return reader if isinstance(reader, TextCodec) else getattr(reader, "text", None)


def inputs_of(model: Model) -> dict[str, Any]:
    """What it reads: texts by what unit; numbers, how many a step, and whether some may be missing."""
    text, reader = text_codec_of(model), model.inputs
    numbers = reader.numbers if isinstance(reader, MixedCodec) else reader
    texts = {} if text is None else {"unit": text.unit}
    if not isinstance(numbers, NumberCodec):
        return texts
    return texts | {"numbers": numbers.features, "scaling": numbers.scaling, "missing": numbers.masks}


def intervals_of(model: Model) -> dict[str, Any] | None:
    """Which intervals a forecaster has, and how many steps ahead they reach."""
    levels = model.details.get("intervals")
    if not levels:
        return None
    return {"coverages": [level["coverage"] for level in levels], "steps_ahead": len(levels[0]["widths"])}


def epochs_of(model: Model) -> int | None:
    """How many epochs a network learnt for, the longest of them."""
    records = [record for record in model.training.get("history", []) if isinstance(record, dict)]
    return max((n for record in records if type(n := record.get("epoch")) is int), default=None)


def describe(model: Model, manifest: dict[str, Any], path: Path) -> dict[str, Any]:
    """Collect what a person or a program asks of a model file; JSON values."""
    training, text = model.training, text_codec_of(model)
    numbers = model.targets.features if isinstance(model.targets, NumberCodec) else None
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "task": model.task,
        "network": name_of(model),
        "parameters": model.parameters,
        "causal": model.causal,
        "inputs": inputs_of(model),
        "symbols": None if text is None else len(text.symbols),
        "classes": classes_of(model),
        "conditions": conditions_of(model),
        "numbers": numbers if model.task in ("regress", "tag") else None,
        "forecast": dataclasses.asdict(Form.of(model)) if model.task == "forecast" else None,
        "intervals": intervals_of(model),
        **{name: training.get(name) for name in LEARNT},
        "epochs": epochs_of(model),
        "temperature": training.get("temperature"),
        "settings": {**vars(model.settings), **training.get("settings", {})},
        "scores": model.scores.get("scores"),
        "baselines": model.scores.get("baselines"),
        **{name: manifest[name] for name in ("format", "features", "sha256")},
    }


def _line(name: str, value: Any) -> str:
    """A fact by its name, on as many lines as it needs."""
    said = _shown(value)
    if said.startswith("\n"):
        return f"{name}:{said}"
    head = f"{name + ':':<14}"
    return textwrap.fill(
        head + said, WIDTH, subsequent_indent=" " * 14, break_long_words=False, break_on_hyphens=False
    )


def _shown(value: Any, deep: int = 0) -> str:
    if deep > DEEPEST:
        return "..."
    if isinstance(value, dict) and value and all(isinstance(part, dict) for part in value.values()):
        return "".join(f"\n  {printable(name, 80)}: {_shown(part, deep + 1)}" for name, part in value.items())
    if isinstance(value, dict):
        return ", ".join(f"{printable(name, 80)} {_shown(part, deep + 1)}" for name, part in value.items())
    if isinstance(value, list):
        more = f" and {len(value) - MOST_SHOWN:,} more" if len(value) > MOST_SHOWN else ""
        return ", ".join(_shown(part, deep + 1) for part in value[:MOST_SHOWN]) + more
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else printable(str(value), 1000)
