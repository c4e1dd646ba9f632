"""Elman's step by hand."""

import numpy as np
import pytest

from elman.cells import RNN

X, H = np.array([[1.0, -2.0]]), np.array([[0.5]])
PARAMS = {
    "weight_ih": np.array([[0.3, 0.4]]),
    "weight_hh": np.array([[2.0]]),
    "bias_ih": np.array([0.1]),
    "bias_hh": np.array([-0.7]),
}
SUM = 0.3 * 1.0 + 0.4 * -2.0 + 0.1 + 2.0 * 0.5 - 0.7  # -0.1


@pytest.mark.parametrize(("name", "expected"), [("tanh", np.tanh(SUM)), ("relu", 0.0), ("identity", SUM)])
def test_one_step_by_hand(name, expected):
    output, state = RNN(1, nonlinearity=name).step(X, H, PARAMS)
    assert output[0, 0] == pytest.approx(expected, abs=1e-15)
    np.testing.assert_array_equal(output, state)


def test_either_bias_may_be_missing():
    kept = {name: p for name, p in PARAMS.items() if name != "bias_hh"}
    output, _ = RNN(1, nonlinearity="identity").step(X, H, kept)
    assert output[0, 0] == pytest.approx(SUM + 0.7, abs=1e-15)


def test_weights_have_torch_names_shapes_and_bounds():
    wanted = RNN(4).parameters(3, 4, 2)
    assert wanted == {
        "weight_ih": ((4, 3), 0.5),
        "weight_hh": ((4, 4), 0.5),
        "bias_ih": ((4,), 0.5),
        "bias_hh": ((4,), 0.5),
    }
    assert list(RNN(4, bias=False).parameters(3, 4, 2)) == ["weight_ih", "weight_hh"]
