"""Rows that begin alike: a tree of prefixes, each of which is run once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elman.cells import Cell, Params
from elman.kernels import twins
from elman.kernels.native import compiled, threads
from elman.kernels.scan import KERNELS, weights


@dataclass(frozen=True)
class Prefixes:
    """The different prefixes of B rows of symbols, shortest first: M nodes of a tree.

    A forward recurrence says the same after the same symbols, to the bit: so each prefix is run once.

    Attributes
    ----------
    count
        (T,) int64: how many prefixes of each length there are.
    parent
        (M,) int64: the prefix that is one symbol shorter; -1 for those of one symbol.
    ends
        (B,) int64: the node that is the whole row; -1 for a row of length 0.
    lengths
        (B,) int64.
    """

    count: np.ndarray
    parent: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray

    def scan(self, cell: Cell, inputs: np.ndarray, params: Params, ids: np.ndarray | None) -> np.ndarray:
        """Run a built-in ``cell`` from noughts on: (M, D), or a table and (M,) ids of it -> (M, H)."""
        native, kind = compiled.module, KERNELS[type(cell)]
        layer = native.Layer(kind, getattr(cell, "nonlinearity", "tanh"), *weights(params))
        outputs = np.empty((len(self.parent), cell.hidden_size), np.float32)
        native.scan_tree(layer, inputs, ids, self.count, self.parent, threads(), outputs)
        return outputs

    def pool(self, values: np.ndarray, kind: str, ids: np.ndarray | None = None) -> np.ndarray:
        """Mean, maximum or sum over each row's own steps: (M, H), or a table and (M,) ids -> (B, H)."""
        pooled = np.empty((len(self.ends), values.shape[-1]), np.float32)
        place = list(twins.POOLS).index(kind)
        compiled.module.pool_tree(values, ids, self.parent, self.ends, self.lengths, place, pooled)
        return pooled

    def last(self, values: np.ndarray) -> np.ndarray:
        """Take each row's own last step: (M, H) -> (B, H); length 0 gives 0."""
        taken = np.zeros((len(self.ends), values.shape[-1]), np.float32)
        taken[self.lengths > 0] = values[self.ends[self.lengths > 0]]
        return taken


def find_prefixes(symbols: np.ndarray, lengths: np.ndarray) -> tuple[Prefixes, np.ndarray]:
    """Build the tree of what each row of (B, T, G) ids shares with the row before it.

    Rows in any order will do; sorted ones share most. Also gives the last symbol of each node: (M, G).
    """
    symbols = symbols[:, : lengths.max(initial=0)]
    steps = np.arange(symbols.shape[1])
    there = steps < lengths[:, None]
    shared = np.zeros_like(there)
    alike = there[1:] & there[:-1]
    for g in range(symbols.shape[-1]):
        alike &= symbols[1:, :, g] == symbols[:-1, :, g]
    shared[1:] = np.logical_and.accumulate(alike, axis=1)
    new = there & ~shared
    count = new.sum(axis=0)
    node = np.cumsum(new, axis=0) - 1 + (np.cumsum(count) - count)
    step, row = np.nonzero(new.T)
    parent = np.where(step > 0, node[row, step - 1], -1)
    ends = np.full(len(lengths), -1)
    some = np.flatnonzero(lengths)
    ends[some] = node[some, lengths[some] - 1]
    return Prefixes(count, parent, ends, lengths), symbols[row, step]
