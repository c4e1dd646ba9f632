"""What one's own cell must be, and what the registry refuses."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from elman import cells
from elman.cells import Cell, draw_parameters, make_cell, register
from elman.errors import UsageError

pytestmark = pytest.mark.usefixtures("registry")


class Leaky(Cell):
    """h' = h / 2 + W x."""

    name = "leaky"

    def parameters(self, input_size, hidden_size, output_size):
        return {"W": ((hidden_size, input_size), lambda rng, shape: rng.normal(0, 0.4, shape))}

    def step(self, x, state, params):
        h = state / 2 + x @ params["W"].T
        return h, h


class TwoStates(Leaky):
    name = "two"
    state_names = ("a", "b")


def test_a_cell_of_ten_lines_runs_once_it_is_registered():
    assert register(Leaky) is Leaky
    cell = make_cell("leaky", 2)
    output, state = cell.step(np.array([[3.0]]), np.array([[2.0, 4.0]]), {"W": np.array([[1.0], [-1.0]])})
    np.testing.assert_array_equal(output, [[4.0, -1.0]])
    np.testing.assert_array_equal(state, output)


def test_the_first_state_is_nought_in_float32():
    state = Leaky(3).initial_state(2)
    assert state.dtype == np.float32
    np.testing.assert_array_equal(state, np.zeros((2, 3)))
    a, b = TwoStates(3).initial_state(2)
    np.testing.assert_array_equal(a, np.zeros((2, 3)))
    np.testing.assert_array_equal(b, a)
    assert a is not b


def test_first_weights_come_from_a_bound_or_a_function():
    weights = draw_parameters(Leaky(1), 40_000, 1, np.random.default_rng(0))["W"]
    assert weights.dtype == np.float32
    assert weights.std() == pytest.approx(0.4, rel=0.02)
    bound = draw_parameters(make_cell("rnn", 4), 5000, 1, np.random.default_rng(0))["weight_ih"]
    assert 0.4999 < np.abs(bound).max() <= 0.5


def test_cells_are_values():
    assert make_cell("rnn", 3, nonlinearity="relu") == cells.RNN(3, nonlinearity="relu")
    assert hash(cells.GRU(3)) == hash(cells.GRU(3))
    with pytest.raises(AttributeError):
        cells.GRU(3).hidden_size = 4


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="there is no recurrence 'gru2'") as caught:
        make_cell("gru2", 3)
    assert (caught.value.code, caught.value.help) == ("E160", "did you mean gru ?")
    with pytest.raises(UsageError) as caught:
        make_cell("transformer", 3)
    assert caught.value.help == "known cells: rnn, lstm, gru, names, sine"


def test_an_unknown_option_is_refused():
    with pytest.raises(UsageError, match="gru has no option 'nonlinearity'") as caught:
        make_cell("gru", 3, nonlinearity="relu")
    assert (caught.value.code, caught.value.help) == ("E162", "its options: bias")
    with pytest.raises(UsageError, match="nonlinearity must be one of tanh, relu, identity, not 'sin'"):
        make_cell("rnn", 3, nonlinearity="sin")


@pytest.mark.parametrize("size", [0, -1, 2.5, "8", True, None])
def test_a_hidden_size_that_is_none_is_refused(size):
    with pytest.raises(UsageError, match="hidden_size must be a whole number of at least 1") as caught:
        make_cell("gru", size)
    assert caught.value.code == "E110"


def test_a_taken_name_is_refused():
    @dataclass(frozen=True)
    class Other(Leaky):
        name: ClassVar[str] = "gru"

    with pytest.raises(UsageError, match=r"the cell name 'gru' is taken by elman\.cells\.gru\.GRU") as caught:
        register(Other)
    assert caught.value.code == "E161"


def test_the_same_class_may_be_registered_again():
    def define():
        class Mine(Leaky):
            name = "mine"

        return Mine

    register(define())
    again = register(define())
    assert cells.CELLS["mine"] is again


class Nameless(Leaky):
    name = ""


class Stepless(Cell):
    name = "stepless"

    def parameters(self, input_size, hidden_size, output_size):
        return {}


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (int, "int is not a subclass of elman.cells.Cell"),
        (Leaky(2), r"Leaky\(hidden_size=2\) is not a subclass"),
        (Stepless, "the cell Stepless lacks step"),
        (Nameless, "the cell Nameless has no name"),
    ],
)
def test_what_is_no_cell_is_refused(thing, message):
    with pytest.raises(UsageError, match=message) as caught:
        register(thing)
    assert caught.value.code == "E161"
