"""Outputs over time become one row each: their mean, maximum or sum, and the gradient in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from elman import kernels
from elman.kernels.answer import pool_back
from elman.kernels.scan import check_lengths
from elman.nn.reach import reached
from elman.nn.scan import valid_steps


def pool(outputs: Tensor, lengths: Tensor, kinds: Sequence[str]) -> list[Tensor]:
    """Mean, maximum or sum over a row's own steps: (T, B, F), (B,) -> (B, F) each; length 0 gives 0."""
    if not kinds:
        return []
    if not reached(outputs):
        return [pool_plainly(outputs, lengths, kind) for kind in kinds]
    return list(Pooled.apply(outputs, lengths, tuple(kinds)))  # type: ignore[no-untyped-call]


class Pooled(torch.autograd.Function):
    """Some ways of pooling the same outputs."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, lengths: Tensor, kinds: tuple[str, ...]) -> tuple[Tensor, ...]:
        """(T, B, F), (B,) -> (B, F) for each kind."""
        rows, ends = outputs.detach().contiguous(), check_lengths(lengths.numpy(), *outputs.shape[:2])
        pooled = tuple(torch.from_numpy(kernels.pool(rows.numpy(), ends, kind)) for kind in kinds)
        greatest = [most for kind, most in zip(kinds, pooled, strict=True) if kind == "max"]
        ctx.kinds, ctx.lengths, ctx.steps = kinds, torch.from_numpy(ends), len(outputs)
        ctx.save_for_backward(*([rows, greatest[0]] if greatest else []))
        ctx.set_materialize_grads(False)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Tensor | None, None, None]:
        """Give each step its part."""
        d_sum = d_most = None
        for kind, slope in zip(ctx.kinds, slopes, strict=True):
            if slope is None:
                continue
            if kind == "max":
                d_most = slope if d_most is None else d_most + slope
                continue
            part = slope / ctx.lengths.clamp(min=1)[:, None] if kind == "mean" else slope
            d_sum = part if d_sum is None else d_sum + part
        if d_sum is None and d_most is None:
            return None, None, None
        greatest = None if d_most is None else (*ctx.saved_tensors, d_most.contiguous())
        found = pool_back(
            ctx.lengths.numpy(),
            ctx.steps,
            None if d_sum is None else d_sum.contiguous().numpy(),
            None if greatest is None else tuple(part.numpy() for part in greatest),
        )
        return torch.from_numpy(found), None, None


def pool_plainly(outputs: Tensor, lengths: Tensor, kind: str) -> Tensor:
    """Pool by torch's own operations, for whatever the kernels do not reach.

    What stands beyond a row's length must be finite; it is not counted.
    """
    full = bool((lengths == len(outputs)).all())  # nothing to leave out, which is dearer than the rest
    valid = None if full else valid_steps(lengths, len(outputs)).to(outputs)
    if kind in ("mean", "sum"):
        total = (outputs if valid is None else outputs * valid).sum(0)
        return total if kind == "sum" else total / lengths.clamp(min=1)[:, None]
    if not len(outputs):
        return outputs.new_zeros(outputs.shape[1:])
    highest = (outputs if valid is None else outputs + valid.log()).amax(0)  # log 0 is -inf
    return highest.masked_fill((lengths == 0)[:, None], 0)
