"""What holds for every cell: each registered one, and each option of a built-in."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from elman.cells import CELLS, GRU, LSTM, RNN, Names, Sine, check_cell, draw_parameters, main_state

torch.set_num_threads(1)
SIZES = [(1, 1), (3, 7), (16, 5), (7, 17)]  # (input, hidden)
BATCHES = [1, 3, 13]
OUTPUTS = 4
VARIANTS = [
    RNN(1),
    RNN(1, nonlinearity="relu"),
    RNN(1, nonlinearity="identity"),
    LSTM(1),
    GRU(1),
    RNN(1, bias=False),
    LSTM(1, bias=False),
    GRU(1, bias=False),
    Names(1),
    Sine(1),
]
IN_TORCH = [cell for cell in VARIANTS if hasattr(cell, "bias") and "identity" not in repr(cell)]


def names_of(cell):
    return repr(cell)


def test_every_registered_cell_is_under_the_laws():
    assert sorted(CELLS) == ["gru", "lstm", "names", "rnn", "sine"]
    assert {cell.name for cell in VARIANTS} >= set(CELLS)


def draw_case(cell, size, batch, dtype=np.float64):
    """One step's arguments: x, state, params."""
    rng = np.random.default_rng(7 * batch + size[0])
    cell = replace(cell, hidden_size=size[1])
    params = {name: p.astype(dtype) for name, p in draw_parameters(cell, size[0], OUTPUTS, rng).items()}
    state = tuple(rng.normal(size=(batch, size[1])).astype(dtype) for _ in cell.state_names)
    x = rng.normal(size=(batch, size[0])).astype(dtype)
    return cell, x, state if len(state) > 1 else state[0], params


def each(state, change):
    return tuple(change(a) for a in state) if isinstance(state, tuple) else change(state)


def flat(output, state):
    return [output, *(state if isinstance(state, tuple) else (state,))]


def to_torch(x, state, params):
    return torch.tensor(x), each(state, torch.tensor), {name: torch.tensor(p) for name, p in params.items()}


laws = pytest.mark.parametrize("cell", VARIANTS, ids=names_of)
sizes = pytest.mark.parametrize("size", SIZES, ids=str)
batches = pytest.mark.parametrize("batch", BATCHES)


@laws
@sizes
def test_a_step_changes_nothing_that_it_is_given(cell, size):
    cell, x, state, params = draw_case(cell, size, 3)
    before = copy.deepcopy((x, state, params))
    first = flat(*cell.step(x, state, params))
    second = flat(*cell.step(x, state, params))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip([before[0], *flat(before[0], before[1])], [x, *flat(x, state)], strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(np.array_equal(before[2][name], params[name]) for name in params)


@laws
@sizes
@batches
def test_numpy_equals_torch_in_float64(cell, size, batch):
    cell, x, state, params = draw_case(cell, size, batch)
    ours = flat(*cell.step(x, state, params))
    theirs = flat(*cell.step(*to_torch(x, state, params)))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-13, atol=1e-14)


@laws
def test_float32_in_float32_out_and_near_float64(cell):
    cell, x, state, params = draw_case(cell, (7, 17), 13, np.float32)
    exact = flat(*cell.step(x.astype(float), each(state, lambda a: a.astype(float)), params))
    for a, b in zip(flat(*cell.step(x, state, params)), exact, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


@laws
def test_rows_are_independent(cell):
    cell, x, state, params = draw_case(cell, (3, 7), 13)
    whole = flat(*cell.step(x, state, params))
    for row in range(13):
        alone = cell.step(x[row : row + 1], each(state, lambda a, r=row: a[r : r + 1]), params)
        for a, b in zip(flat(*alone), whole, strict=True):
            np.testing.assert_allclose(a[0], b[row], rtol=1e-13, atol=1e-15)


@laws
@sizes
def test_shapes_follow_the_interface(cell, size):
    cell, x, _, params = draw_case(cell, size, 3, np.float32)
    state = cell.initial_state(3)
    output, after = cell.step(x, state, params)
    assert output.shape == (3, OUTPUTS if cell.answers else size[1])
    assert [a.shape for a in flat(x, after)[1:]] == [(3, size[1])] * len(cell.state_names)
    assert isinstance(after, tuple) == (len(cell.state_names) > 1)
    if not cell.answers:
        np.testing.assert_array_equal(output, main_state(after))


@laws
@sizes
def test_a_cell_passes_its_own_check(cell, size):
    check_cell(replace(cell, hidden_size=size[1]), size[0], OUTPUTS)


@laws
def test_gradients_are_true(cell):
    cell, x, state, params = draw_case(cell, (3, 5), 2)
    x, state, params = to_torch(x, state, params)
    leaves = [*flat(x, state), *params.values()]
    several = isinstance(state, tuple)

    def run(x, *rest):
        states, weights = rest[: len(cell.state_names)], rest[len(cell.state_names) :]
        given = dict(zip(params, weights, strict=True))
        return tuple(flat(*cell.step(x, states if several else states[0], given)))

    assert torch.autograd.gradcheck(run, [leaf.requires_grad_() for leaf in leaves])


@pytest.mark.parametrize("cell", IN_TORCH, ids=names_of)
@sizes
@batches
def test_built_in_cells_equal_torch_nn(cell, size, batch):
    cell, x, state, params = draw_case(cell, size, batch)
    x, state, params = to_torch(x, state, params)
    options = {"nonlinearity": cell.nonlinearity} if cell.name == "rnn" else {}
    kind = {"rnn": torch.nn.RNNCell, "lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}[cell.name]
    theirs = kind(*size, bias=cell.bias, dtype=torch.float64, **options)
    theirs.load_state_dict(params)
    expected = theirs(x, state)
    for a, b in zip(flat(*cell.step(x, state, params))[1:], flat(x, expected)[1:], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)
