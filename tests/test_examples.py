"""The examples run as they stand, and are short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))

SHORT = {"names_from_scratch": ["100"], "names_stacked": ["100"]}
"""Numbers of updates that are enough to see an example run."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_saves_a_model(path, tmp_path):
    assert len(path.read_text("utf-8").splitlines()) < 40
    done = subprocess.run(
        [sys.executable, str(path), *SHORT.get(path.stem, [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == (2 if path.stem in SHORT else 3)
    assert [item.suffix for item in tmp_path.iterdir()] == [".safetensors"]


def test_there_are_examples():
    assert [path.stem for path in EXAMPLES] == [
        "names_from_scratch",
        "names_stacked",
        "sine",
        "sine_to_cosine",
    ]
