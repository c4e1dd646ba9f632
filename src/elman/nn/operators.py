"""``torch.ops.elman.scan`` and ``scan_back``: the kernels in a graph that torch compiles or exports."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.kernels.native import compiled
from elman.nn.function import LSTM, How, backward, forward


def _kept(kind: int, hidden_size: int) -> tuple[int, int]:
    sizes: tuple[int, int] = compiled.module.kept(kind, hidden_size)
    return sizes


@torch.library.custom_op("elman::scan", mutates_args=())
def scan(
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    lengths: Tensor | None,
    kind: int,
    activation: int,
    reverse: bool,
    rows: int,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """One layer in one direction: outputs, final h, final c (empty without one), gates and cells kept."""
    how = How(kind, activation, reverse, rows)
    given = (x, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, lengths)
    found = forward(given, how, keep=keep, clear=True)  # an operator's outputs are defined throughout
    out, hn, cn, gates, kept_cells = (weight_hh.new_empty(0) if a is None else a for a in found)
    return out, hn, cn, gates, kept_cells


@scan.register_fake
def _(
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    lengths: Tensor | None,
    kind: int,
    activation: int,
    reverse: bool,
    rows: int,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    H = weight_hh.shape[1]
    shape = (x.shape[0],) if rows else (x.shape[0], x.shape[1])
    batch, steps = (rows, x.shape[0]) if rows else (x.shape[1], x.shape[0] * x.shape[1])
    sizes = _kept(kind, int(H)) if keep else (0, 0)
    gates, kept_cells = (weight_hh.new_empty((steps, n) if n else (0,)) for n in sizes)
    cn = weight_hh.new_empty((batch, H) if kind == LSTM else (0,))
    return weight_hh.new_empty((*shape, H)), weight_hh.new_empty((batch, H)), cn, gates, kept_cells


@torch.library.custom_op("elman::scan_back", mutates_args=())
def scan_back(
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    lengths: Tensor | None,
    out: Tensor,
    gates: Tensor,
    kept_cells: Tensor,
    d_out: Tensor | None,
    d_hn: Tensor | None,
    d_cn: Tensor | None,
    wanted: list[bool],
    kind: int,
    activation: int,
    reverse: bool,
    rows: int,
) -> list[Tensor]:
    """The gradients that are wanted, of x, the four weights, h0 and c0, in this order."""
    saved = (x, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, lengths, out, gates, kept_cells)
    how = How(kind, activation, reverse, rows)
    found = backward(saved, (d_out, d_hn, d_cn), tuple(wanted), how)
    return [a for a in found if a is not None]


@scan_back.register_fake
def _(
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    lengths: Tensor | None,
    out: Tensor,
    gates: Tensor,
    kept_cells: Tensor,
    d_out: Tensor | None,
    d_hn: Tensor | None,
    d_cn: Tensor | None,
    wanted: list[bool],
    kind: int,
    activation: int,
    reverse: bool,
    rows: int,
) -> list[Tensor]:
    given = (x, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0)
    return [
        a.new_empty(a.shape)
        for a, want in zip(given, _differentiable(given, wanted), strict=True)
        if a is not None and want
    ]


def _differentiable(given: tuple[Tensor | None, ...], wanted: list[bool]) -> list[bool]:
    return [want and a is not None and a.is_floating_point() for a, want in zip(given, wanted, strict=True)]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *given, kind, activation, reverse, rows, keep = inputs
    out, _, _, gates, kept_cells = output
    if not keep:
        raise RuntimeError("elman::scan was called with keep=False, and so keeps nothing for its gradient")
    ctx.save_for_backward(*given, out, gates, kept_cells)
    ctx.how = How(kind, activation, reverse, rows)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    d_out, d_hn, d_cn = grads[:3]
    if ctx.how.kind != LSTM:
        d_cn = None
    given = ctx.saved_tensors[:7]
    wanted = _differentiable(given, list(ctx.needs_input_grad[:7]))
    found = iter(torch.ops.elman.scan_back(*ctx.saved_tensors, d_out, d_hn, d_cn, wanted, *ctx.how[:4]))
    return (*(next(found) if want else None for want in wanted), None, None, None, None, None, None)


scan.register_autograd(_backward, setup_context=_setup)
