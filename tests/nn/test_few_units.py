"""Rows of few units take a way of their own: the same bits alone and beside others, on every path."""

import pytest
import torch

import elman.nn
from elman import kernels
from elman.kernels.native import chosen_for_now, compiled
from tests.marks import needs_kernels

SIZES = [(1, 1), (5, 8), (40, 9), (8, 16), (16, 17), (2, 31), (33, 32), (32, 33)]


@needs_kernels
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize(("D", "H"), SIZES)
def test_a_row_alone_and_beside_others_gives_the_same_bits(D, H, symbols, nonlinearity):
    torch.manual_seed(0)
    layer = elman.nn.RNN(D, H, nonlinearity=nonlinearity, bidirectional=True)
    x = torch.randint(D, (19, 4)) if symbols else torch.randn(19, 4, D)
    first = torch.randn(2, 4, H)
    for path in compiled.names()[:-1]:
        with torch.no_grad(), chosen_for_now(path):
            outputs, last = layer(x, first)
            alone, final = layer(x[:, :1].contiguous(), first[:, :1].contiguous())
        assert torch.equal(alone, outputs[:, :1])
        assert torch.equal(final, last[:, :1])


@pytest.fixture
def threads_put_back():
    yield
    kernels.set_threads(None)


@needs_kernels
@pytest.mark.usefixtures("threads_put_back")
@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize(("D", "H"), SIZES)
def test_rows_of_any_length_give_the_same_bits_on_every_path_and_number_of_threads(D, H, symbols):
    torch.manual_seed(0)
    layer = elman.nn.RNN(D, H, bidirectional=True)
    lengths = torch.randint(0, 12, (147,))
    x = torch.randint(D, (12, 147)) if symbols else torch.randn(12, 147, D)
    first = torch.randn(2, 147, H)
    found = []
    for path in compiled.names()[:-1]:
        for threads in (1, 2):
            kernels.set_threads(threads)
            with torch.no_grad(), chosen_for_now(path):
                outputs, last = layer(x, first, lengths=lengths)
            found.append(torch.cat([outputs.reshape(-1), last.reshape(-1)]))
    assert all(torch.equal(one, found[0]) for one in found)


@needs_kernels
def test_a_neighbour_that_is_not_a_number_changes_nothing():
    layer, x = elman.nn.RNN(3, 8), torch.randn(9, 30, 3)
    with torch.no_grad():
        wanted = layer(x)[0]
        x[:, 7] = torch.nan
        found = layer(x)[0]
    others = torch.arange(30) != 7
    assert torch.equal(found[:, others], wanted[:, others])
    assert found[:, 7].isnan().all()


@needs_kernels
def test_what_is_not_a_number_passes_through():
    layer, x = elman.nn.RNN(3, 5), torch.randn(6, 1, 3)
    x[2, 0, 1] = torch.nan
    with torch.no_grad():
        out = layer(x)[0]
    assert out[:2].isfinite().all()
    assert out[2:].isnan().all()
