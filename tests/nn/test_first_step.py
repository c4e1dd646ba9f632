"""A state of noughts: the first step's products with it are left out, and nobody can tell."""

import numpy as np
import pytest
import torch

from elman.nn import GRU, LSTM, RNN


def run(cls, given, H, B, T, threads=1, poison=None):
    torch.manual_seed(0)
    layer = cls(11, H, bidirectional=True)
    x = torch.randn(T, B, 11)
    lengths = torch.from_numpy(np.random.default_rng(B).integers(0, T + 1, B))
    lengths[0] = T
    if poison:
        poison(layer, x)
    x.requires_grad_()
    nought = torch.zeros(2, B, H)
    state = None if given is None else (nought, nought) if cls is LSTM else nought
    torch.set_num_threads(threads)
    try:
        out, final = layer(x, state, lengths=lengths)
        (out.sin().sum() + (final[0] if cls is LSTM else final).cos().sum()).backward()
    finally:
        torch.set_num_threads(1)
    return [out.detach(), x.grad, *(w.grad for w in layer.parameters())]


@pytest.mark.parametrize("cls", [RNN, LSTM, GRU])
@pytest.mark.parametrize(("H", "B", "T"), [(20, 8, 6), (40, 70, 5), (33, 30, 1), (128, 300, 3), (20, 3, 4)])
def test_it_is_as_if_noughts_had_been_given(cls, H, B, T):
    wanted = run(cls, "noughts", H, B, T)
    for threads in (1, 2):
        for found, of_noughts in zip(run(cls, None, H, B, T, threads), wanted, strict=True):
            np.testing.assert_array_equal(found, of_noughts)
            assert torch.equal(torch.signbit(found), torch.signbit(of_noughts))


@pytest.mark.parametrize("cls", [RNN, LSTM, GRU])
@pytest.mark.parametrize("T", [1, 4])
def test_no_number_times_nought_is_no_number(cls, T):
    def in_the_weights(layer, x):
        with torch.no_grad():
            layer.weight_hh_l0[3, 2] = torch.inf

    def in_the_input(layer, x):
        x[0, 5, 1] = torch.nan

    for poison in (in_the_weights, in_the_input):
        found, wanted = (run(cls, given, 20, 9, T, poison=poison) for given in (None, "noughts"))
        assert any(a.isnan().any() for a in wanted)
        for mine, of_noughts in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(mine, of_noughts)
