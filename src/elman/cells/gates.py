"""What the built-in cells share: torch's four weights, and the affine map."""

from __future__ import annotations

import math

from elman.cells.cell import Init
from elman.ops import Array


def gate_parameters(
    gates: int, input_size: int, hidden_size: int, *, bias: bool
) -> dict[str, tuple[tuple[int, ...], Init]]:
    """torch.nn's names, shapes and first values: every one from U(-1/sqrt(H), 1/sqrt(H))."""
    rows, bound = gates * hidden_size, 1 / math.sqrt(hidden_size)
    shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
    if bias:
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
    return {name: (shape, bound) for name, shape in shapes.items()}


def affine(x: Array, weight: Array, bias: Array | None) -> Array:
    """W x + b for every row of ``x``; a missing bias is nought."""
    product = x @ weight.T
    return product if bias is None else product + bias
