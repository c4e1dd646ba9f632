"""``elman predict``: answer rows, lines or texts; one row comes out for each that goes in, in order."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.columns import choose_input, input_texts
from elman.cli.gather import gather, plan_of
from elman.cli.numbers import Columns, Read, read
from elman.cli.output import say
from elman.cli.progress import counted
from elman.cli.report import unseen
from elman.data.codec import TextCodec
from elman.data.delimited import write_csv
from elman.data.numbers import NumberCodec
from elman.data.table import Table, read_stream
from elman.errors import DataError, UsageError
from elman.files import check_writable, write_whole
from elman.models.model import Model
from elman.models.saving import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("data", metavar="DATA", nargs="?", help="a file; - reads a text a line from stdin")
    parser.add_argument("--text", metavar="T", nargs="+", help="answer these texts instead of a file")
    parser.add_argument("--proba", action="store_true", help="add the probability of each label")
    parser.add_argument(
        "--input", metavar="COL", nargs="+", action="extend", help="column to read (default: as in training)"
    )
    parser.add_argument("--id", metavar="COL", help="column with the ids (default: as in training)")
    parser.add_argument("--time", metavar="COL", help="column with the order (default: as in training)")
    add_cell_argument(parser)
    parser.add_argument(
        "--encoding", metavar="NAME", help="encoding of the file (default: UTF-8, or by its mark)"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write here instead of stdout, whole or not at all"
    )
    parser.add_argument("--force", action="store_true", help="write over what is there")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.output is not None:
        _check_output(Path(arguments.output), arguments.force)
    load_cells(arguments)
    model = load(arguments.model)
    if model.task == "generate":
        message = "this model learnt to generate texts"
        raise UsageError(message, code="E133", help=f"elman generate {arguments.model}")
    plain = isinstance(model.inputs, TextCodec)
    if (model.task in ("classify", "regress") and not plain) or (model.task == "tag" and not_numbers(model)):
        table, answers = answer_sequences(arguments, model)
    elif model.task == "regress":
        table = read_inputs(arguments, model)
        texts = input_texts(table, choose_input(table, asked_column(arguments, model)), learning=False)
        answers = {"prediction": model.predict(texts).tolist()}
    elif model.task != "classify":
        table = read_numbers(arguments, model)
        answers = answer_numbers(model, table, Columns.of_model(model.training.get("columns", {}), arguments))
    else:
        table = read_inputs(arguments, model)
        texts = input_texts(table, choose_input(table, asked_column(arguments, model)), learning=False)
        with counted(len(texts), "predicting") as progress:
            answers = answer_columns(model, texts, proba=arguments.proba, progress=progress)
        _tell_unknown(model, texts)
    _check_names(table, answers)
    stream = io.StringIO() if arguments.output else sys.stdout
    (write_json if arguments.json else write_csv)(stream, {**table.columns, **answers})
    if isinstance(stream, io.StringIO):
        write_whole(arguments.output, stream.getvalue().encode())
        say(f"written: {arguments.output}")
    return 0


def asked_column(arguments: argparse.Namespace, model: Model) -> str | None:
    """Name the column to read, as asked or as in training."""
    if arguments.input:
        return str(arguments.input[0])
    column = model.training.get("columns", {}).get("input")
    return None if column is None else str(column[0] if isinstance(column, list) else column)


def not_numbers(model: Model) -> bool:
    """Whether a tagger says labels, or reads texts."""
    return not isinstance(model.targets, NumberCodec) or not isinstance(model.inputs, NumberCodec)


def answer_sequences(arguments: argparse.Namespace, model: Model) -> tuple[Table, dict[str, list[Any]]]:
    """Answer each sequence of a table: a row of its own, or rows that are its steps."""
    plan = plan_of(model, arguments)
    table = _table_of(arguments, plan.text)
    found = gather(table, plan, model.task, truth=False)
    said = [
        values.tolist() if isinstance(values, np.ndarray) else values
        for values in model.predict(found.inputs)
    ]
    if model.task == "tag" and plan.layout == "rows":
        joined = all(isinstance(label, str) and len(label) == 1 for row in said for label in row)
        return table, {"prediction": ["".join(row) if joined else json.dumps(row) for row in said]}
    shares = model.predict_proba(found.inputs) if arguments.proba and model.task == "classify" else None
    columns: dict[str, list[Any]] = {"prediction": [None] * len(table)}
    for n, rows in enumerate(found.rows):
        for place, row in enumerate(np.atleast_1d(rows).tolist()):
            columns["prediction"][row] = said[n][place] if model.task == "tag" else said[n]
    if shares is not None:
        for k, label in enumerate(model.classes_.tolist()):
            filled = [0.0] * len(table)
            for n, rows in enumerate(found.rows):
                for row in np.atleast_1d(rows).tolist():
                    filled[row] = round(float(shares[n, k]), 6)
            columns[f"p_{label}"] = filled
    return table, columns


def _table_of(arguments: argparse.Namespace, column: str | None) -> Table:
    """A file, or texts from the command line or stdin."""
    if column is None and (arguments.text is not None or arguments.data in (None, "-")):
        raise UsageError(
            "this model reads numbers: it needs a file", code="E133", help="elman predict MODEL FILE"
        )
    if (arguments.text is None) == (arguments.data is None):
        raise UsageError(
            "give either a file (or - for stdin) or --text", code="E118", help="elman predict --help"
        )
    if arguments.text is not None:
        return Table({column or "text": arguments.text}, list(range(1, len(arguments.text) + 1)), "--text")
    if arguments.data == "-":
        return read_stream(sys.stdin, column or "text")
    return Table.read(arguments.data, encoding=arguments.encoding)


def read_numbers(arguments: argparse.Namespace, model: Model) -> Table:
    """Read a table of numbers; a model of them has no texts or labels."""
    if arguments.text is not None or arguments.proba or arguments.data in (None, "-"):
        message = f"this model learnt to {model.task} numbers: it needs a file, and has no texts or labels"
        raise UsageError(message, code="E133", help="elman predict MODEL FILE")
    return Table.read(arguments.data, encoding=arguments.encoding)


def answer_numbers(model: Model, table: Table, columns: Columns) -> dict[str, list[Any]]:
    """Answer every step: to tag its number, to forecast the next value; a wide row gets its last or all."""
    found = read(table, model.task, columns, learning=False, truth=False)
    _tell_missing(model, found)
    if model.task == "tag":
        answered = model.predict(found.rows.sequences)
    else:
        rows = found.rows
        answered = model.predict_steps(rows.sequences, covariates=rows.covariates, past=rows.past)
    said = [np.reshape(values, (len(values), -1)) for values in answered]
    names = ["prediction"] if said and said[0].shape[1] == 1 else [f"prediction_{c}" for c in columns.input]
    if columns.layout == "wide":
        every = model.task == "tag"
        return {"prediction": [_plain(v if every else v[-1:]) for v in said]}
    answers = np.full((len(table), len(names)), np.nan)
    for values, places in zip(said, found.places, strict=True):
        answers[places] = values
    return dict(zip(names, answers.T.tolist(), strict=True))


def _plain(values: Any) -> Any:
    """One number, or a list of them."""
    numbers = np.squeeze(values, axis=1).tolist() if values.shape[1] == 1 else values.tolist()
    return numbers[0] if len(numbers) == 1 else numbers or None


def _tell_missing(model: Model, found: Read) -> None:
    missing = sum(int(np.isnan(values).sum()) for values in found.rows.sequences)
    if missing and isinstance(model.inputs, NumberCodec) and not model.inputs.masks:
        numbers = "number is" if missing == 1 else "numbers are"
        say(f"{missing:,} {numbers} missing, as none was in training: each is read as the mean of training")


def read_inputs(arguments: argparse.Namespace, model: Model) -> Table:
    """Read what is to be answered, from wherever it comes."""
    column = asked_column(arguments, model) or "text"
    if (arguments.text is None) == (arguments.data is None):
        raise UsageError(
            "give either a file (or - for stdin) or --text", code="E118", help="elman predict --help"
        )
    if arguments.text is not None:
        return Table({column: arguments.text}, list(range(1, len(arguments.text) + 1)), "--text")
    if arguments.data == "-":
        return read_stream(sys.stdin, column)
    return Table.read(arguments.data, encoding=arguments.encoding)


def answer_columns(
    model: Model, texts: list[str], *, proba: bool, progress: Callable[[int, int], None] | None
) -> dict[str, list[Any]]:
    """Answer each text: a column ``prediction``, and with ``proba`` a column ``p_<label>`` for each label."""
    probabilities = model.predict_proba(texts, progress=progress)
    best = probabilities.argmax(axis=1) if len(texts) else []
    columns: dict[str, list[Any]] = {"prediction": model.labels.decode(best).tolist()}
    if proba:
        for k, label in enumerate(model.classes_.tolist()):
            columns[f"p_{label}"] = [round(p, 6) for p in probabilities[:, k].tolist()]
    return columns


def write_json(stream: TextIO, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns as JSON Lines: an object for each row."""
    for row in zip(*columns.values(), strict=True):
        stream.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, default=str) + "\n")


def _check_output(path: Path, force: bool) -> None:
    check_writable(path)
    if path.exists() and not force:
        raise UsageError(f"{path} exists already", code="E115", help="--force writes over it")


def _check_names(table: Table, answers: Mapping[str, Any]) -> None:
    both = [name for name in answers if name in table.columns]
    if both:
        raise DataError(
            f"{table.source} has a column {both[0]} already, which the answers would need",
            code="E246",
            help="rename it, or leave it out",
        )


def _tell_unknown(model: Model, texts: list[str]) -> None:
    unknown = model.unknown_symbols(texts)
    if unknown:
        say(unseen(unknown))
