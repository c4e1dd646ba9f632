"""What a model says of the rows of a table, as columns beside theirs."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elman.cli.columns import choose_input, input_texts
from elman.cli.gather import Gathered, gather, plan_of
from elman.cli.numbers import Columns, Read, read
from elman.cli.output import say
from elman.cli.report import unseen
from elman.data.codec import TextCodec
from elman.data.numbers import NumberCodec
from elman.data.table import Table
from elman.models.model import Model

Answers = dict[str, list[Any]]


@dataclass
class Remarks:
    """What is to be told of the rows when all are answered: symbols never seen, and missing numbers."""

    unknown: Counter[str] = field(default_factory=Counter)
    missing: int = 0

    def tell(self) -> None:
        """Say it on stderr."""
        if self.unknown:
            say(unseen(self.unknown))
        if self.missing:
            numbers = "number is" if self.missing == 1 else "numbers are"
            reason = "as none was in training: each is read as the mean of training"
            say(f"{self.missing:,} {numbers} missing, {reason}")


Answerer = Callable[[Model, Table, argparse.Namespace, Remarks], Answers]


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


def layout_of(model: Model, arguments: argparse.Namespace) -> tuple[str, str | None]:
    """Say whether a row is a sequence ("rows", "wide") or a step of one ("steps"), and the column of ids."""
    if answerer(model) is answer_texts:
        return "rows", None
    if answerer(model) is answer_numbers:
        columns = Columns.of_model(model.training.get("columns", {}), arguments)
        return columns.layout, columns.id
    plan = plan_of(model, arguments)
    return plan.layout, plan.id


def asked_column(arguments: argparse.Namespace, model: Model) -> str | None:
    """Name the column to read, as asked or as in training."""
    if arguments.input:
        return str(arguments.input[0])
    column = model.training.get("columns", {}).get("input")
    return None if column is None else str(column[0] if isinstance(column, list) else column)


def answer_texts(model: Model, table: Table, arguments: argparse.Namespace, remarks: Remarks) -> Answers:
    """Answer each text."""
    texts = input_texts(table, choose_input(table, asked_column(arguments, model)), learning=False)
    remarks.unknown.update(model.unknown_symbols(texts))
    return one_answer(model, texts, arguments)


def one_answer(model: Model, inputs: Any, arguments: argparse.Namespace) -> Answers:
    """One answer for each sequence: a column ``prediction``, and the probabilities that were asked for."""
    if model.task != "classify":
        return {"prediction": np.asarray(model.predict(inputs)).tolist()}
    shares = model.predict_proba(inputs)
    answers: Answers = {"prediction": model.labels.decode(shares.argmax(axis=1)).tolist()}
    if arguments.proba:
        answers |= share_columns(model, shares)
    return answers | (top_columns(model, shares, arguments.top) if arguments.top else {})


def share_columns(model: Model, shares: Any) -> Answers:
    """Probabilities (B, K) as a column ``p_<label>`` for each label."""
    return {
        f"p_{label}": [round(share, 6) for share in shares[:, k].tolist()]
        for k, label in enumerate(model.classes_.tolist())
    }


def top_columns(model: Model, shares: Any, most: int) -> Answers:
    """The most probable labels of probabilities (B, K): ``label_1``, ``p_1``, ``label_2`` and so on."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, :most]  # of equals the first, as argmax takes it
    answers: Answers = {}
    for place, chosen in enumerate(order.T, start=1):
        found = shares[np.arange(len(shares)), chosen]
        answers[f"label_{place}"] = model.labels.decode(chosen).tolist()
        answers[f"p_{place}"] = [round(share, 6) for share in found.tolist()]
    return answers


def answer_sequences(model: Model, table: Table, arguments: argparse.Namespace, remarks: Remarks) -> Answers:
    """Answer each sequence of a table: a row of its own, or rows that are its steps."""
    plan = plan_of(model, arguments)
    found = gather(table, plan, model.task, truth=False)
    if model.task != "tag":
        answers = one_answer(model, found.inputs, arguments)
        return {name: _placed(values, found, steps=False) for name, values in answers.items()}
    said = [np.asarray(answer).tolist() for answer in model.predict(found.inputs)]
    if plan.layout == "rows":
        return {"prediction": _joined(said, model)}
    return {"prediction": _placed(said, found, steps=True)}


def _joined(tags: list[list[Any]], model: Model) -> list[str]:
    """The labels of each row in one cell: a text if each label is a letter, else a JSON list."""
    letters = all(isinstance(label, str) and len(label) == 1 for label in model.classes_.tolist())
    return ["".join(row) if letters else json.dumps(row) for row in tags]


def _placed(answers: list[Any], found: Gathered, *, steps: bool) -> list[Any]:
    """A column of the table: the answer of each sequence in its rows, or those of its steps."""
    column: list[Any] = [None] * len(found.table)
    for answer, rows in zip(answers, found.rows, strict=True):
        places = np.atleast_1d(rows).tolist()
        for row, value in zip(places, answer if steps else [answer] * len(places), strict=True):
            column[row] = value
    return column


def answer_numbers(model: Model, table: Table, arguments: argparse.Namespace, remarks: Remarks) -> Answers:
    """Answer every step: to tag its number, to forecast the next value; a wide row gets its last or all."""
    columns = Columns.of_model(model.training.get("columns", {}), arguments)
    found = read(table, model.task, columns, learning=False, truth=False)
    if isinstance(model.inputs, NumberCodec) and not model.inputs.masks:
        remarks.missing += sum(int(np.isnan(values).sum()) for values in found.rows.sequences)
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
