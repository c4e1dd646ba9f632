"""A running average of the weights, often better than the last of them."""

from __future__ import annotations

import torch

from elman.train.weights import Weights

RECENCY = 9
"""Before its window is full, the average follows (RECENCY + 1) / (t + RECENCY) of the weights."""


def new_share(decay: float, update: int) -> float:
    """Share of the newest weights in the average after ``update`` updates: 1 at first, 1 - decay at last.

    The exponential average, started as polynomial-decay averaging (Shamir and Zhang, *Stochastic Gradient
    Descent for Non-smooth Optimization*, 2013, section 4): never a trace of the first, random weights.
    """
    return max(1 - decay, (RECENCY + 1) / (update + RECENCY))


def follow(average: Weights, live: Weights, decay: float, update: int) -> None:
    """Move ``average`` towards ``live`` in place; whole numbers (counters) are copied."""
    share = new_share(decay, update)
    names = [name for name in live if live[name].is_floating_point()]
    torch._foreach_lerp_([average[name] for name in names], [live[name] for name in names], share)
    for name in live.keys() - set(names):
        average[name].copy_(live[name])
