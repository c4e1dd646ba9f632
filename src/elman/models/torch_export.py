"""A model for torch: weights, settings and a loader; written without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from elman.errors import UsageError
from elman.models.forecasting import Form
from elman.models.model import Model
from elman.models.npz_export import network_of, tensors_of

LAYERS = ("rnn", "lstm", "gru")
"""The recurrences that torch has."""


def torch_files(model: Model, about: Mapping[str, Any]) -> dict[str, bytes]:
    """``weights.safetensors`` and ``settings.json``.

    Raises
    ------
    UsageError
        E190 if torch has no such layer, or a forecaster's values are relative to their own series.
    """
    network = network_of(model)
    if network["recurrence"] not in LAYERS or network["nonlinearity"] == "identity":
        name = network["recurrence"] if network["recurrence"] not in LAYERS else "rnn with the identity"
        message = f"torch.nn has no layer for the cell {name}"
        raise UsageError(message, code="E190", help="--format onnx and --format npz can say it")
    if model.task == "forecast" and not Form.of(model).plain:
        message = (
            "this forecaster reads covariates or values relative to their series, which torch.nn does not"
        )
        raise UsageError(message, code="E190", help="--format onnx and --format npz can say it")
    tensors = {name: np.ascontiguousarray(array) for name, array in sorted(tensors_of(model).items())}
    told = json.dumps({**about, "network": network}, ensure_ascii=False, sort_keys=True, indent=1)
    return {"weights.safetensors": safetensors.numpy.save(tensors), "settings.json": told.encode()}
