"""One layer in one direction by its kernel, as torch sees it: forwards, backwards, and while it compiles.

A call goes one of four ways, all of which end in the same two kernels: straight (no gradients wanted),
through an autograd function, through one that ``torch.func`` can take apart, or through operators of torch's
library while ``torch.compile`` or ``torch.export`` writes a graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elman import cells
from elman.cells import Cell, Params, State
from elman.errors import UsageError
from elman.kernels.native import chosen, compiled
from elman.nn.lent import lend_threads
from elman.nn.reach import transformed

KINDS: dict[type[Cell], int] = {cells.RNN: 0, cells.LSTM: 1, cells.GRU: 2}
"""The cells that have a kernel, and their numbers in C++."""
LSTM = KINDS[cells.LSTM]
ACTIVATIONS = {"tanh": 0, "relu": 1, "identity": 2}
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
Given = tuple[
    Tensor, Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor | None, Tensor | None
]
"""What goes in: x, the four weights, h0, c0, the lengths."""
TENSORS = compiled.module is not None and compiled.module.open_tensors(Tensor, torch.nn.Parameter)
"""Whether the compiled module can read torch's tensors themselves (torch 2.10 and later)."""
LARGE = 1 << 20
"""Numbers of a tensor from which on its memory is worth keeping."""
LENT = compiled.module is not None and lend_threads(compiled.module)
"""Whether the kernels run on torch's own threads where they go by torch's number of them."""


class How(NamedTuple):
    """What a call computes, beside its tensors.

    ``rows`` is how many rows a packed input has, whose lengths are then the rows of each step; else 0.
    With ``stacked`` the final states are (1, B, H), as a layer returns them.
    """

    kind: int
    activation: int
    reverse: bool
    rows: int
    stacked: bool = False

    def shape(self, given: Sequence[Tensor | None]) -> tuple[int, int, int]:
        """T, B, H."""
        x, weight_hh, lengths = given[0], given[2], given[7]
        assert x is not None
        assert weight_hh is not None
        if self.rows and lengths is not None:
            return lengths.shape[0], self.rows, weight_hh.shape[1]
        shape = x.shape
        return shape[0], shape[1], weight_hh.shape[1]


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


def how_of(cell: Cell, *, reverse: bool = False, rows: int = 0, stacked: bool = False) -> How:
    """Give the numbers that stand for a cell in C++; the cell is one of ``KINDS``."""
    return How(KINDS[type(cell)], ACTIVATIONS[getattr(cell, "nonlinearity", "tanh")], reverse, rows, stacked)


def straight(given: Any, how: How) -> tuple[Tensor, Tensor, Tensor | None] | None:
    """Run the call that needs no care, and give its outputs, final h and c; None: it needs some.

    States come and go as (1, B, H) if ``how.stacked``, else as (B, H).

    Everything that makes an input unfit is left to those who can say what it is.
    """
    if not TENSORS or compiled.off or torch.compiler.is_compiling() or transformed():
        return None
    if torch.is_autocast_enabled("cpu") or not compiled.module.takes(how.kind, how.stacked, given):
        return None
    if torch.is_grad_enabled() and _asks(given):
        found: tuple[Tensor, Tensor, Tensor | None] = APPLY(*given, how)
        return found
    return forward(given, how, keep=False)[:3]


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
    how = how_of(cell, reverse=reverse, rows=rows)
    h0, c0 = state if isinstance(state, tuple) else (state, None)
    get = params.get
    weights = (params["weight_ih"], params["weight_hh"], get("bias_ih"), get("bias_hh"))
    given = (inputs, *weights, h0, c0, lengths)
    if torch.compiler.is_compiling():
        out, hn, cn, _, _ = torch.ops.elman.scan(*given, *how[:4], torch.is_grad_enabled())
    elif transformed():
        out, hn, cn = Transformed.apply(*given, how)[:3]  # type: ignore[no-untyped-call]
    elif torch.is_grad_enabled() and _asks(given):
        out, hn, cn = Eager.apply(*given, how)  # type: ignore[no-untyped-call]
    else:
        out, hn, cn, _, _ = forward(given, how, keep=False)
    return out, (hn, cn) if how.kind == LSTM else hn


def _asks(given: tuple[Tensor | None, ...]) -> bool:
    for a in given:  # noqa: SIM110  a generator costs more than the rest
        if a is not None and a.requires_grad:
            return True
    return False


