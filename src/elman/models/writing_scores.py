"""How well a generator foretells texts that it never saw, beside n-grams."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from elman.data.prompt import PromptCodec
from elman.models.answers import step_probabilities
from elman.models.model import Model

ORDER = 5
"""Symbols of the longest n-gram."""


def log_loss(model: Model, texts: list[str], conditions: Any = None) -> float:
    """Mean negative log-probability of each next symbol, the end included; nats."""
    codec = model.inputs
    assert isinstance(codec, PromptCodec)
    said = step_probabilities(model, codec.encode_all(texts, conditions))
    truth = codec.targets(texts, model.labels)
    total = steps = 0.0
    for probabilities, classes in zip(said, truth, strict=True):
        there = classes >= 0  # a symbol never seen cannot be said
        chosen = probabilities[np.flatnonzero(there), classes[there]]
        total -= float(np.log(np.maximum(chosen, 1e-30)).sum()) + (~there).sum() * math.log(1e-30)
        steps += len(classes)
    return total / max(steps, 1)


def ngram_log_loss(learnt: list[list[Any]], held: list[list[Any]], classes: int, order: int = ORDER) -> float:
    """The same for an n-gram model that mixes all orders (Witten and Bell 1991), fitted on ``learnt``.

    Parameters
    ----------
    learnt, held
        Classes of the symbols of each text, its end included.
    """
    counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for row in learnt:
        for place, symbol in enumerate(row):
            for n in range(order):
                if n <= place + 1:
                    counts[_before(row, place, n)][symbol] += 1
    total = steps = 0.0
    for row in held:
        for place, symbol in enumerate(row):
            total -= math.log(_probability(counts, row, place, symbol, classes, order))
            steps += 1
    return total / max(steps, 1)


def _before(row: list[Any], place: int, n: int) -> tuple[int, ...]:
    """The n symbols before ``place``; -1 stands for the beginning."""
    return tuple(([-1, *row])[place + 1 - n : place + 1])


def _probability(
    counts: dict[tuple[int, ...], Counter[int]],
    row: list[Any],
    place: int,
    symbol: int,
    classes: int,
    order: int,
) -> float:
    found = 1 / classes
    for n in range(min(order, place + 2)):
        seen = counts.get(_before(row, place, n))
        if seen is None:
            break
        total, kinds = sum(seen.values()), len(seen)
        found = (seen[symbol] + kinds * found) / (total + kinds)
    return found
