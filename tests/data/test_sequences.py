import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.sequences import as_groups, as_labels, as_texts, as_weights, check_same_length
from elman.errors import DataError, UsageError


class Polars:
    """As much of a polars Series as is looked at."""

    shape = (2,)

    def to_list(self):
        return ["a", "b"]

    def __iter__(self):
        raise AssertionError


class PolarsFrame:
    shape = (2, 1)

    def get_columns(self):
        return [Polars()]

    def __iter__(self):
        raise AssertionError


CONTAINERS = [
    ["a", "b"],
    ("a", "b"),
    (letter for letter in "ab"),
    np.array(["a", "b"]),
    np.array(["a", "b"], dtype=object),
    np.array([["a"], ["b"]], dtype=object),
    [np.str_("a"), np.str_("b")],
    pd.Series(["a", "b"], index=[7, 3]),
    pd.Series(["a", "b"], dtype="category"),
    pd.Series(["a", "b"], dtype="string"),
    pd.DataFrame({"name": ["a", "b"]}),
    pd.Index(["a", "b"]),
    pa.array(["a", "b"]),
    pa.array(["a", "b"], pa.large_string()),
    pa.array(["a", "b"]).dictionary_encode(),
    pa.chunked_array([["a"], ["b"]]),
    pa.table({"name": ["a", "b"]}),
    Polars(),
    PolarsFrame(),
]


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: type(c).__name__)
def test_texts_of_any_container(container):
    texts = as_texts(container)
    assert texts == ["a", "b"]
    assert all(type(text) is str for text in texts)


@pytest.mark.parametrize(
    "container", [c for c in CONTAINERS if not hasattr(c, "send")], ids=lambda c: type(c).__name__
)
def test_labels_of_any_container(container):
    labels = as_labels(container)
    assert labels.tolist() == ["a", "b"]
    assert labels.dtype == np.dtype("<U1")


def test_no_rows_are_legal():
    assert as_texts([]) == []
    assert as_labels([]).tolist() == []
    assert as_weights([]).tolist() == []


def test_empty_texts_are_legal():
    assert as_texts(["", "a"]) == ["", "a"]


@pytest.mark.parametrize("missing", [None, math.nan, pd.NA, pd.NaT, np.float32("nan")])
@pytest.mark.parametrize("read", [as_texts, as_labels, as_weights, as_groups])
def test_missing_values_are_refused_with_their_row(read, missing):
    fine = 1.0 if read is as_weights else "a"
    with pytest.raises(DataError) as caught:
        read([fine, missing], "data")
    assert (caught.value.code, caught.value.message) == ("E231", "data[1] is missing")
    assert caught.value.where == "data, row 1, counted from 0"


@pytest.mark.parametrize(
    "series", [pd.Series(["a", None]), pd.Series(["a", None], dtype="string"), pa.array(["a", None])]
)
def test_missing_values_of_libraries(series):
    with pytest.raises(DataError, match=r"X\[1\] is missing"):
        as_texts(series)