def forward(
    given: Given, how: How, *, keep: bool, clear: bool = False
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Call the kernel: outputs, final h and c, and (with ``keep``) the gates and cells that backward needs.

    Of those, steps beyond a row's length stay as they were: undefined, or noughts with ``clear``.
    """
    T, B, H = how.shape(given)
    steps = given[0].shape[0] if how.rows else T * B
    out = torch.empty(steps, H) if how.rows else torch.empty(T, B, H)
    states = (1, B, H) if how.stacked else (B, H)
    hn = torch.empty(*states)
    cn = torch.empty(*states) if how.kind == LSTM else None
    gates = kept_cells = None
    if keep:
        gates, kept_cells = _kept(how.kind, steps, H, torch.zeros if clear else _room)
    made = (out, hn, cn, gates, kept_cells)
    try:
        if how.rows or not TENSORS or not compiled.module.forward_of(*how[:3], given, made, keep, threads()):
            _forward_by_addresses(how, given, made, keep)
    except ValueError as error:
        raise UsageError(str(error), code="E163") from None
    return made


def _kept(kind: int, steps: int, H: int, fresh: Any) -> list[Tensor | None]:
    return [fresh(steps, n) if n else None for n in compiled.module.kept(kind, H)]


def _room(rows: int, n: int) -> Tensor:
    """A fresh tensor; a large one in memory that calls leave to each other."""
    room: Tensor = compiled.module.room(rows, n) if rows * n > LARGE else torch.empty(rows, n)
    return room


def _forward_by_addresses(how: How, given: Given, made: tuple[Tensor | None, ...], keep: bool) -> None:
    held = [a if a is None or a.is_contiguous() else a.contiguous() for a in given]
    x_at, *weights_at, lengths_at = [at(a) for a in held]
    symbols = given[0].dtype == torch.int64
    T, B, H = how.shape(given)
    out_at, hn_at, cn_at, *kept_at = [at(a) for a in made]
    compiled.module.forward_at(
        how.kind, how.activation, T, B, given[1].shape[1], H, how.reverse, how.rows > 0, lengths_at,
        0 if symbols else x_at, x_at if symbols else 0, *weights_at,
        out_at, hn_at, cn_at, keep, *kept_at, threads(),
    )  # fmt: skip


def backward(
    saved: tuple[Tensor | None, ...], grads: tuple[Tensor | None, ...], wanted: tuple[bool, ...], how: How
) -> tuple[Tensor | None, ...]:
    """Call the kernel: the gradients of x, the four weights, h0 and c0, None for what is not wanted.

    ``saved``: what went in (those seven and the lengths), then out, gates and cells. Symbols are not wanted.
    """
    found = tuple([
        torch.empty_like(a) if want and a is not None else None
        for a, want in zip(saved, wanted, strict=False)
    ])  # fmt: skip
    if how.rows or not TENSORS or not compiled.module.backward_of(*how[:3], saved, grads, found, threads()):
        found = tuple([a if a is None or a.is_contiguous() else torch.empty(a.shape) for a in found])
        _backward_by_addresses(how, saved, grads, found)
    return found


def _backward_by_addresses(
    how: How,
    saved: tuple[Tensor | None, ...],
    grads: tuple[Tensor | None, ...],
    found: tuple[Tensor | None, ...],
) -> None:
    x, weight_ih, weight_hh, _, _, h0, c0, lengths, *made = saved
    assert x is not None
    assert weight_ih is not None
    T, B, H = how.shape(saved)
    symbols = x.dtype == torch.int64
    read = lengths, x, weight_ih, weight_hh, h0, c0, *made, *grads
    held = [a if a is None or a.is_contiguous() else a.contiguous() for a in read]
    lengths_at, x_at, *others_at = [at(a) for a in held]
    compiled.module.backward_at(
        how.kind, how.activation, T, B, weight_ih.shape[1], H, how.reverse, how.rows > 0,
        lengths_at, 0 if symbols else x_at, x_at if symbols else 0, *others_at, *[at(a) for a in found],
        threads(),
    )  # fmt: skip


def at(a: Tensor | None) -> int:
    """The address, 0 for none."""
    return 0 if a is None else a.data_ptr()


def threads() -> int:
    """How many threads a kernel may use: below 0 as many of torch's own, unless a number was set."""
    return chosen[0] or -torch.get_num_threads()


class Eager(torch.autograd.Function):
    """The quick way: outputs, final h, final c."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """Run, and keep what backward needs."""
        given, how = args[:8], args[8]
        out, hn, cn, gates, kept_cells = forward(given, how, keep=True)
        ctx.save_for_backward(*given, out, gates, kept_cells)
        ctx.how = how
        ctx.set_materialize_grads(False)
        return out, hn, cn

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Give the gradients of every tensor that went in."""
        return _back(ctx, grads)


APPLY: Any = super(torch.autograd.Function, Eager).apply
"""``Eager.apply`` without its questions about ``torch.func``, which ``straight`` has asked already."""


class Transformed(torch.autograd.Function):
    """The same for ``torch.func``, which wants what is kept as outputs."""

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor | None, ...]:
        """Run, and keep what backward needs."""
        return forward(args[:8], args[8], keep=True)

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
    wanted = ctx.needs_input_grad[:7]
    if grads[0] is None and grads[1] is None and grads[2] is None:
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
