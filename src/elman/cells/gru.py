"""The gated recurrent unit: one gate forgets, one mixes the old state with the new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from elman.cells.cell import Cell, Init, Params
from elman.cells.gates import affine, gate_parameters
from elman.ops import Array, sigmoid, tanh


@dataclass(frozen=True)
class GRU(Cell):
    """Cho et al. (2014) with the reset gate behind the product, as ``torch.nn.GRU`` has it.

    ::

        a = W_ih x + b_ih                            rows of a and q: r, z, n; H each
        q = W_hh h + b_hh
        r = sigmoid(a_r + q_r)
        z = sigmoid(a_z + q_z)
        n = tanh(a_n + r q_n)                        b_hn stands inside the product
        h' = n + z (h - n)
        output = h'

    Shapes: W_ih (3H, D), W_hh (3H, H), b_ih and b_hh (3H,); either bias may be missing.
    """

    name: ClassVar[str] = "gru"

    bias: bool = True

    def parameters(
        self, input_size: int, hidden_size: int, output_size: int
    ) -> dict[str, tuple[tuple[int, ...], Init]]:
        """Three gates' worth of weights; there is no answer of its own."""
        return gate_parameters(3, input_size, hidden_size, bias=self.bias)

    def step(self, x: Array, state: Array, params: Params) -> tuple[Array, Array]:
        """(B, D), (B, H) -> (B, H), (B, H)."""
        _, z, n = self.gates(x, state, params).values()
        h = n + z * (state - n)
        return h, h

    def gates(self, x: Array, state: Array, params: Params) -> dict[str, Array]:
        """The gates r, z, n, (B, H) each."""
        H = self.hidden_size
        a = affine(x, params["weight_ih"], params.get("bias_ih"))
        q = affine(state, params["weight_hh"], params.get("bias_hh"))
        r = sigmoid(a[:, :H] + q[:, :H])
        z = sigmoid(a[:, H : 2 * H] + q[:, H : 2 * H])
        n = tanh(a[:, 2 * H :] + r * q[:, 2 * H :])
        return {"r": r, "z": z, "n": n}
