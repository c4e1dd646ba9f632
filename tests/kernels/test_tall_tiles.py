"""Sizes whose tiles meet input and state in one pass, and whose gradients read rows where they stand."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import elman

SIZES = [  # D, H, B, T
    (48, 48, 9, 7), (64, 128, 33, 9), (130, 80, 16, 21), (16, 16, 64, 5), (96, 112, 5, 60), (300, 256, 50, 4),
]  # fmt: skip


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


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_rows_that_end_and_begin_between_steps_have_torchs_gradients(kind, threads):
    torch.manual_seed(0)
    ours, true = (getattr(nn, kind)(40, 72, bidirectional=True) for nn in (elman.nn, torch.nn))
    true.double().load_state_dict(ours.state_dict())
    x, lengths = torch.randn(11, 53, 40), torch.randint(1, 12, (53,))
    slope = torch.randn(int(lengths.sum()), 144)
    packed = [pack_padded_sequence(some, lengths, enforce_sorted=False) for some in (x, x.double())]
    outs = [layer(rows)[0].data for layer, rows in zip((ours, true), packed, strict=True)]
    found, wanted = (
        [out, *torch.autograd.grad(out, list(layer.parameters()), slope.to(out.dtype))]
        for out, layer in zip(outs, (ours, true), strict=True)
    )
    for a, b in zip(found, wanted, strict=True):
        assert (a - b).norm() <= 1e-5 * b.norm()


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
