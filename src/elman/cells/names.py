"""System 1: tell the origin of a name with two linear maps and a state that nothing squashes."""

from __future__ import annotations

from typing import ClassVar

from elman.cells.cell import Cell, Init, Params
from elman.ops import Array, concat


class Names(Cell):
    """Two linear maps of the input and the state, as the tutorials write them from scratch.

    ::

        u = [x, h]
        answer = W_i2o u + b_i2o                     reads the previous state, not the new one
        h' = W_i2h u + b_i2h                         not squashed: it may grow without bounds

    The answer is given as scores; the log-softmax of the tutorials' last line stands in the loss, and the
    softmax in what predicts, as for every classifier.

    Shapes: W_i2o (O, D + H), W_i2h (H, D + H), b_i2o (O,), b_i2h (H,); first values as
    ``torch.nn.Linear`` has them: U(-1/sqrt(D + H), 1/sqrt(D + H)).
    """

    name: ClassVar[str] = "names"
    answers: ClassVar[bool] = True

    def parameters(
        self, input_size: int, hidden_size: int, output_size: int
    ) -> dict[str, tuple[tuple[int, ...], Init]]:
        """Two maps of the joined input and state: to the next state, and to the answer."""
        width = input_size + hidden_size
        bound = width**-0.5
        return {
            "weight_i2h": ((hidden_size, width), bound),
            "bias_i2h": ((hidden_size,), bound),
            "weight_i2o": ((output_size, width), bound),
            "bias_i2o": ((output_size,), bound),
        }

    def step(self, x: Array, state: Array, params: Params) -> tuple[Array, Array]:
        """(B, D), (B, H) -> scores (B, O), (B, H)."""
        u = concat([x, state])
        answer = u @ params["weight_i2o"].T + params["bias_i2o"]
        return answer, u @ params["weight_i2h"].T + params["bias_i2h"]
