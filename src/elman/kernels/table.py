"""Rows of an embedding that AdamW moves one by one; ``elman.train.resting`` has the equations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elman.errors import UsageError
from elman.kernels import twins
from elman.kernels.native import compiled

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """V rows of E numbers, what AdamW remembers of each, and since which update each rests.

    Attributes
    ----------
    weight, mean, square
        (V, E): the rows, and the running averages of their gradients and of those squared. Written in place.
    since
        (V,) whole numbers as floats. Written in place.
    """

    weight: Floats
    mean: Floats
    square: Floats
    since: Floats

    def arrays(self) -> tuple[Floats, Floats, Floats, Floats]:
        """As the compiled module takes them."""
        return self.weight, self.mean, self.square, self.since


@dataclass(frozen=True)
class Rests:
    """What rests since update l lead to, for l = 0 ... n: (n + 1,) each.

    A row becomes ``decay`` w - ``drift`` m / (√v + ``eps``), and m and v shrink to such shares.
    """

    decay: Floats
    drift: Floats
    shrink_mean: Floats
    shrink_square: Floats
    eps: Floats


@dataclass(frozen=True)
class Move:
    """One update of AdamW: its size with both bias corrections, what decay leaves, β1, β2 and ε."""

    rate: float
    keep: float
    beta1: float
    beta2: float
    eps: float


def catch_up(table: Table, rests: Rests, ids: Ids) -> None:
    """Give the rows ``ids`` (n,) the moves that they missed; one that is named twice gets them once."""
    _check(ids, len(table.weight))
    if not compiled(*table.arrays()):
        twins.catch_up(table, rests, ids)
        return
    parts = rests.decay, rests.drift, rests.shrink_mean, rests.shrink_square, rests.eps
    compiled.module.catch_up(*table.arrays(), *parts, ids)


def move_rows(table: Table, move: Move, rows: Ids, slopes: Floats, now: int) -> None:
    """Move each of the different ``rows`` (n,) by its gradient (n, E); they rest since ``now``."""
    _check(rows, len(table.weight))
    if not compiled(*table.arrays(), slopes):
        twins.move_rows(table, move, rows, slopes, now)
        return
    by = move.rate, move.keep, move.beta1, move.beta2, move.eps
    compiled.module.move_rows(*table.arrays(), *by, rows, slopes, now)


def sum_rows(ids: Ids, slopes: Floats, size: int) -> tuple[Ids, Floats]:
    """Add up the gradients (n, E) of equal ids below ``size``: ids as they first appear, and their sums."""
    _check(ids, size)
    if not compiled(slopes):
        return twins.sum_rows(ids, slopes)
    rows, sums = np.empty_like(ids), np.empty_like(slopes)
    found = compiled.module.sum_rows(ids, slopes, np.full(size, -1), rows, sums)
    return rows[:found], sums[:found]


def _check(ids: Ids, size: int) -> None:
    if ids.size and not 0 <= ids.min() <= ids.max() < size:
        raise UsageError(f"an id is not between 0 and {size - 1}", code="E164")
