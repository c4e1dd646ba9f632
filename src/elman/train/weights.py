"""A module's weights as a plain dict of tensors: copied, put back, turned into arrays and out of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Weights = dict[str, Tensor]


def live_weights(module: nn.Module) -> Weights:
    """Look at ``module``'s parameters and buffers themselves: writing to them changes the module."""
    return {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}


def copy_of(weights: Weights) -> Weights:
    """Copy every tensor."""
    return {name: value.detach().clone() for name, value in weights.items()}


def put(live: Weights, weights: Mapping[str, Tensor]) -> None:
    """Write ``weights`` over ``live``, in place."""
    with torch.no_grad():
        for name, value in live.items():
            value.copy_(weights[name])


@contextmanager
def wearing(live: Weights, weights: Weights) -> Iterator[None]:
    """Give the module other weights for the length of the block."""
    own = copy_of(live)
    try:
        put(live, weights)
        yield
    finally:
        put(live, own)


def all_finite(weights: Weights) -> bool:
    """Whether no weight is NaN or infinite."""
    ends = (end for value in weights.values() if value.numel() for end in torch.aminmax(value))  # NaN is both
    return all(math.isfinite(end) for end in ends)


def to_arrays(weights: Weights, part: str) -> dict[str, NDArray[Any]]:
    """Copy to NumPy, each name under ``part/``."""
    return {f"{part}/{name}": np.array(value.detach().cpu().numpy()) for name, value in weights.items()}


def to_tensors(arrays: Mapping[str, NDArray[Any]]) -> Weights:
    """Copy from NumPy."""
    return {name: torch.from_numpy(np.array(value)).clone() for name, value in arrays.items()}
