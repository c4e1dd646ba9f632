"""From hidden states to an answer and its loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from elman.nn.scan import valid_steps


class ClassifyHead(nn.Module):
    """One label per sequence: states pooled over time, then one linear map to the logits.

    Parameters
    ----------
    features
        Width of one step's output.
    outputs
        Number of labels, K.
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
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(
        self, outputs: Tensor, final: Tensor, lengths: Tensor, direct: Tensor | None = None
    ) -> Tensor:
        """(T, B, F), the final states (B, F), (B,), and (B, E) or None -> logits (B, K)."""
        parts = [final if kind == "last" else pool(outputs, lengths, kind) for kind in self.kinds]
        parts += [] if direct is None else [direct]
        features = functional.dropout(torch.cat(parts, dim=-1), self.dropout, self.training)
        return functional.linear(features, self.weight, self.bias)

    def loss(
        self,
        logits: Tensor,
        targets: Tensor,
        weights: Tensor | None = None,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """Cross entropy (a scalar): the mean over the rows, weighted by row weight times class weight.

        As ``torch.nn.functional.cross_entropy`` has it; a row of weight 2 counts as the same row twice.
        """
        each = functional.cross_entropy(
            logits, targets, class_weights, reduction="none", label_smoothing=label_smoothing
        )
        share = torch.ones_like(each) if weights is None else weights.to(each)
        total = share if class_weights is None else share * class_weights[targets]
        return (share * each).sum() / total.sum().clamp(min=torch.finfo(each.dtype).tiny)


def pool(outputs: Tensor, lengths: Tensor, kind: str) -> Tensor:
    """Mean, maximum or sum over a row's own steps: (T, B, F), (B,) -> (B, F); length 0 gives 0.

    What stands beyond a row's length must be finite; it is not counted.
    """
    valid = valid_steps(lengths, len(outputs)).to(outputs)
    if kind in ("mean", "sum"):
        total = (outputs * valid).sum(0)
        return total if kind == "sum" else total / lengths.clamp(min=1)[:, None]
    if not len(outputs):
        return outputs.new_zeros(outputs.shape[1:])
    highest = (outputs + valid.log()).amax(0)  # log 0 is -inf
    return highest.masked_fill((lengths == 0)[:, None], 0)


HEADS: dict[str, type[ClassifyHead]] = {"classify": ClassifyHead}
