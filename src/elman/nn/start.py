"""The first weights of a network, other than torch's."""

from __future__ import annotations

import torch
from torch import nn

from elman import cells
from elman.nn.heads import ClassifyHead, OwnAnswer, TagHead
from elman.nn.layers import Recurrent

BUILT_IN = (cells.RNN, cells.LSTM, cells.GRU)


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


def _draw_layers(layers: Recurrent) -> None:
    for name, weight in layers.named_parameters():
        if name.startswith("bias_"):
            weight.zero_()
        elif name.startswith(("weight_hh_", "weight_ih_")):
            draw = nn.init.orthogonal_ if name.startswith("weight_hh_") else nn.init.xavier_uniform_
            for gate in torch.split(weight, layers.hidden_size):
                draw(gate)
