import csv
import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data import delimited
from elman.data.delimited import find_delimiter, write_csv
from elman.data.source import Source
from elman.data.table import Table

SOURCE = Source(Path("a.csv"), "a.csv")


def parse(text, source, delimiter):
    ((columns, lines, _, _),) = delimited.parse([text], source, delimiter)
    return columns, lines


def columns_of(text, delimiter=None):
    return parse(text, SOURCE, delimiter or find_delimiter(text) or ",")[0]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1;2\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("a;b\n1,5;2,5\n", ";"),  # decimal commas
        ("a;b, c\n1;2\n3;4\n", ";"),  # a comma in the header
        ('"a;b",c\n"1;2",3\n', ","),  # the other delimiter in quotes
        ('"a\n;b",c\n1,2\n', ","),
        ("a,b;c;d\n1,2;3;4\n", ";"),  # both fit: the one with more columns
        ("a,b;c\n1,2;3\n", ","),  # both fit alike: the first
        ("a|b\n1|2|3\n4|5\n", "|"),  # ragged, but nothing else
        ("text\n\nRossi\n", None),
        ("text\nhello, world\n", None),
        ('text\n"a;b"\n', None),
        ("", None),
        ('"never closed', None),
    ],
)
def test_find_delimiter(text, delimiter):
    assert find_delimiter(text) == delimiter


def test_values_stay_exactly_as_they_stand():
    text = '\ufeff name , "q"\n Rossi ,"a ""b"", c"\n\t,\n"x\r\ny",0\n'.removeprefix("\ufeff")
    text = text.replace(' "q"', "q")
    assert columns_of(text) == {"name": [" Rossi ", "\t", "x\r\ny"], "q": ['a "b", c', "", "0"]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end):
    text = end.join(["name,origin", "Rossi,Italian", "", "Novak,Slovak"])
    assert columns_of(text) == {"name": ["Rossi", "Novak"], "origin": ["Italian", "Slovak"]}
    assert parse(text, SOURCE, ",")[1] == [2, 4]
    assert parse(text + end, SOURCE, ",")[1] == [2, 4]


def test_other_white_space_ends_no_line():
    assert columns_of("a,b\n1\x0b\x0c\x1c\x85\u2028,2\n") == {"a": ["1\x0b\x0c\x1c\x85\u2028"], "b": ["2"]}


def test_one_column():
    assert columns_of('name\nRossi\n"a, b"\n""\n') == {"name": ["Rossi", "a, b", ""]}


def test_a_quote_within_a_cell_is_a_letter():
    assert columns_of('a,b\n5" pipe,x\n') == {"a": ['5" pipe'], "b": ["x"]}


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


tables = st.lists(st.tuples(cells, cells), min_size=1, max_size=6)


@given(tables, st.sampled_from(",;\t|"))
def test_what_the_csv_module_writes_comes_back(rows, delimiter):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows([("one", "two"), *rows])
    expected = {"one": [one for one, _ in rows], "two": [two for _, two in rows]}
    assert columns_of(stream.getvalue(), delimiter) == expected


@given(tables)
def test_what_is_written_comes_back_with_the_lines_at_which_rows_begin(rows):
    columns = {"one": [one for one, _ in rows], "two": [two for _, two in rows]}
    stream = io.StringIO()
    write_csv(stream, columns)
    read, lines = parse(stream.getvalue(), SOURCE, ",")
    assert read == columns
    for row, start in zip(rows, lines, strict=True):
        rest = "".join(list(io.StringIO(stream.getvalue(), newline=""))[start - 1 :])
        assert next(csv.reader(io.StringIO(rest, newline=""))) == list(row)


def test_write_csv():
    stream = io.StringIO()
    write_csv(stream, {"name": ["a,b", 'c"', "\r", "", None], "p": [0.5, 1, "", True, "\n"]})
    assert stream.getvalue() == 'name,p\n"a,b",0.5\n"c""",1\n"\r",\n,True\n,"\n"\n'
    alone = io.StringIO()
    write_csv(alone, {"name": ["", "a"]})
    assert alone.getvalue() == 'name\n""\na\n'


def test_a_cell_of_a_megabyte(tmp_path):
    limit = csv.field_size_limit()
    (tmp_path / "a.csv").write_text("name,origin\n" + "x" * 1_000_000 + ",Giant\nRossi,Italian\n")
    table = Table.read(tmp_path / "a.csv")
    assert [len(name) for name in table.column("name")] == [1_000_000, 5]
    assert csv.field_size_limit() == limit  # what others rely on stays as it was


def test_three_hundred_thousand_rows(tmp_path):
    (tmp_path / "a.csv").write_text("name,origin\n" + "".join(f"name{i},Polish\n" for i in range(300_000)))
    start = time.process_time()
    table = Table.read(tmp_path / "a.csv")
    assert time.process_time() - start < 6  # about 0.6 on an idle machine
    assert (len(table), table.column("name")[-1], table.place(299_999)) == (
        300_000,
        "name299999",
        "a.csv, line 300001",
    )
