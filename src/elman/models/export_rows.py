"""Rows as an exported model reads them, and what the model itself answers to them.

A row is a dict of arrays under the names of the graph's inputs: ``ids`` (T, G); ``numbers`` (T, D) in the
user's units; of a forecaster also ``past`` (T, P) and ``known`` (T + H - 1, K), whose first row is what is
known of the step after the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import LabelCodec, TextCodec
from elman.data.mixed import MixedCodec, parted
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec
from elman.data.sequences import as_texts
from elman.data.series import as_series
from elman.models import answers, forecasting, forecasts
from elman.models.codecs import numbers_of, width_of
from elman.models.forecasting import Form, check_given, measures, readings
from elman.models.model import Model

Row = dict[str, NDArray[Any]]


def rows_of(
    model: Model, X: Any, *, covariates: Any = None, past: Any = None, conditions: Any = None
) -> list[Row]:
    """Read B sequences as ``Model.predict`` takes them.

    Raises
    ------
    UsageError, DataError
        If they cannot be read.
    """
    codec = model.inputs
    if model.task == "forecast":
        return _series_rows(Form.of(model), X, covariates, past)
    if isinstance(codec, PromptCodec):
        return [{"ids": _columns(ids)} for ids in codec.encode_all(as_texts(X), conditions)]
    if isinstance(codec, TextCodec):
        return [{"ids": _columns(ids)} for ids in codec.encode_all(as_texts(X))]
    if isinstance(codec, NumberCodec):
        codec.encode_all(X)  # says what is wrong with them
        return [{"numbers": _wide(series, codec.features)} for series in as_series(X)]
    return _mixed_rows(codec, X)


def _columns(ids: NDArray[Any]) -> NDArray[np.int64]:
    """Ids (T, G), of one column too."""
    return (ids if ids.ndim == 2 else ids[:, None]).astype(np.int64)


def _wide(series: NDArray[Any], features: int) -> NDArray[np.float64]:
    return series if len(series) else np.zeros((0, features))


def _mixed_rows(codec: MixedCodec, pairs: Any) -> list[Row]:
    """Numbers of each step beside its ids; those of a whole text stand at each."""
    codec.encode_all(pairs)  # says what is wrong with them
    texts, series, static = parted(pairs)
    rows = []
    for ids, numbers, of_all in zip(codec.text.encode_all(texts), series, static, strict=True):
        steps, wide = len(ids), _wide(numbers, codec.numbers.features)
        if of_all:
            wide = np.repeat(wide, steps, axis=0)
        elif len(wide) == steps - 1:  # the text's end is a step too
            last = wide[-1:] if len(wide) else codec.numbers.mean[None]
            wide = np.concatenate([wide, last])
        rows.append({"ids": _columns(ids), "numbers": wide})
    return rows


def _series_rows(form: Form, X: Any, covariates: Any, past: Any) -> list[Row]:
    given = forecasts.given_of(form, X, covariates, None, past)
    check_given(given, form, 0)
    rows: list[Row] = [{"numbers": series} for series in given.series]
    for row, gone in zip(rows, given.past or [], strict=False):
        row["past"] = gone[: len(row["numbers"])]
    for row, ahead in zip(rows, given.known or [], strict=False):
        steps = len(row["numbers"]) + form.horizon - 1
        row["known"] = np.full((steps, form.known), np.nan)
        there = ahead[1 : 1 + steps]
        row["known"][: len(there)] = there
    return rows


def drawn(model: Model, lengths: Sequence[int], seed: int = 0) -> list[Row]:
    """Make rows of these lengths at random, from the codecs alone; where some may be missing, some are."""
    rng = np.random.default_rng(seed)
    return [_drawn(model, steps, rng) for steps in lengths]


def _drawn(model: Model, steps: int, rng: np.random.Generator) -> Row:
    sizes, numbers = width_of(model.inputs)[0], numbers_of(model.inputs)
    row: Row = {"ids": rng.integers(0, sizes, (steps, len(sizes)))} if sizes else {}
    if numbers is None:
        return row
    if model.task == "forecast":
        return _drawn_series(Form.of(model), numbers, steps, rng)
    row["numbers"] = _normal(numbers, slice(None), steps, rng)
    if numbers.masks:
        row["numbers"][rng.random(row["numbers"].shape) < 0.25] = np.nan
    return row


def _normal(codec: NumberCodec, columns: slice, steps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    mean, scale = codec.mean[columns], codec.scale[columns]
    values: NDArray[np.float64] = mean + scale * rng.normal(size=(steps, len(mean)))
    return values


def _drawn_series(form: Form, codec: NumberCodec, steps: int, rng: np.random.Generator) -> Row:
    values = _normal(codec, slice(form.values), steps, rng)
    row: Row = {"numbers": np.cumsum(values, axis=0) if form.normalise == "last" else values}
    start = form.values + form.past
    if form.past:
        row["past"] = _normal(codec, slice(form.values, start), steps, rng)
    if form.known:
        row["known"] = _normal(codec, slice(start, start + form.known), steps + form.horizon - 1, rng)
        if codec.masks:
            row["known"][len(row["known"]) // 2 :] = np.nan
    return row


def answers_to(model: Model, rows: Sequence[Row]) -> list[NDArray[Any]]:
    """What the model answers to each row, as its exported graph does: (K,), or (T, ...) at every step."""
    sequences = [encoded(model, row) for row in rows]
    if model.task == "classify":
        return list(answers.probabilities_in_batches(model, sequences))
    if isinstance(model.targets, LabelCodec):
        return list(answers.step_probabilities(model, sequences))
    whole = model.task == "regress"
    said = answers.whole(model, sequences) if whole else answers.channels(model, sequences)
    return [in_units(model, one, row) for one, row in zip(said, rows, strict=True)]


def encoded(model: Model, row: Row) -> NDArray[Any]:
    """A row as the network reads it."""
    codec, ids = model.inputs, row.get("ids")
    if isinstance(codec, NumberCodec):
        return codec.encode(_readings(model, row) if model.task == "forecast" else row["numbers"])
    assert ids is not None
    if isinstance(codec, MixedCodec):
        channels = codec.numbers.encode(row["numbers"])
        return np.concatenate([ids.astype(np.float32), channels], axis=1)
    return ids[:, 0] if ids.shape[1] == 1 else ids


def _readings(model: Model, row: Row) -> NDArray[np.float64]:
    form, known = Form.of(model), row.get("known")
    if known is not None:  # with a row for the first step, of which nothing is read
        known = np.concatenate([np.full((1, form.known), np.nan), known])
    return readings(row["numbers"], known, row.get("past"), form)


def in_units(model: Model, said: NDArray[Any], row: Row) -> NDArray[Any]:
    """What the network says of a row, in the user's units; probabilities stay as they are."""
    if isinstance(model.targets, LabelCodec):
        return said
    values = model.numbers.decode(said)
    if model.task != "forecast" or (form := Form.of(model)).plain:
        return values
    _, shift, scale = measures(row["numbers"], form)
    apart = forecasting.in_units(values, shift, scale, form)
    return apart if form.horizon > 1 else apart[:, 0]


