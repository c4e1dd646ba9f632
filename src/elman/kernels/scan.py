"""One layer in one direction over a ragged batch: by its kernel, or by the plain twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from elman.cells import GRU, LSTM, RNN, Cell, Params, State
from elman.errors import UsageError
from elman.kernels import twins
from elman.kernels.native import compiled, threads

if TYPE_CHECKING:
    from elman.kernels.looked import Looked


def scan(
    cell: Cell,
    inputs: np.ndarray | Looked,
    lengths: np.ndarray | None,
    params: Params,
    state: State | None = None,
    *,
    reverse: bool = False,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, State]:
    """Run ``cell`` over the time axis; step t touches only the rows that are longer than t.

    Built-in cells in float32 run in C++; everything else, float64 included, takes the cell's own step.

    Parameters
    ----------
    inputs
        (T, B, D); what stands beyond a row's length is never read. Symbols that were looked up: the input's
        product is taken once for each different one.
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
    if type(cell) in KERNELS and compiled(inputs, *params.values()):
        return _scan_compiled(cell, inputs, lengths, params, state, reverse, out)
    dense = inputs if isinstance(inputs, np.ndarray) else inputs.dense()
    return twins.scan(cell, dense, lengths, params, state, reverse=reverse, out=out)


def _scan_compiled(
    cell: Cell,
    inputs: np.ndarray | Looked,
    lengths: np.ndarray,
    params: Params,
    state: State | None,
    reverse: bool,
    out: np.ndarray | None,
) -> tuple[np.ndarray, State]:
    steps, batch = inputs.shape[:2]
    _check_width(cell, inputs, params)
    native, kind = compiled.module, KERNELS[type(cell)]
    layer = native.Layer(kind, getattr(cell, "nonlinearity", "tanh"), *weights(params))
    first = [np.ascontiguousarray(part, np.float32) for part in _parts(state)]
    _check_state(cell, first, batch)
    wide, column = _place(out, (steps, batch, cell.hidden_size))
    final = [np.empty((batch, cell.hidden_size), np.float32) for _ in cell.state_names]
    given = *_numbers_and_ids(inputs), lengths, None, *_two(first)
    native.scan(layer, *given, reverse, threads(), wide, column, *_two(final), False)
    if out is not None and not np.may_share_memory(wide, out):
        out[...] = wide
    return wide if out is None else out, tuple(final) if len(final) > 1 else final[0]


def _numbers_and_ids(inputs: np.ndarray | Looked) -> tuple[np.ndarray, np.ndarray | None]:
    if isinstance(inputs, np.ndarray):
        return np.ascontiguousarray(inputs), None
    return inputs.table, inputs.ids


def weights(params: Params) -> tuple[np.ndarray | None, ...]:
    """The four weights in their order, contiguous; a missing bias is None."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return tuple(np.ascontiguousarray(params[name]) if name in params else None for name in names)


def _place(out: np.ndarray | None, shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Find where the outputs can be written: (T, B, wide) in one piece, and the first column of them."""
    if out is None or out.dtype != np.float32:
        return np.empty(shape, np.float32), 0
    whole = out.base if out.base is not None else out
    if out.shape == shape and out.flags.c_contiguous:
        return out, 0
    same = isinstance(whole, np.ndarray) and whole.flags.c_contiguous and whole.shape[:-1] == shape[:-1]
    if not same or whole.dtype != np.float32 or out.strides != whole.strides:
        return np.empty(shape, np.float32), 0
    start = out.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    return whole, start // whole.itemsize


def _parts(state: State | None) -> tuple[np.ndarray, ...]:
    return () if state is None else state if isinstance(state, tuple) else (state,)


def _two(parts: Sequence[np.ndarray]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """H and c; None for what is not there."""
    padded = (*parts, None, None)
    return padded[0], padded[1]


def _check_width(cell: Cell, inputs: np.ndarray | Looked, params: Params) -> None:
    wanted = cell.parameters(inputs.shape[-1], cell.hidden_size, 1)
    for name, (shape, _) in wanted.items():
        if name in params and params[name].shape != shape:
            message = (
                f"{name} has shape {params[name].shape}, expected {shape} for {inputs.shape[-1]} numbers"
            )
            raise UsageError(message, code="E164")


def _check_state(cell: Cell, first: Sequence[np.ndarray], batch: int) -> None:
    wanted = (batch, cell.hidden_size)
    if first and (len(first) != len(cell.state_names) or any(part.shape != wanted for part in first)):
        given = ", ".join(str(part.shape) for part in first)
        names = " and ".join(cell.state_names)
        raise UsageError(f"the first state must be {names} of shape {wanted} each, not {given}", code="E165")


def check_lengths(lengths: np.ndarray | None, steps: int, batch: int) -> np.ndarray:
    """Give the lengths as contiguous int64 (B,), or say in one sentence why they cannot be meant."""
    if lengths is None:
        return np.full(batch, steps, np.int64)
    lengths = np.asarray(lengths)
    if lengths.shape != (batch,) or lengths.dtype.kind not in "iu":
        raise UsageError(f"lengths must be {batch} whole numbers, one for each row", code="E163")
    if batch and not 0 <= lengths.min() <= lengths.max() <= steps:
        bad = int(np.argmax((lengths < 0) | (lengths > steps)))
        message = f"the length {lengths[bad]} of row {bad} is not between 0 and {steps}, the number of steps"
        raise UsageError(message, code="E163")
    return np.ascontiguousarray(lengths, np.int64)


KERNELS: dict[type[Cell], str] = {RNN: "rnn", LSTM: "lstm", GRU: "gru"}
"""The cells that have a kernel, and its name."""
