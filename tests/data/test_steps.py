import gzip
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.samples import load_sine_to_cosine
from elman.data.steps import steps, wide
from elman.data.table import Table
from elman.errors import DataError, UsageError

CSV = """\
sensor,time,x,y
b,1,0.5,10
a,7,1,20
b,2,,30

b,3,2.5,40
a,8,-1,50
"""


def read(tmp_path, text, name="readings.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return Table.read(path)


def refused(call, *arguments, **named):
    with pytest.raises(DataError) as caught:
        call(*arguments, **named)
    return caught.value


def test_rows_become_steps_of_the_sequence_of_their_id(tmp_path):
    table = read(tmp_path, CSV)
    found = steps(table, ["y", "x"], id="sensor", time="time")
    assert found.ids == ["b", "a"]
    assert [rows.tolist() for rows in found.rows] == [[0, 2, 3], [1, 4]]
    assert np.isnan(found.sequences[0][1, 1])
    filled = [np.nan_to_num(each, nan=-9).tolist() for each in found.sequences]
    assert filled == [[[10, 0.5], [30, -9], [40, 2.5]], [[20, 1], [50, -1]]]
    assert {each.dtype for each in found.sequences} == {np.dtype(np.float64)}
    assert {rows.dtype for rows in found.rows} == {np.dtype(np.int64)}


def test_without_an_id_all_rows_are_one_sequence(tmp_path):
    found = steps(read(tmp_path, "month,sales\n1949-01,112\n1949-02,118\n"), "sales", time="month")
    assert found.ids == [None]
    assert [each.tolist() for each in found.sequences] == [[[112.0], [118.0]]]
    assert [rows.tolist() for rows in found.rows] == [[0, 1]]


def test_the_built_in_chunks():
    found = steps(load_sine_to_cosine(), ["sin", "cos"], id="chunk", time="t")
    assert found.ids == list(range(100))
    assert [each.shape for each in found.sequences] == [(10, 2)] * 100
    assert found.rows[99].tolist() == list(range(990, 1000))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(allow_nan=False, allow_infinity=False)), min_size=1)
)
def test_every_row_stands_in_one_sequence_in_its_order(rows):
    ids, numbers = zip(*rows, strict=True)
    table = Table(
        {"id": list(ids), "x": list(map(repr, numbers)), "t": list(range(len(rows)))},
        list(range(len(rows))),
        "a",
    )
    found = steps(table, ["x"], "id", "t")
    assert found.ids == list(dict.fromkeys(ids))
    for value, sequence, places in zip(found.ids, found.sequences, found.rows, strict=True):
        assert sequence[:, 0].tolist() == [number for each, number in rows if each == value]
        assert [ids[place] for place in places] == [value] * len(sequence)
        assert sorted(places.tolist()) == places.tolist()


def test_a_time_that_stands_twice(tmp_path):
    table = read(tmp_path, CSV + "a,8,3,3\n")
    error = refused(steps, table, ["x"], "sensor", "time")
    assert error.code == "E280"
    assert error.message == "the time '8' stands twice in the sequence 'a'"
    assert error.where == "readings.csv, line 8, column time"
    assert error.help == "it stands in line 7 too; keep one of the rows"


def test_a_time_that_goes_back(tmp_path):
    table = read(tmp_path, CSV + "b,2.5,3,3\n")
    error = refused(steps, table, ["x"], "sensor", "time")
    assert error.code == "E281"
    assert error.message == "the time '2.5' comes after '3' in the sequence 'b'"
    assert error.where == "readings.csv, line 8, column time"
    assert error.help == "sort the file by sensor and time"


def test_without_an_id_the_id_may_be_what_is_missing(tmp_path):
    error = refused(steps, read(tmp_path, CSV), ["y"], time="time")
    assert (error.code, error.where) == ("E281", "readings.csv, line 4, column time")
    assert error.message == "the time '2' comes after '7'"
    assert error.help == "sort the file by time, or name with --id the column that tells sequences apart"
    error = refused(steps, read(tmp_path, "t,x\n1,1\n1.0,2\n"), ["x"], time="t")
    assert (error.code, error.where) == ("E280", "readings.csv, line 3, column t")
    assert error.help == (
        "it stands in line 2 too; keep one of the rows, "
        "or name with --id the column that tells sequences apart"
    )


def test_an_order_is_needed_and_found(tmp_path):
    error = refused(steps, read(tmp_path, CSV), ["x"], "sensor")
    assert error.code == "E278"
    assert error.message == "rows are steps, but no column says in which order those of readings.csv come"
    assert error.where == "readings.csv, header: sensor, time, x, y"
    assert error.help == "name it with --time; it could be time or y"


