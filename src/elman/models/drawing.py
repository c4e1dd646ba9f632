"""Rows drawn by class: every update draws a class, all equally often, then one of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elman.data.batch import Batch, make_batch
from elman.errors import UsageError
from elman.models.examples import Examples

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """Examples of which an epoch learns what it draws, with replacement; its updates, or None: see there."""

    examples: Examples
    updates: int | None = None

    def batches(self, rows: Rows, size: int, seed: Sequence[int]) -> DrawnBatches:
        """Draw an epoch's batches from ``rows``: ``updates``, or as many as pass over all once."""
        updates = self.updates or -(-len(rows) // size)
        generator = np.random.default_rng(list(seed))
        return DrawnBatches(
            self.examples, draw_by_class(rows, self.classes(rows), (updates, size), generator)
        )

    def held_batches(self, rows: Rows) -> list[tuple[Batch, float]]:
        """Cut held-out rows into batches: each row counts once, as it came."""
        return self.examples.held_batches(rows)

    def classes(self, rows: Rows) -> Rows:
        """Give the classes of ``rows`` (B,)."""
        return np.asarray(self.examples.targets, np.int64)[rows]


@dataclass(frozen=True)
class DrawnBatches(Sequence[Batch]):
    """Batches of drawn rows (updates, batch size), each made when it is asked for."""

    examples: Examples
    drawn: Rows

    def __len__(self) -> int:
        return len(self.drawn)

    def __getitem__(self, index: int) -> Batch:  # type: ignore[override]
        found = self.examples
        return make_batch(found.sequences, found.targets, found.weights, self.drawn[index])


def draw_by_class(rows: Rows, classes: Rows, shape: tuple[int, int], generator: np.random.Generator) -> Rows:
    """Draw classes uniformly from those that ``rows`` have, then a row of each uniformly."""
    _, counts = np.unique(classes, return_counts=True)
    ordered, starts = rows[np.argsort(classes, kind="stable")], np.cumsum(counts) - counts
    drawn = generator.integers(len(counts), size=shape)
    chosen: Rows = ordered[starts[drawn] + generator.integers(counts[drawn])]
    return chosen


def lessons(examples: Examples, sampling: str, updates: int | None) -> Examples | Drawn:
    """Give what ``sampling`` learns from: every row once an epoch, or rows drawn by class."""
    return Drawn(examples, updates) if sampling == "classes" else examples


def check_sampling(sampling: str, updates: int | None) -> None:
    """Raise ``UsageError`` if an epoch's updates are given where it passes over all rows."""
    if updates is not None and sampling != "classes":
        message = f"updates_per_epoch = {updates} has no meaning here: an epoch learns each row once"
        raise UsageError(message, code="E172", help="leave it out, or draw rows by class: sampling = classes")
