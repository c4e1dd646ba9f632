"""What a model says at every step of series of numbers."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from elman.cli.answering import Answers, Remarks
from elman.cli.numbers import Columns, Read, read
from elman.data.numbers import NumberCodec
from elman.data.table import Table
from elman.models.model import Model


def columns_of_model(model: Model, arguments: argparse.Namespace) -> Columns:
    """The columns of training, or those that were asked for."""
    return Columns.of_model(model.training.get("columns", {}), arguments)


def answer_numbers(model: Model, table: Table, arguments: argparse.Namespace, remarks: Remarks) -> Answers:
    """Answer every step: to tag its number, to forecast the next value; a wide row gets its last or all."""
    columns = columns_of_model(model, arguments)
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
