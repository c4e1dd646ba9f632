"""What goes with a model when it leaves elman: JSON that its runners read."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

import elman
from elman.cells import cell_class
from elman.data.codec import LabelCodec, TextCodec
from elman.data.mixed import MixedCodec
from elman.data.prompt import PromptCodec
from elman.kernels.forward import cell_of, directions
from elman.models.forecasting import Form
from elman.models.model import Model
from elman.models.saving import to_bytes


def about(model: Model, source: bytes | None = None) -> dict[str, Any]:
    """Collect what a runner needs beside the weights.

    Parameters
    ----------
    source
        The model file's bytes, whose sha256 is told; by default those that ``model.save`` writes.
    """
    codec = model.inputs
    told: dict[str, Any] = {
        "elman": elman.__version__,
        "sha256": hashlib.sha256(to_bytes(model) if source is None else source).hexdigest(),
        "task": model.task,
        "causal": model.causal,
        "reads": codec.kind,
    }
    text = codec if isinstance(codec, TextCodec) else getattr(codec, "text", None)
    if isinstance(text, TextCodec):
        told["text"] = {"unit": text.unit, "edges": text.edges, "vocabulary": text.vocabulary}
    if isinstance(codec, PromptCodec) and codec.conditions is not None:
        told["conditions"] = codec.conditions.classes_.tolist()
    if isinstance(codec, MixedCodec):
        told["mean"] = codec.numbers.mean.tolist()
    if isinstance(model.targets, LabelCodec):
        told["classes"] = model.classes_.tolist()
    if model.task == "forecast":
        told |= Form.of(model).__dict__
    return told | first_states(model)


def first_states(model: Model) -> dict[str, Any]:
    """The first states of a cell of one's own that does not begin with noughts, (parts, 1, H) each."""
    cell = cell_of(model.settings)
    parts = len(model.members) * model.settings.num_layers * len(directions(model.settings))
    state = cell.initial_state(1)
    arrays = state if isinstance(state, tuple) else (state,)
    found = {
        name: np.repeat(array[None], parts, axis=0).tolist()
        for name, array in zip(cell_class(model.settings.recurrence).state_names, arrays, strict=True)
        if array.any()
    }
    return {"first": found} if found else {}
