"""A few inputs that a saved model must answer as it did where it was written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import LabelCodec, TextCodec
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec
from elman.models.answers import Encoded, channels, probabilities, step_probabilities, whole
from elman.models.model import Model

TOLERANCE = 1e-5
"""How far an answer y may be from the one expected, as a share of max(1, |y|)."""

STEPS = (12, 12, 5)


def outputs(model: Model) -> NDArray[np.float32]:
    """Answer the inputs: what is said of each (B, K), or at all steps of all of them (T, K)."""
    if model.task == "classify":
        return probabilities(model, inputs(model))
    if model.task == "regress":
        return whole(model, inputs(model))
    if isinstance(model.targets, LabelCodec):
        return np.concatenate(step_probabilities(model, inputs(model)))
    return np.concatenate(channels(model, inputs(model)))


def inputs(model: Model) -> Encoded:
    """Make a few inputs from the codec alone, so that no training row is given away."""
    if isinstance(model.inputs, TextCodec):
        return model.inputs.encode_all(texts(model.inputs))
    if isinstance(model.inputs, PromptCodec):
        return model.inputs.encode_all(texts(model.inputs.text))
    if isinstance(model.inputs, MixedCodec):
        return _both(model.inputs)
    return [_numbers(model.inputs, steps, stride) for stride, steps in enumerate(STEPS, start=1)]


def agree(found: NDArray[np.float32], expected: NDArray[np.float32] | None) -> bool:
    """Whether the answers are those expected."""
    if expected is None or found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    with np.errstate(all="ignore"):
        return bool(np.all(np.abs(found - expected) <= TOLERANCE * np.maximum(1, np.abs(expected))))


def texts(codec: TextCodec) -> list[str]:
    """A few texts of known symbols, the empty one among them."""
    known = min(codec.sizes[0], 65)
    rows = [list(range(1, known, stride))[:12] for stride in (1, 3, 7)]
    return ["", *(codec.decode(np.array(ids, np.int32)) for ids in rows)]


def _both(codec: MixedCodec) -> Encoded:
    found = []
    for stride, ids in enumerate(codec.text.encode_all(texts(codec.text)), start=1):
        columns, numbers = ids if ids.ndim == 2 else ids[:, None], _numbers(codec.numbers, len(ids), stride)
        found.append(np.concatenate([columns.astype(np.float32), numbers], axis=1))
    return found


def _numbers(codec: NumberCodec, steps: int, stride: int) -> NDArray[np.float32]:
    """Channels from -1.5 to 1.5 that go up and down; with masks every fourth number is missing."""
    t, feature = np.arange(steps)[:, None], np.arange(codec.features)
    values = ((t * stride + feature) % 7 - 3) / 2
    if not codec.masks:
        return values.astype(np.float32)
    missing = (t + feature) % 4 == 3
    return np.concatenate([np.where(missing, 0, values), missing], axis=1).astype(np.float32)
