"""Symbols become numbers: the sum of one row of each table, some of it dropped, in one pass and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from elman.kernels.table import Mask, drop_some, read_rows, sum_rows
from elman.nn.drop import draw_mask, drop
from elman.nn.reach import reached


def embed(tables: Sequence[nn.Embedding], columns: Sequence[Tensor], rate: float, training: bool) -> Tensor:
    """Ids (T, B), one column for each table -> (T, B, E); a share ``rate`` is dropped while training."""
    if not _fits(tables):
        rows = [table(column) for table, column in zip(tables, columns, strict=True)]
        return drop(sum(rows[1:], rows[0]), rate, training)
    ids = torch.stack(list(columns), dim=-1)
    for table, column in zip(tables, columns, strict=True):
        for hook in table._forward_pre_hooks.values():  # as a call of the table would tell who waits for it
            hook(table, (column,))
    shape = (*columns[0].shape, tables[0].embedding_dim)
    mask = draw_mask(shape, rate) if rate and training else None
    total: Tensor = Sum.apply(ids, mask, tables, *(table.weight for table in tables))  # type: ignore[no-untyped-call]
    return total


def _fits(tables: Sequence[nn.Embedding]) -> bool:
    """Whether the kernels reach the tables, and torch would do nothing more than look up."""
    return reached(*(table.weight for table in tables)) and all(
        table.weight.is_contiguous() and table.max_norm is None and not table.scale_grad_by_freq
        for table in tables
    )


class Sum(torch.autograd.Function):
    """The sum of one row of each table, times a mask."""

    @staticmethod
    def forward(
        ctx: Any, ids: Tensor, mask: Mask | None, tables: Sequence[nn.Embedding], *weights: Tensor
    ) -> Tensor:
        """Ids (T, B, tables) -> (T, B, E)."""
        ctx.ids, ctx.mask, ctx.tables = ids, mask, tables
        ctx.set_materialize_grads(False)
        rows = [weight.detach().numpy() for weight in weights]
        total = read_rows(rows, ids.view(ids.shape[:-1].numel(), len(rows)).numpy(), mask)
        return torch.from_numpy(total).view(*ids.shape[:-1], total.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor | None) -> tuple[Tensor | None, ...]:
        """Give each table the gradients of the rows that were read: sparse ones, if it asks for those."""
        if slope is None:
            return (None,) * (3 + len(ctx.tables))
        slopes = slope.reshape(slope.shape[:-1].numel(), slope.shape[-1]).contiguous()
        if ctx.mask is not None:
            slopes = torch.from_numpy(drop_some(slopes.numpy(), ctx.mask))
        wanted = ctx.needs_input_grad[3:]
        given = zip(
            ctx.tables, ctx.ids.view(ctx.ids.shape[:-1].numel(), len(ctx.tables)).T, wanted, strict=True
        )
        return None, None, None, *(_gradient(t, ids, slopes) if want else None for t, ids, want in given)


def _gradient(table: nn.Embedding, ids: Tensor, slopes: Tensor) -> Tensor:
    size, ids = table.num_embeddings, ids.contiguous()
    if not table.sparse:
        padding = -1 if table.padding_idx is None else table.padding_idx
        dense: Tensor = torch.ops.aten.embedding_dense_backward(slopes, ids, size, padding, False)
        return dense
    rows, sums = sum_rows(ids.numpy(), slopes.numpy(), size, table.padding_idx)
    return torch.sparse_coo_tensor(
        torch.from_numpy(rows)[None],
        torch.from_numpy(sums),
        table.weight.shape,
        is_coalesced=True,
        check_invariants=False,
    )
