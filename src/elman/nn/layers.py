"""RNN, LSTM, GRU as torch.nn has them (arguments, defaults, shapes, weights), plus ``lengths=``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from elman import cells
from elman.cells import Cell, Params, State, check_step, draw
from elman.errors import UsageError
from elman.nn.check import check_answering
from elman.nn.scan import first_state, scan, valid_steps


class Recurrent(nn.Module):
    """Any cell over time, with depth, direction and dropout between the layers.

    Parameters
    ----------
    cell
        The rule of every layer.
    input_size
        Features that come in, D.
    num_layers, batch_first, dropout, bidirectional, device, dtype
        As in ``torch.nn``.
    output_size
        Numbers in the answer of a cell that answers itself, K; None: H.

    Raises
    ------
    UsageError
        If a number is out of range.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        num_layers: int = 1,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        output_size: int | None = None,
    ) -> None:
        super().__init__()
        _check_numbers(input_size, num_layers, dropout)
        check_answering(cell, num_layers, bidirectional)
        self.cell, self.input_size, self.hidden_size = cell, input_size, cell.hidden_size
        self.output_size = output_size or cell.hidden_size
        self.num_layers, self.batch_first = num_layers, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        self.suffixes = ("", "_reverse") if bidirectional else ("",)
        for n in range(num_layers):
            for suffix in self.suffixes:
                for name, (shape, _) in self._wanted(n).items():
                    empty = torch.empty(shape, device=device, dtype=dtype)
                    self.register_parameter(f"{name}_l{n}{suffix}", nn.Parameter(empty))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw new weights; under the same seed the built-in ones are bit for bit those of ``torch.nn``."""
        for n in range(self.num_layers):
            for suffix in self.suffixes:
                for name, (shape, init) in self._wanted(n).items():
                    weight = self.get_parameter(f"{name}_l{n}{suffix}")
                    if callable(init):
                        weight.copy_(torch.as_tensor(draw(init, shape, _numpy_generator())))
                    else:
                        weight.uniform_(-init, init)

    def forward(
        self,
        input: Tensor,  # noqa: A002
        hx: State | None = None,
        lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    ) -> tuple[Tensor, State]:
        """Run over ``input`` (T, B, D); (B, T, D) if ``batch_first``; (T, D) for one row.

        Parameters
        ----------
        hx
            The first state (layers · directions, B, H), for an LSTM a pair of them; None: the cell's own.
        lengths
            (B,) steps of each row; outputs beyond are nought, and the final state is taken where a row ends.

        Returns
        -------
        The outputs (T, B, directions · H), or (T, B, K), laid out as the input; and the final state,
        shaped as ``hx``.
        """
        _refuse_packed(input)
        if input.dim() == 2:
            return self._forward_one(input, hx, lengths)
        self._check_input(input)
        inputs = input.transpose(0, 1) if self.batch_first else input
        rows = None
        if lengths is not None:  # whatever the padding holds, NaN included, must not reach a gradient
            rows = as_lengths(lengths, inputs)
            if bool((rows == len(inputs)).all()):
                rows = None
            else:
                inputs = inputs.masked_fill(~valid_steps(rows, len(inputs)), 0)
        state = None if hx is None else self._check_state(hx, inputs.shape[1])
        outputs, final = self._run(inputs, state, rows)
        return (outputs.transpose(0, 1) if self.batch_first else outputs), final

    def flatten_parameters(self) -> None:
        """Do nothing; here because code written for ``torch.nn`` calls it."""

    def check_step(self) -> None:
        """Take one step of the first layer on torch tensors; ``UsageError`` if the cell cannot."""
        x = torch.zeros(1, 2, self.input_size)
        check_step(self.cell, x[0], first_state(self.cell, x), self._params(0, ""), self.output_size)

    def extra_repr(self) -> str:
        """Say what differs from the defaults, as ``torch.nn`` does."""
        words = [str(self.input_size), str(self.hidden_size)]
        words += [f"num_layers={self.num_layers}"] if self.num_layers != 1 else []
        words += [name for name in ("batch_first", "bidirectional") if getattr(self, name)]
        words += [f"dropout={self.dropout}"] if self.dropout else []
        return ", ".join(words)

    def _wanted(self, layer: int) -> dict[str, tuple[tuple[int, ...], cells.Init]]:
        width = len(self.suffixes) * self.hidden_size if layer else self.input_size
        return self.cell.parameters(width, self.hidden_size, self.output_size)

    def _params(self, layer: int, suffix: str) -> Params:
        return {name: getattr(self, f"{name}_l{layer}{suffix}") for name in self._wanted(layer)}

    def _run(self, inputs: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        finals: list[State] = []
        for n in range(self.num_layers):
            if n and self.dropout:
                inputs = functional.dropout(inputs, self.dropout, self.training)
            outputs = []
            for suffix in self.suffixes:
                first = None if state is None else _take(state, len(finals))
                params = self._params(n, suffix)
                output, final = scan(self.cell, inputs, lengths, params, first, reverse=bool(suffix))
                outputs.append(output)
                finals.append(final)
            inputs = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        return inputs, _stack(finals)

    def _forward_one(self, row: Tensor, hx: State | None, lengths: Any) -> tuple[Tensor, State]:
        """Run a single row (T, D) as torch.nn does: the state is (layers · directions, H)."""
        axis = 0 if self.batch_first else 1
        outputs, final = self.forward(row.unsqueeze(axis), _each(hx, lambda a: a.unsqueeze(1)), lengths)
        return outputs.squeeze(axis), _each(final, lambda a: a.squeeze(1))

    def _check_input(self, inputs: Tensor) -> None:
        if inputs.dim() != 3:
            raise UsageError(f"the input must have 2 or 3 dimensions, not {inputs.dim()}", code="E165")
        if inputs.shape[-1] != self.input_size:
            message = f"the input has {inputs.shape[-1]} features, the layer takes {self.input_size}"
            raise UsageError(message, code="E165")

    def _check_state(self, state: State, batch: int) -> State:
        wanted = (self.num_layers * len(self.suffixes), batch, self.hidden_size)
        parts = state if isinstance(state, (tuple, list)) else (state,)
        names = self.cell.state_names
        if len(parts) != len(names) or any(tuple(part.shape) != wanted for part in parts):
            given = ", ".join(str(tuple(part.shape)) for part in parts)
            message = f"the first state must be {' and '.join(names)} of shape {wanted} each, not {given}"
            raise UsageError(message, code="E165")
        return tuple(parts) if len(names) > 1 else parts[0]


class RNN(Recurrent):
    """Elman's network; as ``torch.nn.RNN``, plus ``lengths=``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        cell = cells.RNN(hidden_size, nonlinearity=nonlinearity, bias=bias)
        super().__init__(cell, input_size, num_layers, batch_first, dropout, bidirectional, device, dtype)
        self.nonlinearity, self.bias = nonlinearity, bias


