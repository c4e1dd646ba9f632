"""A recurrence over time on torch tensors; the only place that chooses how it is computed.

The contract is that of ``kernels.scan``: time first, ragged, outputs nought beyond a row's length, the final
state where a row ends. Built-in cells in float32 on a CPU run by their kernels; on another device, in half
precision or without a compiled module in one call of torch's; everything else, float64 included, by its
cell's own step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from elman import cells
from elman.cells import Cell, Params, State
from elman.nn.function import fits
from elman.nn.function import run as run_kernel

SHUT = 1e4  # a gate's sum far beyond where sigmoid is exactly 0 or 1, and still a number in float16


def scan(
    cell: Cell,
    inputs: Tensor,
    lengths: Tensor | None,
    params: Params,
    state: State | None = None,
    *,
    reverse: bool = False,
    rows: int = 0,
) -> tuple[Tensor, State]:
    """Run ``cell`` over ``inputs`` (T, B, D), or symbols (T, B): int64 from 0 to D - 1.

    Parameters
    ----------
    inputs
        What stands beyond a row's length reaches nothing.
    lengths
        (B,) int64 from 0 to T, on the inputs' device; None: every row has T steps.
    state
        The first state, tensors (B, H); None: the cell's own.
    reverse
        Run each row from its own end to its start.
    rows
        If not 0: the inputs are a PackedSequence's data (M, D) of so many rows, lengths its batch_sizes (T,),
        and the outputs are (M, H).

    Returns
    -------
    The outputs (T, B, H), or (T, B, K) of a cell that answers itself; and the final state.
    """
    if fits(cell, inputs, params, state):
        return run_kernel(cell, inputs, lengths, params, state, reverse=reverse, rows=rows)
    return run_plainly(cell, inputs, lengths, params, state, reverse=reverse, rows=rows)


def run_plainly(
    cell: Cell,
    inputs: Tensor,
    lengths: Tensor | None,
    params: Params,
    state: State | None,
    *,
    reverse: bool,
    rows: int,
) -> tuple[Tensor, State]:
    """As ``scan``, without a kernel."""
    if not rows or lengths is None:
        return plain(cell, inputs, lengths, params, state, reverse=reverse)
    padded, ends = pad_packed_sequence(PackedSequence(inputs, lengths))
    outputs, final = plain(cell, padded, ends.to(inputs.device), params, state, reverse=reverse)
    return torch.cat([outputs[t, :n] for t, n in enumerate(lengths.tolist())]), final


def plain(
    cell: Cell,
    inputs: Tensor,
    lengths: Tensor | None,
    params: Params,
    state: State | None = None,
    *,
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """The same without a kernel: the twin of ``scan`` for every type, device and cell."""
    if not inputs.is_floating_point() and "weight_ih" in params:
        weight = params["weight_ih"]
        if lengths is not None:
            inputs = inputs.masked_fill(~valid_steps(lengths, len(inputs))[..., 0], 0)
        inputs = functional.one_hot(inputs, weight.shape[1]).to(weight)
    if lengths is not None and not torch.compiler.is_compiling() and bool((lengths == len(inputs)).all()):
        lengths = None
    if lengths is not None:  # whatever the padding holds, NaN included, must not reach a gradient
        inputs = inputs.masked_fill(~valid_steps(lengths, len(inputs)), 0)
    state = first_state(cell, inputs) if state is None else state
    if reverse:
        inputs = mirror(inputs, lengths)
    run = _fused if _has_fused(cell, inputs, lengths, params) else run_steps
    outputs, final = run(cell, inputs, lengths, params, state)
    return (mirror(outputs, lengths) if reverse else outputs), final


def run_steps(
    cell: Cell, inputs: Tensor, lengths: Tensor | None, params: Params, state: State
) -> tuple[Tensor, State]:
    """Take the cell's own step at every time: the plain twin of each faster way."""
    outputs = []
    for t in range(len(inputs)):
        output, after = cell.step(inputs[t], state, params)
        if lengths is not None:
            alive = (lengths > t)[:, None]
            output = torch.where(alive, output, torch.zeros_like(output))
            after = _where(alive, after, state)
        state = after
        outputs.append(output)
    if outputs:
        return torch.stack(outputs), state
    return inputs.new_zeros((0, inputs.shape[1], _width(cell, inputs, params))), state


def _width(cell: Cell, inputs: Tensor, params: Params) -> int:
    """How many numbers an output has: H, or as many as a cell that answers itself gives to noughts."""
    if not cell.answers:
        return cell.hidden_size
    nought = inputs.new_zeros((1, 1, inputs.shape[-1]))
    return int(cell.step(nought[0], first_state(cell, nought), params)[0].shape[-1])


def first_state(cell: Cell, inputs: Tensor) -> State:
    """The cell's own first state as tensors, of the inputs' type and on their device."""
    return _each(cell.initial_state(inputs.shape[1]), lambda array: torch.as_tensor(array).to(inputs))


