"""What a model says of the rows of a table, as columns beside theirs."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elman.cli.columns import choose_input, input_texts
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


@dataclass(frozen=True)
class Way:
    """How a model answers the rows of a table.

    Attributes
    ----------
    answer
        Answers some of them.
    text
        The column of texts; None: it reads none.
    layout
        "rows" or "wide": each row is a sequence; "steps": a row is a step of the sequence that ``id`` names.
    """

    answer: Callable[[Model, Table, argparse.Namespace, Remarks], Answers]
    text: str | None = None
    layout: str = "rows"
    id: str | None = None


def way_of(model: Model, arguments: argparse.Namespace) -> Way:
    """Choose what answers: whole texts, steps of numbers, or sequences of any kind."""
    if isinstance(model.inputs, TextCodec) and model.task in ("classify", "regress"):
        return Way(answer_texts, asked_column(arguments, model) or "text")
    numbers = isinstance(model.inputs, NumberCodec) and isinstance(model.targets, NumberCodec)
    if numbers and model.task in ("tag", "forecast"):
        from elman.cli.answer_numbers import answer_numbers, columns_of_model

        columns = columns_of_model(model, arguments)
        return Way(answer_numbers, None, columns.layout, columns.id)
    from elman.cli.answer_sequences import answer_sequences
    from elman.cli.gather import plan_of

    plan = plan_of(model, arguments)
    return Way(answer_sequences, plan.text, plan.layout, plan.id)


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
