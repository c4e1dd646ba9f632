"""The losses by hand: their masks, weights and means. Cross entropy is tested with its head."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from elman.errors import UsageError
from elman.nn.losses import half_squares, mse, squared_errors

NAN = float("nan")
ANSWERS = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]], [[1.0, 1.0], [1.0, 1.0]]])
TARGETS = torch.tensor([[[0.0, 2.0], [3.0, 1.0]], [[5.0, 4.0], [NAN, NAN]], [[9.0, 9.0], [9.0, 9.0]]])
LENGTHS = torch.tensor([2, 1, 0])


def test_squared_errors_are_summed_over_a_rows_own_steps():
    np.testing.assert_array_equal(squared_errors(ANSWERS, TARGETS, LENGTHS), [1 + 9, 4, 0])


def test_mse_is_the_mean_over_valid_steps_and_numbers():
    assert mse(ANSWERS, TARGETS, LENGTHS).item() == pytest.approx(14 / 6, rel=1e-6)
    whole = torch.full((3,), 2)
    expected = functional.mse_loss(ANSWERS, ANSWERS * 0.5)
    assert mse(ANSWERS, ANSWERS * 0.5, whole).item() == pytest.approx(expected.item(), rel=1e-6)


def test_half_squares_is_the_mean_over_the_rows_of_half_the_sum():
    assert half_squares(ANSWERS, TARGETS, LENGTHS).item() == pytest.approx((10 + 4 + 0) / 2 / 3, rel=1e-6)
    assert half_squares(ANSWERS[:1], TARGETS[:1], LENGTHS[:1]).item() == 5.0


@pytest.mark.parametrize("loss", [mse, half_squares])
def test_a_row_of_weight_2_counts_twice_and_one_of_weight_0_not_at_all(loss):
    twice = [0, 0, 2]
    torch.testing.assert_close(
        loss(ANSWERS, TARGETS, LENGTHS, torch.tensor([2.0, 0.0, 1.0])),
        loss(ANSWERS[twice], TARGETS[twice], LENGTHS[twice]),
    )


@pytest.mark.parametrize("loss", [mse, half_squares])
def test_what_stands_beyond_a_row_teaches_nothing(loss):
    answers = ANSWERS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(answers, TARGETS, LENGTHS), answers)
    assert torch.equal(gradient[1, 1], torch.zeros(2))
    assert torch.equal(gradient[2], torch.zeros(2, 2))
    torch.testing.assert_close(gradient[0, 0], torch.tensor([2 / 6 if loss is mse else 1 / 3, 0.0]))


@pytest.mark.parametrize("loss", [mse, half_squares])
def test_a_batch_without_a_step_or_weight_gives_nought_and_no_nan(loss):
    assert loss(ANSWERS, TARGETS, torch.zeros(3, dtype=int)).item() == 0.0
    assert loss(ANSWERS, TARGETS, LENGTHS, torch.zeros(3)).item() == 0.0


def test_targets_that_would_be_broadcast_are_refused():
    with pytest.raises(UsageError, match=r"targets have shape \(3, 2\), the answers \(3, 2, 2\)") as caught:
        mse(ANSWERS, TARGETS[..., 0], LENGTHS)
    assert caught.value.code == "E173"
