"""Encoded sequences of different lengths, cut into batches and padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from elman.data.encoded import EncodedTexts

MOST_STEPS = 1 << 18  # rows times steps of one batch; a longer sequence stands alone
CHUNK = 50  # batches that are sorted by length together: little padding, but still a random order

Ids = npt.NDArray[np.int64]
Values = npt.NDArray[Any]
"""Whole numbers as int64, numbers as float32."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B sequences, padded with 0 to the longest.

    Attributes
    ----------
    inputs
        Ids: int64 (B, T), or (B, T, G) if a step has several. Numbers: float32 (B, T, D).
    targets
        int64 (B,); or at every step float32 (B, T, K), 0 behind each end; or None.
    lengths
        int64 (B,): the steps of each sequence.
    weights
        float32 (B,), or None if all count alike.
    rows
        int64 (B,): the rows of the table that they came from.
    """

    inputs: Values
    targets: Values | None
    lengths: Ids
    weights: npt.NDArray[np.float32] | None
    rows: Ids

    def __len__(self) -> int:
        return len(self.rows)


def pad(sequences: Sequence[npt.NDArray[Any]]) -> tuple[Values, Ids]:
    """Stack ids (T,) or (T, G), or numbers (T, D), of different lengths.

    Returns
    -------
    tuple
        ``(array, lengths)``: int64 (B, T) or (B, T, G), or float32 (B, T, D), 0 behind each end; int64 (B,).
    """
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    steps = int(lengths.max(initial=0))
    columns = sequences[0].shape[1:] if len(sequences) else ()
    numbers = any(sequence.dtype.kind == "f" for sequence in sequences)
    array = np.zeros((len(sequences), steps, *columns), dtype=np.float32 if numbers else np.int64)
    if array.size:
        array[np.arange(steps) < lengths[:, None]] = np.concatenate(sequences)
    return array, lengths


def make_batch(
    sequences: Sequence[npt.NDArray[Any]],
    targets: npt.NDArray[np.integer[Any]] | Sequence[npt.NDArray[Any]] | None,
    weights: npt.NDArray[np.floating[Any]] | None,
    rows: npt.ArrayLike,
) -> Batch:
    """Build the batch of ``rows`` from all sequences, targets and weights (B,).

    ``targets`` are classes (B,), numbers (B, K), or a list of B arrays: the numbers (T, K) or classes (T,) to
    learn at every step.
    """
    chosen = np.asarray(rows, dtype=np.int64)
    inputs, lengths = pad([sequences[row] for row in chosen.tolist()])
    return Batch(
        inputs=inputs,
        targets=None if targets is None else _chosen(targets, chosen),
        lengths=lengths,
        weights=None if weights is None else weights[chosen].astype(np.float32),
        rows=chosen,
    )


def _chosen(targets: npt.NDArray[np.integer[Any]] | Sequence[npt.NDArray[Any]], rows: Ids) -> Values:
    if isinstance(targets, np.ndarray):
        return targets[rows].astype(np.float32 if targets.dtype.kind == "f" else np.int64)
    return pad([targets[row] for row in rows.tolist()])[0]


def batch_rows(
    lengths: npt.ArrayLike,
    batch_size: int,
    rng: np.random.Generator | None = None,
    *,
    most_steps: int = MOST_STEPS,
) -> list[Ids]:
    """Cut the rows of sequences of these lengths (B,) into batches of like length.

    Parameters
    ----------
    batch_size
        Most rows in a batch.
    rng
        Shuffles: rows are mixed, sorted within chunks of 50 batches, and the batches mixed. Without it,
        all rows are sorted, the longest first.
    most_steps
        Most rows times steps in a batch, so that one giant sequence cannot fill the memory.

    Returns
    -------
    list
        Row numbers, int64, each row in exactly one batch.
    """
    steps = np.asarray(lengths, dtype=np.int64)
    if rng is None:
        return list(_cut(_longest_first(np.arange(len(steps)), steps), steps, batch_size, most_steps))
    order = rng.permutation(len(steps))
    chunks = [order[start : start + CHUNK * batch_size] for start in range(0, len(order), CHUNK * batch_size)]
    batches = [b for c in chunks for b in _cut(_longest_first(c, steps), steps, batch_size, most_steps)]
    return [batches[place] for place in rng.permutation(len(batches))]


def batch_prefixes(texts: EncodedTexts, *, most_steps: int = 1 << 16) -> list[Ids]:
    """Cut the different ones of encoded texts into batches of such as begin alike.

    Returns
    -------
    list
        Numbers of different texts, int64, each in exactly one batch; a batch has at most ``most_steps`` rows
        times steps, and at least one row.
    """
    rows = texts.in_order()
    lengths = texts.lengths[rows]
    batches, start = [], 0
    while start < len(rows):
        longest = np.maximum.accumulate(np.maximum(lengths[start : start + most_steps], 1))
        fits = longest * np.arange(1, len(longest) + 1) <= most_steps
        end = start + max(1, int(fits.sum()))
        batches.append(rows[start:end])
        start = end
    return batches


def _longest_first(rows: Ids, steps: Ids) -> Ids:
    return rows[np.argsort(-steps[rows], kind="stable")]


def _cut(rows: Ids, steps: Ids, batch_size: int, most_steps: int) -> Iterator[Ids]:
    start = 0
    while start < len(rows):
        longest = max(1, int(steps[rows[start]]))
        end = start + min(batch_size, max(1, most_steps // longest))
        yield rows[start:end]
        start = end
