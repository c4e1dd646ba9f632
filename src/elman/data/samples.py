"""The sequences that come with the package: by formula, or from a package that it names."""

from __future__ import annotations

import hashlib
import importlib
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from elman.data.table import Table
from elman.errors import DataError, missing_extra

FAKER = "40.54.0"
CHECKSUM = "14af2a243db3148667038b98aa9b867dd569db7b267070565da87961bc40d229"

ORIGINS = {
    "Armenian": ("hy_AM",),
    "Croatian": ("hr_HR",),
    "Dutch": ("nl_NL", "nl_BE"),
    "English": ("en_GB", "en_US", "en_NZ"),
    "French": ("fr_BE", "fr_CH", "fr_FR"),
    "German": ("de_AT", "de_DE"),
    "Greek": ("el_GR",),
    "Indian": ("en_IN",),
    "Irish": ("ga_IE",),
    "Italian": ("it_IT",),
    "Kenyan": ("en_KE",),
    "Polish": ("pl_PL",),
    "Russian": ("ru_RU",),
    "Slovak": ("sk_SK",),
    "Spanish": ("es_ES", "es_MX", "es_CL"),
    "Swedish": ("sv_SE",),
    "Ukrainian": ("uk_UA",),
    "Zulu": ("zu_ZA",),
}


def load_names() -> Table:
    """Return surnames of 18 origins in their own scripts: columns ``name`` and ``origin``.

    They are read, without random numbers, from every ``*last_names*`` list that the locales of the faker
    package hold; composed (NFC), each once for an origin, sorted. The pinned faker gives 22,602 rows; 578
    names stand under more than one origin, as in life.

    Raises
    ------
    MissingExtraError
        E150 if faker is not installed.
    DataError
        E225 if another version of faker holds other names.
    """
    try:
        import faker
    except ImportError:
        raise missing_extra("faker", "demo", "loading the built-in names") from None
    try:
        rows = [(name, origin) for origin, locales in ORIGINS.items() for name in _surnames(locales)]
    except (ImportError, AttributeError):
        rows = []
    if checksum(rows) != CHECKSUM:
        message = (
            f"faker {faker.VERSION} holds other names than {FAKER}, from which the built-in names are read"
        )
        raise DataError(message, code="E225", help=f'pip install "faker=={FAKER}"')
    columns = {"name": [name for name, _ in rows], "origin": [origin for _, origin in rows]}
    return Table(columns, list(range(1, len(rows) + 1)), "the built-in names", counted="row")


def checksum(rows: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 of rows, each written as its cells between tabs and a line end, in UTF-8."""
    return hashlib.sha256("".join("\t".join(row) + "\n" for row in rows).encode()).hexdigest()


def _surnames(locales: Iterable[str]) -> list[str]:
    names: set[str] = set()
    for locale in locales:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        lists = [getattr(provider, attribute) for attribute in dir(provider) if "last_names" in attribute]
        names.update(unicodedata.normalize("NFC", name) for each in lists for name in each)
    return sorted(names - {"Doe"})  # faker's stand-in where a locale has no list of its own


def load_sine() -> Table:
    """Return 20 points of a sine: columns ``t``, ``x`` and ``y``, one row a step.

    With t = 21 points from 2 to 10 and d = sin t, taken in float64 and rounded to float32, x is d without its
    last point and y without its first: the value that comes next.
    """
    t = np.linspace(2, 10, 21)
    d = np.sin(t).astype(np.float32)
    return _made({"t": t[:-1].tolist(), "x": d[:-1].tolist(), "y": d[1:].tolist()}, "the built-in sine")


def load_sine_to_cosine(chunks: int = 100) -> Table:
    """Return sine and cosine in chunks of 10 points: ``chunk``, ``t``, ``sin`` and ``cos``, one row a step.

    Chunk k goes from k pi to (k + 1) pi, both ends included; all numbers are float32.
    """
    pieces = [np.linspace(k * np.pi, (k + 1) * np.pi, 10, dtype=np.float32) for k in range(chunks)]
    columns: dict[str, list[Any]] = {
        "chunk": [k for k, piece in enumerate(pieces) for _ in piece],
        "t": [point for piece in pieces for point in piece.tolist()],
        "sin": [value for piece in pieces for value in np.sin(piece).tolist()],
        "cos": [value for piece in pieces for value in np.cos(piece).tolist()],
    }
    return _made(columns, "the built-in sine and cosine")


def _made(columns: dict[str, list[Any]], source: str) -> Table:
    return Table(columns, list(range(1, len(columns["t"]) + 1)), source, counted="row")


SAMPLES: dict[str, Callable[[], Table]] = {
    "names": load_names,
    "sine": load_sine,
    "sine-to-cosine": load_sine_to_cosine,
}
