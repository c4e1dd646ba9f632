"""Files that cannot be used: each gives one sentence with its own code, the place, and what to do now."""

import bz2
import gzip
import lzma

import pytest

from elman.data.table import Table
from elman.errors import DataError, ElmanError, UsageError

GOOD = b"name,origin\nRossi,Italian\nKowalski,Polish\n"
BROKEN_GZIP = gzip.compress(GOOD * 100)


def header_only(name: str) -> str:
    return f"{name} has a header, but no rows"


# file name, its bytes, code, a piece of the message, where
CASES = {
    "empty csv": ("a.csv", b"", "E205", "a.csv is empty", ""),
    "blank csv": ("a.csv", b" \n\n \r\n", "E205", "a.csv is empty", ""),
    "only a byte order mark": ("a.csv", b"\xef\xbb\xbf", "E205", "a.csv is empty", ""),
    "empty txt": ("a.txt", b"", "E205", "a.txt is empty", ""),
    "empty jsonl": ("a.jsonl", b"\n\n", "E205", "a.jsonl is empty", ""),
    "empty gz": ("a.csv.gz", gzip.compress(b""), "E205", "a.csv.gz is empty", ""),
    "header only": ("a.csv", b"name,origin\n", "E206", header_only("a.csv"), ""),
    "header only, no line end": ("a.csv", b"name,origin", "E206", header_only("a.csv"), ""),
    "header and empty lines": ("a.tsv", b"name\torigin\n\n\n", "E206", header_only("a.tsv"), ""),
    "objects without keys": ("a.jsonl", b"{}\n{}\n", "E206", "a.jsonl has no columns", ""),
    "short row": (
        "a.csv",
        b"name,country,year\nRossi,Italy,1990\nIvanov,Russia\n",
        "E210",
        "the row has 2 cells, but the header has 3",
        "a.csv, line 3",
    ),
    "long row": (
        "a.csv",
        GOOD + b"a,b,c\n",
        "E210",
        "the row has 3 cells, but the header has 2",
        "a.csv, line 4",
    ),
    "row of one cell": (
        "a.csv",
        GOOD + b"a\n",
        "E210",
        "the row has 1 cell, but the header has 2",
        "a.csv, line 4",
    ),
    "ragged after a cell of two lines": (
        "a.csv",
        b'name,origin\n"Ros\nsi",Italian\n\nNovak\n',
        "E210",
        "the row has 1 cell",
        "a.csv, line 5",
    ),
    "ragged with CR line ends": ("a.csv", b"a,b\rc,d\re\r", "E210", "the row has 1 cell", "a.csv, line 3"),
    "comma in a single column": (
        "a.csv",
        b"text\nhello, world\n",
        "E210",
        "the row has 2 cells, but the header has 1",
        "a.csv, line 2",
    ),
    "quote never closed": (
        "a.csv",
        b'name,origin\nRossi,Italian\n"Kowalski,Polish\nNovak,Slovak\n',
        "E211",
        "a quote is opened here and never closed",
        "a.csv, line 3",
    ),
    "quote never closed after a cell of two lines": (
        "a.csv",
        b'name,origin\n"Ros\nsi","Ital ""x""\nian\n\n',
        "E211",
        "a quote is opened here and never closed",
        "a.csv, line 3",
    ),
    "quote never closed in the header": (
        "a.csv",
        b'"name,origin\na,b\n',
        "E211",
        "never closed",
        "a.csv, line 1",
    ),
    "text behind a closing quote": (
        "a.csv",
        b'name,origin\n"Kowalski" x,Polish\n',
        "E215",
        "a quoted cell goes on behind its closing quote",
        "a.csv, line 2",
    ),
    "quote closed by the next one": (
        "a.csv",
        b'name,origin\n"Rossi,Italian\nNovak,Slovak\n"Kowalski",Polish\n',
        "E215",
        "a quoted cell goes on behind its closing quote",
        "a.csv, line 4",
    ),
    "NUL byte": (
        "a.csv",
        b"name,origin\nRo\0ssi,Italian\n",
        "E208",
        "a.csv holds a NUL byte",
        "a.csv, line 2",
    ),
    "NUL byte in txt": ("a.txt", b"a\nb\n\0\n", "E208", "a.txt holds a NUL byte", "a.txt, line 3"),
    "UTF-16 without its mark": (
        "a.csv",
        GOOD.decode().encode("utf-16-le"),
        "E208",
        "a.csv holds a NUL byte",
        "a.csv, line 1",
    ),
    "Latin-1 read as UTF-8": (
        "a.csv",
        "name,origin\nAdam,Polish\nMüller,German\n".encode("cp1252"),
        "E207",
        "a.csv is not UTF-8: byte 0xFC in line 3 cannot be read",
        "a.csv, line 3",
    ),
    "UTF-8 cut short": ("a.csv", b"name,origin\nRos\xc3", "E207", "byte 0xC3 in line 2", "a.csv, line 2"),
    "UTF-16 cut short": (
        "a.csv",
        GOOD.decode().encode("utf-16")[:-1],
        "E207",
        "a.csv is not UTF-16",
        "a.csv, line 3",
    ),
    "Latin-1 in jsonl": (
        "a.jsonl",
        b'{"a": "x"}\n{"a": "\xe9"}\n',
        "E207",
        "byte 0xE9 in line 2",
        "a.jsonl, line 2",
    ),
    "two columns of one name": (
        "a.csv",
        b"name,origin,name\na,b,c\n",
        "E212",
        'columns 1 and 3 are both called "name"',
        "a.csv, header, line 1",
    ),
    "names alike but for blanks": (
        "a.csv",
        b"name, name\na,b\n",
        "E212",
        'called "name"',
        "a.csv, header, line 1",
    ),
    "column without a name": (
        "a.csv",
        b",name\n0,Rossi\n",
        "E213",
        "column 1 has no name",
        "a.csv, header, line 1",
    ),
    "column with a blank name": (
        "a.csv",
        b"\n\na, \n0,1\n",
        "E213",
        "column 2 has no name",
        "a.csv, header, line 3",
    ),
    "empty key": ("a.jsonl", b'{"": "Rossi"}\n', "E213", "column 1 has no name", "a.jsonl"),
    "gz cut short": ("a.csv.gz", BROKEN_GZIP[:-9], "E214", "a.csv.gz is cut short", ""),
    "gz damaged": (
        "a.csv.gz",
        BROKEN_GZIP[:20] + b"\0\0\0\0" + BROKEN_GZIP[24:],
        "E214",
        "cannot be unpacked",
        "",
    ),
    "gz that is none": ("a.csv.gz", GOOD, "E214", "a.csv.gz is damaged", ""),
    "bz2 cut short": ("a.csv.bz2", bz2.compress(GOOD)[:-5], "E214", "a.csv.bz2 is cut short", ""),
    "xz cut short": ("a.csv.xz", lzma.compress(GOOD)[:-5], "E214", "a.csv.xz is cut short", ""),
    "PNG as csv": ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(20), "E209", "a.csv is a PNG picture", ""),
    "spreadsheet": (
        "a.xlsx",
        b"PK\x03\x04" + bytes(20),
        "E209",
        "a.xlsx is a ZIP archive or a spreadsheet",
        "",
    ),
    "PDF as txt": ("a.txt", b"%PDF-1.7\n", "E209", "a.txt is a PDF document", ""),
    "gzip without its ending": ("a.csv", BROKEN_GZIP, "E209", "a.csv is compressed by gzip", ""),
    "Parquet as csv": ("a.csv", b"PAR1\x15\x04", "E209", "a.csv is a Parquet file", ""),
    "not JSON": (
        "a.jsonl",
        b'{"a": 1}\n{"a": }\n',
        "E216",
        "the line is not JSON",
        "a.jsonl, line 2, column 7",
    ),
    "JSON over several lines": (
        "a.jsonl",
        b'{\n"a": 1}\n',
        "E216",
        "the line is not JSON",
        "a.jsonl, line 1, column 2",
    ),
    "JSON nested too deeply": (
        "a.jsonl",
        b"[" * 100_000 + b"\n",
        "E216",
        "nested too deeply",
        "a.jsonl, line 1",
    ),
    "JSON with a giant number": (
        "a.jsonl",
        b'{"a": ' + b"1" * 5000 + b"}",
        "E216",
        "too long a number",
        "a.jsonl, line 1",
    ),
    "a list": (
        "a.jsonl",
        b'{"a": 1}\n\n["a"]\n',
        "E217",
        "the line holds a list, not an object",
        "a.jsonl, line 3",
    ),
    "a text": ("a.ndjson", b'"Rossi"\n', "E217", "the line holds a text, not an object", "a.ndjson, line 1"),
    "null": ("a.jsonl", b"null\n", "E217", "the line holds null, not an object", "a.jsonl, line 1"),
    "key that stands twice": (
        "a.jsonl",
        b'{"a": 1, "b": 2, "a": 3}\n',
        "E218",
        'the key "a" stands twice',
        "a.jsonl, line 1",
    ),
    "NaN": ("a.jsonl", b'{"a": 1}\n{"a": NaN}\n', "E219", "NaN is no JSON number", "a.jsonl, line 2"),
    "minus infinity": (
        "a.jsonl",
        b'{"a": -Infinity}\n',
        "E219",
        "-Infinity is no JSON number",
        "a.jsonl, line 1",
    ),
    "half a character": ("a.jsonl", b'{"a": ["\\ud800"]}\n', "E223", "half a character", "a.jsonl, line 1"),
    "half a character in a key": (
        "a.jsonl",
        b'{"\\udc00": 1}\n',
        "E223",
        "half a character",
        "a.jsonl, line 1",
    ),
    "Parquet that is none": ("a.parquet", GOOD, "E220", "a.parquet is not a Parquet file", ""),
    "empty Parquet": ("a.parquet", b"", "E220", "a.parquet is not a Parquet file", ""),
    "unknown kind": ("a.dat", b"hello\nworld\n", "E203", "a.dat is of a kind that is not read", ""),
    "JSON document": ("a.json", b'{"a": 1}\n', "E203", "a.json is of a kind that is not read", ""),
}


