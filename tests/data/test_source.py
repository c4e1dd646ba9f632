from pathlib import Path

import pytest

from elman.data.source import Source, check_names
from elman.data.text import decode, line_of
from elman.errors import DataError


@pytest.mark.parametrize(
    ("name", "suffix", "packed"),
    [
        ("a.csv", ".csv", False),
        ("a.b.CSV.GZ", ".csv", True),
        ("a.txt.xz", ".txt", True),
        ("a.gz", "", True),
        ("a", "", False),
        (".csv", "", False),
    ],
)
def test_suffix(name, suffix, packed):
    source = Source(Path(name), name)
    assert (source.suffix, source.is_packed) == (suffix, packed)


def test_place():
    assert Source(Path("x/a.csv"), "a.csv").place(3) == "a.csv, line 3"


@pytest.mark.parametrize(("offset", "line"), [(0, 1), (1, 1), (2, 2), (3, 2), (5, 3), (6, 4), (99, 4)])
def test_line_of(offset, line):
    assert line_of("a\nb\r\n\rc", offset) == line


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("é".encode(), "é"),
        ("é".encode("utf-8-sig"), "é"),
        ("é".encode("utf-16"), "é"),
        ("é".encode("utf-32"), "é"),
        ("a\ufeffb".encode(), "a\ufeffb"),
        (b"GIF is a format", "GIF is a format"),
        (b"PAR1,b", "PAR1,b"),
    ],
)
def test_decode(data, text):
    assert decode(data, "a.txt") == text


def test_names_are_checked_in_order():
    check_names(["a", "b"], "here")
    with pytest.raises(DataError) as caught:
        check_names(["a", "b", "b", ""], "here")
    assert (caught.value.code, caught.value.message) == ("E212", 'columns 2 and 3 are both called "b"')
