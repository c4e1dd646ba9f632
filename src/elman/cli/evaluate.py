"""``elman evaluate``: measure a saved model on a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.columns import choose_input, input_texts, label_column
from elman.cli.output import print_json, say
from elman.cli.report import print_evaluation
from elman.cli.run import name_of
from elman.data.codec import TextCodec
from elman.data.numbers import NumberCodec
from elman.data.table import Table
from elman.models.evaluation import Evaluation, evaluate
from elman.models.model import Model
from elman.models.saving import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("data", metavar="DATA", help="a file with the columns that the model learnt from")
    parser.add_argument(
        "--train", metavar="FILE", help="what it learnt from: fits the baselines, counts leaked rows"
    )
    parser.add_argument("--target", metavar="COL", help="column with the truth (default: as in training)")
    parser.add_argument(
        "--input", metavar="COL", nargs="+", action="extend", help="column to read (default: as in training)"
    )
    parser.add_argument(
        "--encoding", metavar="NAME", help="encoding of the files (default: UTF-8, or by its mark)"
    )
    parser.add_argument("--id", metavar="COL", help="column with the ids (default: as in training)")
    parser.add_argument("--time", metavar="COL", help="column with the order (default: as in training)")
    add_cell_argument(parser)
    parser.add_argument("--picture", metavar="PNG", help="draw the confusion matrix here")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    load_cells(arguments)
    model = load(arguments.model)
    if model.task == "forecast" or (model.task == "tag" and isinstance(model.targets, NumberCodec)):
        from elman.cli.train_numbers import evaluate_numbers

        return evaluate_numbers(model, arguments)
    if model.task != "classify" or not isinstance(model.inputs, TextCodec):
        from elman.cli.train_sequences import evaluate_sequences

        return evaluate_sequences(model, arguments)
    texts, labels = _rows(model, arguments, arguments.data)
    training = None if arguments.train is None else _rows(model, arguments, arguments.train)
    say(f"{arguments.data}: {len(texts):,} rows")
    found = evaluate(model, texts, labels, training=training)
    pictures = _draw(found, arguments.picture)
    if arguments.json:
        print_json(
            {
                **found.to_json(),
                "split": _split(found, training),
                "model": arguments.model,
                "pictures": pictures,
            }
        )
    else:
        print_evaluation(found, name_of(model))
        if training is None:
            say("--train FILE adds the fitted baselines and the count of leaked rows")
    return 0


def _rows(model: Model, arguments: argparse.Namespace, path: str) -> tuple[list[str], Any]:
    """Read the columns that the model learnt from, or those that were asked for."""
    columns = model.training.get("columns", {})
    table = Table.read(path, encoding=arguments.encoding)
    target = arguments.target or columns.get("target", "label")
    table.column(target)
    named = arguments.input[0] if arguments.input else columns.get("input")
    column = choose_input(table, named, besides=target)
    return input_texts(table, column, learning=False), label_column(table, target, column)


def _split(found: Evaluation, training: tuple[list[str], Any] | None) -> dict[str, Any]:
    return {
        "train": None if training is None else len(training[0]),
        "test": found.rows,
        "leaked": found.leaked,
    }


def _draw(found: Evaluation, path: str | None) -> list[str]:
    if path is None:
        return []
    from elman.models.pictures import draw_confusion

    draw_confusion(found, Path(path))
    say(f"written: {path}")
    return [path]
