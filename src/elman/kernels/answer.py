"""What stands before and behind a recurrence: embedding, pooling over time, the linear map, softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from elman.errors import UsageError
from elman.kernels import twins
from elman.kernels.native import compiled, threads
from elman.kernels.scan import check_lengths


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
    if not compiled(*tables):
        return twins.embed(tables, columns)
    rows = np.ascontiguousarray(ids.reshape(-1, len(tables)), np.int64)
    embedded = np.empty((*columns[0].shape, tables[0].shape[-1]), np.float32)
    compiled.module.embed([np.ascontiguousarray(t) for t in tables], rows, _rows(embedded))
    return embedded


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
    if (
        weight.ndim != 2
        or x.shape[-1:] != weight.shape[1:]
        or (bias is not None and bias.shape != weight.shape[:1])
    ):
        shapes = f"{x.shape} and {weight.shape}" + ("" if bias is None else f" and {bias.shape}")
        raise UsageError(f"rows (..., D), a weight (K, D) and a bias (K,) do not fit: {shapes}", code="E164")
    if not compiled(x, weight, *([] if bias is None else [bias])):
        return twins.linear(x, weight, bias)
    product = np.empty((*x.shape[:-1], len(weight)), np.float32)
    bias = None if bias is None else np.ascontiguousarray(bias)
    rows = _rows(np.ascontiguousarray(x))
    compiled.module.linear(rows, np.ascontiguousarray(weight), bias, _rows(product), threads())
    return product


def linear_back(
    x: np.ndarray, weight: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the gradients of ``linear``'s x (M, D), weight (K, D) and bias (K,) from its own (M, K)."""
    if not compiled(x, weight, slopes):
        return slopes @ weight, slopes.T @ x, slopes.sum(0)
    found = np.empty_like(x), np.empty_like(weight), np.empty(len(weight), np.float32)
    compiled.module.linear_back(x, weight, slopes, *found, threads())
    return found


def pool(outputs: np.ndarray, lengths: np.ndarray, kind: str) -> np.ndarray:
    """Put the outputs of a row's own steps together: their mean, maximum or sum, t rising.

    (T, B, H), (B,) -> (B, H); a row of length 0 gives 0.
    """
    if kind not in twins.POOLS:
        raise UsageError(f"pooling must be one of {', '.join(twins.POOLS)}, not {kind!r}", code="E111")
    if not compiled(outputs):
        return twins.pool(outputs, lengths, kind)
    lengths = check_lengths(lengths, *outputs.shape[:2])
    pooled = np.empty(outputs.shape[1:], np.float32)
    compiled.module.pool(np.ascontiguousarray(outputs), lengths, list(twins.POOLS).index(kind), pooled)
    return pooled


def pool_back(
    lengths: np.ndarray, steps: int, d_sum: np.ndarray | None, greatest: twins.Greatest | None
) -> np.ndarray:
    """Give the gradient of pooling by sum, maximum or both: (T, B, H), nought beyond a row's length.

    Parameters
    ----------
    d_sum
        (B, H): the gradient of the sums.
    greatest
        The outputs (T, B, H), their maxima (B, H) and the gradient of these (B, H); steps that are the
        greatest together share it alike.
    """
    outputs, most, d_most = greatest or (None, None, None)
    slopes = d_sum if d_sum is not None else d_most
    if slopes is None:
        raise TypeError("no gradient is given")
    if not compiled(slopes, *(greatest or ())):
        return twins.pool_back(lengths, steps, d_sum, greatest)
    d_x = np.empty((steps, *slopes.shape), np.float32)
    compiled.module.pool_back(lengths, d_sum, outputs, most, d_most, d_x, threads())
    return d_x


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(y_k) / Σ exp(y) over the last axis; never overflows."""
    return _softmax(logits, logs=False) if compiled(logits) else twins.softmax(logits)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """y_k - log Σ exp(y) over the last axis; never overflows."""
    return _softmax(logits, logs=True) if compiled(logits) else twins.log_softmax(logits)


def nll(
    logits: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None = None,
    class_weights: np.ndarray | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, np.ndarray]:
    """Cross entropy of logits (B, K) as ``elman.nn.losses.nll`` has it, and its gradient (B, K).

    With q the targets, smoothed and weighted, the loss is - Σ q log p, and its gradient p Σ q - q.
    """
    if targets.size and not 0 <= targets.min() <= targets.max() < logits.shape[1]:
        raise UsageError(f"a class is not between 0 and {logits.shape[1] - 1}", code="E164")
    share = np.ones(len(logits), np.float32) if weights is None else weights.astype(np.float32)
    total = (share if class_weights is None else share * class_weights[targets]).sum()
    share = share / max(total, TINY)
    if not compiled(logits, *([] if class_weights is None else [class_weights])):
        return twins.nll(logits, targets, share, class_weights, label_smoothing)
    slopes = np.empty_like(logits)
    loss = compiled.module.nll(logits, targets, share, class_weights, label_smoothing, slopes)
    return loss, slopes


TINY = np.finfo(np.float32).tiny


def _softmax(logits: np.ndarray, *, logs: bool) -> np.ndarray:
    answer = np.array(logits, order="C")
    compiled.module.softmax(_rows(answer), logs)
    return answer


def _rows(array: np.ndarray) -> np.ndarray:
    """All axes but the last as one; a view."""
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def _check_ids(ids: np.ndarray, size: int) -> None:
    if ids.size and not 0 <= ids.min() <= ids.max() < size:
        raise UsageError(
            f"ids run from {ids.min()} to {ids.max()}, but the table has rows 0 to {size - 1}", code="E164"
        )
