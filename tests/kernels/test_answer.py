"""Embedding, pooling, the linear map and softmax, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elman.errors import UsageError
from elman.kernels import embed, linear, log_softmax, pool, softmax

FIRST = np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
SECOND = np.array([[0.0, 0.0], [0.5, 0.25]])


def test_one_column_is_looked_up():
    np.testing.assert_array_equal(embed([FIRST], np.array([[2, 0], [1, 1]])), FIRST[[[2, 0], [1, 1]]])


def test_columns_are_summed_and_tables_are_left_alone():
    ids = np.array([[[2, 1], [0, 0]]])
    before = FIRST.copy()
    np.testing.assert_array_equal(embed([FIRST, SECOND], ids), [[[100.5, 200.25], [1.0, 2.0]]])
    np.testing.assert_array_equal(FIRST, before)


@pytest.mark.parametrize("bad", [-1, 3])
def test_an_id_outside_its_table_is_refused(bad):
    with pytest.raises(UsageError, match="the table has rows 0 to 2") as caught:
        embed([FIRST], np.array([[0, bad]]))
    assert caught.value.code == "E164"


def test_as_many_tables_as_columns():
    with pytest.raises(UsageError, match="2 tables cannot embed 1 columns of ids"):
        embed([FIRST, SECOND], np.zeros((2, 3), int))


def test_no_symbols_embed_to_nothing():
    assert embed([FIRST], np.zeros((0, 4), int)).shape == (0, 4, 2)


def test_linear_by_hand():
    x, weight = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0], [0.0, 1.0]])
    np.testing.assert_array_equal(linear(x, weight), [[11.0, 17.0, 2.0]])
    np.testing.assert_array_equal(linear(x, weight, np.array([1.0, -1.0, 0.0])), [[12.0, 16.0, 2.0]])


OUTPUTS = np.array([[[1.0, -5.0], [7.0, 7.0], [-3.0, 2.0]], [[3.0, -1.0], [np.nan, np.inf], [np.nan, 9.0]]])
LENGTHS = np.array([2, 0, 1])
POOLED = [
    ("mean", [[2, -3], [0, 0], [-3, 2]]),
    ("max", [[3, -1], [0, 0], [-3, 2]]),
    ("sum", [[4, -6], [0, 0], [-3, 2]]),
]
"""By hand."""


@pytest.mark.parametrize(("kind", "expected"), POOLED)
def test_pool_reads_a_rows_own_steps_only(kind, expected):
    np.testing.assert_array_equal(pool(OUTPUTS, LENGTHS, kind), expected)


@pytest.mark.parametrize("kind", ["mean", "max", "sum"])
def test_pool_keeps_float32_and_takes_no_steps_at_all(kind):
    pooled = pool(np.zeros((0, 2, 3), np.float32), np.zeros(2, int), kind)
    assert pooled.dtype == np.float32
    np.testing.assert_array_equal(pooled, np.zeros((2, 3)))


def test_an_unknown_pool_is_refused():
    with pytest.raises(UsageError, match="pooling must be one of mean, max, sum, not 'median'"):
        pool(OUTPUTS, LENGTHS, "median")


logits = hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=3), elements=st.floats(-1e4, 1e4))


@given(logits)
def test_probabilities_sum_to_one_and_keep_ratios(y):
    with np.errstate(over="raise", invalid="raise"):
        p = softmax(y)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(p, softmax(y + 12.5), rtol=1e-10, atol=1e-300)


@given(logits)
def test_log_softmax_is_the_logarithm_and_never_infinite(y):
    logs = log_softmax(y)
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs), softmax(y), rtol=1e-9, atol=1e-300)


def test_softmax_by_hand():
    np.testing.assert_allclose(softmax(np.log([[1.0, 3.0, 4.0]])), [[0.125, 0.375, 0.5]], rtol=1e-15)
    np.testing.assert_allclose(log_softmax(np.array([1000.0, 0.0])), [0.0, -1000.0])
    assert softmax(np.zeros((2, 3), np.float32)).dtype == np.float32
