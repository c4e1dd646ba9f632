"""Files in parts: put together they are the table that is read whole, and a mistake has the same sentence."""

import gzip
import io
import json
import os
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elman.data import source, text
from elman.data.table import Table, read_stream, stream_parts
from elman.errors import DataError

CSV = 'name;n\r\nMüller;1\r\n"a;\r\nb";2\r\r\n\n;3\nŁukasz;4\n"say ""x""";5'
JSONL = '{"name": "Rossi"}\n\n{"n": [1, 2]}\r\n{"name": "Müller", "n": null}\n{"z": 1, "name": "x"}\n'


def together(parts):
    tables = list(parts)
    names = list(tables[0][0].columns)
    assert all(list(table.columns) == names for table, _ in tables)
    columns = {name: [value for table, _ in tables for value in table.columns[name]] for name in names}
    return columns, [line for table, _ in tables for line in table.lines]


def files(folder):
    written = {
        "a.csv": CSV.encode(),
        "b.csv": ("\ufeff" + CSV).encode("utf-16"),
        "c.dat": b"\n\n" + CSV.encode(),
        "d.tsv": CSV.replace(";", "\t").encode(),
        "e.jsonl": JSONL.encode(),
        "f.ndjson.gz": gzip.compress(JSONL.encode()),
        "g.txt": "\n\nRossi\r\rMüller\r\n\nx".encode(),
    }
    for name, data in written.items():
        (folder / name).write_bytes(data)
    table = pa.table({"n": [1, None, 3, 4, 5], "s": [[1.0], None, [], [2.0], [3.0, 4.0]]})
    pq.write_table(table, folder / "h.parquet", row_group_size=2)
    np.savez(folder / "i.npz", n=np.arange(5), s=np.arange(10).reshape(5, 2))
    return [*written, "h.parquet", "i.npz"]


@pytest.mark.parametrize("block", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_parts_are_the_whole(rows, block, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "BLOCK", block)
    for name in files(tmp_path):
        whole = Table.read(tmp_path / name)
        parts = list(Table.parts(tmp_path / name, rows))
        assert together(parts) == (whole.columns, whole.lines), name
        assert max(len(table) for table, _ in parts) <= rows
        assert parts[-1][1] == 1.0
        assert {table.source for table, _ in parts} == {name}
        for column in whole.columns:
            assert {table.holds_lists(column) for table, _ in parts} == {whole.holds_lists(column)}


def test_long_rows_make_small_parts(tmp_path, monkeypatch):
    for module in ("elman.data.text", "elman.data.delimited"):
        monkeypatch.setattr(f"{module}.LETTERS", 100)
    for name, row in {"a.csv": "{0}", "a.txt": "{0}", "a.jsonl": '{{"name": "{0}"}}'}.items():
        (tmp_path / name).write_text("".join(row.format("x" * 60) + "\n" for _ in range(9)))
        assert max(len(table) for table, _ in Table.parts(tmp_path / name, 100)) == 2


WRONG = {
    "a.csv": b"name,n\na,1\nb,2\nc\n",
    "b.csv": b'name,n\na,1\n"x\ny",2\nb,"open\nc,4\n',
    "c.csv": b'name,n\na,1\n"x\ny",2\nb,"shut"x\nc,4\n',
    "d.csv": b"name,n\na,1\nb,2\nc,\xff\n",
    "e.csv": b"name,n\na,1\nb,2\r\rc,\0\n",
    "f.csv": "name,n\r\na,1\r\nb,2\r\n".encode("utf-16-le").join([b"\xff\xfe", b"\x00\xdc\n\x00"]),
    "a.jsonl": b'{"n": 1}\n\n{"n": 2}\n{"n": }\n',
    "b.jsonl": b'{"n": 1}\n\n{"n": 2}\n[3]\n',
    "a.txt": b"a\nb\nc\xc3(\n",
    "b.txt": b"\n\n \n",
    "a.csv.gz": gzip.compress(b"name,n\n" + os.urandom(3000).hex().encode())[:-2000],
}


@pytest.mark.parametrize("block", [1, 5, 1 << 20])
@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_has_the_same_sentence(name, block, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(WRONG[name])
    with pytest.raises(DataError) as whole:
        Table.read(tmp_path / name)
    monkeypatch.setattr(source, "BLOCK", block)
    with pytest.raises(DataError) as part:
        list(Table.parts(tmp_path / name, 1))
    assert str(part.value) == str(whole.value)
    assert part.value.code == whole.value.code


def test_rows_before_a_mistake_come_first(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(WRONG["a.csv"])
    parts = Table.parts(tmp_path / "a.csv", 1)
    assert [next(parts)[0].columns["name"], next(parts)[0].columns["name"]] == [["a"], ["b"]]
    with pytest.raises(DataError, match=r"the row has 1 cell, but the header has 2 \(a.csv, line 4\)"):
        next(parts)


def test_a_byte_order_mark_may_be_missing():
    for encoding in ("utf-16", "utf-32"):
        mark = len("".encode(encoding))
        told = text.decode("Łódź\n".encode(encoding)[mark:], "a.txt", encoding)
        assert told == "Łódź\n"


def test_how_much_has_been_read_rises(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "BLOCK", 10)
    (tmp_path / "a.txt").write_text("Rossi\n" * 50)
    shares = [share for _, share in Table.parts(tmp_path / "a.txt", 5)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.2
    assert len(shares) == 10


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have names on POSIX only")
def test_a_pipe_comes_once_and_has_no_size(tmp_path):
    for name, data in {"p.csv": b"name\nRossi\nNovak\n", "p.jsonl": b'{"a": 1}\n{"b": 2}\n'}.items():
        os.mkfifo(tmp_path / name)
        writer = threading.Thread(target=(tmp_path / name).write_bytes, args=(data,))
        writer.start()
        parts = list(Table.parts(tmp_path / name, 1))
        writer.join()
        assert {share for _, share in parts} == {None}
        expected = {"name": ["Rossi", "Novak"]} if name == "p.csv" else {"a": [1, None], "b": [None, 2]}
        assert together(parts)[0] == expected


def test_stdin_in_parts():
    data = "Rossi\n\n Müller \nNovak"
    whole = read_stream(io.StringIO(data), "name")
    parts = list(stream_parts(io.TextIOWrapper(io.BytesIO(data.encode())), 2, "name"))
    assert together(parts) == (whole.columns, whole.lines)
    assert [len(table) for table, _ in parts] == [2, 2]


def test_columns_of_json_lines_are_those_of_the_whole_file(tmp_path):
    rows = [{"a": 1}, {"a": 2}, {"b": [1], "a": 3}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables = [table for table, _ in Table.parts(tmp_path / "a.jsonl", 1)]
    assert [table.columns for table in tables] == [
        {"a": [1], "b": [None]},
        {"a": [2], "b": [None]},
        {"a": [3], "b": [[1]]},
    ]
    assert [table.holds_lists("b") for table in tables] == [True] * 3
