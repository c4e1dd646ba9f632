"""One step of long short-term memory by hand: gates i f g o, state (h, c)."""

import numpy as np
import pytest

from elman.cells import LSTM

X, H, C = np.array([[2.0]]), np.array([[0.5]]), np.array([[-1.5]])
PARAMS = {
    "weight_ih": np.array([[0.1], [0.2], [0.3], [0.4]]),
    "weight_hh": np.array([[1.0], [-1.0], [0.5], [0.25]]),
    "bias_ih": np.array([0.0, 0.1, 0.2, 0.3]),
    "bias_hh": np.array([-0.2, 0.4, 0.0, 0.1]),
}


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_one_step_by_hand():
    i, f = sigmoid(0.2 + 0.5 - 0.2), sigmoid(0.4 - 0.5 + 0.5)
    g, o = np.tanh(0.6 + 0.25 + 0.2), sigmoid(0.8 + 0.125 + 0.4)
    c = f * -1.5 + i * g
    output, (h_after, c_after) = LSTM(1).step(X, (H, C), PARAMS)
    assert c_after[0, 0] == pytest.approx(c, abs=1e-15)
    assert h_after[0, 0] == pytest.approx(o * np.tanh(c), abs=1e-15)
    np.testing.assert_array_equal(output, h_after)


def test_an_open_forget_gate_and_a_shut_input_gate_keep_c():
    held = {**PARAMS, "bias_ih": np.array([-1e6, 1e6, 0.0, 0.0])}
    _, (_, c) = LSTM(1).step(X, (H, C), held)
    np.testing.assert_array_equal(c, C)


def test_weights_have_torch_names_shapes_and_bounds():
    assert LSTM(4).parameters(3, 4, 2) == {
        "weight_ih": ((16, 3), 0.5),
        "weight_hh": ((16, 4), 0.5),
        "bias_ih": ((16,), 0.5),
        "bias_hh": ((16,), 0.5),
    }
    assert LSTM.state_names == ("h", "c")
