import numpy as np
import pytest
import torch

from elman.train.weights import all_finite, copy_of, live_weights, put, to_arrays, to_tensors, wearing

from .toy import same_bits, toy, weights


def test_live_weights_are_the_modules_own():
    module = toy()
    live = live_weights(module)
    put(live, {name: torch.full_like(value, 3) for name, value in live.items()})
    assert all((value == 3).all() for value in module.state_dict().values())
    assert "norm.num_batches_tracked" in live


def test_other_weights_are_worn_for_a_block_and_taken_off_after_an_error():
    module, other = toy(0), weights(toy(1))
    before = weights(module)

    def fail():
        with wearing(live_weights(module), other):
            assert same_bits(weights(module), other)
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert same_bits(weights(module), before)


def test_a_copy_does_not_follow():
    live = {"weight": torch.zeros(2)}
    copy = copy_of(live)
    live["weight"] += 1
    assert copy["weight"].tolist() == [0, 0]


def test_arrays_and_back_are_copies_with_the_same_bits():
    live = live_weights(toy())
    arrays = to_arrays(live, "weights")
    assert arrays["weights/norm.num_batches_tracked"].shape == ()
    back = to_tensors({name.removeprefix("weights/"): value for name, value in arrays.items()})
    assert same_bits(back, live)
    arrays["weights/head.bias"][:] = np.nan
    assert all_finite(live)
    assert all_finite(back)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_bad_weight_is_found(bad):
    live = live_weights(toy())
    live["head.bias"][1] = bad
    assert not all_finite(live)
