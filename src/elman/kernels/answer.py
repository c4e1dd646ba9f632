"""What stands before and behind a recurrence: embedding, pooling over time, the linear map, softmax."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from elman.errors import UsageError


def embed(tables: Sequence[np.ndarray], ids: np.ndarray) -> np.ndarray:
    """Look symbols up; several columns of ids give the sum of their rows, in the order of the columns.

    Parameters
    ----------
    tables
        One (V, E) for each column of ids; row 0 is the unknown symbol's.
    ids
        (T, B), or (T, B, G) with G columns; whole numbers from 0 to V - 1 of their table.

    Returns
    -------
    (T, B, E).

    Raises
    ------
    UsageError
        If there are more or fewer columns than tables, or an id lies outside its table.
    """
    columns = [ids] if ids.ndim == 2 else [ids[..., g] for g in range(ids.shape[-1])]
    if len(columns) != len(tables):
        raise UsageError(f"{len(tables)} tables cannot embed {len(columns)} columns of ids", code="E164")
    for table, column in zip(tables, columns, strict=True):
        _check_ids(column, len(table))
    total: np.ndarray = tables[0][columns[0]]
    for table, column in zip(tables[1:], columns[1:], strict=True):
        total += table[column]
    return total


def one_hot(ids: np.ndarray, size: int, dtype: npt.DTypeLike = np.float32) -> np.ndarray:
    """Write ids (T, B) from 0 to ``size`` - 1 as a 1 among noughts: (T, B, size - 1).

    Id i is the 1 in place i - 1; id 0, the unknown symbol, has none.
    """
    if ids.ndim != 2:
        raise UsageError(f"the ids have {ids.ndim} dimensions, one-hot symbols are (B, T)", code="E164")
    _check_ids(ids, size)
    hot = np.zeros((*ids.shape, size), dtype)
    np.put_along_axis(hot, ids[..., None], 1, axis=-1)
    return hot[..., 1:]


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """W x + b for every row: (..., D), (K, D), (K,) -> (..., K)."""
    product: np.ndarray = x @ weight.T
    if bias is not None:
        product += bias
    return product


def pool(outputs: np.ndarray, lengths: np.ndarray, kind: str) -> np.ndarray:
    """Put the outputs of a row's own steps together: their mean, maximum or sum, t rising.

    (T, B, H), (B,) -> (B, H); a row of length 0 gives 0.
    """
    if kind not in _POOLS:
        raise UsageError(f"pooling must be one of {', '.join(_POOLS)}, not {kind!r}", code="E111")
    gather, start = _POOLS[kind]
    pooled = np.full(outputs.shape[1:], start, outputs.dtype)
    for t in range(int(lengths.max(initial=0))):
        gather(pooled, outputs[t], out=pooled, where=(lengths > t)[:, None])
    if kind == "mean":
        pooled /= np.maximum(lengths, 1).astype(outputs.dtype)[:, None]
    pooled[lengths == 0] = 0
    return pooled


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(y_k) / Σ exp(y) over the last axis; never overflows."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = e / e.sum(axis=-1, keepdims=True)
    return probabilities


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """y_k - log Σ exp(y) over the last axis; never overflows."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


def _check_ids(ids: np.ndarray, size: int) -> None:
    if ids.size and not 0 <= ids.min() <= ids.max() < size:
        raise UsageError(
            f"ids run from {ids.min()} to {ids.max()}, but the table has rows 0 to {size - 1}", code="E164"
        )


_POOLS = {"mean": (np.add, 0.0), "max": (np.maximum, -np.inf), "sum": (np.add, 0.0)}