def units(model: Model, row: Row) -> NDArray[np.float64]:
    """What a difference of 1 in the network's own answer is in the user's units, as wide as an answer."""
    if isinstance(model.targets, LabelCodec):
        return np.ones(1)
    if model.task != "forecast" or (form := Form.of(model)).plain:
        return model.numbers.scale
    scale = measures(row["numbers"], form)[2]
    each = model.numbers.scale.reshape(form.horizon, form.values)
    return each * scale[:, None] if form.horizon > 1 else each[0] * scale


def steps_of(row: Row) -> int:
    """T, the steps of a row."""
    return len(row["ids"] if "ids" in row else row["numbers"])


def padded(rows: Sequence[Row]) -> Row:
    """Put rows into one batch: each input padded with noughts, and ``lengths`` (B,)."""
    steps = [steps_of(row) for row in rows]
    batch: Row = {"lengths": np.array(steps, np.int64)}
    for name, first in rows[0].items():
        longest = max(len(row[name]) for row in rows)
        batch[name] = np.zeros((len(rows), longest, first.shape[1]), first.dtype)
        for place, row in zip(batch[name], rows, strict=True):
            place[: len(row[name])] = row[name]
    return batch


def part(row: Row, start: int, end: int) -> Row:
    """The steps from ``start`` to ``end`` of a row, with what is known ahead of them."""
    more = len(row["known"]) - len(row["numbers"]) if "known" in row else 0
    return {name: array[start : end + (more if name == "known" else 0)] for name, array in row.items()}
