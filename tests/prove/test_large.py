"""300,000 rows learn one epoch and are answered within 3 GiB."""

from __future__ import annotations

import pytest

from elman.data import load_names, write_csv
from tests.prove.peak import run

ROWS = 300_000
LIMIT = 3 * 2**30
ENDINGS = ("", "a", "o", "ez", "ski", "son", "ini", "ov", "ko", "er", "en", "is", "el", "as")


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
