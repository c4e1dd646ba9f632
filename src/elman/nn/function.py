"""One layer in one direction by its kernel, as torch sees it: forwards, backwards, and while it compiles.

A call goes one of four ways, all of which end in the same two kernels: straight (no gradients wanted),
through an autograd function, through one that ``torch.func`` can take apart, or through operators of torch's
library while ``torch.compile`` or ``torch.export`` writes a graph.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from elman import cells
from elman.cells import Cell, Params, State
from elman.errors import UsageError
from elman.kernels.native import chosen, compiled

KINDS: dict[type[Cell], int] = {cells.RNN: 0, cells.LSTM: 1, cells.GRU: 2}
"""The cells that have a kernel, and their numbers in C++."""
LSTM = KINDS[cells.LSTM]
ACTIVATIONS = {"tanh": 0, "relu": 1, "identity": 2}
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
Parts = tuple[Tensor, ...]


class How(NamedTuple):
    """What a call computes, beside its tensors.

    ``rows`` is how many rows a packed input has, whose lengths are then the rows of each step; else 0.
    """

    kind: int
    activation: int
    reverse: bool
    rows: int

    def shape(
        self, x: Tensor, weight_hh: Tensor, weight_ih: Tensor, lengths: Tensor | None
    ) -> tuple[int, ...]:
        """T, B, D, H."""
        D, H = weight_ih.shape[1], weight_hh.shape[1]
        if self.rows and lengths is not None:
            return lengths.shape[0], self.rows, D, H
        shape = x.shape
        return shape[0], shape[1], D, H


def fits(cell: Cell, inputs: Tensor, params: Params, state: State | None) -> bool:
    """Whether the kernels can do it: a built-in cell, float32 on the CPU, and no autocast."""
    if type(cell) not in KINDS or compiled.module is None or compiled.off or "weight_ih" not in params:
        return False
    if torch.is_autocast_enabled("cpu"):
        return False
    if not inputs.is_cpu or (inputs.dtype != torch.float32 and inputs.dtype != torch.int64):
        return False
    parts = state if isinstance(state, tuple) else () if state is None else (state,)
    for a in (*params.values(), *parts):  # noqa: SIM110  a generator costs more than the rest
        if a.dtype != torch.float32 or not a.is_cpu:
            return False
    return True


def run(
    cell: Cell,
    inputs: Tensor,
    lengths: Tensor | None,
    params: Params,
    state: State | None,
    *,
    reverse: bool,
    rows: int = 0,
) -> tuple[Tensor, State]:
    """As ``scan``; with ``rows`` the input is a PackedSequence's data (M, D), lengths its batch_sizes."""
    activation = ACTIVATIONS[getattr(cell, "nonlinearity", "tanh")]
    how = How(KINDS[type(cell)], activation, reverse, rows)
    h0, c0 = state if isinstance(state, tuple) else (state, None)
    get = params.get
    given = (
        inputs,
        params["weight_ih"],
        params["weight_hh"],
        get("bias_ih"),
        get("bias_hh"),
        h0,
        c0,
        lengths,
    )
    if torch.compiler.is_compiling():
        out, hn, cn, _, _ = torch.ops.elman.scan(*given, *how, torch.is_grad_enabled())
    elif torch._C._are_functorch_transforms_active():
        out, hn, cn = Transformed.apply(*given, how)[:3]  # type: ignore[no-untyped-call]
    elif torch.is_grad_enabled() and _asks(given):
        out, hn, cn = Eager.apply(*given, how)  # type: ignore[no-untyped-call]
    else:
        out, hn, cn, _, _ = forward(*given, how, keep=False)
    return out, (hn, cn) if how.kind == LSTM else hn


def _asks(given: tuple[Tensor | None, ...]) -> bool:
    for a in given:  # noqa: SIM110  a generator costs more than the rest
        if a is not None and a.requires_grad:
            return True
    return False


