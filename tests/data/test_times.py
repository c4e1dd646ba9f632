import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.table import Table
from elman.data.times import time_column
from elman.errors import DataError

UTC = datetime.UTC


def keys(values):
    return time_column(Table({"t": values}, list(range(2, len(values) + 2)), "a.csv"), "t")


# earlier and later, of one kind
PAIRS = [
    ("1", "2"),
    (" 9 ", "10"),
    ("-1.5", "-1"),
    ("1700000000000000001", "1700000000000000002"),  # equal as float64
    (np.int64(2**60), np.int64(2**60 + 1)),
    (1, 1.5),
    (np.float32(0.25), np.float32(0.5)),
    (1, "2"),
    ("2024", "2025"),
    ("20240131", "20240201"),
    ("1949-01", "1949-02"),
    ("2024-01-31", "2024-02-01"),
    ("2024-01-31", "2024-01-31T00:00:01"),
    ("2024-01-31 09:30", "2024-01-31 09:31"),
    ("2024-W05-1", "2024-W05-2"),
    ("2024-01-31T09:30:00.000000001", "2024-01-31T09:30:00.000000002"),
    ("2024-01-31T09:30:00Z", "2024-01-31T09:30:00-01:00"),  # an hour later, in UTC
    (datetime.date(2024, 1, 31), datetime.date(2024, 2, 1)),
    (datetime.datetime(2024, 1, 31), datetime.datetime(2024, 1, 31, 1)),
    (datetime.date(2024, 1, 31), "2024-02-01"),
    (pd.Timestamp("2024-01-31T09:30:00.000000001"), pd.Timestamp("2024-01-31T09:30:00.000000002")),
    (pd.Timestamp("2024-01-31", tz=UTC), datetime.datetime(2024, 1, 31, 1, tzinfo=UTC)),
]


@pytest.mark.parametrize(("earlier", "later"), PAIRS)
def test_an_earlier_time_has_a_smaller_key(earlier, later):
    first, second, again = keys([earlier, later, earlier])
    assert first < second
    assert again == first


def test_dates_of_pandas():
    frame = pd.DataFrame({"t": pd.to_datetime(["2024-01-31", "2024-01-30"])})
    first, second = time_column(Table.from_frame(frame), "t")
    assert first > second


@given(st.datetimes(), st.datetimes())
def test_dates_are_ordered_as_python_orders_them(one, two):
    first, second = keys([one.isoformat(), two.isoformat()])
    assert (first < second) == (one < two)
    assert (first == second) == (one == two)


@given(st.integers(), st.integers())
def test_whole_numbers_are_ordered_exactly(one, two):
    first, second = keys([str(one), str(two)])
    assert (first < second) == (one < two)


@pytest.mark.parametrize("value", ["", " ", "NA", None, float("nan"), pd.NaT])
def test_a_missing_time_is_named_with_its_line(value):
    with pytest.raises(DataError) as caught:
        keys(["1", value])
    assert (caught.value.code, caught.value.message) == ("E231", "a time is missing")
    assert caught.value.where == "a.csv, line 3, column t"


@pytest.mark.parametrize(
    "value", ["Monday", "31.01.2024", "1/31/2024", "2024-13-01", "2024-13", "09:30", "1,5", [1]]
)
def test_what_is_no_time(value):
    with pytest.raises(DataError) as caught:
        keys(["2024-01-01", value])
    assert (caught.value.code, caught.value.where) == ("E279", "a.csv, line 3, column t")
    assert caught.value.message == f"{value!r} is neither a number nor a date in ISO 8601"


@pytest.mark.parametrize("value", [float("inf"), "1e999"])
def test_an_infinite_time(value):
    with pytest.raises(DataError) as caught:
        keys([1, value])
    assert (caught.value.code, caught.value.where) == ("E272", "a.csv, line 3, column t")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("1", "2024-01-31", "the time '2024-01-31' is a date, but the first one is a number"),
        ("2024-01", "3", "the time '3' is a number, but the first one is a date"),
        (
            "2024-01-31T09:30",
            "2024-01-31T09:30Z",
            "the time '2024-01-31T09:30Z' is a date with a time zone, but the first one is a date",
        ),
    ],
)
def test_times_of_several_kinds(first, second, message):
    with pytest.raises(DataError) as caught:
        keys([first, first, second])
    assert (caught.value.code, caught.value.message) == ("E279", message)
    assert caught.value.where == "a.csv, line 4, column t"
