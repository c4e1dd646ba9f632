"""Dropout: its share, its mean, its gradient, and that it follows torch's generator."""

import numpy as np
import pytest
import torch

from elman.kernels.table import CHANCES
from elman.nn.drop import draw_mask, drop


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.95])
def test_the_share_is_dropped_and_the_mean_is_kept(rate):
    torch.manual_seed(0)
    values = torch.ones(500, 400)
    found = drop(values, rate, training=True)
    deviation = (rate * (1 - rate) / values.numel()) ** 0.5
    assert abs((found == 0).float().mean().item() - rate) < 4 * deviation
    assert abs(found.mean().item() - 1) < 4 * deviation / (1 - rate)
    assert set(found.unique().tolist()) == {0.0, found.max().item()}


def test_the_gradient_goes_where_values_stay():
    values = torch.randn(30, 7, requires_grad=True)
    found = drop(values, 0.5, training=True)
    found.sum().backward()
    assert torch.equal(values.grad, (found != 0) * 2.0)


def test_the_same_seed_drops_the_same():
    values, masks = torch.ones(99), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks += [drop(values, 0.5, training=True), drop(values, 0.5, training=True)]
    assert torch.equal(masks[0], masks[2])
    assert torch.equal(masks[1], masks[3])
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[4])


def test_nothing_is_dropped_outside_of_training():
    values = torch.randn(5)
    assert drop(values, 0.5, training=False) is values
    assert drop(values, 0.0, training=True) is values


def test_other_types_are_torchs():
    torch.manual_seed(0)
    ours = drop(torch.ones(50, dtype=torch.float64), 0.5, training=True)
    torch.manual_seed(0)
    assert torch.equal(ours, torch.nn.functional.dropout(torch.ones(50, dtype=torch.float64), 0.5))


@pytest.mark.parametrize("shape", [(1,), (3, 7), (5, 4, 13)])
def test_the_bits_are_those_that_numpy_draws_one_by_one(shape):
    torch.manual_seed(3)
    mask = draw_mask(shape, 0.3)
    torch.manual_seed(3)
    generator = np.random.SFC64()
    state = np.array([*torch.randint(2**62, (3,)).tolist(), 1], np.uint64)
    generator.state = {"bit_generator": "SFC64", "state": {"state": state}, "has_uint32": 0, "uinteger": 0}
    generator.random_raw(12)
    found = np.random.Generator(generator).integers(0, CHANCES, shape, np.uint16)
    np.testing.assert_array_equal(mask.bits, found)
    assert mask.dropped == round(0.3 * CHANCES)
