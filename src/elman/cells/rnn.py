"""Elman's network: the state is a squashed sum of what comes in and what was there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from elman.cells.cell import Cell, Init, Params
from elman.cells.gates import affine, gate_parameters
from elman.errors import UsageError
from elman.ops import Array, relu, tanh


@dataclass(frozen=True)
class RNN(Cell):
    """Elman's simple recurrent network (*Finding Structure in Time*, 1990), as ``torch.nn.RNN`` has it.

    ::

        h' = φ(W_ih x + b_ih + W_hh h + b_hh)        φ = tanh, relu or the identity
        output = h'

    Shapes: W_ih (H, D), W_hh (H, H), b_ih and b_hh (H,); either bias may be missing.
    """

    name: ClassVar[str] = "rnn"

    nonlinearity: str = "tanh"
    bias: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nonlinearity not in NONLINEARITIES:
            known = ", ".join(NONLINEARITIES)
            raise UsageError(f"nonlinearity must be one of {known}, not {self.nonlinearity!r}", code="E111")

    def parameters(
        self, input_size: int, hidden_size: int, output_size: int
    ) -> dict[str, tuple[tuple[int, ...], Init]]:
        """One gate's worth of weights; there is no answer of its own."""
        return gate_parameters(1, input_size, hidden_size, bias=self.bias)

    def step(self, x: Array, state: Array, params: Params) -> tuple[Array, Array]:
        """(B, D), (B, H) -> (B, H), (B, H)."""
        a = affine(x, params["weight_ih"], params.get("bias_ih"))
        a = a + affine(state, params["weight_hh"], params.get("bias_hh"))
        h = NONLINEARITIES[self.nonlinearity](a)
        return h, h


def identity(x: Array) -> Array:
    """Leave ``x`` as it is: a linear recurrence."""
    return x


NONLINEARITIES: dict[str, Callable[[Array], Array]] = {"tanh": tanh, "relu": relu, "identity": identity}
