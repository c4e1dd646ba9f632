"""One step meets its weights block by block, as they are packed: the same bits as with packed ones."""

import numpy as np
import pytest
import torch

import elman.nn
from elman.kernels.native import chosen_for_now, compiled
from tests.marks import needs_kernels

CELLS = ["RNN", "LSTM", "GRU"]
SIZES = [(1, 1), (3, 5), (33, 16), (31, 31), (32, 32), (7, 40), (64, 65)]


def made(kind, D, H, **how):
    torch.manual_seed(0)
    return getattr(elman.nn, kind)(D, H, **how)


def state_of(kind, directions, B, H):
    torch.manual_seed(1)
    parts = [torch.randn(directions, B, H) for _ in range(2 if kind == "LSTM" else 1)]
    return tuple(parts) if kind == "LSTM" else parts[0]


def parts_of(state):
    return list(state) if isinstance(state, tuple) else [state]


def all_equal(found, wanted):
    return all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


@needs_kernels
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("B", [1, 2, 7, 33, 65])
@pytest.mark.parametrize(("D", "H"), SIZES)
@pytest.mark.parametrize("kind", CELLS)
def test_one_step_at_a_time_gives_the_bits_of_many(kind, D, H, B, given):
    layer, x = made(kind, D, H), torch.randn(3, B, D)
    for path in compiled.names()[:-1]:
        state = state_of(kind, 1, B, H) if given else None
        with torch.no_grad(), chosen_for_now(path):
            outputs, last = layer(x, state)
            for t in range(3):
                out, state = layer(x[t : t + 1], state)
                assert torch.equal(out[0], outputs[t])
        assert all_equal(parts_of(state), parts_of(last))


@needs_kernels
@pytest.mark.parametrize("B", [1, 5])
@pytest.mark.parametrize("kind", CELLS)
def test_two_steps_of_far_weights(kind, B):
    layer, x = made(kind, 40, 1100, bidirectional=True), torch.randn(2, B, 40)
    first = state_of(kind, 2, B, 1100)
    with torch.no_grad():
        outputs, last = layer(x, first)
        ahead, _ = layer(x[:1], first)
        back, _ = layer(x[1:], first)
        long, _ = layer(torch.cat([x, x]), first)
        again, final = layer(x, first, lengths=torch.full((B,), 2))
    assert torch.equal(ahead[0, :, :1100], outputs[0, :, :1100])
    assert torch.equal(back[0, :, 1100:], outputs[1, :, 1100:])
    assert torch.equal(long[:2, :, :1100], outputs[:, :, :1100])
    assert torch.equal(again, outputs)
    assert all_equal(parts_of(final), parts_of(last))


@needs_kernels
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_two_steps_of_far_weights(kind):
    layer, x = made(kind, 40, 1100, bidirectional=True), torch.randn(2, 3, 40)
    first = state_of(kind, 2, 3, 1100)
    found = []
    for lengths in (None, torch.full((3,), 2)):
        layer.zero_grad()
        given = x.clone().requires_grad_()
        out, last = layer(given, first, lengths=lengths)
        (out.sin().sum() + sum(part.cos().sum() for part in parts_of(last))).backward()
        found.append([given.grad, *(w.grad.clone() for w in layer.parameters())])
    assert all_equal(*found)


@pytest.mark.parametrize("T", [1, 2])
@pytest.mark.parametrize(("D", "H", "B"), [(3, 5, 1), (33, 40, 7), (64, 65, 2), (31, 32, 33)])
@pytest.mark.parametrize("kind", CELLS)
def test_values_and_gradients_are_those_of_torch(kind, D, H, B, T):
    ours, theirs = made(kind, D, H), getattr(torch.nn, kind)(D, H).double()
    theirs.load_state_dict({n: w.double() for n, w in ours.state_dict().items()})
    x, first = torch.randn(T, B, D), state_of(kind, 1, B, H)
    found = []
    for layer, number in ((ours, torch.float32), (theirs, torch.float64)):
        given = [part.detach().to(number).requires_grad_() for part in (x, *parts_of(first))]
        out, last = layer(given[0], tuple(given[1:]) if kind == "LSTM" else given[1])
        (out.sin().sum() + sum(part.cos().sum() for part in parts_of(last))).backward()
        parts = [out, *parts_of(last), *(g.grad for g in given), *(w.grad for w in layer.parameters())]
        found.append([part.detach().double().numpy() for part in parts])
    for own, wanted in zip(*found, strict=True):
        assert np.linalg.norm(own - wanted) <= 1e-5 * np.linalg.norm(wanted)


@needs_kernels
@pytest.mark.parametrize("kind", CELLS)
def test_threads_share_the_units_of_one_step(kind):
    layer, x = made(kind, 200, 210), torch.randn(1, 3, 200)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            with torch.no_grad():
                found.append(layer(x))
        finally:
            torch.set_num_threads(1)
    assert torch.equal(found[0][0], found[1][0])
    assert all_equal(parts_of(found[0][1]), parts_of(found[1][1]))


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(("T", "B"), [(1, 0), (0, 1), (0, 0)])
def test_no_rows_and_no_steps(kind, T, B):
    layer = made(kind, 3, 4)
    out, last = layer(torch.zeros(T, B, 3))
    assert out.shape == (T, B, 4)
    assert all(part.shape == (1, B, 4) and not part.any() for part in parts_of(last))
