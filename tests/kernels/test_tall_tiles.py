"""Sizes whose tiles meet input and state in one pass, and whose gradients read rows where they stand."""

from __future__ import annotations

import pytest
import torch

import elman

SIZES = [(48, 48, 9, 7), (64, 128, 33, 9), (130, 80, 16, 21), (16, 16, 64, 5), (96, 112, 5, 60)]  # D, H, B, T


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def learnt(layer, x, d_out):
    """Outputs, then every gradient."""
    x = x.clone().requires_grad_()
    out = layer(x)[0]
    return [out.detach(), *torch.autograd.grad(out, [x, *layer.parameters()], d_out)]


def layer_and_batch(kind, size):
    D, H, B, T = size
    torch.manual_seed(0)
    return getattr(elman.nn, kind)(D, H), torch.randn(T, B, D), torch.randn(T, B, H)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_outputs_and_gradients_are_those_of_torch_in_double_precision(kind, size, threads):
    layer, x, d_out = layer_and_batch(kind, size)
    true = getattr(torch.nn, kind)(*size[:2]).double()
    true.load_state_dict(layer.state_dict())
    for got, wanted in zip(learnt(layer, x, d_out), learnt(true, x.double(), d_out.double()), strict=True):
        assert (got - wanted).norm() <= 1e-5 * wanted.norm()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_row_alone_has_the_bits_that_it_has_in_the_batch(kind, size, threads):
    layer, x, _ = layer_and_batch(kind, size)
    with torch.no_grad():
        whole = layer(x)[0]
        for row in range(0, size[2], 4):
            assert torch.equal(layer(x[:, row : row + 1])[0], whole[:, row : row + 1])


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_gradients_have_the_bits_of_one_thread(kind, size, threads):
    layer, x, d_out = layer_and_batch(kind, size)
    got = learnt(layer, x, d_out)
    torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(got, learnt(layer, x, d_out), strict=True))