def check_sentence(error: ElmanError) -> None:
    """One sentence, and what to do now."""
    assert "\n" not in error.message
    assert not error.message.endswith(".")
    assert len(error.message) < 200
    assert error.help


@pytest.mark.parametrize("case", CASES)
def test_bad_file(case, tmp_path):
    name, data, code, message, where = CASES[case]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        Table.read(tmp_path / name)
    error = caught.value
    assert (error.code, error.where, error.exit_code) == (code, where, 3)
    assert message in error.message
    assert str(tmp_path) not in str(error)
    check_sentence(error)


def test_there_are_many_cases():
    assert len(CASES) == 59
    assert len({code for _, _, code, *_ in CASES.values()}) == 18


@pytest.mark.parametrize(
    ("asked", "help_"),
    [
        ("nmaes.csv", "did you mean {}/names.csv ?"),
        ("NAMES.CSV", "did you mean {}/names.csv ?"),
        ("x", "check the path"),
    ],
)
def test_no_such_file(asked, help_, tmp_path):
    (tmp_path / "names.csv").write_bytes(GOOD)
    with pytest.raises(DataError) as caught:
        Table.read(tmp_path / asked)
    assert caught.value.code == "E200"
    assert caught.value.message == f"there is no file {tmp_path / asked}"
    assert caught.value.help == help_.format(tmp_path)


