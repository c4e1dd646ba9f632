"""The first weights of a network, other than torch's."""

from __future__ import annotations

import torch
from torch import nn

from elman import cells
from elman.errors import UsageError
from elman.nn.heads import ClassifyHead, OwnAnswer, TagHead
from elman.nn.layers import Recurrent

BUILT_IN = (cells.RNN, cells.LSTM, cells.GRU)
KEEPING: dict[type, dict[int, int]] = {cells.LSTM: {0: -1, 1: 1}, cells.GRU: {1: 1}}
"""Which gates keep a state (+1) or let a new one in (-1)."""


@torch.no_grad()
def draw_first_weights(layers: Recurrent, head: ClassifyHead | TagHead | OwnAnswer, kind: str) -> None:
    """Draw the weights anew for ``kind="orthogonal"``; leave "uniform", torch's own, as they are.

    Each gate's state weights are orthogonal (Saxe, McClelland and Ganguli 2014), so that a state keeps its
    length over many steps; the other weights are uniform after Glorot and Bengio (2010); biases are nought.
    A cell of one's own keeps the first weights that it names.
    """
    if kind == "uniform":
        return
    if isinstance(layers.cell, BUILT_IN):
        _draw_layers(layers)
    if not isinstance(head, OwnAnswer):
        nn.init.xavier_uniform_(head.weight)
        head.bias.zero_()


@torch.no_grad()
def open_gates(layers: Recurrent, memory: int) -> None:
    """Set the gates that keep a state so that its units keep theirs for 1 to ``memory`` steps.

    The bias of the forget gate (of a GRU that of z) is ln u, u drawn from U(1, memory - 1); that of an LSTM's
    input gate is its opposite (Tallec and Ollivier, *Can recurrent neural networks warp time?*, 2018).
    """
    gates = KEEPING.get(type(layers.cell))
    if gates is None:
        message = (
            f"memory = {memory} has no meaning here: a {layers.cell.name} has no gate that keeps a state"
        )
        raise UsageError(message, code="E172", help="leave memory out, or take an lstm or gru")
    for name, bias in layers.named_parameters():
        if name.startswith("bias_ih_"):
            parts = torch.split(bias, layers.hidden_size)
            kept = torch.empty_like(parts[0]).uniform_(1, max(memory - 1, 1)).log()
            for gate, sign in gates.items():
                parts[gate].copy_(sign * kept)


def _draw_layers(layers: Recurrent) -> None:
    for name, weight in layers.named_parameters():
        if name.startswith("bias_"):
            weight.zero_()
        elif name.startswith(("weight_hh_", "weight_ih_")):
            draw = nn.init.orthogonal_ if name.startswith("weight_hh_") else nn.init.xavier_uniform_
            for gate in torch.split(weight, layers.hidden_size):
                draw(gate)
