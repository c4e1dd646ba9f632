"""What learning makes small: one number for a batch of answers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from elman.errors import UsageError


def nll(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy (a scalar): the mean over the rows, weighted by row weight times class weight.

    It is the negative log-likelihood of the log-softmax of the scores. As
    ``torch.nn.functional.cross_entropy`` has it; a row of weight 2 counts as the same row twice.
    """
    each = functional.cross_entropy(
        logits, targets, class_weights, reduction="none", label_smoothing=label_smoothing
    )
    share = torch.ones_like(each) if weights is None else weights.to(each)
    total = share if class_weights is None else share * class_weights[targets]
    return (share * each).sum() / total.sum().clamp(min=torch.finfo(each.dtype).tiny)


def nll_of_steps(
    logits: Tensor,
    targets: Tensor,
    lengths: Tensor,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy over all valid steps: (B, T, K), (B, T), (B,) -> a scalar.

    What stands beyond a row's length is not read; a row of weight 2 counts as the same row twice.
    """
    if logits.shape[:2] != targets.shape:
        shapes = f"{tuple(targets.shape)}, the answers {tuple(logits.shape)}"
        raise UsageError(f"the targets have shape {shapes}: (B, T) to (B, T, K)", code="E173")
    there = torch.arange(logits.shape[1], device=lengths.device) < lengths[:, None]
    each = None if weights is None else weights[:, None].expand_as(there)[there]
    return nll(logits[there], targets[there], each, class_weights, label_smoothing)


def mse(answers: Tensor, targets: Tensor, lengths: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of (p - y)² over all valid steps and numbers: (B, T, K) twice, (B,) -> a scalar.

    A row of weight 2 counts as the same row twice.
    """
    errors = squared_errors(answers, targets, lengths)
    share = torch.ones_like(errors) if weights is None else weights.to(errors)
    count = (share * lengths).sum() * answers.shape[-1]
    return (share * errors).sum() / count.clamp(min=torch.finfo(errors.dtype).tiny)


def half_squares(answers: Tensor, targets: Tensor, lengths: Tensor, weights: Tensor | None = None) -> Tensor:
    """½ Σ (p - y)² over a row's valid steps and numbers, the mean over the rows: a scalar."""
    errors = squared_errors(answers, targets, lengths)
    share = torch.ones_like(errors) if weights is None else weights.to(errors)
    return (share * errors).sum() / 2 / share.sum().clamp(min=torch.finfo(errors.dtype).tiny)


def squared_errors(answers: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Σ (p - y)² over a row's own steps and numbers: (B,); what stands beyond its length is not read."""
    if answers.shape != targets.shape:
        shapes = f"{tuple(targets.shape)}, the answers {tuple(answers.shape)}"
        raise UsageError(f"the targets have shape {shapes}: (B, T, K)", code="E173")
    beyond = torch.arange(answers.shape[1], device=lengths.device) >= lengths[:, None]
    errors = (answers - targets.to(answers)).masked_fill(beyond[..., None], 0)
    return (errors * errors).sum((1, 2))


LOSSES_OF_NUMBERS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]] = {
    "mse": mse,
    "half_squares": half_squares,
}
