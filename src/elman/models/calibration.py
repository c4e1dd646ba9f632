"""Probabilities that are right as often as they say, by one temperature (Guo et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from elman.models.model import Tensors

Floats = NDArray[np.float64]
COLDEST, HOTTEST = 0.05, 20.0
GOLDEN = (math.sqrt(5) - 1) / 2


def temperature(logits: NDArray[np.floating], classes: NDArray[np.int64]) -> float:
    """Find the number that logits (B, K) are to be divided by so that the log-loss on ``classes`` is least.

    A golden-section search over its logarithm; the loss is convex in the inverse.
    """
    low, high = math.log(COLDEST), math.log(HOTTEST)
    wide = logits.astype(np.float64)

    def loss(t: float) -> float:
        scaled = wide / math.exp(t)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(classes)), classes]
        return float((np.log(np.exp(scaled).sum(axis=1)) - chosen).mean())

    return math.exp(_least(loss, low, high))


def _least(of: Callable[[float], float], low: float, high: float) -> float:
    a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    one, other = of(a), of(b)
    while high - low > 1e-6:
        if one < other:
            high, b, other = b, a, one
            a = high - GOLDEN * (high - low)
            one = of(a)
        else:
            low, a, one = a, b, other
            b = low + GOLDEN * (high - low)
            other = of(b)
    return (low + high) / 2


def cooled(member: Tensors, by: float) -> Tensors:
    """Divide a network's logits by a temperature: its head is divided by it."""
    head = ("head.weight", "head.bias")
    return {
        name: (t / np.float32(by)).astype(np.float32) if name in head else t for name, t in member.items()
    }
