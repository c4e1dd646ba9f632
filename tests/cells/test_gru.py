"""One step of the gated recurrent unit by hand: gates r z n, b_hn inside the reset product."""

import numpy as np
import pytest

from elman.cells import GRU

X, H = np.array([[2.0]]), np.array([[0.5]])
PARAMS = {
    "weight_ih": np.array([[0.1], [0.2], [0.3]]),
    "weight_hh": np.array([[1.0], [-1.0], [0.5]]),
    "bias_ih": np.array([0.0, 0.1, 0.2]),
    "bias_hh": np.array([-0.2, 0.4, 0.7]),
}


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_one_step_by_hand():
    r, z = sigmoid(0.2 + 0.5 - 0.2), sigmoid(0.4 - 0.5 + 0.5)
    n = np.tanh(0.6 + 0.2 + r * (0.25 + 0.7))
    output, state = GRU(1).step(X, H, PARAMS)
    assert output[0, 0] == pytest.approx((1 - z) * n + z * 0.5, abs=1e-15)
    np.testing.assert_array_equal(output, state)


def test_a_shut_reset_gate_silences_the_state_and_its_bias():
    shut = {**PARAMS, "bias_ih": np.array([-1e6, -1e6, 0.2])}
    output, _ = GRU(1).step(X, H, shut)
    assert output[0, 0] == pytest.approx(np.tanh(0.6 + 0.2), abs=1e-15)


def test_weights_have_torch_names_shapes_and_bounds():
    assert GRU(4).parameters(3, 4, 2) == {
        "weight_ih": ((12, 3), 0.5),
        "weight_hh": ((12, 4), 0.5),
        "bias_ih": ((12,), 0.5),
        "bias_hh": ((12,), 0.5),
    }
