"""System 3: from a value to the next, with two matrices and no biases."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from elman.cells.cell import Cell, Init, Params
from elman.ops import Array, concat, tanh


class Sine(Cell):
    """Elman's network with context units (*Finding Structure in Time*, 1990), its answer included.

    ::

        c' = tanh([x, c] w1)
        answer = c' w2

    Shapes: w1 (D + H, H) from a normal with standard deviation 0.4, w2 (H, O) with 0.3.
    """

    name: ClassVar[str] = "sine"
    state_names: ClassVar[tuple[str, ...]] = ("c",)
    answers: ClassVar[bool] = True

    def parameters(
        self, input_size: int, hidden_size: int, output_size: int
    ) -> dict[str, tuple[tuple[int, ...], Init]]:
        """Two matrices: to the next context, and from it to the answer."""
        return {
            "w1": ((input_size + hidden_size, hidden_size), normal(0.4)),
            "w2": ((hidden_size, output_size), normal(0.3)),
        }

    def step(self, x: Array, state: Array, params: Params) -> tuple[Array, Array]:
        """(B, D), (B, H) -> (B, O), (B, H)."""
        c = tanh(concat([x, state]) @ params["w1"])
        return c @ params["w2"], c


def normal(deviation: float) -> Init:
    """First values from a normal around 0 with this standard deviation."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.normal(0.0, deviation, shape)

    return draw