def test_an_order_is_needed_and_not_found(tmp_path):
    error = refused(steps, read(tmp_path, "x,name\n1,a\n3,b\n2,c\n"), ["x"])
    assert (error.code, error.help) == ("E278", "add one that counts the steps")


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        (",4,1,1", "E231", "readings.csv, line 8, column sensor"),
        (" ,4,1,1", "E231", "readings.csv, line 8, column sensor"),
        ("b,,1,1", "E231", "readings.csv, line 8, column time"),
        ("b,soon,1,1", "E279", "readings.csv, line 8, column time"),
        ('b,4,"1,5",1', "E271", "readings.csv, line 8, column x"),
        ("b,4,inf,1", "E272", "readings.csv, line 8, column x"),
    ],
)
def test_bad_cells_are_named_with_their_line(tmp_path, text, code, where):
    error = refused(steps, read(tmp_path, CSV + text + "\n"), ["x", "y"], "sensor", "time")
    assert (error.code, error.where) == (code, where)
    assert error.help


def test_an_id_that_cannot_be_one(tmp_path):
    table = read(tmp_path, '{"id": [1], "t": 1, "x": 1}\n', "a.jsonl")
    error = refused(steps, table, ["x"], "id", "t")
    assert (error.code, error.message) == ("E238", "[1] is a list, which cannot be an id")
    assert error.where == "a.jsonl, line 1, column id"


def test_renamed_columns_are_told(tmp_path):
    table = read(tmp_path, CSV)
    for arguments in (["X"], "sensor", "time"), (["x"], "sensors", "time"), (["x"], "sensor", "times"):
        assert refused(steps, table, *arguments).code == "E201"


@pytest.mark.parametrize("call", [steps, wide])
def test_no_columns(call):
    with pytest.raises(UsageError) as caught:
        call(Table({"x": [1]}, [1], "a"), [])
    assert caught.value.code == "E124"


# --- one row a sequence ---------------------------------------------------------------------------


def test_columns_as_steps(tmp_path):
    table = read(tmp_path, "name,t1,t2,t3\na,1,2,3\nb,4,,6\n")
    sequences = wide(table, ["t1", "t2", "t3"])
    assert sequences[0].tolist() == [[1.0], [2.0], [3.0]]
    assert np.nan_to_num(sequences[1], nan=-9).tolist() == [[4.0], [-9.0], [6.0]]
    assert [each.tolist() for each in wide(table, "t1")] == [[[1.0]], [[4.0]]]


def test_a_column_of_lists(tmp_path):
    rows = [{"trace": [1, None, 2.5], "label": "a"}, {"trace": [], "label": "b"}, {"trace": [True]}]
    table = read(tmp_path, "\n".join(map(json.dumps, rows)), "traces.jsonl")
    sequences = wide(table, ["trace"])
    assert [np.nan_to_num(each, nan=-9).tolist() for each in sequences] == [
        [[1.0], [-9.0], [2.5]],
        [],
        [[1.0]],
    ]


def test_a_column_of_lists_of_lists(tmp_path):
    path = tmp_path / "traces.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"trace": [[1, 2], [3, 4]]}\n{"trace": [[5, 6]]}\n'))
    assert [each.tolist() for each in wide(Table.read(path), "trace")] == [[[1, 2], [3, 4]], [[5, 6]]]


def test_a_column_of_lists_in_parquet(tmp_path):
    pd.DataFrame({"trace": [np.array([1.0, math.nan]), np.array([3.0])]}).to_parquet(tmp_path / "a.parquet")
    sequences = wide(Table.read(tmp_path / "a.parquet"), ["trace"])
    assert [np.nan_to_num(each, nan=-9).tolist() for each in sequences] == [[[1.0], [-9.0]], [[3.0]]]


@pytest.mark.parametrize(
    ("value", "code", "place"),
    [
        ('["1"]', "E271", ", step 0, counted from 0"),
        ("[[1, 2]]", "E273", ""),
        ("5", "E274", ""),
        ("null", "E231", ""),
        ("[1, 1e999]", "E272", ", step 1, counted from 0"),
    ],
)
def test_bad_lists_are_named_with_their_line_and_step(tmp_path, value, code, place):
    table = read(tmp_path, f'{{"trace": [1, 2]}}\n\n{{"trace": {value}}}\n', "traces.jsonl")
    error = refused(wide, table, ["trace"])
    assert (error.code, error.where) == (code, "traces.jsonl, line 3, column trace" + place)


def test_lists_among_number_columns_are_refused(tmp_path):
    table = read(tmp_path, '{"a": [1], "b": 2}\n', "a.jsonl")
    error = refused(wide, table, ["a", "b"])
    assert (error.code, error.message) == ("E271", "[1] is a list, not a number")