@pytest.mark.parametrize(
    ("values", "code", "message"),
    [
        (["a", 5], "E232", "X[1] is an int, not a text"),
        (["a", ["b"]], "E232", "X[1] is a list, not a text"),
        ([b"a"], "E232", "X[0] is a bytes, not a text"),
        (["a", "x\ud83d"], "E233", "X[1] is broken: it holds half a character (a lone surrogate)"),
    ],
)
def test_what_is_no_text(values, code, message):
    with pytest.raises(DataError) as caught:
        as_texts(values)
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("X", "message", "help_"),
    [
        ("Rossi", "X is one text, not a list of texts", "did you mean ['Rossi'] ?"),
        (b"Rossi", "X is one text, not a list of texts", "did you mean [b'Rossi'] ?"),
        (np.array("Rossi"), "X is a ndarray, not a list of values", "give a list or an array"),
        (5, "X is an int, not a list of values", "give a list or an array"),
        (None, "X is a NoneType, not a list of values", "give a list or an array"),
        ({"a": 1}, "X is a dict, not a list of values", "give a list or an array"),
        ({"a"}, "X is a set, not a list of values", "give a list or an array"),
        (np.array([["a", "b"]]), "X must be one column, but its shape is 1 x 2", "choose one column"),
        (
            pd.DataFrame({"a": ["x"], "b": ["y"]}),
            "X must be one column, but its shape is 1 x 2",
            "choose one column",
        ),
        (
            pa.table({"a": ["x"], "b": ["y"]}),
            "X must be one column, but its shape is 1 x 2",
            "choose one column",
        ),
        (np.zeros((1, 1, 1)), "X must be one column, but its shape is 1 x 1 x 1", "choose one column"),
    ],
)
def test_what_is_no_column(X, message, help_):
    for read in (as_texts, as_labels, as_weights, as_groups):
        with pytest.raises(UsageError) as caught:
            read(X, "X")
        assert (caught.value.code, caught.value.message, caught.value.help) == ("E124", message, help_)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([1, 2], "int64"),
        ([True, False], "bool"),
        ([0.5, 1.0], "float64"),
        ([1, 2.5], "float64"),
        (np.array([1, 2], dtype=np.int8), "int8"),
        (np.array([1, 2], dtype=">i4"), "int32"),
        (np.array([1, 2], dtype=np.float32), "float32"),
        (np.array([1, 2], dtype=object), "int64"),
        (np.array([[1], [2]], dtype=np.int16), "int16"),
        (np.array([True, False]), "bool"),
        (pd.Series([1, 2], dtype="Int64"), "int64"),
        (pd.Series([1, 2], dtype="int32"), "int32"),
        (pa.array([1, 2], pa.int8()), "int64"),
        (["a", "bcd"], "<U3"),
    ],
)
def test_labels_keep_their_type(labels, dtype):
    read = as_labels(labels)
    assert read.dtype == np.dtype(dtype)
    expected = labels.ravel().tolist() if isinstance(labels, np.ndarray) else list(labels)
    assert read.tolist() == [getattr(value, "as_py", lambda v=value: v)() for value in expected]


@pytest.mark.parametrize(
    ("labels", "code", "message"),
    [
        (["a", ""], "E234", "y[1] is an empty label"),
        (["", "a", "b\0", ""], "E234", "y[0] is an empty label"),
        (["a", " \t"], "E234", "y[1] is an empty label"),
        (["a", "b\0"], "E235", "y[1] is a label with a NUL character"),
        (["a", "b" * 300], "E235", "y[1] is a text of 300 characters, too long for a label"),
        (["a", "\udfff"], "E233", "y[1] is broken: it holds half a character (a lone surrogate)"),
        ([1.0, math.inf], "E235", "y[1] is inf, which cannot be a label"),
        ([1, 1j], "E235", "y[1] is 1j, which cannot be a label"),
        ([1, 2**63], "E235", "y[1] is 9223372036854775808, which cannot be a label"),
        ([["a"], ["b"]], "E235", "y[0] is ['a'], which cannot be a label"),
        (["a", 1], "E236", "the labels of y are of several types: str in row 0, int in row 1"),
        ([True, True, 1], "E236", "the labels of y are of several types: bool in row 0, int in row 2"),
    ],
)
def test_what_can_be_no_label(labels, code, message):
    with pytest.raises(DataError) as caught:
        as_labels(labels)
    assert (caught.value.code, caught.value.message) == (code, message)


@given(st.lists(st.floats(0, 1e30), min_size=1).filter(any))
def test_weights_are_float32(weights):
    read = as_weights(weights)
    assert read.dtype == np.float32
    assert read.tolist() == np.array(weights, dtype=np.float32).tolist()


@pytest.mark.parametrize("wrong", [-1, math.inf, "1", True, 1e39])
def test_what_is_no_weight(wrong):
    with pytest.raises(DataError) as caught:
        as_weights([1.0, wrong])
    assert caught.value.code == "E237"
    assert caught.value.message.startswith("sample_weight[1] is ")


def test_weights_of_nothing_but_zeros_are_refused():
    with pytest.raises(DataError) as caught:
        as_weights(np.zeros(3))
    assert (caught.value.code, caught.value.message) == ("E237", "every weight of sample_weight is 0")


def test_groups():
    assert as_groups(pd.Series(["x", "y"])) == ["x", "y"]
    assert as_groups([(1, 2), 3]) == [(1, 2), 3]
    with pytest.raises(DataError) as caught:
        as_groups(["x", ["y"]])
    assert (caught.value.code, caught.value.message) == ("E238", "groups[1] is a list, which cannot be a key")


def test_lengths_must_agree():
    check_same_length([1, 2], ["a", "b"])
    with pytest.raises(DataError) as caught:
        check_same_length([0] * 1200, ["a"], ("X", "sample_weight"))
    assert (caught.value.code, caught.value.message) == ("E239", "X has 1,200 rows, sample_weight has 1")
