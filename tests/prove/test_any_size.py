"""Ten times the rows are answered in the same memory: peak of the whole process, within 32 MiB."""

from __future__ import annotations

import random

import pytest

from elman.data import load_names, write_csv
from tests.prove.peak import run

ROWS = (1_000_000, 10_000_000)
BLOCK = 100_000
SLACK = 32 * 2**20
SMALL = (
    "--hidden-size",
    "16",
    "--ngrams",
    "1",
    "--members",
    "1",
    "--max-epochs",
    "1",
    "--no-refit",
    "--no-baselines",
)


def write_names(path, names, count):
    """Write names drawn with replacement, numbered."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for first in range(0, count, BLOCK):
            chosen = draw.choices(names, k=BLOCK)
            write_csv(file, {"n": range(first, first + BLOCK), "name": chosen}, header=first == 0)


def count_lines(path):
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    table = load_names().take(range(0, 20_000, 10))
    with (tmp_path / "few.csv").open("w", encoding="utf-8") as file:
        write_csv(file, table.columns)
    run(tmp_path, "train", "few.csv", "--target", "origin", *SMALL)
    peaks = []
    for rows in ROWS:
        write_names(tmp_path / "many.csv", table.column("name"), rows)
        given = ("many.csv", "--input", "name", "-o", "answers.csv", "--force")
        peaks.append(run(tmp_path, "predict", "few.safetensors", *given)[0])
        assert count_lines(tmp_path / "answers.csv") == rows + 1
    assert peaks[1] < peaks[0] + SLACK
