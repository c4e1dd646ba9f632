import datetime
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elman.data.series import as_series, as_targets
from elman.errors import DataError, UsageError

NAN = math.nan
COUNTED = ", counted from 0"
RAGGED = [np.array([1.0, 2.0]), np.array([3.0])]
EVEN = np.array([[1, 2], [3, 4]])

# containers of the sequences 1 2 and 3
CONTAINERS = [
    RAGGED,
    tuple(RAGGED),
    (each for each in RAGGED),
    [[1, 2], [3]],
    [(1, 2), (3.0,)],
    np.array([*RAGGED, None], dtype=object)[:2],
    np.array([[1, 2], [3], None], dtype=object)[:2],
    pd.Series(RAGGED, index=[7, 3]),
    pd.Series([[1, 2], [3]]),
    pa.array([[1, 2], [3]]),
    pa.array([[1, 2], [3]], pa.large_list(pa.float32())),
    pa.chunked_array([[[1, 2]], [[3]]]),
    [pa.array([1, 2]), pa.array([3])],
    list(pa.array([[1, 2], [3]])),
    [pd.Series([1, 2]), pd.Series([3], dtype="Int64")],
    [np.array([1, 2], dtype=np.uint8), np.array([3], dtype=np.float16)],
    [np.array([[1], [2]]), [[3]]],
    [np.array([1, 2], dtype=object), np.array([3], dtype=">f4")],
]


def shown(series):
    """Lists, with None for NaN, so that they can be compared."""
    return [[[None if math.isnan(n) else n for n in step] for step in each.tolist()] for each in series]


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: type(c).__name__)
def test_sequences_of_any_container(container):
    series = as_series(container)
    assert shown(series) == [[[1.0], [2.0]], [[3.0]]]
    assert {each.dtype for each in series} == {np.dtype(np.float64)}


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (EVEN, [[[1], [2]], [[3], [4]]]),
        (EVEN.astype(object), [[[1], [2]], [[3], [4]]]),
        (EVEN[:, :, None] + np.array([0, 10]), [[[1, 11], [2, 12]], [[3, 13], [4, 14]]]),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2)), [[[1], [2]], [[3], [4]]]),
        ([[[1, 2], [3, 4]], [[5, 6]]], [[[1, 2], [3, 4]], [[5, 6]]]),
        ([[1, None], [True, np.nan]], [[[1], [None]], [[1], [None]]]),
        ([[None, None]], [[[None], [None]]]),
        ([[[1, None], [None, 2.5]]], [[[1, None], [None, 2.5]]]),
        ([pd.Series([1, pd.NA], dtype="Int64")], [[[1], [None]]]),
        ([pa.array([1.5, None])], [[[1.5], [None]]]),
        ([np.ma.masked_array([1, 2], [False, True])], [[[1], [None]]]),
        ([[2**70, 1]], [[[2.0**70], [1]]]),
        ([[], [1]], [[], [[1]]]),
        ([[], [[1, 2]]], [[], [[1, 2]]]),
        ([[]], [[]]),
        ([], []),
        (np.zeros((0, 5)), []),
    ],
)
def test_series(X, expected):
    assert shown(as_series(X)) == expected


def test_an_empty_sequence_has_as_many_numbers_a_step_as_the_others():
    assert [each.shape for each in as_series([[], [[1, 2]], np.zeros((0, 2))])] == [(0, 2), (1, 2), (0, 2)]
    assert [each.shape for each in as_series([[], []])] == [(0, 1), (0, 1)]


@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=4),
        elements=st.floats(allow_infinity=False),
    )
)
def test_an_array_of_any_numbers_and_its_lists_are_one(X):
    series = as_series(X)
    again = as_series(X.tolist())
    assert all(np.array_equal(one, two, equal_nan=True) for one, two in zip(series, X, strict=True))
    assert all(np.array_equal(one, two, equal_nan=True) for one, two in zip(series, again, strict=True))


@pytest.mark.parametrize(
    ("X", "message", "help_"),
    [
        ("abc", "X is a str, not a list of sequences", None),
        (3.0, "X is a float, not a list of sequences", None),
        (np.array(3.0), "X is a ndarray, not a list of sequences", None),
        ({"a": [1]}, "X is a dict, not a list of sequences", None),
        (np.array([1.0, 2.0]), "X is one sequence, not a list of sequences", "did you mean [X] ?"),
        ([1, 2, 3], "X is one sequence, not a list of sequences", "did you mean [X] ?"),
        (pd.Series([1, 2]), "X is one sequence, not a list of sequences", "did you mean [X] ?"),
        (pd.DataFrame({"a": [1]}), "X is a table, not a list of sequences", None),
        (pa.table({"a": [1]}), "X is a table, not a list of sequences", None),
    ],
)
def test_what_is_no_list_of_sequences(X, message, help_):
    with pytest.raises(UsageError) as caught:
        as_series(X)
    assert (caught.value.code, caught.value.message) == ("E124", message)
    assert help_ is None or caught.value.help == help_


