"""Sequences as packed rows: those of step 0, then of step 1, ..., the longest first; pooled, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elman.kernels.native import compiled, threads
from elman.kernels.table import Floats, Ids, Mask


@dataclass(frozen=True)
class Packing:
    """Where the M steps of B sequences stand.

    Attributes
    ----------
    counts
        (T,) how many sequences have each step; T is the longest one's.
    order
        (B,) the sequences from the longest to the shortest.
    places
        (M,) t · B + b: where each row stands among all steps of all sequences.
    """

    counts: Ids
    order: Ids
    places: Ids

    @classmethod
    def of(cls, lengths: Ids) -> Packing:
        """Pack sequences of these lengths (B,)."""
        sizes = int(lengths.max(initial=0)), len(lengths), int(lengths.sum())
        counts, order, places = (np.empty(size, np.int64) for size in sizes)
        compiled.module.pack(lengths, order, counts, places)
        return cls(counts, order, places)

    def take(self, ids: Ids, rates: Floats, chances: Floats) -> tuple[Ids, Ids]:
        """Give the steps' own ids (B, T, G), nought where a chance is below its column's rate.

        Parameters
        ----------
        rates
            (G,): how many of each column are hidden.
        chances
            (columns with a rate, T, B): from 0 to 1.

        Returns
        -------
        (M, G), and the same column by column (G, M).
        """
        rows, columns = (
            np.empty((len(self.places), len(rates)), np.int64),
            np.empty((len(rates), len(self.places)), np.int64),
        )
        compiled.module.pack_ids(ids, self.places, rates, chances, rows, columns)
        return rows, columns


def pool_columns(x: Floats, packing: Packing, pooled: Floats, mean: int = -1, most: int = -1) -> None:
    """Write the mean and the greatest of packed rows ``x`` (M, H) to columns of ``pooled`` (B, ·)."""
    compiled.module.pool_columns(x, packing.counts, packing.order, pooled, mean, most, -1, 1.0, threads())


def sum_columns(x: Floats, packing: Packing, pooled: Floats, column: int, factor: float) -> None:
    """Write ``factor`` Σ x / √length to columns of ``pooled``."""
    given = x, packing.counts, packing.order, pooled
    compiled.module.pool_columns(*given, -1, -1, column, factor, threads())


def pool_columns_back(
    x: Floats, packing: Packing, pooled: Floats, slopes: Floats, mean: int = -1, most: int = -1
) -> Floats:
    """Give the gradient of ``pool_columns``, of whose columns it is ``slopes`` (B, ·): (M, H)."""
    d_x, given = np.empty_like(x), (x, packing.counts, packing.order, pooled, slopes)
    compiled.module.pool_columns_back(*given, mean, most, d_x, threads())
    return d_x


def spread(
    d_x: Floats, packing: Packing, slopes: Floats, column: int, factor: float, mask: Mask | None
) -> None:
    """Add to ``d_x`` (M, E) what ``sum_columns`` gives it, then drop what ``mask`` dropped of x; in place."""
    drawn = (None, 0, 1.0, None) if mask is None else (mask.bits, mask.dropped, mask.scale, packing.places)
    given = d_x, packing.counts, packing.order, slopes, column, factor
    compiled.module.spread(*given, *drawn, threads())


def norm(arrays: list[NDArray[np.float32]]) -> float:
    """√ Σ x² over all numbers of all arrays."""
    return float(np.sqrt(compiled.module.squares(arrays)))
