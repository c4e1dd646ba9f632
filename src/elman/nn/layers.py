"""RNN, LSTM, GRU as torch.nn has them (arguments, defaults, shapes, weights), plus ``lengths=``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from elman import cells
from elman.cells import Cell, Params, State, check_step, draw
from elman.errors import UsageError
from elman.kernels.native import compiled
from elman.nn.check import check_answering
from elman.nn.function import KINDS, How, how_of, straight
from elman.nn.projected import run_projected
from elman.nn.scan import first_state, scan

if compiled.module is not None:
    import elman.nn.operators  # noqa: F401  torch.ops.elman, for graphs


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
        check_switches(batch_first=batch_first, bidirectional=bidirectional)
        check_answering(cell, num_layers, bidirectional)
        self.cell, self.input_size, self.hidden_size = cell, input_size, cell.hidden_size
        self.output_size = output_size or cell.hidden_size
        self.num_layers, self.batch_first = num_layers, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        self.suffixes = ("", "_reverse") if bidirectional else ("",)
        self._keys = [
            [tuple((name, f"{name}_l{n}{suffix}") for name in self._wanted(n)) for suffix in self.suffixes]
            for n in range(num_layers)
        ]
        for key, shape, _ in self._every_weight():
            self.register_parameter(key, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        alone = num_layers == 1 and not bidirectional
        self._straight = how_of(cell, stacked=True) if alone and type(cell) in KINDS else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw new weights; under the same seed the built-in ones are bit for bit those of ``torch.nn``."""
        for key, shape, init in self._every_weight():
            weight = self.get_parameter(key)
            if callable(init):
                weight.copy_(torch.as_tensor(draw(init, shape, _numpy_generator())))
            else:
                weight.uniform_(-init, init)

    def forward(
        self,
        input: Any,  # noqa: A002
        hx: State | None = None,
        lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    ) -> tuple[Any, State]:
        """Run over ``input`` (T, B, D); (B, T, D) if ``batch_first``; (T, D) for one row; or packed.

        Whole numbers without the last axis are symbols, each a 1 among D noughts that are never multiplied.

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
        if lengths is None and self._straight is not None:
            found = self._forward_straight(input, hx, self._straight)
            if found is not None:
                return found
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx, lengths)
        symbols = is_symbols(input)
        if input.dim() == (1 if symbols else 2):
            return self._forward_one(input, hx, lengths)
        self._check_input(input, symbols)
        inputs = input.transpose(0, 1) if self.batch_first else input
        rows = None if lengths is None else as_lengths(lengths, inputs)
        state = None if hx is None else self._check_state(hx, inputs.shape[1], inputs)
        outputs, final = self._run(inputs.long() if symbols else inputs, state, rows)
        return (outputs.transpose(0, 1) if self.batch_first else outputs), final

    def flatten_parameters(self) -> None:
        """Do nothing; here because code written for ``torch.nn`` calls it."""

    def check_step(self) -> None:
        """Take one step of the first layer on torch tensors; ``UsageError`` if the cell cannot."""
        x = torch.zeros(1, 2, self.input_size)
        check_step(self.cell, x[0], first_state(self.cell, x), self._params(0, 0), self.output_size)

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

    def _every_weight(self) -> Iterator[tuple[str, tuple[int, ...], cells.Init]]:
        """Name, shape and first values of each weight, in torch's order."""
        for layer, ways in enumerate(self._keys):
            wanted = self._wanted(layer)
            for name, key in chain.from_iterable(ways):
                yield key, *wanted[name]

    def _params(self, layer: int, way: int) -> Params:
        if torch.compiler.is_compiling():
            return {name: getattr(self, key) for name, key in self._keys[layer][way]}
        found = self._parameters  # quicker than attributes, which a module looks for in three places
        return {
            name: found[key] if key in found else getattr(self, key) for name, key in self._keys[layer][way]
        }

    def _weight(self) -> Tensor:
        """Any weight, for its type and device."""
        weight: Tensor = getattr(self, self._keys[0][0][0][1])
        return weight

    def _run(
        self, inputs: Tensor, state: State | None, lengths: Tensor | None, batch: int = 0
    ) -> tuple[Tensor, State]:
        finals: list[State] = []
        for n in range(self.num_layers):
            if n and self.dropout:
                inputs = functional.dropout(inputs, self.dropout, self.training)
            outputs = []
            for way, suffix in enumerate(self.suffixes):
                first = None if state is None else _take(state, len(finals))
                params = self._params(n, way)
                output, final = scan(
                    self.cell, inputs, lengths, params, first, reverse=bool(suffix), rows=batch
                )
                outputs.append(output)
                finals.append(final)
            inputs = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        return inputs, _stack(finals)

    def _forward_straight(self, input: Any, hx: Any, how: How) -> tuple[Tensor, State] | None:  # noqa: A002
        """Take the shortest way, if nothing about this call asks for another."""
        if not isinstance(input, Tensor):
            return None
        turn = self.batch_first and input.dim() > 1
        x = input.transpose(0, 1).contiguous() if turn else input
        get = self._parameters.get  # quicker than attributes, which a module looks for in three places
        h0, c0 = hx if isinstance(hx, tuple) and len(hx) == 2 else (hx, None)
        weights = (get("weight_ih_l0"), get("weight_hh_l0"), get("bias_ih_l0"), get("bias_hh_l0"))
        found = straight((x, *weights, h0, c0, None), how)
        if found is None:
            return None
        out, hn, cn = found
        return out.transpose(0, 1) if turn else out, hn if cn is None else (hn, cn)

    def _forward_one(self, row: Tensor, hx: State | None, lengths: Any) -> tuple[Tensor, State]:
        """Run a single row (T, D) as torch.nn does: the state is (layers · directions, H)."""
        axis = 0 if self.batch_first else 1
        if hx is not None and any(part.dim() != 2 for part in _parts(hx)):
            shapes = ", ".join(str(tuple(part.shape)) for part in _parts(hx))
            message = f"the first state of one row without a batch has 2 dimensions, not the shape {shapes}"
            raise UsageError(message, code="E165", help="(layers · directions, H)")
        outputs, final = self.forward(row.unsqueeze(axis), _each(hx, lambda a: a.unsqueeze(1)), lengths)
        return outputs.squeeze(axis), _each(final, lambda a: a.squeeze(1))

    def _forward_packed(
        self, packed: PackedSequence, hx: State | None, lengths: Any
    ) -> tuple[PackedSequence, State]:
        """Run what ``pack_padded_sequence`` made; rows go in and out in the user's own order."""
        if lengths is not None:
            message = "a PackedSequence has its lengths already"
            raise UsageError(message, code="E166", help="leave lengths= out, or give the padded batch")
        data, sizes, there, back = packed
        symbols = is_symbols(data)
        self._check_input(data if symbols else data[:, None], symbols, packed=True)
        batch = int(sizes[0])
        state = None if hx is None else self._check_state(hx, batch, data)
        if there is not None:
            state = _each(state, lambda a: a.index_select(1, there))
        outputs, final = self._run(data.long() if symbols else data, state, sizes, batch)
        if back is not None:
            final = _each(final, lambda a: a.index_select(1, back))
        return PackedSequence(outputs, sizes, there, back), final

    def _check_input(self, inputs: Tensor, symbols: bool, *, packed: bool = False) -> None:
        check_type(inputs, self._weight(), "the input")
        if symbols:
            if inputs.dim() != (1 if packed else 2):
                message = f"symbols are whole numbers (T, B), not of {inputs.dim()} dimensions"
                raise UsageError(message, code="E165", help="numbers must be floating point: input.float()")
            return
        if inputs.dim() != 3:
            raise UsageError(f"the input must have 2 or 3 dimensions, not {inputs.dim()}", code="E165")
        if inputs.shape[-1] != self.input_size:
            message = f"the input has {inputs.shape[-1]} features, the layer takes {self.input_size}"
            raise UsageError(message, code="E165")

    def _check_state(self, state: State, batch: int, inputs: Tensor) -> State:
        wanted = (self.num_layers * len(self.suffixes), batch, self.hidden_size)
        parts, names = _parts(state), self.cell.state_names
        if len(parts) != len(names) or any(tuple(part.shape) != wanted for part in parts):
            given = ", ".join(str(tuple(part.shape)) for part in parts)
            message = f"the first state must be {' and '.join(names)} of shape {wanted} each, not {given}"
            raise UsageError(message, code="E165")
        for name, part in zip(names, parts, strict=True):
            check_type(part, self._weight(), f"the first state {name}")
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
        check_switches(bias=bias)
        cell = cells.RNN(hidden_size, nonlinearity=nonlinearity, bias=bias)
        super().__init__(cell, input_size, num_layers, batch_first, dropout, bidirectional, device, dtype)
        self.nonlinearity, self.bias = nonlinearity, bias


