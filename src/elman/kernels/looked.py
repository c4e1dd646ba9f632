"""Symbols looked up: each different one once, and which step has which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elman.kernels.answer import embed
from elman.kernels.native import compiled

WORTH = 0.7
"""A table is worth it if it has at most this share of the steps."""


@dataclass(frozen=True)
class Looked:
    """Embedded symbols (T, B, E), of which many are the same: what is done to one serves all of them.

    Attributes
    ----------
    table
        (U, E): each different embedding once.
    ids
        (T, B) int64: the row of each step.
    """

    table: np.ndarray
    ids: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, B, E)."""
        return (*self.ids.shape, self.table.shape[-1])

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """The table's."""
        return self.table.dtype

    def dense(self) -> np.ndarray:
        """Every step's own copy (T, B, E)."""
        found: np.ndarray = self.table[self.ids]
        return found

    def sum_over(self, lengths: np.ndarray) -> np.ndarray:
        """Sum over a row's own steps, t rising: (B, E)."""
        pooled = np.empty((self.ids.shape[1], self.table.shape[-1]), np.float32)
        compiled.module.pool_table(self.table, self.ids, lengths, pooled)
        return pooled


def look_up(tables: Sequence[np.ndarray], ids: np.ndarray) -> Looked | np.ndarray:
    """Embed ids (T, B) or (T, B, G): as a table of the different ones if that saves work, else every step."""
    columns = ids[..., None] if ids.ndim == 2 else ids
    if not compiled(*tables) or columns.shape[-1] != len(tables) or not columns.size:
        return embed(tables, ids)
    sizes = [len(table) for table in tables]
    in_range = columns.min() >= 0 and all(columns[..., g].max() < size for g, size in enumerate(sizes))
    if not in_range or np.prod(np.array(sizes, float)) > 2**62:
        return embed(tables, ids)
    keys = columns[..., 0].astype(np.int64)
    for g, size in enumerate(sizes[1:], start=1):
        keys = keys * size + columns[..., g]
    different, first, inverse = np.unique(keys.ravel(), return_index=True, return_inverse=True)
    if len(different) > WORTH * keys.size:
        return embed(tables, ids)
    rows = columns.reshape(-1, len(tables))[first]
    return Looked(
        embed(tables, rows[None]).reshape(len(rows), -1), inverse.reshape(keys.shape).astype(np.int64)
    )
