"""The first weights of a recurrence, other than torch's."""

from __future__ import annotations

import torch
from torch import nn

from elman.nn.layers import Recurrent


@torch.no_grad()
def start_layers(layers: Recurrent, start: str) -> None:
    """Draw first weights anew for ``start="orthogonal"``; leave "uniform", torch's own, as it is.

    Each gate's state weights are orthogonal (Saxe, McClelland and Ganguli 2014), so that a state keeps its
    length over many steps; its input weights are Glorot's uniform; biases are nought.
    """
    if start == "uniform":
        return
    for name, weight in layers.named_parameters():
        if name.startswith("bias_"):
            weight.zero_()
        elif name.startswith(("weight_hh", "weight_ih")):
            draw = nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_
            for gate in torch.split(weight, layers.hidden_size):
                draw(gate)
