"""What is said of a cell of one's own that cannot be used: which thing is wrong, and what was expected."""

import numpy as np
import pytest
import torch

from elman.cells import Cell, Sine, check_cell, check_step
from elman.errors import UsageError


class Mine(Sine):
    """The registered cell, spoilt in one place by each test."""

    name = "mine"


def spoilt(**changes):
    return type("Mine", (Mine,), changes)(6)


def raises(*_):
    return np.zeros(3)[5]


GOOD = Sine(6)
CASES = [
    (
        {"step": lambda self, x, state, params: (x, state)},
        "its step gives an output of shape (2, 1), not (2, 3) (rows, answers)",
    ),
    (
        {"answers": False},
        "its step gives an output of shape (2, 3), not (2, 6) (rows, hidden_size)",
    ),
    (
        {"step": lambda self, x, state, params: (GOOD.step(x, state, params)[0], state[:, :5])},
        "its step gives a state c of shape (2, 5), not (2, 6) (rows, hidden_size)",
    ),
    (
        {
            "state_names": ("a", "b"),
            "step": lambda self, x, state, params: (
                GOOD.step(x, state[0], params)[0],
                (state[0], state[1].T),
            ),
        },
        "its step gives a state b of shape (6, 2), not (2, 6) (rows, hidden_size)",
    ),
    (
        {"step": lambda self, x, state, params: ([1.0, 2.0], state)},
        "its step gives an output that is no array but list",
    ),
    (
        {"initial_state": lambda self, batch: np.zeros(6)},
        "its initial_state gives a state c of shape (6,), not (2, 6) (rows, hidden_size)",
    ),
    (
        {
            "parameters": lambda self, d, h, o: {
                "w1": ((d + h, h), lambda rng, shape: rng.normal(size=shape[0]))
            }
        },
        "its parameters draw w1 of shape (7,), not (7, 6) (as they say)",
    ),
]


@pytest.mark.parametrize(("changes", "message"), CASES)
def test_a_wrong_shape_is_named_with_the_one_expected(changes, message):
    with pytest.raises(UsageError) as caught:
        check_cell(spoilt(**changes), 1, 3)
    assert caught.value.message == f"the cell mine: {message}"
    assert caught.value.code == "E169"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": raises}, "the cell mine has a step that raises IndexError: index 5 is out of bounds"),
        ({"initial_state": raises}, "the cell mine has an initial_state that raises IndexError"),
        ({"parameters": raises}, "the cell mine has parameters that raise IndexError"),
        ({"parameters": lambda *_: {"w1": 3}}, "the cell mine has parameters that raise TypeError"),
        (
            {"parameters": lambda *_: {"w 1": ((2, 2), 0.5)}},
            "the cell mine has a parameter called 'w 1'",
        ),
        (
            {"parameters": lambda *_: {}},
            "the cell mine answers itself but names no weights, so there is nothing to learn",
        ),
        (
            {"step": lambda self, x, state, params: state},
            "the cell mine has a step that gives no pair",
        ),
        (
            {"step": lambda self, x, state, params: (GOOD.step(x, state, params)[0], (state,))},
            "the cell mine has a state c, but its step does not give one array",
        ),
        (
            {"state_names": ("a", "b"), "initial_state": lambda self, batch: np.zeros((batch, 6))},
            "the cell mine has a state a, b, but its initial_state does not give a tuple of 2 arrays",
        ),
    ],
)
def test_what_raises_or_is_no_step_is_told_in_one_sentence(changes, message):
    with pytest.raises(UsageError) as caught:
        check_cell(spoilt(**changes), 1, 3)
    assert caught.value.message.startswith(message)
    assert "\n" not in str(caught.value)
    assert caught.value.code == "E169"


class OnNumpyOnly(Cell):
    name = "on-numpy"

    def parameters(self, input_size, hidden_size, output_size):
        return {}

    def step(self, x, state, params):
        h = np.add(state, np.asarray(x).sum())
        return h, h.astype(np.float32)


def test_a_step_that_torch_cannot_take_is_told_as_well():
    check_cell(OnNumpyOnly(3), 2, 1)
    x = torch.zeros(2, 2, requires_grad=True)
    with pytest.raises(UsageError, match=r"a step that raises RuntimeError: .* on torch tensors") as caught:
        check_step(OnNumpyOnly(3), x, torch.zeros(2, 3), {}, 1)
    assert caught.value.help == "write it with @, arithmetic, slices and elman.ops"
