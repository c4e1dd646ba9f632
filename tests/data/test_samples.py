import hashlib
import math
import subprocess
import sys
import unicodedata
from collections import Counter

import numpy as np
import pytest

from elman.data import samples
from elman.data.samples import ORIGINS, SAMPLES, checksum, load_names, load_sine, load_sine_to_cosine
from elman.errors import DataError, MissingExtraError

faker = pytest.importorskip("faker", reason="the built-in names need faker")


@pytest.fixture(scope="module")
def names():
    return load_names()


def test_every_sample_is_tried():
    assert {"names": load_names, "sine": load_sine, "sine-to-cosine": load_sine_to_cosine} == SAMPLES


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
    assert checksum([("a", "b")]) == hashlib.sha256(b"a\tb\n").hexdigest()
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


def test_the_sine():
    table = load_sine()
    t, x, y = (table.column(name) for name in ("t", "x", "y"))
    assert list(table.columns) == ["t", "x", "y"]
    assert len(table) == 20
    assert [t[0], t[1], t[10], t[19]] == pytest.approx([2.0, 2.4, 6.0, 9.6], rel=1e-15)
    assert x[1:] == y[:-1]
    assert all(type(value) is float and float(np.float32(value)) == value for value in x + y)
    points = [math.sin(2 + 8 * step / 20) for step in range(21)]
    assert x == pytest.approx(points[:-1], abs=6e-8)  # half a float32's last digit
    assert y == pytest.approx(points[1:], abs=6e-8)
    assert (x[0], y[19]) == (float(np.float32(math.sin(2))), float(np.float32(math.sin(10))))
    assert table.place(3, "x") == "the built-in sine, row 4, column x"


@pytest.mark.parametrize("chunks", [100, 3])
def test_sine_and_cosine(chunks):
    table = load_sine_to_cosine(chunks) if chunks < 100 else load_sine_to_cosine()
    assert list(table.columns) == ["chunk", "t", "sin", "cos"]
    assert len(table) == 10 * chunks
    assert table.column("chunk") == [row // 10 for row in range(10 * chunks)]
    t = np.array(table.column("t"))
    ends = (np.arange(chunks)[:, None] + [0, 1]) * np.pi
    assert t.reshape(chunks, 10)[:, [0, 9]].tolist() == ends.astype(np.float32).tolist()
    assert np.diff(t.reshape(chunks, 10)) == pytest.approx(np.pi / 9, abs=4e-5)
    for name in ("sin", "cos"):
        values = table.column(name)
        assert all(type(value) is float and float(np.float32(value)) == value for value in values)
        assert values == pytest.approx([getattr(math, name)(point) for point in t.tolist()], abs=1.5e-7)