class LSTM(Recurrent):
    """Long short-term memory; as ``torch.nn.LSTM``, plus ``lengths=``. ``proj_size`` runs torch's own."""

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
        if not 0 <= proj_size < max(1, hidden_size):
            message = (
                f"proj_size must be at least 0 and less than hidden_size, {hidden_size}, not {proj_size!r}"
            )
            raise UsageError(message, code="E111")
        self.proj_size, self.bias = proj_size, bias
        check_switches(bias=bias)
        cell = cells.LSTM(hidden_size, bias=bias)
        super().__init__(cell, input_size, num_layers, batch_first, dropout, bidirectional, device, dtype)

    def forward(
        self,
        input: Any,  # noqa: A002
        hx: State | None = None,
        lengths: Tensor | np.ndarray | Sequence[int] | None = None,
    ) -> tuple[Any, State]:
        """As every layer; with ``proj_size`` by torch's own LSTM, whose outputs have so many numbers."""
        if not self.proj_size:
            return super().forward(input, hx, lengths)
        axis = 0 if self.batch_first else 1
        rows = None if lengths is None else as_lengths(lengths, input if axis else input.transpose(0, 1))
        return run_projected(self, input, hx, rows)

    def _wanted(self, layer: int) -> dict[str, tuple[tuple[int, ...], cells.Init]]:
        """With a projection, W_hh reads it, and W_hr (proj_size, H) makes it."""
        wanted = super()._wanted(layer)
        if not self.proj_size:
            return wanted
        (rows, width), bound = wanted["weight_ih"]
        if layer:
            width = len(self.suffixes) * self.proj_size
        projected = {"weight_ih": ((rows, width), bound), "weight_hh": ((rows, self.proj_size), bound)}
        return {**wanted, **projected, "weight_hr": ((self.proj_size, self.hidden_size), bound)}


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
        check_switches(bias=bias)
        cell = cells.GRU(hidden_size, bias=bias)
        super().__init__(cell, input_size, num_layers, batch_first, dropout, bidirectional, device, dtype)
        self.bias = bias


