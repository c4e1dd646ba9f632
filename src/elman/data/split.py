"""Rows dealt to two sides, so that equal inputs stay together and each label keeps its share."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from elman.errors import UsageError

Rows = npt.NDArray[np.int64]


def split(
    groups: Iterable[Hashable], labels: Iterable[Hashable], fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Hold out a fraction of the rows.

    Rows with an equal group key never stand on both sides. A group is dealt by its most frequent label, and
    of each label about ``fraction`` of the rows is held, to within one group. At least one group of every
    label stays in the rest. The same arguments give the same rows.

    Parameters
    ----------
    groups, labels
        B keys (the inputs themselves, say) and B labels.
    fraction
        Share of the rows to hold, at least 0 and less than 1.
    seed
        Decides which groups are held.

    Returns
    -------
    tuple
        ``(rest, held)``: row numbers, int64, rising.

    Raises
    ------
    UsageError
        E125 if ``fraction`` is out of range, E126 if there are not as many groups as labels.
    """
    if not 0 <= fraction < 1:
        raise UsageError(f"the fraction must be at least 0 and less than 1, not {fraction}", code="E125")
    group_ids, label_ids = numbered(groups), numbered(labels)
    if len(group_ids) != len(label_ids):
        raise UsageError(f"{len(group_ids):,} group keys, but {len(label_ids):,} labels", code="E126")
    held = _deal(np.bincount(group_ids), main_labels(group_ids, label_ids), fraction, seed)
    is_held = held[group_ids]
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def numbered(keys: Iterable[Hashable]) -> Rows:
    """Number equal keys alike: 0, 1, 2 … in the order of their first coming."""
    numbers: dict[Any, int] = {}
    values = keys.tolist() if isinstance(keys, np.ndarray) else keys
    return np.array([numbers.setdefault(key, len(numbers)) for key in values], dtype=np.int64)


def main_labels(group_ids: Rows, label_ids: Rows) -> Rows:
    """Return each group's most frequent label; of equally frequent ones the one that came first."""
    if len(group_ids) == 0:
        return np.zeros(0, dtype=np.int64)
    kinds = int(label_ids.max()) + 1
    pairs, counts = np.unique(group_ids * kinds + label_ids, return_counts=True)
    order = np.lexsort((pairs % kinds, -counts, pairs // kinds))
    firsts = np.unique(pairs[order] // kinds, return_index=True)[1]
    labels: Rows = pairs[order][firsts] % kinds
    return labels


def _deal(sizes: Rows, labels: Rows, fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Say for each group whether it is held."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(sizes), dtype=np.bool_)
    shuffled = random.permutation(len(sizes))
    members = shuffled[np.argsort(labels[shuffled], kind="stable")]
    blocks = np.split(members, np.flatnonzero(np.diff(labels[members])) + 1)
    owed = 0.0  # what rounding left over, so that many small labels still give their share together
    for place in random.permutation(len(blocks)):
        block = blocks[place]
        if len(block) > 1:
            wanted = fraction * float(sizes[block].sum()) + owed
            chosen = _choose(sizes[block].tolist(), wanted)
            held[block[chosen]] = True
            owed = min(0.5, max(-0.5, wanted - float(sizes[block[chosen]].sum()))) if fraction else 0.0
    return held


def _choose(sizes: Sequence[int], wanted: float) -> list[int]:
    """Pick, in order, each group that brings the sum nearer to ``wanted``; at least one is left out."""
    chosen: list[int] = []
    total = 0
    for place, size in enumerate(sizes):
        if abs(total + size - wanted) < abs(total - wanted) and len(chosen) < len(sizes) - 1:
            chosen.append(place)
            total += size
    return chosen