class LSTM(Recurrent):
    """Long short-term memory; as ``torch.nn.LSTM`` (without ``proj_size``), plus ``lengths=``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if proj_size:
            raise UsageError("proj_size is not supported", code="E165", help="put a Linear behind the layer")
        cell = cells.LSTM(hidden_size, bias=bias)
        super().__init__(cell, input_size, num_layers, batch_first, dropout, bidirectional, device, dtype)
        self.proj_size, self.bias = proj_size, bias


class GRU(Recurrent):
    """The gated recurrent unit; as ``torch.nn.GRU``, plus ``lengths=``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        cell = cells.GRU(hidden_size, bias=bias)
        super().__init__(cell, input_size, num_layers, batch_first, dropout, bidirectional, device, dtype)
        self.bias = bias


def as_lengths(lengths: Tensor | np.ndarray | Sequence[int], inputs: Tensor) -> Tensor:
    """Give the lengths as int64 (B,) beside ``inputs`` (T, B, D), or say why they cannot be meant."""
    rows = torch.as_tensor(lengths)
    steps, batch = inputs.shape[:2]
    if rows.shape != (batch,) or rows.is_floating_point() or rows.dtype == torch.bool:
        raise UsageError(f"lengths must be {batch} whole numbers, one for each row", code="E163")
    if batch and not 0 <= int(rows.min()) <= int(rows.max()) <= steps:
        message = f"lengths must lie between 0 and {steps}, the number of steps; they run"
        raise UsageError(f"{message} from {int(rows.min())} to {int(rows.max())}", code="E163")
    return rows.to(inputs.device, torch.int64)


def _check_numbers(input_size: int, num_layers: int, dropout: float) -> None:
    for name, value in (("input_size", input_size), ("num_layers", num_layers)):
        if not hasattr(value, "__index__") or value < 1:
            raise UsageError(f"{name} must be a whole number of at least 1, not {value!r}", code="E110")
    if isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise UsageError(f"dropout must be at least 0 and at most 1, not {dropout!r}", code="E111")
    if dropout and num_layers == 1:
        warnings.warn("dropout stands between layers, and there is only one", stacklevel=4)


def _refuse_packed(inputs: Any) -> None:
    if isinstance(inputs, PackedSequence):
        hint = "give the padded batch and lengths=; pad_packed_sequence makes both"
        raise UsageError("a PackedSequence is not read yet", code="E166", help=hint)


def _numpy_generator() -> np.random.Generator:
    """A generator that torch's seed rules."""
    return np.random.default_rng(int(torch.randint(2**62, ()).item()))


def _take(state: State, index: int) -> State:
    return _each(state, lambda a: a[index])


def _stack(states: list[State]) -> State:
    if isinstance(states[0], tuple):
        return tuple(torch.stack(parts) for parts in zip(*states, strict=True))
    return torch.stack(states)


def _each(state: Any, change: Any) -> Any:
    if state is None:
        return None
    return tuple(change(a) for a in state) if isinstance(state, (tuple, list)) else change(state)
