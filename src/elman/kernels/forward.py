"""A whole trained network without torch: symbols in, logits out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from elman.cells import Cell, main_state, make_cell, options_of
from elman.kernels.answer import embed, linear, pool
from elman.kernels.scan import check_lengths, scan

Tensors = Mapping[str, np.ndarray]


class Shape(Protocol):
    """The settings that say what a network computes."""

    @property
    def recurrence(self) -> str: ...  # noqa: D102
    @property
    def hidden_size(self) -> int: ...  # noqa: D102
    @property
    def num_layers(self) -> int: ...  # noqa: D102
    @property
    def causal(self) -> bool: ...  # noqa: D102
    @property
    def nonlinearity(self) -> str: ...  # noqa: D102
    @property
    def pooling(self) -> str: ...  # noqa: D102
    @property
    def embedding_size(self) -> int: ...  # noqa: D102
    @property
    def shortcut(self) -> float: ...  # noqa: D102


def forward(settings: Shape, tensors: Tensors, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Give the logits (B, K) of ``ids`` (B, T) or (B, T, G); the twin of ``nn.Network.forward``.

    Parameters
    ----------
    tensors
        The weights, named as ``tensor_shapes`` names them.
    lengths
        (B,) whole numbers from 0 to T. Length 0 gives the answer of the first state.
    """
    ids = np.swapaxes(ids, 0, 1)
    lengths = check_lengths(lengths, *ids.shape[:2])
    tables = [tensors[f"embedding.{g}.weight"] for g in range(1 if ids.ndim == 2 else ids.shape[-1])]
    inputs = embed(tables, ids)
    outputs, final = run_layers(settings, tensors, inputs, lengths)
    parts = [
        final if kind == "last" else pool(outputs, lengths, kind) for kind in settings.pooling.split("+")
    ]
    if settings.shortcut:
        parts.append(np.float32(settings.shortcut) * direct(inputs, lengths))
    return linear(np.concatenate(parts, axis=-1), tensors["head.weight"], tensors["head.bias"])


def direct(inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Sum each row's own inputs over the square root of its length: (T, B, D), (B,) -> (B, D).

    So the values are of one size for short and long rows, as those of tf-idf vectors are.
    """
    roots: np.ndarray = np.sqrt(np.maximum(lengths, 1)).astype(inputs.dtype)[:, None]
    scaled: np.ndarray = pool(inputs, lengths, "sum") / roots
    return scaled


def run_layers(
    settings: Shape, tensors: Tensors, inputs: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Run every layer in every direction over ``inputs`` (T, B, D).

    Returns
    -------
    The top layer's outputs (T, B, directions · H), and its final state (B, directions · H).
    """
    cell, ways = cell_of(settings), directions(settings)
    final: list[np.ndarray] = []
    for n in range(settings.num_layers):
        outputs = np.zeros((*inputs.shape[:2], len(ways) * cell.hidden_size), inputs.dtype)
        slices = np.split(outputs, len(ways), axis=-1)
        final = []
        for suffix, out in zip(ways, slices, strict=True):
            params = layer_params(cell, tensors, f"_l{n}{suffix}")
            state = scan(cell, inputs, lengths, params, reverse=bool(suffix), out=out)[1]
            final.append(main_state(state))
        inputs = outputs
    return inputs, np.concatenate(final, axis=-1)


def cell_of(settings: Shape) -> Cell:
    """Build the cell that the settings name; ``nonlinearity`` goes only to a cell that has one."""
    known = options_of(settings.recurrence)
    options = {"nonlinearity": settings.nonlinearity} if "nonlinearity" in known else {}
    return make_cell(settings.recurrence, settings.hidden_size, **options)


def directions(settings: Shape) -> tuple[str, ...]:
    """The endings of the weights' names, one for each direction."""
    return ("",) if settings.causal else ("", "_reverse")


def layer_params(cell: Cell, tensors: Tensors, ending: str) -> dict[str, np.ndarray]:
    """Take one layer's and direction's weights, under the cell's own names."""
    names = cell.parameters(1, cell.hidden_size, 1)
    return {name: tensors[f"layers.{name}{ending}"] for name in names}


def tensor_shapes(settings: Shape, sizes: tuple[int, ...], outputs: int) -> dict[str, tuple[int, ...]]:
    """Name every weight of a network and its shape, in the order of ``nn.Network``'s own.

    ``sizes`` says how many ids each column has, ``outputs`` how many logits there are.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for g, size in enumerate(sizes):
        shapes[f"embedding.{g}.weight"] = (size, settings.embedding_size)
    cell, ways = cell_of(settings), directions(settings)
    width = len(ways) * settings.hidden_size
    for n in range(settings.num_layers):
        wanted = cell.parameters(width if n else settings.embedding_size, settings.hidden_size, outputs)
        for suffix in ways:
            shapes |= {f"layers.{name}_l{n}{suffix}": shape for name, (shape, _) in wanted.items()}
    more = settings.embedding_size if settings.shortcut else 0
    shapes["head.weight"] = (outputs, width * len(settings.pooling.split("+")) + more)
    shapes["head.bias"] = (outputs,)
    return shapes