def test_no_such_folder(tmp_path):
    with pytest.raises(DataError) as caught:
        Table.read(tmp_path / "no" / "names.csv")
    assert caught.value.code == "E200"
    assert caught.value.message.endswith(f"nor a folder {tmp_path / 'no'}")


def test_no_such_column(tmp_path):
    (tmp_path / "names.csv").write_text("name,country,year\nRossi,Italy,1990\n")
    with pytest.raises(DataError) as caught:
        Table.read(tmp_path / "names.csv").column("contry")
    error = caught.value
    assert (error.code, error.message) == ("E201", 'column "contry" is not in names.csv')
    assert (error.where, error.help) == ("names.csv, header: name, country, year", "did you mean country ?")


def test_no_column_like_it():
    with pytest.raises(DataError) as caught:
        Table.from_frame({"name": ["a"]}).column("zzz")
    assert (caught.value.code, caught.value.help) == ("E201", "choose one of these columns")


def test_a_path_that_the_system_refuses(tmp_path):
    with pytest.raises(DataError) as caught:
        Table.read(tmp_path / ("x" * 5000))
    assert caught.value.code == "E202"
    assert caught.value.message.endswith("file name too long")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(GOOD)

    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(DataError) as caught:
        Table.read(tmp_path / "a.csv")
    assert (caught.value.code, caught.value.message) == ("E202", "cannot read a.csv: permission denied")


