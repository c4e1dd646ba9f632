"""Rows as a network learns them: encoded sequences, targets, weights; checked before learning starts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.data.batch import Batch, batch_rows, make_batch
from elman.errors import DataError, UsageError

MOST_STEPS = 100_000
"""Learning keeps every step of a sequence in memory; longer ones wait for stateful learning."""

VALIDATION_BATCH = 512


@dataclass(frozen=True)
class Examples:
    """B encoded sequences with their targets and weights (B,), or None.

    Targets are classes (B,) or numbers (B, K); or at every step, B arrays (T,) or (T, K).
    """

    sequences: Sequence[NDArray[Any]]
    targets: NDArray[Any] | list[NDArray[Any]]
    weights: NDArray[np.float32] | None

    def batches(self, rows: NDArray[np.int64], size: int, seed: Sequence[int] | None = None) -> list[Batch]:
        """Cut ``rows`` into batches of like lengths; with a seed their order is random."""
        lengths = np.array([len(self.sequences[row]) for row in rows], np.int64)
        generator = None if seed is None else np.random.default_rng(list(seed))
        groups = batch_rows(lengths, size, generator)
        return [make_batch(self.sequences, self.targets, self.weights, rows[group]) for group in groups]

    def held_batches(self, rows: NDArray[np.int64]) -> list[tuple[Batch, float]]:
        """Cut held-out rows into batches; each counts by its rows, or by its steps if each has a target."""
        batches = self.batches(rows, VALIDATION_BATCH)
        every_step = not isinstance(self.targets, np.ndarray)
        return [(batch, int(batch.lengths.sum()) if every_step else len(batch)) for batch in batches]


def input_keys(texts: Sequence[str]) -> list[str]:
    """Tell which rows hold the same input: equal after NFC, as the codec reads them."""
    return [unicodedata.normalize("NFC", text) for text in texts]


def check_texts(texts: Sequence[str]) -> None:
    """Refuse, in one sentence, texts from which nothing can be learnt."""
    if not texts:
        raise DataError(
            "there are no rows to learn from", code="E260", help="give at least two labelled sequences"
        )
    for row, text in enumerate(texts):
        if not text:
            raise DataError(
                f"row {row} is an empty sequence", code="E261", help="leave it out; learning needs a step"
            )
        if len(text) > MOST_STEPS:
            raise DataError(
                f"row {row} has {len(text):,} symbols; learning takes at most {MOST_STEPS:,}",
                code="E262",
                help="cut it into shorter sequences",
            )


def check_classes(labels: NDArray[Any]) -> None:
    """Refuse labels that are all the same."""
    classes = np.unique(labels)
    if len(classes) < 2:
        raise DataError(
            f"there is one class only: every label is {classes[0]!s}",
            code="E263",
            help="a classifier needs at least two; is this the right target?",
        )


def class_weights(
    setting: str | dict[Any, float] | None, labels: NDArray[Any], weights: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """Fold ``class_weight`` into the rows' weights: (B,) or None when all count alike."""
    if setting is None:
        return weights
    classes, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if setting == "balanced":
        each = len(labels) / (len(classes) * counts)
    elif isinstance(setting, dict):
        each = np.array([setting.get(label, 1.0) for label in classes.tolist()])
    else:
        raise UsageError(
            f"class_weight must be balanced, none, or a weight for each class, not {setting!r}",
            code="E132",
            help='class_weight="balanced"',
        )
    rows = each[index].astype(np.float32)
    return rows if weights is None else rows * weights
