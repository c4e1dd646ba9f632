"""One layer in one direction over a ragged batch: the cell's step, only where a row still has steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elman.cells import Cell, Params, State
from elman.errors import UsageError


def scan(
    cell: Cell,
    inputs: np.ndarray,
    lengths: np.ndarray | None,
    params: Params,
    state: State | None = None,
    *,
    reverse: bool = False,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, State]:
    """Run ``cell`` over the time axis; step t touches only the rows that are longer than t.

    Parameters
    ----------
    inputs
        (T, B, D); what stands beyond a row's length is never read.
    lengths
        (B,) whole numbers from 0 to T; None: every row has T steps.
    state
        The first state, arrays (B, H); None: the cell's own.
    reverse
        Run each row from its own end to its start.
    out
        Where the outputs go, an array of noughts (T, B, H) or a slice of one; None: a fresh array.

    Returns
    -------
    The outputs (T, B, H), or (T, B, K) of a cell that answers itself, nought beyond a row's length; and the
    final state, taken where each row ends. A row of length 0 passes its state through.

    Raises
    ------
    UsageError
        If the lengths do not fit the inputs.
    """
    steps, batch = inputs.shape[:2]
    lengths = check_lengths(lengths, steps, batch)
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


def check_lengths(lengths: np.ndarray | None, steps: int, batch: int) -> np.ndarray:
    """Give the lengths as int64 (B,), or say in one sentence why they cannot be meant."""
    if lengths is None:
        return np.full(batch, steps, np.int64)
    lengths = np.asarray(lengths)
    if lengths.shape != (batch,) or lengths.dtype.kind not in "iu":
        raise UsageError(f"lengths must be {batch} whole numbers, one for each row", code="E163")
    if batch and not 0 <= lengths.min() <= lengths.max() <= steps:
        bad = int(np.argmax((lengths < 0) | (lengths > steps)))
        message = f"the length {lengths[bad]} of row {bad} is not between 0 and {steps}, the number of steps"
        raise UsageError(message, code="E163")
    return lengths.astype(np.int64, copy=False)


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
