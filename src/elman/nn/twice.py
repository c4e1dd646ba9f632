"""The gradient of a gradient, through the cell's own steps: slow, and right."""

from __future__ import annotations

import torch
from torch import Tensor

from elman import cells
from elman.cells import Cell
from elman.nn.function import ACTIVATIONS, KINDS, NAMES, How
from elman.nn.scan import run_plainly

Maybe = Tensor | None


def second_gradients(
    saved: tuple[Maybe, ...], wanted: tuple[bool, ...], how: How, seconds: tuple[Maybe, ...]
) -> tuple[Maybe, ...]:
    """Give the gradients of (x, four weights, h0, c0, d_out, d_hn, d_cn) that ``seconds``, those of the first
    seven gradients, ask for.
    """  # fmt: skip
    lengths = saved[7]
    with torch.enable_grad():
        # leaves of a graph of their own: what they depend on outside is not this function's to follow
        leaves = [_leaf(a) for a in (*saved[:7], *saved[11:])]
        given, grads = tuple(leaves[:7]), leaves[7:]
        outputs = _outputs(given, lengths, how)
        both = zip(outputs, grads, strict=True)
        pairs = [(a, g.view_as(a)) for a, g in both if a is not None and g is not None]
        chosen = [a for a, want in zip(given, wanted, strict=True) if want and a is not None]
        asked = [g for g, want, a in zip(seconds, wanted, given, strict=True) if want and a is not None]
        firsts = torch.autograd.grad(
            [a for a, _ in pairs], chosen, [g for _, g in pairs], create_graph=True, allow_unused=True
        )
    ends = [(a, g) for a, g in zip(firsts, asked, strict=True) if a is not None and g is not None]
    some = [a for a in leaves if a is not None and a.requires_grad]
    if not ends or not some:
        return (None,) * len(leaves)
    found = iter(torch.autograd.grad([a for a, _ in ends], some, [g for _, g in ends], allow_unused=True))
    return tuple(next(found) if a is not None and a.requires_grad else None for a in leaves)


def _leaf(a: Maybe) -> Maybe:
    if a is None or not a.is_floating_point():
        return a
    return a.detach().requires_grad_()


def _outputs(given: tuple[Maybe, ...], lengths: Maybe, how: How) -> tuple[Maybe, ...]:
    x, *weights, h0, c0 = given
    assert x is not None
    cell = _cell(how, weights[1].shape[1] if weights[1] is not None else 0)
    params = {name: w for name, w in zip(NAMES, weights, strict=True) if w is not None}
    if x.dtype == torch.int64:
        x = torch.nn.functional.one_hot(x, params["weight_ih"].shape[1]).to(params["weight_ih"])
    state = None if h0 is None else (h0, c0) if c0 is not None else h0
    out, final = run_plainly(cell, x, lengths, params, state, reverse=how.reverse, rows=how.rows)
    return (out, *final) if isinstance(final, tuple) else (out, final, None)


def _cell(how: How, hidden_size: int) -> Cell:
    kind = next(kind for kind, number in KINDS.items() if number == how.kind)
    if kind is not cells.RNN:
        return kind(hidden_size)
    return cells.RNN(hidden_size, nonlinearity={n: name for name, n in ACTIVATIONS.items()}[how.activation])
