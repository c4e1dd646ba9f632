"""What a model says of sequences: each a row of a table, or several rows that are its steps."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from elman.cli.answering import Answers, Remarks, one_answer
from elman.cli.gather import Gathered, gather, plan_of
from elman.data.table import Table
from elman.models.model import Model


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
