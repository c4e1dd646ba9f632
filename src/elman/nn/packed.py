"""Layers on packed rows without torch's graph: forwards, and back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from elman.kernels.packing import Packing
from elman.nn.function import NAMES, Given, How, backward, forward, how_of
from elman.nn.layers import Recurrent

OUT = 8  # where the outputs stand among what a run keeps
RunSlopes = tuple[Tensor | None, Tensor | None]
"""The gradients of one direction's outputs (M, H) and of its final state (B, H); None: noughts."""


class Run(NamedTuple):
    """What one layer in one direction read and made, for its gradient.

    Attributes
    ----------
    kept
        What went in, the outputs, and what the kernel needs beside them to go back.
    final
        The state h (B, H) where each row ends, the longest row first.
    how
        Which kernel it was.
    """

    kept: tuple[Tensor | None, ...]
    final: Tensor
    how: How


class Runs(NamedTuple):
    """All layers: the runs of each, and what the inputs of each after the first were multiplied by."""

    layers: list[list[Run]]
    dropped: list[Tensor]


def run_packed(layers: Recurrent, inputs: Tensor, packing: Packing, steps: int, dropout: float) -> Runs:
    """Run packed rows (M, D) through all layers; ``dropout`` between them draws as for (``steps``, B)."""
    counts = torch.from_numpy(packing.counts)
    found = Runs([], [])
    for n in range(layers.num_layers):
        if n and dropout:
            factors = functional.dropout(torch.ones(steps * len(packing.order), inputs.shape[1]), dropout)
            found.dropped.append(factors[torch.from_numpy(packing.places)])
            inputs = inputs * found.dropped[-1]
        found.layers.append([
            _run(layers, n, way, inputs, counts, len(packing.order)) for way in range(len(layers.suffixes))
        ])  # fmt: skip
        inputs = outputs_of(found.layers[-1])
    return found


def _run(layers: Recurrent, n: int, way: int, inputs: Tensor, counts: Tensor, rows: int) -> Run:
    params, how = layers._params(n, way), how_of(layers.cell, reverse=bool(way), rows=rows)
    weights = (params["weight_ih"], params["weight_hh"], params.get("bias_ih"), params.get("bias_hh"))
    given: Given = (inputs, *weights, None, None, counts)
    out, final, _, *kept = forward(given, how, keep=True)
    return Run((*given, out, *kept), final, how)


def outputs_of(runs: list[Run]) -> Tensor:
    """The outputs of a layer's directions side by side: (M, directions · H)."""
    outputs = [out for run in runs if (out := run.kept[OUT]) is not None]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)


def run_packed_back(layers: Recurrent, runs: Runs, slopes: list[RunSlopes]) -> Tensor:
    """Give the gradient of what the first layer read, (M, D), from those of each direction of the last.

    Those of the weights are left in their ``grad``.
    """
    for n in reversed(range(len(runs.layers))):
        parts = [
            _run_back(layers, n, way, run, of)
            for way, (run, of) in enumerate(zip(runs.layers[n], slopes, strict=True))
        ]
        inputs = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        if n and runs.dropped:
            inputs = inputs * runs.dropped[n - 1]
        slopes = [(part, None) for part in inputs.chunk(len(parts), dim=-1)]
    return inputs


def _run_back(layers: Recurrent, n: int, way: int, run: Run, slopes: RunSlopes) -> Tensor:
    params = layers._params(n, way)
    wanted = (True, *(name in params for name in NAMES), False, False)
    inputs, *found = backward(run.kept, (*slopes, None), wanted, run.how)
    for name, slope in zip(NAMES, found[:4], strict=True):
        if slope is not None:
            params[name].grad = slope
    assert inputs is not None
    return inputs
