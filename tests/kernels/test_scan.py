"""kernels.scan against the plain reading of its contract: each row alone, one step after another."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.cells import GRU, LSTM, RNN, Sine, draw_parameters
from elman.errors import UsageError
from elman.kernels import scan

CELLS = [RNN, LSTM, GRU]


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def plain_row(cell, inputs, params, state):
    """One row (T, D), one step after another: outputs (T, H) and the final state."""
    outputs = []
    for x in inputs:
        output, state = cell.step(x[None], state, params)
        outputs.append(output[0])
    return outputs, state


def plain(cell, inputs, lengths, params, state, reverse):
    """The contract, row by row."""
    outputs = np.zeros((*inputs.shape[:2], cell.hidden_size))
    finals = []
    for b, length in enumerate(lengths):
        first = tuple(a[b : b + 1] for a in parts(state))
        row = inputs[:length, b][::-1] if reverse else inputs[:length, b]
        ran, final = plain_row(cell, row, params, first if len(first) > 1 else first[0])
        if length:
            outputs[:length, b] = ran[::-1] if reverse else ran
        finals.append(parts(final))
    return outputs, [np.concatenate(rows) for rows in zip(*finals, strict=True)]


def draw_case(cell, steps, batch, size=3, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    params = {name: p.astype(dtype) for name, p in draw_parameters(cell, size, 2, rng).items()}
    inputs = rng.normal(size=(steps, batch, size)).astype(dtype)
    state = tuple(rng.normal(size=(batch, cell.hidden_size)).astype(dtype) for _ in cell.state_names)
    return inputs, params, state if len(state) > 1 else state[0]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", CELLS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_ragged_batch_equals_its_rows_alone(kind, reverse, data):
    steps, hidden = data.draw(st.integers(0, 20)), data.draw(st.sampled_from([1, 7, 17]))
    lengths = np.array(data.draw(st.lists(st.integers(0, steps), min_size=1, max_size=13)))
    cell = kind(hidden)
    inputs, params, state = draw_case(cell, steps, len(lengths))
    for b, length in enumerate(lengths):
        inputs[length:, b] = np.nan  # the padding is never read
    outputs, final = scan(cell, inputs, lengths, params, state, reverse=reverse)
    expected, expected_final = plain(cell, inputs, lengths, params, state, reverse)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12, atol=1e-14)
    for a, b in zip(parts(final), expected_final, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", CELLS)
def test_float32_stays_float32_and_near(kind):
    cell = kind(17)
    inputs, params, state = draw_case(cell, 20, 5, dtype=np.float32)
    lengths = np.array([20, 3, 0, 11, 20])
    outputs, final = scan(cell, inputs, lengths, params, state)
    expected, expected_final = plain(cell, inputs.astype(float), lengths, params, state, False)
    assert {outputs.dtype, *(a.dtype for a in parts(final))} == {np.dtype(np.float32)}
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    for a, b in zip(parts(final), expected_final, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("kind", CELLS)
def test_lengths_may_be_of_any_whole_type_and_stride(kind):
    cell = kind(7)
    inputs, params, state = draw_case(cell, 5, 3, dtype=np.float32)
    lengths = np.array([5, 0, 2])
    wanted, _ = scan(cell, inputs, lengths, params, state)
    for these in (lengths.astype("u1"), lengths.astype("i4"), np.repeat(lengths, 2)[::2]):
        np.testing.assert_array_equal(scan(cell, inputs, these, params, state)[0], wanted)


@pytest.mark.parametrize("kind", CELLS)
def test_without_lengths_every_row_is_whole_and_without_a_state_it_is_nought(kind):
    cell = kind(7)
    inputs, params, _ = draw_case(cell, 5, 3)
    outputs, final = scan(cell, inputs, None, params)
    again, final_again = scan(cell, inputs, np.full(3, 5), params, cell.initial_state(3))
    np.testing.assert_array_equal(outputs, again)
    np.testing.assert_array_equal(parts(final), parts(final_again))
    np.testing.assert_array_equal(outputs[-1], parts(final)[0])


@pytest.mark.parametrize("kind", CELLS)
def test_nothing_given_is_written_to(kind):
    cell = kind(7)
    inputs, params, state = draw_case(cell, 4, 3)
    kept = [a.copy() for a in (inputs, *parts(state), *params.values())]
    scan(cell, inputs, np.array([4, 0, 2]), params, state)
    for a, b in zip(kept, (inputs, *parts(state), *params.values()), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_row_of_length_0_passes_its_state_through(reverse):
    inputs, params, state = draw_case(LSTM(7), 3, 2)
    outputs, (h, c) = scan(LSTM(7), inputs, np.array([0, 3]), params, state, reverse=reverse)
    np.testing.assert_array_equal(outputs[:, 0], np.zeros((3, 7)))
    np.testing.assert_array_equal(h[0], state[0][0])
    np.testing.assert_array_equal(c[0], state[1][0])
    assert not np.allclose(h[1], state[0][1])


@pytest.mark.parametrize("batch", [0, 3])
def test_no_step_at_all_is_legal(batch):
    inputs, params, state = draw_case(GRU(7), 0, batch)
    outputs, final = scan(GRU(7), inputs, np.zeros(batch, int), params, state)
    assert outputs.shape == (0, batch, 7)
    np.testing.assert_array_equal(final, state)


def test_a_cell_that_answers_may_be_wider_or_narrower_than_its_state():
    inputs, params, state = draw_case(Sine(6), 4, 3)
    outputs, final = scan(Sine(6), inputs, np.array([4, 1, 2]), params, state)
    assert outputs.shape == (4, 3, 2)
    expected, last = plain_row(Sine(6), inputs[:2, 2], params, state[2:])
    np.testing.assert_allclose(outputs[:2, 2], expected, rtol=1e-13)
    np.testing.assert_allclose(final[2:], last, rtol=1e-13)


def test_outputs_go_where_they_are_wanted():
    inputs, params, _ = draw_case(GRU(7), 4, 3)
    wide = np.zeros((4, 3, 14))
    outputs, _ = scan(GRU(7), inputs, None, params, out=wide[..., 7:])
    assert outputs.base is wide
    np.testing.assert_array_equal(wide[..., 7:], scan(GRU(7), inputs, None, params)[0])
    np.testing.assert_array_equal(wide[..., :7], 0)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2], "lengths must be 3 whole numbers, one for each row"),
        ([1.0, 2.0, 3.0], "lengths must be 3 whole numbers"),
        ([1, 5, 2], "the length 5 of row 1 is not between 0 and 4, the number of steps"),
        ([1, 2, -1], "the length -1 of row 2 is not between 0 and 4"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, message):
    inputs, params, _ = draw_case(GRU(7), 4, 3)
    with pytest.raises(UsageError, match=message) as caught:
        scan(GRU(7), inputs, np.array(lengths), params)
    assert caught.value.code == "E163"


def test_a_large_batch_is_not_copied():
    cell = GRU(32)
    inputs, params, _ = draw_case(cell, 30, 4096, size=32, dtype=np.float32)
    lengths = np.random.default_rng(0).integers(1, 31, 4096)
    tracemalloc.start()
    outputs, _ = scan(cell, inputs, lengths, params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * outputs.nbytes  # the outputs themselves, and a few steps' worth


def test_a_cell_that_answers_itself_has_answers_of_their_width_even_without_a_step():
    cell = Sine(4)
    inputs, params, state = draw_case(cell, 5, 3)
    outputs, final = scan(cell, inputs, np.array([5, 0, 2]), params, state)
    assert outputs.shape == (5, 3, 2)
    assert not outputs[:, 1].any()
    np.testing.assert_array_equal(final[1], state[1])
    for steps in (0, 5):
        nothing, same = scan(cell, inputs[:steps], np.zeros(3, int), params, state)
        assert nothing.shape == (steps, 3, 2)
        np.testing.assert_array_equal(same, state)