def as_lengths(lengths: Tensor | np.ndarray | Sequence[int], inputs: Tensor) -> Tensor:
    """Give the lengths as int64 (B,) beside ``inputs`` (T, B, D), or say why they cannot be meant."""
    rows = torch.as_tensor(lengths)
    steps, batch = inputs.shape[:2]
    if rows.shape != (batch,) or rows.is_floating_point() or rows.dtype == torch.bool:
        raise UsageError(f"lengths must be {batch} whole numbers, one for each row", code="E163")
    if batch and not torch.compiler.is_compiling() and not 0 <= int(rows.min()) <= int(rows.max()) <= steps:
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


def check_switches(**switches: object) -> None:
    """Raise ``UsageError`` unless each is True or False: a number there is an argument in the wrong place."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise UsageError(f"{name} must be True or False, not {value!r}", code="E110")


def _numpy_generator() -> np.random.Generator:
    """A generator that torch's seed rules."""
    return np.random.default_rng(int(torch.randint(2**62, ()).item()))


def _take(state: State, index: int) -> State:
    return _each(state, lambda a: a[index])


def _stack(states: list[State]) -> State:
    if len(states) == 1:
        return _each(states[0], lambda a: a.unsqueeze(0))
    if isinstance(states[0], tuple):
        return tuple(torch.stack(parts) for parts in zip(*states, strict=True))
    return torch.stack(states)


def _parts(state: State) -> tuple[Tensor, ...]:
    return tuple(state) if isinstance(state, (tuple, list)) else (state,)


def is_symbols(inputs: Tensor) -> bool:
    """Whether the input is symbols: whole numbers, which stand for a 1 among noughts."""
    return not inputs.is_floating_point() and not inputs.is_complex() and inputs.dtype != torch.bool


def check_type(given: Tensor, weight: Tensor, name: str, *, numbers: bool = False) -> None:
    """Raise ``UsageError`` if a tensor is not of the weights' type or on their device.

    Symbols may have any type of whole numbers, unless ``numbers`` are wanted.
    """
    if given.device != weight.device:
        message = f"{name} is on {given.device}, the layer's weights are on {weight.device}"
        raise UsageError(message, code="E165", help=f"move one of them: .to({str(weight.device)!r})")
    right = given.dtype == weight.dtype or (is_symbols(given) and not numbers)
    if not right and not torch.is_autocast_enabled(given.device.type):
        message = f"{name} is {given.dtype}, the layer's weights are {weight.dtype}"
        raise UsageError(message, code="E165", help=f"input.to({weight.dtype}), or layer.to({given.dtype})")


def _each(state: Any, change: Any) -> Any:
    if state is None:
        return None
    return tuple(change(a) for a in state) if isinstance(state, (tuple, list)) else change(state)