@pytest.mark.parametrize(
    ("X", "code", "message", "where"),
    [
        ([[1], [2, "a"]], "E271", "'a' is a text, not a number", "X[1], step 1"),
        ([["1"]], "E271", "'1' is a text, not a number", "X[0], step 0"),
        ([np.array(["1"])], "E271", "'1' is a text, not a number", "X[0], step 0"),
        ([[[1, 2], [3, "a"]]], "E271", "'a' is a text, not a number", "X[0], step 1, number 1"),
        ([[datetime.date(2024, 1, 1)]], "E271", None, "X[0], step 0"),
        ([[1], [2, math.inf]], "E272", "a number is infinite", "X[1], step 1"),
        (np.array([[[1, 2], [-np.inf, 3]]]), "E272", "a number is infinite", "X[0], step 1, number 0"),
        ([[1, None, math.inf]], "E272", "inf is infinite, or too large for a number", "X[0], step 2"),
        ([[10**400]], "E272", None, "X[0], step 0"),
        ([[[1, 2], [3]]], "E273", "a step of 1 number stands among steps of 2 numbers", "X[0], step 1"),
        ([[[1, 2], None]], "E273", "a step of None stands among steps of 2 numbers", "X[0], step 1"),
        ([[1, [2, 3]]], "E273", "a step of 1 stands among steps of 2 numbers", "X[0], step 0"),
        ([[], [[1, 2]], [3]], "E273", "the steps have 1 number, those of X[1] have 2", "X[2]"),
        ([np.zeros((2, 0))], "E273", "the steps of the sequence hold no numbers", "X[0]"),
        ([[1], None], "E231", "the sequence is missing", "X[1]"),
        (pa.array([[1], None]), "E231", "the sequence is missing", "X[1]"),
        ([[1], "ab"], "E274", "'ab' is a text, not a sequence of numbers", "X[1]"),
        ([[1], 5], "E274", "5 is an int, not a sequence of numbers", "X[1]"),
        ([{"a": 1}], "E274", "{'a': 1} is a dict, not a sequence of numbers", "X[0]"),
        ([np.zeros((1, 1, 1))], "E274", None, "X[0]"),
        ([[np.array(1.0), None]], "E271", "array(1.) is a ndarray, not a number", "X[0], step 0"),
        ([[[[1, 2], [3]]]], "E271", "[1, 2] is a list, not a number", "X[0], step 0, number 0"),
    ],
)  # fmt: skip
def test_bad_values_are_named_with_row_and_step(X, code, message, where):
    with pytest.raises(DataError) as caught:
        as_series(X)
    assert (caught.value.code, caught.value.where) == (code, where + COUNTED * ("step" in where))
    assert message is None or caught.value.message == message
    assert caught.value.help


def test_targets():
    targets = as_targets([[1, 2], [3]], as_series([[5, 6], [7]]))
    assert shown(targets) == [[[1.0], [2.0]], [[3.0]]]
    assert shown(as_targets([[[1, 2]], []], [np.zeros((1, 3)), np.zeros((0, 3))])) == [[[1, 2]], []]


@pytest.mark.parametrize(
    ("y", "code", "message", "where"),
    [
        ([[1, 2]], "E239", "X has 2 rows, y has 1", ""),
        ([[1, 2], [3, 4]], "E275", "there are 2 targets, but the sequence has 1 step", "y[1]"),
        ([[1, NAN], [3]], "E276", "a number to learn is missing (NaN)", "y[0], step 1"),
        ([[1, 2], [None]], "E276", "a number to learn is missing (NaN)", "y[1], step 0"),
        ([[1, 2], ["a"]], "E271", "'a' is a text, not a number", "y[1], step 0"),
    ],
)  # fmt: skip
def test_targets_that_cannot_be_learnt(y, code, message, where):
    with pytest.raises(DataError) as caught:
        as_targets(y, as_series([[5, 6], [7]]))
    assert (caught.value.code, caught.value.message) == (code, message)
    assert caught.value.where == where + COUNTED * ("step" in where)


def test_one_label_a_sequence_is_not_a_target_at_every_step():
    with pytest.raises(UsageError) as caught:
        as_targets(np.array([1.0, 2.0]), as_series([[5, 6], [7]]))
    assert caught.value.code == "E124"
