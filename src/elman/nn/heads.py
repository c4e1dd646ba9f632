"""From the outputs over time to an answer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from elman.cells import Cell
from elman.kernels.forward import WHOLE
from elman.nn.drop import drop
from elman.nn.losses import nll
from elman.nn.pool import pool
from elman.nn.scan import valid_steps
from elman.nn.settings import NetworkSettings


class ClassifyHead(nn.Module):
    """One answer per sequence: states pooled over time, then one linear map to logits or numbers.

    Parameters
    ----------
    features
        Width of one step's output.
    outputs
        Numbers in an answer, K.
    pooling
        "last", "mean", "max", or several joined by +.
    dropout
        Share of what it reads that is dropped while learning.
    direct_size
        Width of what it reads beside the states, E; 0: nothing.
    """

    def __init__(
        self, features: int, outputs: int, pooling: str = "last", dropout: float = 0.0, direct_size: int = 0
    ) -> None:
        super().__init__()
        self.kinds = pooling.split("+")
        self.dropout = dropout
        width = features * len(self.kinds) + direct_size
        self.weight = nn.Parameter(torch.empty(outputs, width))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights as ``torch.nn.Linear`` does: U(-1/sqrt(features), 1/sqrt(features))."""
        draw_linear(self.weight, self.bias)

    def forward(
        self, outputs: Tensor, final: Tensor, lengths: Tensor, direct: Tensor | None = None
    ) -> Tensor:
        """(T, B, F), the final states (B, F), (B,), and (B, E) or None -> logits (B, K)."""
        pooled = iter(pool(outputs, lengths, [kind for kind in self.kinds if kind != "last"]))
        parts = [final if kind == "last" else next(pooled) for kind in self.kinds]
        parts += [] if direct is None else [direct]
        features = drop(torch.cat(parts, dim=-1), self.dropout, self.training)
        return functional.linear(features, self.weight, self.bias)

    loss = staticmethod(nll)


class TagHead(nn.Module):
    """An answer at every step: one linear map of each step's output.

    Parameters
    ----------
    features
        Width of one step's output.
    outputs
        Numbers in an answer, K.
    dropout
        Share of what it reads that is dropped while learning.
    """

    def __init__(self, features: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.weight = nn.Parameter(torch.empty(outputs, features))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights as ``torch.nn.Linear`` does: U(-1/sqrt(features), 1/sqrt(features))."""
        draw_linear(self.weight, self.bias)

    def forward(
        self, outputs: Tensor, final: Tensor, lengths: Tensor, direct: Tensor | None = None
    ) -> Tensor:
        """(T, B, F) -> (B, T, K), nought beyond a row's length; the rest is not read."""
        read = drop(outputs, self.dropout, self.training)
        answers = functional.linear(read, self.weight, self.bias)
        return answers.masked_fill(~valid_steps(lengths, len(outputs)), 0).transpose(0, 1)


class OwnAnswer(nn.Module):
    """No head: the cell's own outputs are the answers.

    Parameters
    ----------
    every_step
        Whether all of them are asked for, or that of a row's last step alone.
    """

    def __init__(self, every_step: bool) -> None:
        super().__init__()
        self.every_step = every_step

    def forward(
        self, outputs: Tensor, final: Tensor, lengths: Tensor, direct: Tensor | None = None
    ) -> Tensor:
        """(T, B, K) -> (B, T, K); or (B, K), nought for a row of length 0."""
        if self.every_step:
            return outputs.transpose(0, 1)
        if not len(outputs):
            return outputs.new_zeros(outputs.shape[1:])
        rows = torch.arange(len(lengths), device=lengths.device)
        return outputs[(lengths - 1).clamp(min=0), rows].masked_fill((lengths == 0)[:, None], 0)


def make_head(
    settings: NetworkSettings, cell: Cell, task: str, outputs: int, inputs: int
) -> ClassifyHead | TagHead | OwnAnswer:
    """Build the head of a network whose first layer reads ``inputs`` numbers a step."""
    if cell.answers:
        return OwnAnswer(every_step=task not in WHOLE)
    width = settings.hidden_size * (1 if settings.causal else 2)
    if task not in WHOLE:
        return TagHead(width, outputs, settings.dropout)
    direct_size = inputs if settings.shortcut else 0
    return ClassifyHead(width, outputs, settings.pooling, settings.dropout, direct_size)


def draw_linear(weight: Tensor, bias: Tensor) -> None:
    """Draw both from U(-1/sqrt(D), 1/sqrt(D)), for a weight (K, D)."""
    bound = 1 / math.sqrt(weight.shape[1])
    nn.init.uniform_(weight, -bound, bound)
    nn.init.uniform_(bias, -bound, bound)


HEADS: dict[str, type[ClassifyHead] | type[TagHead]] = {"classify": ClassifyHead, "tag": TagHead}
