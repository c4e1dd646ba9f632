import bz2
import gzip
import io
import json
import lzma
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elman.data.table import READERS, Table, read_stream
from elman.errors import DataError, MissingExtraError

COLUMNS = {"name": ["Rossi", "Müller"], "origin": ["Italian", "German"]}
CSV = "name,origin\nRossi,Italian\nMüller,German\n"


def parquet_bytes(columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def npz_bytes(columns):
    sink = io.BytesIO()
    np.savez(sink, **columns)
    return sink.getvalue()


def jsonl_bytes(columns):
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


# every kind of file with the same table in it
WRITTEN = {
    ".csv": CSV.encode(),
    ".tsv": CSV.replace(",", "\t").encode(),
    ".jsonl": jsonl_bytes(COLUMNS),
    ".ndjson": jsonl_bytes(COLUMNS),
    ".npz": npz_bytes(COLUMNS),
    ".parquet": parquet_bytes(COLUMNS),
}
PACKED = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def test_every_reader_is_tried():
    assert len(READERS) == 7
    assert set(READERS) == {*WRITTEN, ".txt"}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("ending", WRITTEN)
def test_every_kind_of_file_gives_the_same_table(ending, packing, tmp_path):
    path = tmp_path / f"names{ending}{packing}"
    path.write_bytes(PACKED[packing](WRITTEN[ending]))
    table = Table.read(path)
    assert table.columns == COLUMNS
    assert table.source == path.name
    first = {".csv": "line 2", ".tsv": "line 2", ".npz": "row 1", ".parquet": "row 1"}.get(ending, "line 1")
    assert table.place(0) == f"{path.name}, {first}"
    assert len(table) == 2


def test_endings_in_capitals(tmp_path):
    (tmp_path / "NAMES.CSV.GZ").write_bytes(gzip.compress(CSV.encode()))
    assert Table.read(str(tmp_path / "NAMES.CSV.GZ")).columns == COLUMNS


@pytest.mark.parametrize("name", ["names", "names.dat", "names.2024", "names.dat.gz"])
def test_unknown_ending_is_read_if_it_looks_like_csv(name, tmp_path):
    data = CSV.replace(",", ";").encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert Table.read(tmp_path / name).columns == COLUMNS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_mark_decides(encoding, tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV.encode(encoding))
    assert Table.read(tmp_path / "a.csv").columns == COLUMNS


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xfe\xff", "utf-16-be"), (b"\0\0\xfe\xff", "utf-32-be")])
def test_big_endian_marks(mark, encoding, tmp_path):
    (tmp_path / "a.csv").write_bytes(mark + CSV.encode(encoding))
    assert Table.read(tmp_path / "a.csv").columns == COLUMNS


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "UTF8", "utf-16", "utf-8-sig"])
def test_encoding_that_is_asked_for(encoding, tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV.encode(encoding))
    assert Table.read(tmp_path / "a.csv", encoding=encoding).columns == COLUMNS


def test_a_mark_does_not_stay_in_the_header_when_an_encoding_is_asked_for(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV.encode("utf-8-sig"))
    assert list(Table.read(tmp_path / "a.csv", encoding="utf-8").columns) == ["name", "origin"]


def test_text_file(tmp_path):
    (tmp_path / "a.txt").write_bytes("Rossi \r\n\r\nMüller, x\rİ\u2028\x0b\n".encode())
    table = Table.read(tmp_path / "a.txt")
    assert table.columns == {"text": ["Rossi ", "", "Müller, x", "İ\u2028\x0b"]}
    assert table.lines == [1, 2, 3, 4]


def test_parquet_keeps_lists_and_nothing(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet_bytes({"values": [[1, 2], [], None], "y": [1.5, 2.0, 3.0]}))
    table = Table.read(tmp_path / "a.parquet")
    assert table.columns == {"values": [[1, 2], [], None], "y": [1.5, 2.0, 3.0]}
    assert table.place(2, "values") == "a.parquet, row 3, column values"


def test_parquet_without_rows(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet_bytes({"a": pa.array([], pa.string())}))
    with pytest.raises(DataError) as caught:
        Table.read(tmp_path / "a.parquet")
    assert (caught.value.code, caught.value.message) == ("E206", "a.parquet has no rows")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError) as caught:
        Table.read(tmp_path / "a.parquet")
    assert caught.value.help == 'pip install "elman[parquet]"'


def test_place_and_take(tmp_path):
    (tmp_path / "a.csv").write_text('name,origin\n"Ros\nsi",Italian\n\nNovak,Slovak\nWilk,Polish\n')
    table = Table.read(tmp_path / "a.csv")
    assert table.columns["name"] == ["Ros\nsi", "Novak", "Wilk"]
    assert [table.place(row) for row in range(3)] == ["a.csv, line 2", "a.csv, line 5", "a.csv, line 6"]
    taken = table.take([2, 0])
    assert taken.columns == {"name": ["Wilk", "Ros\nsi"], "origin": ["Polish", "Italian"]}
    assert taken.place(0, "name") == "a.csv, line 6, column name"
    assert len(table.take([])) == 0


@pytest.fixture
def folder(tmp_path):
    names = tmp_path / "names"
    names.mkdir()
    (names / "Polish.txt").write_text("Nowak\n\n  \nWilk")
    (names / "Italian.txt.gz").write_bytes(gzip.compress(b"Rossi\r\n Bianchi\r\n"))
    (names / "O\u0308st.TXT").write_text("Novak\n")
    (names / ".hidden.txt").write_text("no\n")
    (names / "README.md").write_text("no\n")
    (names / "more.txt").mkdir()
    return names


def test_folder_of_text_files(folder):
    table = Table.read(folder)
    assert table.columns == {
        "text": ["Rossi", " Bianchi", "Novak", "Nowak", "Wilk"],
        "label": ["Italian", "Italian", "Öst", "Polish", "Polish"],
    }
    assert table.source == "names/"
    assert table.place(4, "text") == "names/Polish.txt, line 4, column text"
    assert table.take([4, 0]).place(1) == "names/Italian.txt.gz, line 1"


def test_folder_by_other_names(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert Table.read(".").source == "names/"
    assert Table.read(f"{folder}/").columns == Table.read(folder).columns


def test_folder_in_another_encoding(folder):
    for path in list(folder.iterdir()):
        if path.is_file():
            path.unlink()
    (folder / "German.txt").write_bytes("Müller".encode("cp1252"))
    assert Table.read(folder, encoding="cp1252").columns["text"] == ["Müller"]


def test_stream():
    table = read_stream(io.StringIO("Rossi\n\n Müller \n"), "name")
    assert table.columns == {"name": ["Rossi", "", " Müller "]}
    assert table.place(2) == "stdin, line 3"


def test_stream_of_bytes():
    """Standard input is decoded like a file, whatever the terminal's encoding is."""
    stream = io.TextIOWrapper(io.BytesIO("\ufeffMüller\r\nRossi".encode()), encoding="ascii")
    assert read_stream(stream).columns == {"text": ["Müller", "Rossi"]}
    stream = io.TextIOWrapper(io.BytesIO("Müller".encode("cp1252")), encoding="utf-8")
    assert read_stream(stream, encoding="cp1252").columns == {"text": ["Müller"]}


@pytest.mark.parametrize(("data", "code"), [(b"", "E205"), (b"a\n\xff\n", "E207"), (b"a\0", "E208")])
def test_bad_stream(data, code):
    with pytest.raises(DataError) as caught:
        read_stream(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    assert caught.value.code == code
    assert caught.value.message.startswith("stdin ")