def valid_steps(lengths: Tensor, steps: int) -> Tensor:
    """Whether a step lies within its row: (T, B, 1), bool."""
    return (torch.arange(steps, device=lengths.device)[:, None] < lengths)[..., None]


def mirror(inputs: Tensor, lengths: Tensor | None) -> Tensor:
    """Turn each row round within its own length; its padding stays where it is."""
    if lengths is None:
        return inputs.flip(0)
    steps, batch = inputs.shape[:2]
    t = torch.arange(steps, device=inputs.device)[:, None]
    source = torch.where(t < lengths, lengths - 1 - t, t) * batch + torch.arange(batch, device=inputs.device)
    return inputs.flatten(0, 1).index_select(0, source.flatten()).view_as(inputs)


def _has_fused(cell: Cell, inputs: Tensor, lengths: Tensor | None, params: Params) -> bool:
    if type(cell) not in FUSED or inputs.dtype == torch.float64 or not len(inputs):
        return False
    # in the padding a fused way runs on: a state without bounds could reach infinity, and 0 times that is NaN
    safe = ("tanh", "relu") if lengths is None else ("tanh",)
    both_biases_or_none = ("bias_ih" in params) == ("bias_hh" in params)
    return both_biases_or_none and getattr(cell, "nonlinearity", "tanh") in safe


def _fused(
    cell: Cell, inputs: Tensor, lengths: Tensor | None, params: Params, state: State
) -> tuple[Tensor, State]:
    outputs, final = FUSED[type(cell)](cell, inputs, lengths, params, state)
    if lengths is not None:
        outputs = outputs * valid_steps(lengths, len(inputs)).to(outputs)
    return outputs, final


def _fused_rnn(
    cell: Any, inputs: Tensor, lengths: Tensor | None, params: Params, state: Tensor
) -> tuple[Tensor, Tensor]:
    call = torch.rnn_relu if cell.nonlinearity == "relu" else torch.rnn_tanh
    return _fused_plain(call, inputs, lengths, params, state)


def _fused_gru(
    cell: Cell, inputs: Tensor, lengths: Tensor | None, params: Params, state: Tensor
) -> tuple[Tensor, Tensor]:
    return _fused_plain(torch.gru, inputs, lengths, params, state)


def _fused_plain(
    call: Callable[..., tuple[Tensor, Tensor]],
    inputs: Tensor,
    lengths: Tensor | None,
    params: Params,
    state: Tensor,
) -> tuple[Tensor, Tensor]:
    """Run a cell whose output is its state, so that the final state stands among the outputs."""
    outputs, final = call(inputs, state[None], *_weights(params))
    return outputs, final[0] if lengths is None else _last(outputs, lengths, state)


def _fused_lstm(
    cell: Cell, inputs: Tensor, lengths: Tensor | None, params: Params, state: tuple[Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    if lengths is not None:
        inputs, params = _freeze(inputs, lengths, params)
    outputs, h, c = torch.lstm(inputs, (state[0][None], state[1][None]), *_weights(params))
    return outputs, (h[0] if lengths is None else _last(outputs, lengths, state[0]), c[0])


def _freeze(inputs: Tensor, lengths: Tensor, params: Params) -> tuple[Tensor, Params]:
    """Make c stand still in the padding, since torch gives c after the last step only.

    One more input is 1 in the padding; its weights shut i and open f fully, so that c' = 1 c + 0 g.
    """
    weight = params["weight_ih"]
    padding = (~valid_steps(lengths, len(inputs))).to(inputs)
    gates = torch.tensor([-SHUT, SHUT, 0.0, 0.0]).to(weight).repeat_interleave(len(weight) // 4)
    widened = {**params, "weight_ih": torch.cat((weight, gates[:, None]), dim=1)}
    return torch.cat((inputs, padding), dim=2), widened


def _weights(params: Params) -> tuple[list[Tensor], bool, int, float, bool, bool, bool]:
    """What torch's functions take behind the state: one layer, one direction, time first, no dropout."""
    names = [name for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if name in params]
    training = torch.is_grad_enabled()
    return [params[name] for name in names], len(names) == 4, 1, 0.0, training, False, False


def _last(outputs: Tensor, lengths: Tensor, state: Tensor) -> Tensor:
    """Take the output where each row ends; a row of length 0 gives its first state."""
    rows = torch.arange(len(lengths), device=lengths.device)
    ends = outputs[(lengths - 1).clamp(min=0), rows]
    return torch.where((lengths > 0)[:, None], ends, state)


def _each(state: State, change: Callable[[Any], Tensor]) -> State:
    return tuple(change(a) for a in state) if isinstance(state, tuple) else change(state)


def _where(alive: Tensor, after: State, before: State) -> State:
    if isinstance(after, tuple):
        return tuple(torch.where(alive, a, b) for a, b in zip(after, before, strict=True))
    return torch.where(alive, after, before)


FUSED: dict[type[Cell], Callable[..., tuple[Tensor, Any]]] = {
    cells.RNN: _fused_rnn,
    cells.LSTM: _fused_lstm,
    cells.GRU: _fused_gru,
}
