"""300,000 rows learn one epoch and are answered within 3 GiB."""

from __future__ import annotations

import subprocess
import sys

import pytest

from elman.data import load_names, write_csv

ROWS = 300_000
LIMIT = 3 * 2**30
ENDINGS = ("", "a", "o", "ez", "ski", "son", "ini", "ov", "ko", "er", "en", "is", "el", "as")

RUN = """
import resource, sys
from elman.cli import main
code = main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "code", code, file=sys.stderr)
"""


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    last = done.stderr.splitlines()[-1].split()
    print(arguments[0], f"{int(last[1]) / 2**30:.2f} GiB")
    assert last[3] == "0", done.stderr
    return int(last[1]), done.stdout


@pytest.mark.slow
def test_three_hundred_thousand_rows(tmp_path):
    names = load_names()
    pairs = list(zip(names.column("name"), names.column("origin"), strict=True))
    made = [(f"{name}{ending}", origin) for name, origin in pairs for ending in ENDINGS][:ROWS]
    assert len(made) == ROWS
    columns = dict(zip(("name", "origin"), zip(*made, strict=True), strict=True))
    with (tmp_path / "large.csv").open("w", encoding="utf-8") as file:
        write_csv(file, columns)
    quick = ["--max-epochs", "1", "--members", "1", "--no-refit", "--no-baselines"]
    peak, _ = run(tmp_path, "train", "large.csv", "--target", "origin", *quick)
    assert peak < LIMIT
    peak, out = run(tmp_path, "predict", "large.safetensors", "large.csv")
    assert peak < LIMIT
    assert len(out.splitlines()) == ROWS + 1
