"""Long short-term memory: a second state that is only ever scaled and added to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from elman.cells.cell import Cell, Init, Params
from elman.cells.gates import affine, gate_parameters
from elman.ops import Array, sigmoid, tanh


@dataclass(frozen=True)
class LSTM(Cell):
    """Hochreiter and Schmidhuber (1997), forget gate by Gers et al. (2000), as ``torch.nn.LSTM`` has it.

    ::

        a = W_ih x + b_ih + W_hh h + b_hh            rows of a: i, f, g, o; H each
        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)
        g = tanh(a_g)
        c' = f c + i g
        h' = o tanh(c')
        output = h', state = (h', c')

    Shapes: W_ih (4H, D), W_hh (4H, H), b_ih and b_hh (4H,); either bias may be missing.
    """

    name: ClassVar[str] = "lstm"
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    bias: bool = True

    def parameters(
        self, input_size: int, hidden_size: int, output_size: int
    ) -> dict[str, tuple[tuple[int, ...], Init]]:
        """Four gates' worth of weights; there is no answer of its own."""
        return gate_parameters(4, input_size, hidden_size, bias=self.bias)

    def step(self, x: Array, state: tuple[Array, Array], params: Params) -> tuple[Array, tuple[Array, Array]]:
        """(B, D), two of (B, H) -> (B, H), two of (B, H)."""
        i, f, g, o = self.gates(x, state, params).values()
        c = f * state[1] + i * g
        h = o * tanh(c)
        return h, (h, c)

    def gates(self, x: Array, state: tuple[Array, Array], params: Params) -> dict[str, Array]:
        """The gates i, f, g, o, (B, H) each."""
        H = self.hidden_size
        a = affine(x, params["weight_ih"], params.get("bias_ih"))
        a = a + affine(state[0], params["weight_hh"], params.get("bias_hh"))
        i, f = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H])
        g, o = tanh(a[:, 2 * H : 3 * H]), sigmoid(a[:, 3 * H :])
        return {"i": i, "f": f, "g": g, "o": o}
