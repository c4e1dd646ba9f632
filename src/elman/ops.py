"""tanh, sigmoid, relu, softplus, concat for whichever arrays come: NumPy's or torch's.

A cell written with these, ``@``, arithmetic and slices learns on torch tensors and runs on NumPy arrays
with the same lines. Torch is recognised by its tensors and never imported from here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""A NumPy array or a torch tensor; whatever comes in is the kind that goes out."""


def tanh(x: Array) -> Array:
    """Hyperbolic tangent, element by element."""
    torch = _torch_of(x)
    return torch.tanh(x) if torch else np.tanh(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), element by element; exact on both sides, never overflows."""
    torch = _torch_of(x)
    return torch.sigmoid(x) if torch else _sigmoid(x)


def relu(x: Array) -> Array:
    """max(x, 0), element by element; NaN stays NaN."""
    torch = _torch_of(x)
    return torch.relu(x) if torch else np.maximum(x, 0)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), element by element; never overflows."""
    torch = _torch_of(x)
    if torch:  # torch's own softplus becomes the identity above 20, which its twin below does not
        return torch.logaddexp(x, torch.zeros_like(x))
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def concat(arrays: Sequence[Array], axis: int = -1) -> Array:
    """Join arrays of one kind along ``axis`` (the features, if nothing else is said)."""
    torch = _torch_of(arrays[0])
    return torch.cat(tuple(arrays), dim=axis) if torch else np.concatenate(arrays, axis=axis)


def _sigmoid(x: Array) -> Array:
    """Take exp of negative numbers only: e = exp(-|x|); 1 / (1 + e) right of zero, e / (1 + e) left of it."""
    e = np.exp(-np.abs(x))
    return np.where(np.less(x, 0), e, 1) / (1 + e)


def _torch_of(x: Array) -> Any:
    """The torch module if ``x`` is one of its tensors, else None."""
    torch = sys.modules.get("torch")
    return torch if isinstance(x, getattr(torch, "Tensor", ())) else None
