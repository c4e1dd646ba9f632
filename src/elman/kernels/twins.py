"""The plain twins of the compiled kernels, in NumPy: they say what each computes, and stand in for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from elman.cells import Cell, Params, State


def scan(
    cell: Cell,
    inputs: np.ndarray,
    lengths: np.ndarray,
    params: Params,
    state: State | None = None,
    *,
    reverse: bool = False,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, State]:
    """Take the cell's own step at every time; step t touches only the rows that are longer than t."""
    steps, batch = inputs.shape[:2]
    first = cell.initial_state(batch) if state is None else state
    order = np.argsort(-lengths, kind="stable")
    current = _each(first, lambda array: array[order].astype(inputs.dtype, copy=False))
    final = _each(first, lambda array: array.astype(inputs.dtype))
    for t, rows in enumerate(_rows_alive(order, lengths)):
        current = _leave(current, final, order, rows.size)
        times = lengths[rows] - 1 - t if reverse else t
        output, current = cell.step(inputs[times, rows], current, params)
        if out is None:
            out = np.zeros((steps, batch, output.shape[-1]), inputs.dtype)
        out[times, rows] = output
    _leave(current, final, order, 0)
    if out is None:  # no row has a step
        out = np.zeros((steps, batch, _width(cell, inputs, params)), inputs.dtype)
    return out, final


def _width(cell: Cell, inputs: np.ndarray, params: Params) -> int:
    """How many numbers an output has: H, or as many as a cell that answers itself gives to noughts."""
    if not cell.answers:
        return cell.hidden_size
    output, _ = cell.step(np.zeros((1, inputs.shape[-1]), inputs.dtype), cell.initial_state(1), params)
    return int(output.shape[-1])


def _rows_alive(order: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """For each step, the rows that are longer; ``order`` lists the rows from the longest to the shortest."""
    longest = int(lengths.max(initial=0))
    alive = np.searchsorted(-lengths[order], -np.arange(longest), side="left")
    return [order[:count] for count in alive]


def _leave(current: State, final: State, order: np.ndarray, count: int) -> State:
    """Keep the first ``count`` rows of the running state; the others have ended and go to ``final``."""
    if isinstance(current, tuple):
        return tuple(_leave(a, b, order, count) for a, b in zip(current, final, strict=True))
    if count < len(current):
        final[order[count : len(current)]] = current[count:]
    return current[:count]


def _each(state: State, change: Callable[[np.ndarray], np.ndarray]) -> State:
    return tuple(change(a) for a in state) if isinstance(state, tuple) else change(state)


def embed(tables: Sequence[np.ndarray], columns: Sequence[np.ndarray]) -> np.ndarray:
    """Sum one row of each table, in the order of the tables."""
    total: np.ndarray = tables[0][columns[0]]
    for table, column in zip(tables[1:], columns[1:], strict=True):
        total += table[column]
    return total


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """W x + b for every row."""
    product: np.ndarray = x @ weight.T
    if bias is not None:
        product += bias
    return product


def pool(outputs: np.ndarray, lengths: np.ndarray, kind: str) -> np.ndarray:
    """Mean, maximum or sum over a row's own steps."""
    gather, start = POOLS[kind]
    pooled = np.full(outputs.shape[1:], start, outputs.dtype)
    for t in range(int(lengths.max(initial=0))):
        gather(pooled, outputs[t], out=pooled, where=(lengths > t)[:, None])
    if kind == "mean":
        pooled /= np.maximum(lengths, 1).astype(outputs.dtype)[:, None]
    pooled[lengths == 0] = 0
    return pooled


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(y_k) / Σ exp(y) over the last axis."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = e / e.sum(axis=-1, keepdims=True)
    return probabilities


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """y_k - log Σ exp(y) over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


POOLS = {"mean": (np.add, 0.0), "max": (np.maximum, -np.inf), "sum": (np.add, 0.0)}
"""How a step is taken in, and what no step gives."""
