"""One step of system 3's cell by hand."""

import numpy as np
import pytest

from elman.cells import Sine, draw_parameters

X, C = np.array([[2.0]]), np.array([[0.5, -1.0]])
PARAMS = {"w1": np.array([[0.1, 0.2], [1.0, 0.0], [0.5, -0.25]]), "w2": np.array([[3.0], [-4.0]])}


def test_one_step_by_hand():
    output, state = Sine(2).step(X, C, PARAMS)
    first, second = np.tanh(0.2 + 0.5 - 0.5), np.tanh(0.4 + 0.25)
    np.testing.assert_allclose(state, [[first, second]], rtol=1e-15)
    np.testing.assert_allclose(output, [[3 * first - 4 * second]], rtol=1e-14)


def test_first_weights_are_normal_with_standard_deviations_04_and_03():
    weights = draw_parameters(Sine(200), 100, 300, np.random.default_rng(0))
    assert {name: array.shape for name, array in weights.items()} == {"w1": (300, 200), "w2": (200, 300)}
    assert weights["w1"].std() == pytest.approx(0.4, rel=0.01)
    assert weights["w2"].std() == pytest.approx(0.3, rel=0.01)
    assert np.abs(weights["w1"]).max() > 1.2  # no uniform with that deviation reaches so far
    assert (Sine.answers, Sine.state_names) == (True, ("c",))
