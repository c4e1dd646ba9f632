"""One step of system 1's cell by hand: the answer reads the state that came in."""

import numpy as np
import pytest

from elman.cells import Names

X, H = np.array([[2.0, -1.0]]), np.array([[0.5]])
PARAMS = {
    "weight_i2h": np.array([[0.1, 0.2, 3.0]]),
    "bias_i2h": np.array([10.0]),
    "weight_i2o": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 100.0]]),
    "bias_i2o": np.array([0.25, -0.25]),
}


def test_one_step_by_hand():
    output, state = Names(1).step(X, H, PARAMS)
    np.testing.assert_allclose(output, [[2.25, 49.75]], rtol=1e-15)
    np.testing.assert_allclose(state, [[0.2 - 0.2 + 1.5 + 10]], rtol=1e-15)


def test_the_answer_does_not_read_the_new_state():
    other = {**PARAMS, "weight_i2h": np.full((1, 3), 7.0)}
    np.testing.assert_array_equal(Names(1).step(X, H, other)[0], Names(1).step(X, H, PARAMS)[0])


def test_the_state_is_not_squashed():
    state = H
    for _ in range(3):
        _, state = Names(1).step(0 * X, state, PARAMS)
    assert state[0, 0] == pytest.approx(27 * 0.5 + 10 * (1 + 3 + 9))


def test_weights_start_as_two_linears_of_torch():
    bound = 1 / np.sqrt(7)
    assert Names(4).parameters(3, 4, 2) == {
        "weight_i2h": ((4, 7), pytest.approx(bound, rel=1e-15)),
        "bias_i2h": ((4,), pytest.approx(bound, rel=1e-15)),
        "weight_i2o": ((2, 7), pytest.approx(bound, rel=1e-15)),
        "bias_i2o": ((2,), pytest.approx(bound, rel=1e-15)),
    }
    assert (Names.answers, Names.state_names) == (True, ("h",))
