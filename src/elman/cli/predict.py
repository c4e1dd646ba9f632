"""``elman predict``: answer rows, lines or texts; one row comes out for each that goes in, in order."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.columns import choose_input, input_texts
from elman.cli.gather import Gathered, gather, plan_of
from elman.cli.numbers import Columns, Read, read
from elman.cli.output import say
from elman.cli.progress import counted
from elman.cli.report import unseen
from elman.cli.rows import add_output_arguments, check_output, write_rows
from elman.data.codec import TextCodec
from elman.data.numbers import NumberCodec
from elman.data.table import Table, read_stream
from elman.errors import DataError, UsageError
from elman.models.model import Model
from elman.models.saving import load

Answers = dict[str, list[Any]]
Answerer = Callable[[Model, Table, argparse.Namespace], Answers]


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
    add_output_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command: read, answer, write."""
    check_output(arguments)
    load_cells(arguments)
    model = load(arguments.model)
    _check_task(model, arguments)
    table = read_table(arguments, text_column(model, arguments))
    answers = answerer(model)(model, table, arguments)
    _check_names(table, answers)
    write_rows(arguments, {**table.columns, **answers})
    return 0


def _check_task(model: Model, arguments: argparse.Namespace) -> None:
    if model.task == "generate":
        message = "this model learnt to generate texts"
        raise UsageError(message, code="E133", help=f"elman generate {arguments.model}")
    if arguments.proba and model.task != "classify":
        message = f"this model learnt to {model.task}: its answers have no probability to write"
        raise UsageError(message, code="E133", help="leave --proba out")


def answerer(model: Model) -> Answerer:
    """Choose what answers: whole texts, steps of numbers, or sequences of any kind."""
    if isinstance(model.inputs, TextCodec) and model.task in ("classify", "regress"):
        return answer_texts
    numbers = isinstance(model.inputs, NumberCodec) and isinstance(model.targets, NumberCodec)
    return answer_numbers if numbers and model.task in ("tag", "forecast") else answer_sequences


def text_column(model: Model, arguments: argparse.Namespace) -> str | None:
    """Name the column of texts, as asked or as in training; None for a model that reads none."""
    if answerer(model) is answer_texts:
        return asked_column(arguments, model) or "text"
    return None if answerer(model) is answer_numbers else plan_of(model, arguments).text


def asked_column(arguments: argparse.Namespace, model: Model) -> str | None:
    """Name the column to read, as asked or as in training."""
    if arguments.input:
        return str(arguments.input[0])
    column = model.training.get("columns", {}).get("input")
    return None if column is None else str(column[0] if isinstance(column, list) else column)


def read_table(arguments: argparse.Namespace, column: str | None) -> Table:
    """Read what is to be answered: a file, or texts, which become ``column``, from stdin or ``--text``."""
    if column is None and (arguments.text is not None or arguments.data in (None, "-")):
        message = "this model reads numbers: it needs a file"
        raise UsageError(message, code="E133", help="elman predict MODEL FILE")
    if (arguments.text is None) == (arguments.data is None):
        message = "give either a file (or - for stdin) or --text"
        raise UsageError(message, code="E118", help="elman predict --help")
    if arguments.text is not None:
        return Table({column or "text": arguments.text}, list(range(1, len(arguments.text) + 1)), "--text")
    if arguments.data == "-":
        return read_stream(sys.stdin, column or "text")
    return Table.read(arguments.data, encoding=arguments.encoding)


def answer_texts(model: Model, table: Table, arguments: argparse.Namespace) -> Answers:
    """Answer each text: a column ``prediction``, and with ``--proba`` a column for each label."""
    texts = input_texts(table, choose_input(table, asked_column(arguments, model)), learning=False)
    if model.task == "regress":
        return {"prediction": model.predict(texts).tolist()}
    with counted(len(texts), "predicting") as progress:
        shares = model.predict_proba(texts, progress=progress)
    best = shares.argmax(axis=1) if len(texts) else []
    _tell_unknown(model, texts)
    answers: Answers = {"prediction": model.labels.decode(best).tolist()}
    return answers | (share_columns(model, shares) if arguments.proba else {})


def share_columns(model: Model, shares: Any) -> Answers:
    """Probabilities (B, K) as a column ``p_<label>`` for each label."""
    return {
        f"p_{label}": [round(share, 6) for share in shares[:, k].tolist()]
        for k, label in enumerate(model.classes_.tolist())
    }


def answer_sequences(model: Model, table: Table, arguments: argparse.Namespace) -> Answers:
    """Answer each sequence of a table: a row of its own, or rows that are its steps."""
    plan = plan_of(model, arguments)
    found = gather(table, plan, model.task, truth=False)
    said = [np.asarray(answer).tolist() for answer in model.predict(found.inputs)]
    if model.task == "tag" and plan.layout == "rows":
        return {"prediction": _joined(said)}
    answers = {"prediction": said}
    if arguments.proba:
        answers |= share_columns(model, model.predict_proba(found.inputs))
    return {name: _placed(values, found, steps=model.task == "tag") for name, values in answers.items()}


def _joined(tags: list[list[Any]]) -> list[str]:
    """The labels of each row in one cell: a text if each is a letter, else a JSON list."""
    letters = all(isinstance(label, str) and len(label) == 1 for row in tags for label in row)
    return ["".join(row) if letters else json.dumps(row) for row in tags]


def _placed(answers: list[Any], found: Gathered, *, steps: bool) -> list[Any]:
    """A column of the table: the answer of each sequence in its rows, or those of its steps."""
    column: list[Any] = [None] * len(found.table)
    for answer, rows in zip(answers, found.rows, strict=True):
        places = np.atleast_1d(rows).tolist()
        for row, value in zip(places, answer if steps else [answer] * len(places), strict=True):
            column[row] = value
    return column


def answer_numbers(model: Model, table: Table, arguments: argparse.Namespace) -> Answers:
    """Answer every step: to tag its number, to forecast the next value; a wide row gets its last or all."""
    columns = Columns.of_model(model.training.get("columns", {}), arguments)
    found = read(table, model.task, columns, learning=False, truth=False)
    _tell_missing(model, found)
    said = _said_at_steps(model, found)
    if columns.layout == "wide":
        every = model.task == "tag"
        return {"prediction": [_plain(values if every else values[-1:]) for values in said]}
    names = ["prediction"] if said and said[0].shape[1] == 1 else [f"prediction_{c}" for c in columns.input]
    answers = np.full((len(table), len(names)), np.nan)
    for values, places in zip(said, found.places, strict=True):
        answers[places] = values
    return dict(zip(names, answers.T.tolist(), strict=True))


def _said_at_steps(model: Model, found: Read) -> list[Any]:
    """What is said at every step of each sequence: (T, K) each."""
    rows = found.rows
    if model.task == "tag":
        answered = model.predict(rows.sequences)
    else:
        answered = model.predict_steps(rows.sequences, covariates=rows.covariates, past=rows.past)
    return [np.reshape(values, (len(values), -1)) for values in answered]


def _plain(values: Any) -> Any:
    """One number, or a list of them."""
    numbers = np.squeeze(values, axis=1).tolist() if values.shape[1] == 1 else values.tolist()
    return numbers[0] if len(numbers) == 1 else numbers or None


def _tell_missing(model: Model, found: Read) -> None:
    missing = sum(int(np.isnan(values).sum()) for values in found.rows.sequences)
    if missing and isinstance(model.inputs, NumberCodec) and not model.inputs.masks:
        numbers = "number is" if missing == 1 else "numbers are"
        say(f"{missing:,} {numbers} missing, as none was in training: each is read as the mean of training")


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
