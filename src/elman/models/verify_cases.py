"""The sequences that a model is verified on: each as a network reads it whole, and as a stream reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman.data.mixed import MixedCodec
from elman.data.prompt import PromptCodec
from elman.data.sequences import as_texts
from elman.models import self_test
from elman.models.export_rows import Row, drawn, part, rows_of, steps_of
from elman.models.forecasting import Form
from elman.models.model import Model
from elman.models.stream_reading import symbols_of, text_codec


class Case(NamedTuple):
    """One sequence.

    Attributes
    ----------
    row
        What a network reads, as ``export_rows`` says it.
    symbols
        The symbols of its text; None of a model that reads numbers.
    numbers
        Beside a text: those of each symbol (n, D), or of the whole text (D,).
    condition
        What a generator's text is like.
    """

    row: Row
    symbols: Sequence[str] | None = None
    numbers: NDArray[np.float64] | None = None
    condition: Any = None


def cases_of(
    model: Model, X: Any, *, covariates: Any = None, past: Any = None, conditions: Any = None
) -> list[Case]:
    """Read B sequences as ``Model.predict`` takes them; ``UsageError`` or ``DataError`` if they are none."""
    rows = rows_of(model, X, covariates=covariates, past=past, conditions=conditions)
    if text_codec(model) is None:
        return [Case(row) for row in rows]
    mixed = isinstance(model.inputs, MixedCodec)
    texts = as_texts([text for text, _ in X] if mixed else X)
    beside = [np.asarray(numbers, np.float64) for _, numbers in X] if mixed else [None] * len(rows)
    given = [None] * len(rows) if conditions is None else conditions
    cut = [symbols_of(model, text) for text in texts]
    return [Case(*parts) for parts in zip(rows, cut, beside, given, strict=True)]


def own_cases(model: Model) -> list[Case]:
    """A few sequences made from the model's codecs alone; a generator meets its conditions in turn."""
    codec = text_codec(model)
    if codec is None:
        return [Case(row) for row in drawn(model, self_test.STEPS)]
    texts = self_test.texts(codec)
    if isinstance(model.inputs, MixedCodec):
        size, numbers = [len(symbols_of(model, text)) for text in texts], model.inputs.numbers
        rng = np.random.default_rng(0)
        series = [numbers.mean + numbers.scale * rng.normal(size=(n, numbers.features)) for n in size]
        # bytes are more than their characters, so numbers of the whole text go with them
        values = [one.sum(axis=0) if codec.unit == "byte" else one for one in series]
        return cases_of(model, list(zip(texts, values, strict=True)))
    known = model.inputs.conditions if isinstance(model.inputs, PromptCodec) else None
    classes = None if known is None else known.classes_.tolist()
    return cases_of(
        model,
        texts,
        conditions=None if classes is None else [classes[n % len(classes)] for n in range(len(texts))],
    )


def stream_steps(model: Model, case: Case) -> list[dict[str, Any]]:
    """The arguments of ``Stream.step`` for each value of a sequence."""
    row = case.row
    if case.symbols is None:
        ahead = Form.of(model).horizon if "known" in row else 0
        return [
            {
                "value": row["numbers"][t],
                **({"covariates": row["known"][t : t + ahead]} if ahead else {}),
                **({"past": row["past"][t]} if "past" in row else {}),
            }
            for t in range(steps_of(row))
        ]
    if case.numbers is None:
        return [{"value": symbol} for symbol in case.symbols]
    if case.numbers.ndim == 1:
        return [{"value": (symbol, case.numbers)} for symbol in case.symbols]
    if len(case.numbers) != len(case.symbols):
        return []  # numbers of each byte, which no stream of characters reads
    return [{"value": pair} for pair in zip(case.symbols, case.numbers, strict=True)]


def prefix(model: Model, case: Case, count: int) -> Row:
    """The sequence that has ended after ``count`` values."""
    codec = text_codec(model)
    if case.symbols is None or codec is None:
        return part(case.row, 0, count)
    text = (" " if codec.unit == "word" else "").join(case.symbols[:count])
    if case.numbers is not None:
        numbers = case.numbers if case.numbers.ndim == 1 else case.numbers[:count]
        return rows_of(model, [(text, numbers)])[0]
    conditions = None if case.condition is None else [case.condition]
    return rows_of(model, [text], conditions=conditions)[0]
