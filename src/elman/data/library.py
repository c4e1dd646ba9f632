"""Samples for every task: by formula, or read from light packages that are named when they are missing."""

from __future__ import annotations

import csv
import importlib.util
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.samples import load_names
from elman.data.table import Table
from elman.errors import missing_extra

Tables = dict[str, Table]
"""``"train"`` and, where the sample says what is to be measured on, ``"test"``."""

SEQUENCES = 20_000
TESTS = 2_000


@dataclass(frozen=True)
class Sample:
    """A table that comes with the package, and how to learn from it.

    Attributes
    ----------
    task, sentence
        What is learnt.
    source, licence
        Where the values come from.
    load
        Gives the tables.
    options
        What follows ``elman train FILE``: columns, and settings where the defaults are not enough.
    """

    task: str
    sentence: str
    source: str
    licence: str
    load: Callable[[], Tables]
    options: str


def load_digits() -> Tables:
    """Return 1,797 handwritten digits: ``pixels`` (64 numbers, 8 x 8, read one a step) and ``digit``."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise missing_extra("scikit-learn", "train", "the handwritten digits") from error
    found = datasets.load_digits()
    return {
        "train": _made({"pixels": found.data.tolist(), "digit": found.target.tolist()}, "the built-in digits")
    }


def load_japanese_vowels() -> Tables:
    """Return 270 and 370 utterances: ``coefficients`` (7 to 29 steps, 12 numbers each) and ``speaker``."""
    folder = _folder("sktime", "pip install --no-deps sktime") / "datasets" / "data" / "JapaneseVowels"
    return {
        part: _utterances(
            folder / f"JapaneseVowels_{part.upper()}.ts", f"the built-in Japanese vowels, {part}"
        )
        for part in ("train", "test")
    }


def _utterances(path: Path, source: str) -> Table:
    """Read a file in the form of sktime: dimensions apart by colons, the class last."""
    rows = [line for line in path.read_text("utf-8").splitlines() if line and line[0] not in "#@"]
    columns: dict[str, list[Any]] = {"coefficients": [], "speaker": []}
    for row in rows:
        *dimensions, speaker = row.split(":")
        values = [[float(value) for value in dimension.split(",")] for dimension in dimensions]
        columns["coefficients"].append([list(step) for step in zip(*values, strict=True)])
        columns["speaker"].append(f"speaker {speaker}")
    return _made(columns, source)


def load_adding(steps: int = 100, seed: int = 0) -> Tables:
    """Return sequences of numbers of which two are marked: ``steps`` (value, mark) and their ``sum``.

    The adding problem of Hochreiter and Schmidhuber (1997); a mark stands in either half.
    """
    generator = np.random.default_rng(seed)

    def made(count: int) -> Table:
        values = generator.random((count, steps))
        marks = np.zeros((count, steps))
        rows = np.arange(count)
        marks[rows, generator.integers(0, steps // 2, count)] = 1
        marks[rows, generator.integers(steps // 2, steps, count)] = 1
        both = np.stack([values.round(6), marks], axis=-1)
        return _made(
            {"steps": both.tolist(), "sum": (both[..., 0] * marks).sum(axis=1).tolist()}, "the adding problem"
        )

    return {"train": made(SEQUENCES), "test": made(TESTS)}


def load_copy(symbols: int = 10, delay: int = 50, seed: int = 0) -> Tables:
    """Return texts to be remembered: ``seen`` (symbols, blanks, a sign, blanks), ``said`` (blanks, symbols).

    The copy problem of Hochreiter and Schmidhuber (1997) as Arjovsky et al. (2016) have it: 8 symbols.
    """
    generator = np.random.default_rng(seed)

    def made(count: int) -> Table:
        drawn = ["".join(row) for row in generator.choice(list("abcdefgh"), (count, symbols)).tolist()]
        seen = [text + "." * (delay - 1) + "!" + "." * symbols for text in drawn]
        return _made(
            {"seen": seen, "said": ["." * (symbols + delay) + text for text in drawn]}, "the copy problem"
        )

    return {"train": made(SEQUENCES), "test": made(TESTS)}


def load_parity(bits: int = 40, seed: int = 0) -> Tables:
    """Return texts of bits and, at every bit, whether the ones so far are odd: ``bits`` and ``odd``."""
    generator = np.random.default_rng(seed)

    def made(count: int) -> Table:
        drawn = generator.integers(0, 2, (count, bits))
        texts = [
            ["".join(map(str, row)) for row in part.tolist()] for part in (drawn, drawn.cumsum(axis=1) % 2)
        ]
        return _made({"bits": texts[0], "odd": texts[1]}, "the parity problem")

    return {"train": made(SEQUENCES), "test": made(TESTS)}


def load_sunspots() -> Tables:
    """Return the yearly numbers of sunspots from 1700 to 2008: ``year`` and ``sunspots``."""
    folder = _folder("statsmodels", "pip install statsmodels")
    rows = _read_csv(folder / "datasets" / "sunspots" / "sunspots.csv")
    columns: dict[str, list[Any]] = {
        "year": [int(float(row["YEAR"])) for row in rows],
        "sunspots": [float(row["SUNACTIVITY"]) for row in rows],
    }
    return {"train": _made(columns, "the built-in sunspots")}


def load_seattle_weather() -> Tables:
    """Return 1,461 days of weather in Seattle: ``date``, four numbers and the kind of weather."""
    folder = _folder("vega_datasets", "pip install vega_datasets")
    rows = _read_csv(folder / "_data" / "seattle-weather.csv")
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["date"] = [date.replace("/", "-") for date in columns["date"]]
    for name in ("precipitation", "temp_max", "temp_min", "wind"):
        columns[name] = [float(value) for value in columns[name]]
    return {"train": _made(columns, "the built-in weather of Seattle")}


def load_accents() -> Tables:
    """Return the Slovak names among the built-in ones: ``plain``, without their accents, and ``name``."""
    table = load_names()
    pairs = zip(table.column("name"), table.column("origin"), strict=True)
    names = [name for name, origin in pairs if origin == "Slovak" and len(plain(name)) == len(name)]
    return {
        "train": _made({"plain": [plain(name) for name in names], "name": names}, "the built-in Slovak names")
    }


def plain(text: str) -> str:
    """Leave out the accents: Unicode's marks after decomposition (NFD)."""
    marks = [letter for letter in unicodedata.normalize("NFD", text) if unicodedata.category(letter) != "Mn"]
    return unicodedata.normalize("NFC", "".join(marks))


