"""Rows and a trained network that many tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elman.cells import CELLS
from elman.cells.load import load_cell

signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored

ENDINGS = {"it": ("ini", "elli", "etti"), "pl": ("ski", "wicz", "czyk"), "en": ("son", "ton", "ley")}
MINE = Path(__file__).parent / "cells" / "mine.py"
"""The file of a cell of one's own, called mine."""


def make_rows(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Made names whose ending tells their label: learnable, and different from one another."""
    random = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = list(ENDINGS)[random.integers(len(ENDINGS))]
        stem = "".join(random.choice(list("abcdefghij"), random.integers(2, 6)))
        texts.append(stem.capitalize() + ENDINGS[label][random.integers(3)])
        labels.append(label)
    return texts, labels


@pytest.fixture(scope="session")
def rows() -> tuple[list[str], list[str]]:
    return make_rows(240)


@pytest.fixture(scope="session")
def fitted(rows):
    """A small network that has learnt the made names."""
    from elman import SequenceClassifier

    small = {"hidden_size": 12, "embedding_size": 8, "max_epochs": 8, "learning_rate": 0.01, "members": 2}
    return SequenceClassifier(**small, random_state=3).fit(*rows)


@pytest.fixture
def csv_file(tmp_path, rows) -> Path:
    path = tmp_path / "people.csv"
    lines = [f"{text},{label}" for text, label in zip(*rows, strict=True)]
    path.write_text("name,origin\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def registry():
    """What a test registers is gone after it."""
    before = dict(CELLS)
    yield
    CELLS.clear()
    CELLS.update(before)


@pytest.fixture
def mine(registry):
    """The class of ``MINE``, registered."""
    (cell,) = load_cell(MINE)
    return cell


def run_python(code: str, *arguments: str) -> str:
    """Run code in a fresh process and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def elman_command(tmp_path):
    """Run the real command in a fresh process, in a folder of its own."""

    def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            "import sys; from elman.cli import main; sys.exit(main())",
            *arguments,
        ]
        everything = {**os.environ, **environment}
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, cwd=tmp_path, env=everything, check=False
        )

    return run