def forward(
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    lengths: Tensor | None,
    how: How,
    *,
    keep: bool,
    clear: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Call the kernel: outputs, final h and c, and (with ``keep``) the gates and cells that backward needs.

    Of those, steps beyond a row's length stay as they were: undefined, or noughts with ``clear``.
    """
    T, B, D, H = how.shape(x, weight_hh, weight_ih, lengths)
    given = x, lengths, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0
    held = [a if a is None or a.is_contiguous() else a.contiguous() for a in given]
    x_at, *others_at = [0 if a is None else a.data_ptr() for a in held]
    symbols = x.dtype == torch.int64
    out = torch.empty(x.shape[0], H) if how.rows else torch.empty(T, B, H)
    hn = torch.empty(B, H)
    cn = torch.empty(B, H) if how.kind == LSTM else None
    gates = kept_cells = None
    if keep:
        sizes = compiled.module.kept(how.kind, H)
        fresh = torch.zeros if clear else torch.empty
        gates, kept_cells = (fresh(out.numel() // H, n) if n else None for n in sizes)
    try:
        compiled.module.forward_at(
            how.kind, how.activation, T, B, D, H, how.reverse, how.rows > 0, others_at[0],
            0 if symbols else x_at, x_at if symbols else 0, *others_at[1:],
            out.data_ptr(), hn.data_ptr(), at(cn), keep, at(gates), at(kept_cells), threads(),
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(str(error), code="E163") from None
    return out, hn, cn, gates, kept_cells


def backward(
    saved: tuple[Tensor | None, ...], grads: tuple[Tensor | None, ...], wanted: tuple[bool, ...], how: How
) -> tuple[Tensor | None, ...]:
    """Call the kernel: the gradients of x, the four weights, h0 and c0, None for what is not wanted.

    ``saved``: what went in (those seven and the lengths), then out, gates and cells.
    """
    x, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, lengths, out, gates, kept_cells = saved
    assert x is not None
    assert weight_ih is not None
    assert weight_hh is not None
    T, B, D, H = how.shape(x, weight_hh, weight_ih, lengths)
    symbols = x.dtype == torch.int64
    read = lengths, x, weight_ih, weight_hh, h0, c0, out, gates, kept_cells, *grads
    held = [a if a is None or a.is_contiguous() else a.contiguous() for a in read]
    lengths_at, x_at, *others_at = [0 if a is None else a.data_ptr() for a in held]
    given = (x, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0)
    found = [
        (torch.empty_like(a) if a.is_contiguous() else torch.empty(a.shape))
        if want and a is not None
        else None
        for a, want in zip(given, (wanted[0] and not symbols, *wanted[1:]), strict=True)
    ]
    written_at = [0 if a is None else a.data_ptr() for a in found]
    compiled.module.backward_at(
        how.kind, how.activation, T, B, D, H, how.reverse, how.rows > 0, lengths_at,
        0 if symbols else x_at, x_at if symbols else 0, *others_at, *written_at, threads(),
    )  # fmt: skip
    return tuple(found)


def at(a: Tensor | None) -> int:
    """The address, 0 for none."""
    return 0 if a is None else a.data_ptr()


def threads() -> int:
    """As many as torch may use, but for a number that was set for the kernels themselves."""
    return chosen[0] or torch.get_num_threads()


class Eager(torch.autograd.Function):
    """The quick way: outputs, final h, final c."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """Run, and keep what backward needs."""
        given, how = args[:8], args[8]
        out, hn, cn, gates, kept_cells = forward(*given, how, keep=True)  # type: ignore[misc]
        ctx.save_for_backward(*given, out, gates, kept_cells)
        ctx.how = how
        ctx.set_materialize_grads(False)
        return out, hn, cn

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Give the gradients of every tensor that went in."""
        return _back(ctx, grads)


class Transformed(torch.autograd.Function):
    """The same for ``torch.func``, which wants what is kept as outputs."""

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor | None, ...]:
        """Run, and keep what backward needs."""
        given, how = args[:8], args[8]
        return forward(*given, how, keep=True)  # type: ignore[misc]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        """Keep what backward needs."""
        *given, how = inputs
        out, _, _, gates, kept_cells = output
        ctx.mark_non_differentiable(*(a for a in (gates, kept_cells) if a is not None))
        ctx.save_for_backward(*given, out, gates, kept_cells)
        ctx.how = how
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Give the gradients of every tensor that went in."""
        return _back(ctx, grads[:3])


def _back(ctx: Any, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    wanted = tuple(ctx.needs_input_grad[:7])
    if all(g is None for g in grads):
        return (None,) * 9
    if torch.is_grad_enabled():  # create_graph: the gradient may be differentiated again
        found = Backward.apply(*ctx.saved_tensors, *grads, wanted, ctx.how)  # type: ignore[no-untyped-call]
    else:
        found = backward(ctx.saved_tensors, grads, wanted, ctx.how)
    return (*found, None, None)


class Backward(torch.autograd.Function):
    """The gradients as a function of their own; its gradient is taken through the cell's plain steps."""

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor | None, ...]:
        """Eleven saved tensors, three gradients, which are wanted, and how."""
        *tensors, wanted, how = args
        return backward(tuple(tensors[:11]), tuple(tensors[11:]), wanted, how)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        """Keep what went in."""
        *tensors, wanted, how = inputs
        ctx.save_for_backward(*tensors)
        ctx.wanted, ctx.how = wanted, how
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *seconds: Tensor | None) -> tuple[Tensor | None, ...]:
        """Differentiate the plain twin twice."""
        from elman.nn.twice import second_gradients

        if torch.is_grad_enabled():
            message = "a third derivative is not taken through the kernels"
            raise UsageError(message, code="E176", help="run the layer in float64: layer.double()")
        found = second_gradients(ctx.saved_tensors, ctx.wanted, ctx.how, seconds)
        return (*found[:7], None, None, None, None, *found[7:], None, None)