def _folder(package: str, command: str) -> Path:
    """Where a package lies; it is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise missing_extra(package, "samples", f"this sample ({command})")
    return Path(next(iter(found.submodule_search_locations)))


def _read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _made(columns: dict[str, list[Any]], source: str) -> Table:
    rows = len(next(iter(columns.values())))
    return Table(columns, list(range(1, rows + 1)), source, counted="row")


FORMULA = "made by a formula with NumPy's default generator, seed 0"

LIBRARY: dict[str, Sample] = {
    "digits": Sample(
        "classify",
        "tell a handwritten digit from its 64 pixels, one a step",
        "scikit-learn (UCI, Optical Recognition of Handwritten Digits)",
        "BSD-3-Clause (scikit-learn), CC BY 4.0 (UCI)",
        load_digits,
        "--target digit",
    ),
    "japanese-vowels": Sample(
        "classify",
        "tell nine speakers by two vowels",
        "sktime (UCI, Japanese Vowels; Kudo, Toyama and Shimbo 1999)",
        "BSD-3-Clause (sktime), CC BY 4.0 (UCI)",
        load_japanese_vowels,
        "--target speaker",
    ),
    "adding": Sample(
        "regress", "add the two numbers of 100 that are marked", FORMULA, "none", load_adding, "--target sum"
    ),
    "parity": Sample(
        "tag",
        "say after every bit whether the ones so far are odd",
        FORMULA,
        "none",
        load_parity,
        "--target odd",
    ),
    "copy": Sample(
        "tag",
        "say ten symbols again, fifty steps later",
        FORMULA,
        "none",
        load_copy,
        "--target said --recurrence gru --hidden-size 128 --memory 70 --embedding-size 16 --ngrams 1 "
        "--input-dropout 0 --learning-rate 0.01 --max-epochs 40 --no-refit",
    ),
    "accents": Sample(
        "tag", "put the accents of Slovak names back", "faker 40.54.0", "MIT", load_accents, "--target name"
    ),
    "seattle-weather": Sample(
        "tag",
        "say the lowest temperature of each day from the day's other numbers",
        "vega_datasets (NOAA)",
        "MIT (vega_datasets), public domain (NOAA)",
        load_seattle_weather,
        "--time date --target temp_min",
    ),
    "sunspots": Sample(
        "forecast",
        "forecast the yearly number of sunspots",
        "statsmodels (SIDC, Royal Observatory of Belgium)",
        "BSD-3-Clause (statsmodels), public domain",
        load_sunspots,
        "--time year --cut 1921 --normalise scale --validation-fraction 0.3",
    ),
}