@pytest.mark.parametrize(
    ("encoding", "help_"),
    [
        ("uft-8", "did you mean utf_8 ?"),
        ("klingon", "utf-8, utf-16, latin-1 and cp1252 are usual"),
        ("hex", None),
    ],
)
def test_unknown_encoding(encoding, help_, tmp_path):
    (tmp_path / "a.csv").write_bytes(GOOD)
    with pytest.raises(UsageError) as caught:
        Table.read(tmp_path / "a.csv", encoding=encoding)
    assert (caught.value.code, caught.value.message) == ("E120", f'there is no encoding "{encoding}"')
    assert help_ in (None, caught.value.help)


def test_wrong_encoding_that_was_asked_for(tmp_path):
    (tmp_path / "a.csv").write_bytes("a\né\n".encode())
    with pytest.raises(DataError) as caught:
        Table.read(tmp_path / "a.csv", encoding="ascii")
    assert (caught.value.code, caught.value.where) == ("E207", "a.csv, line 2")
    assert caught.value.message == "a.csv is not ASCII: byte 0xC3 in line 2 cannot be read"
    assert caught.value.help.startswith("tried ASCII; ")


@pytest.mark.parametrize("delimiter", ["", ",,", "\n", '"'])
def test_delimiter_that_cannot_be_one(delimiter, tmp_path):
    (tmp_path / "a.csv").write_bytes(GOOD)
    with pytest.raises(UsageError) as caught:
        Table.read(tmp_path / "a.csv", delimiter=delimiter)
    assert caught.value.code == "E127"


def folder_of(root, **files):
    folder = root / "names"
    folder.mkdir()
    for name, data in files.items():
        (folder / name.replace("_", ".")).write_bytes(data)
    return folder


FOLDERS = {
    "no file": ({}, "E204", "there is no .txt file in the folder names", ""),
    "other files only": ({"README_md": b"a", "_hidden_txt": b"b"}, "E204", "there is no .txt file", ""),
    "empty file": ({"Polish_txt": b"Nowak\n", "Zulu_txt": b""}, "E205", "names/Zulu.txt is empty", ""),
    "wrong encoding": (
        {"German_txt": b"A\nM\xfcller\n"},
        "E207",
        "names/German.txt is not UTF-8",
        "names/German.txt, line 2",
    ),
    "NUL byte": (
        {"German_txt": b"A\n\0\n"},
        "E208",
        "names/German.txt holds a NUL byte",
        "names/German.txt, line 2",
    ),
    "picture": ({"German_txt": b"\x89PNG"}, "E209", "names/German.txt is a PNG picture", ""),
    "one label twice": (
        {"Polish_txt": b"Nowak", "Polish_txt_gz": gzip.compress(b"Wilk")},
        "E224",
        'names/Polish.txt and names/Polish.txt.gz both give the label "Polish"',
        "",
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_bad_folder(case, tmp_path):
    files, code, message, where = FOLDERS[case]
    with pytest.raises(DataError) as caught:
        Table.read(folder_of(tmp_path, **files))
    assert (caught.value.code, caught.value.where) == (code, where)
    assert message in caught.value.message
    check_sentence(caught.value)
