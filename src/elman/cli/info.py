"""``elman info``: what is in a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.output import print_json
from elman.cli.run import name_of
from elman.data.codec import LabelCodec, TextCodec
from elman.data.prompt import PromptCodec
from elman.models.model import Model
from elman.models.saving import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    add_cell_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    load_cells(arguments)
    model = load(arguments.model)
    facts = describe(model, Path(arguments.model))
    if arguments.json:
        print_json(facts)
        return 0
    for name, value in facts.items():
        if value not in (None, {}, []):
            print(f"{name + ':':<14}{_shown(value)}")
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


def describe(model: Model, path: Path) -> dict[str, Any]:
    """Collect what a person or a program asks of a model file; JSON values."""
    training = model.training
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "task": model.task,
        "network": name_of(model),
        "parameters": model.parameters,
        "causal": model.causal,
        "symbols": len(model.inputs.symbols) if isinstance(model.inputs, TextCodec) else None,
        "classes": classes_of(model),
        "conditions": conditions_of(model),
        "forecast": model.details.get("form"),
        "source": training.get("source"),
        "columns": training.get("columns"),
        "split": training.get("split"),
        "seed": training.get("seed"),
        "complete": training.get("complete"),
        "elman": training.get("elman"),
        "libraries": training.get("libraries"),
        "settings": {**vars(model.settings), **training.get("settings", {})},
        "scores": model.scores.get("scores"),
        "baselines": model.scores.get("baselines"),
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict) and all(isinstance(part, dict) for part in value.values()):
        return "".join(f"\n  {name}: {_shown(part)}" for name, part in value.items())
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
