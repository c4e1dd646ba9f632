"""Every gradient of the compiled recurrences against float64 autograd, and the same bits on every path."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from elman import kernels
from elman.cells import make_cell
from elman.kernels.native import compiled
from elman.kernels.scan import KERNELS, weights
from tests.marks import needs_kernels

pytestmark = [needs_kernels, pytest.mark.usefixtures("kept")]
torch.set_num_threads(1)

KINDS = [("rnn", "tanh"), ("rnn", "relu"), ("rnn", "identity"), ("lstm", "tanh"), ("gru", "tanh")]
D = 5


def case(kind, nonlinearity, T, B, H, seed=0, bias=True, ids=False):
    options = {"nonlinearity": nonlinearity} if kind == "rnn" else {}
    cell = make_cell(kind, H, bias=bias, **options)
    rng = np.random.default_rng(seed)
    bound = 0.9 / np.sqrt(H)
    params = {
        n: rng.uniform(-bound, bound, s).astype(np.float32) for n, (s, _) in cell.parameters(D, H, 1).items()
    }
    x = rng.integers(0, D, (T, B)) if ids else rng.normal(size=(T, B, D)).astype(np.float32)
    state = [rng.normal(size=(B, H)).astype(np.float32) for _ in cell.state_names]
    lengths = rng.integers(0, T + 1, B)
    grads = [
        rng.normal(size=(T, B, H)).astype(np.float32),
        *(rng.normal(size=(B, H)).astype(np.float32) for _ in state),
    ]
    return cell, params, x, state, lengths, grads


def by_kernel(cell, params, x, state, lengths, grads, reverse=False, threads=1, reset=None):
    native = compiled.module
    (T, B), H = x.shape[:2], cell.hidden_size
    kind, act = KERNELS[type(cell)], getattr(cell, "nonlinearity", "tanh")
    packed = weights(params)
    layer = native.Layer(kind, act, *packed)
    numbers, ids = (None, x) if x.ndim == 2 else (x, None)
    h0, c0 = state[0], state[1] if len(state) > 1 else None
    out, hn = np.full((T, B, H), np.nan, np.float32), np.full((B, H), np.nan, np.float32)
    cn = None if c0 is None else np.full((B, H), np.nan, np.float32)
    saved = native.scan(layer, numbers, ids, lengths, reset, h0, c0, reverse, threads, out, 0, hn, cn, True)
    d_x = None if numbers is None else np.full(x.shape, np.nan, np.float32)
    d_params = [None if w is None else np.full(w.shape, np.nan, np.float32) for w in packed]
    d_h0 = np.full((B, H), np.nan, np.float32)
    d_c0 = None if c0 is None else np.full((B, H), np.nan, np.float32)
    again = []
    for _ in range(2):  # what was saved is only read
        last = grads[2] if len(grads) > 2 else None
        given = saved, numbers, ids, out, grads[0], grads[1], last
        native.scan_back(kind, act, packed[0], packed[1], *given, d_x, *d_params, d_h0, d_c0, threads)
        found = [out, hn, cn, d_x, *d_params, d_h0, d_c0]
        again.append([None if a is None else a.copy() for a in found])
    for one, other in zip(*again, strict=True):
        if one is not None:
            np.testing.assert_array_equal(one, other)
    return [a for a in again[0] if a is not None]


def by_autograd(cell, params, x, state, lengths, grads, reverse=False, reset=None):
    wide = {n: torch.tensor(w, dtype=torch.float64, requires_grad=True) for n, w in params.items()}
    given = torch.tensor(np.eye(D)[x] if x.ndim == 2 else x, dtype=torch.float64, requires_grad=True)
    first = [torch.tensor(s, dtype=torch.float64, requires_grad=True) for s in state]
    (T, B), H = x.shape[:2], cell.hidden_size
    out = [[torch.zeros(H, dtype=torch.float64)] * B for _ in range(T)]
    final = [[] for _ in first]
    for b in range(B):
        now = [s[b : b + 1] for s in first]
        times = range(int(lengths[b]))
        for t in reversed(times) if reverse else times:
            if reset is not None and reset[t, b]:
                now = [s[b : b + 1] for s in first]
            y, after = cell.step(given[t, b : b + 1], tuple(now) if len(now) > 1 else now[0], wide)
            now = list(after) if isinstance(after, tuple) else [after]
            out[t][b] = y[0]
        for part, s in zip(final, now, strict=True):
            part.append(s)
    whole = (
        torch.stack([torch.stack(row) for row in out])
        if T and B
        else torch.zeros((T, B, H), dtype=torch.float64)
    )
    ends = [torch.cat(part) for part in final]
    loss = (whole * torch.tensor(grads[0])).sum() + sum(
        (e * torch.tensor(g)).sum() for e, g in zip(ends, grads[1:], strict=True)
    )
    leaves = [given, *wide.values(), *first] if x.ndim == 3 else [*wide.values(), *first]
    found = torch.autograd.grad(loss, leaves, allow_unused=True) if B else [None] * len(leaves)
    found = [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves, strict=True)]
    return [a.detach().numpy() for a in (whole, *ends, *found)]


def near(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        assert np.isfinite(one).all()
        assert np.linalg.norm(one - other) <= 1e-5 * max(np.linalg.norm(other), 1e-3)


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
@pytest.mark.parametrize("H", [1, 7, 17, 33])
def test_awkward_sizes(kind, nonlinearity, H):
    for T, B, reverse in itertools.product((0, 1, 2, 50), (1, 3, 13), (False, True)):
        given = case(kind, nonlinearity, T, B, H, seed=T * 100 + B)
        near(by_kernel(*given, reverse=reverse), by_autograd(*given, reverse=reverse))


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_equal_lengths_without_biases_and_one_hot_ids(kind, nonlinearity, reverse):
    for ids, bias in ((False, False), (True, True)):
        cell, params, x, state, _, grads = case(kind, nonlinearity, 9, 4, 20, bias=bias, ids=ids)
        lengths = np.full(4, 9)
        near(by_kernel(cell, params, x, state, lengths, grads, reverse),
             by_autograd(cell, params, x, state, lengths, grads, reverse))  # fmt: skip


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
@pytest.mark.parametrize("equal", [False, True])
def test_a_reset_puts_the_first_state_back(kind, nonlinearity, equal):
    cell, params, x, state, lengths, grads = case(kind, nonlinearity, 12, 6, 18)
    lengths = np.full(6, 12) if equal else lengths
    reset = (np.random.default_rng(4).random((12, 6)) < 0.3).astype(np.uint8)
    near(by_kernel(cell, params, x, state, lengths, grads, reset=reset),
         by_autograd(cell, params, x, state, lengths, grads, reset=reset))  # fmt: skip


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS[::2] + KINDS[3:4])
@pytest.mark.parametrize(
    ("T", "B", "H"), [(60, 13, 33), (7, 70, 40), (3, 300, 17), (80, 40, 7), (900, 1, 7), (400, 1, 130)]
)
def test_the_same_bits_for_any_thread_count_and_instruction_set(kind, nonlinearity, T, B, H):
    given = case(kind, nonlinearity, T, B, H)
    found = []
    for path in compiled.module.isas():
        kernels.use(path)
        found += [by_kernel(*given, threads=threads) for threads in (1, 2, 3)]
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a.view(np.int32), b.view(np.int32))


def test_many_rows_lose_no_accuracy():
    """26,000 steps: sums in blocks do not drift as one long float32 chain would."""
    given = case("gru", "tanh", 200, 130, 8)
    cell, params, x, state, _, grads = given
    lengths = np.full(130, 200)
    near(
        by_kernel(cell, params, x, state, lengths, grads), by_autograd(cell, params, x, state, lengths, grads)
    )
