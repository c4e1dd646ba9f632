"""RNNCell, LSTMCell, GRUCell as torch.nn has them: one step, the state in and out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from elman import cells
from elman.cells import Cell, State
from elman.errors import UsageError
from elman.nn.function import KINDS, How, how_of, straight
from elman.nn.layers import check_switches, check_type
from elman.nn.scan import scan


class OneStep(nn.Module):
    """A cell's weights, and its step.

    Parameters
    ----------
    cell
        The rule.
    input_size
        Features that come in, D.
    device, dtype
        As in ``torch.nn``.
    """

    def __init__(
        self, cell: Cell, input_size: int, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.cell, self.input_size, self.hidden_size = cell, input_size, cell.hidden_size
        wanted = cell.parameters(input_size, cell.hidden_size, cell.hidden_size)
        self._names = tuple(wanted)
        self.weight_ih: nn.Parameter
        self.bias_ih: nn.Parameter | None
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            given = name in wanted
            weight = torch.empty(wanted[name][0], device=device, dtype=dtype) if given else None
            self.register_parameter(name, None if weight is None else nn.Parameter(weight))
        self._how: How | None = how_of(cell) if type(cell) in KINDS else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw new weights; under the same seed they are bit for bit those of ``torch.nn``."""
        bound = self.hidden_size**-0.5 if self.hidden_size else 0.0
        for weight in self.parameters():
            weight.uniform_(-bound, bound)

    def _step(self, x: Tensor, hx: State | None) -> State:
        """(B, D) or (D,), state (B, H) or (H,) -> the state after the step, shaped alike."""
        found = None if self._how is None else self._step_straight(x, hx, self._how)
        if found is not None:
            return found
        parts = None if hx is None else tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
        self._check(x, parts)
        params = {name: getattr(self, name) for name in self._names}
        if x.dim() == 1:
            x, parts = x[None], None if parts is None else tuple(part[None] for part in parts)
            return _each(self._step_rows(x, parts, params), lambda a: a[0])
        return self._step_rows(x, parts, params)

    def _step_straight(self, x: Tensor, hx: Any, how: How) -> State | None:
        """Take the shortest way, if nothing about this call asks for another."""
        if not isinstance(x, Tensor) or x.dim() != 2 or not x.is_floating_point():
            return None
        get = self._parameters.get
        h0, c0 = hx if isinstance(hx, tuple) and len(hx) == 2 else (hx, None)
        weights = (get("weight_ih"), get("weight_hh"), get("bias_ih"), get("bias_hh"))
        found = straight((x.unsqueeze(0), *weights, h0, c0, None), how)
        return None if found is None else found[1] if found[2] is None else found[1:]

    def _step_rows(self, x: Tensor, parts: tuple[Tensor, ...] | None, params: dict[str, Tensor]) -> State:
        state = None if parts is None else parts if len(parts) > 1 else parts[0]
        return scan(self.cell, x[None], None, params, state)[1]

    def _check(self, x: Tensor, parts: tuple[Tensor, ...] | None) -> None:
        if x.dim() not in (1, 2):
            raise UsageError(
                f"the input must have 1 or 2 dimensions, not {x.dim()}", code="E165", help="(B, D)"
            )
        if x.shape[-1] != self.input_size:
            message = f"the input has {x.shape[-1]} features, the cell takes {self.input_size}"
            raise UsageError(message, code="E165")
        check_type(x, self.weight_ih, "the input", numbers=True)
        wanted, names = (*x.shape[:-1], self.hidden_size), self.cell.state_names
        if parts is None:
            return
        if len(parts) != len(names) or any(tuple(part.shape) != wanted for part in parts):
            given = ", ".join(str(tuple(part.shape)) for part in parts)
            message = f"the state must be {' and '.join(names)} of shape {wanted} each, not {given}"
            raise UsageError(message, code="E165")
        for name, part in zip(names, parts, strict=True):
            check_type(part, self.weight_ih, f"the state {name}", numbers=True)

    def extra_repr(self) -> str:
        """Say what differs from the defaults, as ``torch.nn`` does."""
        words = [str(self.input_size), str(self.hidden_size)]
        words += [] if self.bias_ih is not None else ["bias=False"]
        nonlinearity = getattr(self.cell, "nonlinearity", "tanh")
        words += [] if nonlinearity == "tanh" else [f"nonlinearity={nonlinearity}"]
        return ", ".join(words)


class RNNCell(OneStep):
    """One step of Elman's network; as ``torch.nn.RNNCell``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_switches(bias=bias)
        super().__init__(
            cells.RNN(hidden_size, nonlinearity=nonlinearity, bias=bias), input_size, device, dtype
        )
        self.bias, self.nonlinearity = bias, nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:  # noqa: A002
        """(B, D), (B, H) -> h (B, H); also (D,), (H,) -> (H,). A missing state is nought."""
        h: Tensor = self._step(input, hx)
        return h


class LSTMCell(OneStep):
    """One step of long short-term memory; as ``torch.nn.LSTMCell``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_switches(bias=bias)
        super().__init__(cells.LSTM(hidden_size, bias=bias), input_size, device, dtype)
        self.bias = bias

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:  # noqa: A002
        """(B, D), (h, c) of (B, H) -> (h, c); also without B. A missing state is nought."""
        h, c = self._step(input, hx)
        return h, c


class GRUCell(OneStep):
    """One step of the gated recurrent unit; as ``torch.nn.GRUCell``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_switches(bias=bias)
        super().__init__(cells.GRU(hidden_size, bias=bias), input_size, device, dtype)
        self.bias = bias

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:  # noqa: A002
        """(B, D), (B, H) -> h (B, H); also (D,), (H,) -> (H,). A missing state is nought."""
        h: Tensor = self._step(input, hx)
        return h


def _each(state: State, change: Any) -> State:
    return tuple(change(a) for a in state) if isinstance(state, tuple) else change(state)
