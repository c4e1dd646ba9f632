import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from elman.data.frames import columns_of
from elman.data.table import Table
from elman.errors import DataError, UsageError


class PolarsSeries:
    """As much of polars as is looked at."""

    def __init__(self, name, values):
        self.name, self.values, self.shape = name, values, (len(values),)

    def to_list(self):
        return self.values

    def __iter__(self):
        raise AssertionError


class PolarsFrame:
    columns = ("name", "year")

    def get_columns(self):
        return [PolarsSeries("name", ["a", "b"]), PolarsSeries("year", [1, 2])]


FRAMES = [
    {"name": ["a", "b"], "year": (1, 2)},
    {"name": np.array(["a", "b"]), "year": np.array([1, 2])},
    pd.DataFrame({"name": ["a", "b"], "year": [1, 2]}, index=[5, 5]),
    pa.table({"name": ["a", "b"], "year": [1, 2]}),
    PolarsFrame(),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__module__)
def test_any_table(frame):
    table = Table.from_frame(frame, "people")
    assert table.columns == {"name": ["a", "b"], "year": [1, 2]}
    assert all(type(value) is int for value in table.columns["year"])
    assert table.place(1, "year") == "people, row 2, column year"


@pytest.mark.parametrize(
    ("frame", "code", "message"),
    [
        ({"a": [1], "b": [1, 2]}, "E221", "the columns of t differ in length: a 1, b 2"),
        ({}, "E206", "t has no rows"),
        ({"a": []}, "E206", "t has no rows"),
        ({"": [1]}, "E213", "column 1 has no name"),
        (pd.DataFrame([[1, 2]]), "E213", "column 1 has no name"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "E212", 'columns 1 and 2 are both called "a"'),
        (pa.table([[1], [2]], names=["a", "a"]), "E212", 'columns 1 and 2 are both called "a"'),
    ],
)
def test_tables_that_cannot_be_used(frame, code, message):
    with pytest.raises(DataError) as caught:
        columns_of(frame, "t")
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize("frame", [["a"], "a", None, np.zeros((2, 2))])
def test_what_is_no_table(frame):
    with pytest.raises(UsageError) as caught:
        columns_of(frame, "t")
    assert caught.value.code == "E222"
    assert caught.value.message == f"{type(frame).__name__} is not a table"
