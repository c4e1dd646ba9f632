"""Rows of embeddings: their sums, and AdamW moving them (``elman.train.resting`` has the equations)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elman.errors import UsageError
from elman.kernels import twins
from elman.kernels.native import compiled, threads

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Sums = tuple[Ids, Floats]
"""Rows of a table, each once, and their gradients (n, E)."""

CHANCES = 2**16
"""A rate of dropout is kept to so many parts: 16 random bits decide for each value."""


@dataclass(frozen=True)
class Mask:
    """Which numbers dropout puts 0 in the place of: those whose ``bits`` (M, E) are below ``dropped``."""

    bits: NDArray[np.uint16]
    dropped: int

    @property
    def scale(self) -> float:
        """What makes the others up for it."""
        kept = CHANCES - self.dropped
        return float(np.float32(CHANCES / kept)) if kept else 0.0

    def factors(self) -> Floats:
        """What each number is multiplied by."""
        return np.multiply(self.bits >= self.dropped, np.float32(self.scale), dtype=np.float32)


def random_words(seeds: Sequence[int], count: int) -> NDArray[np.uint64]:
    """Draw words of 64 bits: the stream of SFC64 (Doty-Humphrey, *PractRand*) that three such seeds begin."""
    if not compiled():
        return twins.random_words(seeds, count)
    words = np.empty(count, np.uint64)
    compiled.module.random_words(*seeds, words)
    return words


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
    """One update of AdamW: its size with both bias corrections, what decay leaves, β1, β2 and ε.

    It goes by ``share`` of the gradient.
    """

    rate: float
    keep: float
    beta1: float
    beta2: float
    eps: float
    share: float = 1.0


def catch_up(table: Table, rests: Rests, ids: Ids) -> None:
    """Give the rows ``ids`` (n,) the moves that they missed; one that is named twice gets them once."""
    if not compiled(*table.arrays()):
        _check(ids, len(table.weight))
        twins.catch_up(table, rests, ids)
        return
    parts = rests.decay, rests.drift, rests.shrink_mean, rests.shrink_square, rests.eps
    with _checked(len(table.weight)):
        compiled.module.catch_up(*table.arrays(), *parts, ids, threads())


def move_rows(table: Table, move: Move, rows: Ids, slopes: Floats, now: int) -> None:
    """Move each of the different ``rows`` (n,) by its gradient (n, E); they rest since ``now``."""
    if not compiled(*table.arrays(), slopes):
        _check(rows, len(table.weight))
        twins.move_rows(table, move, rows, slopes, now)
        return
    by = move.rate, move.keep, move.beta1, move.beta2, move.eps, move.share
    with _checked(len(table.weight)):
        compiled.module.move_rows(*table.arrays(), *by, rows, slopes, now, threads())


def move_all(tables: Sequence[Table], slopes: Sequence[Floats], move: Move) -> None:
    """Move whole tables, of any shape, each by its gradient; they do not rest."""
    weights, means, squares = ([getattr(t, n) for t in tables] for n in ("weight", "mean", "square"))
    if not compiled(*weights, *slopes):
        for parts in zip(weights, means, squares, slopes, strict=True):
            twins.move(*parts, move)
        return
    by = move.rate, move.keep, move.beta1, move.beta2, move.eps, move.share
    compiled.module.move_all(weights, means, squares, list(slopes), *by, threads())


def sum_rows(ids: Ids, slopes: Floats, size: int, left_out: int | None = None) -> Sums:
    """Add up the gradients (n, E) of equal ids below ``size``: ids as they first appear, and their sums.

    The id ``left_out`` has none.
    """
    if not compiled(slopes):
        _check(ids, size)
        there = np.ones(len(ids), bool) if left_out is None else ids != left_out
        return twins.sum_rows(ids[there], slopes[there])
    rows, sums, none = np.empty_like(ids), np.empty_like(slopes), -1 if left_out is None else left_out
    with _checked(size):
        found = compiled.module.sum_rows(ids, slopes, size, none, rows, sums, threads())
    return rows[:found], sums[:found]


def read_rows(tables: Sequence[Floats], ids: Ids, mask: Mask | None, places: Ids | None = None) -> Floats:
    """Sum one row of each table (V, E) for ids (M, tables), in the order of the tables; drop some: (M, E).

    Row m takes row ``places[m]`` of the mask, or its own.
    """
    if not compiled(*tables):
        for table, column in zip(tables, ids.T, strict=True):
            _check(column, len(table))
        total = twins.embed(tables, list(ids.T))
        if mask is None:
            return total
        factors = mask.factors().reshape(-1, total.shape[1])
        return total * (factors if places is None else factors[places])
    total = np.empty((len(ids), tables[0].shape[1]), np.float32)
    drawn = (None, 0, 1.0) if mask is None else (mask.bits, mask.dropped, mask.scale)
    with _checked(max(map(len, tables))):
        compiled.module.embed(list(tables), ids, total, *drawn, threads(), places)
    return total


def drop_some(values: Floats, mask: Mask) -> Floats:
    """Put 0 where the mask says, and make the others up for it: (M, E) -> (M, E)."""
    if not compiled(values):
        return values * mask.factors().reshape(values.shape)
    left = np.empty_like(values)
    compiled.module.drop(values, left, mask.bits, mask.dropped, mask.scale, threads())
    return left


class _checked:  # noqa: N801  used as a statement; a generator would cost more than the check
    """The kernels look at every id themselves: what they say of one becomes a sentence."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError) and "an id is outside" in str(error):
            raise _outside(self.size) from None


def _check(ids: Ids, size: int) -> None:
    if ids.size and not 0 <= ids.min() <= ids.max() < size:
        raise _outside(size)


def _outside(size: int) -> UsageError:
    return UsageError(f"an id is not between 0 and {size - 1}", code="E164")
