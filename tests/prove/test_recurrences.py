"""Every recurrence, with one and two layers, learns the names from the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from elman.data import load_names, write_csv

MAJORITY = 0.18


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("names")
    with (path / "names.csv").open("w", encoding="utf-8") as file:
        write_csv(file, load_names().columns)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("num_layers", ["1", "2"])
def test_names(folder, recurrence, num_layers):
    code = "import sys; from elman.cli import main; sys.exit(main())"
    shape = ["--recurrence", recurrence, "--num-layers", num_layers, "--members", "1", "--no-refit"]
    output = f"{recurrence}{num_layers}.safetensors"
    command = ["train", "names.csv", "--input", "name", "--target", "origin", "--json", "-o", output]
    done = subprocess.run(
        [sys.executable, "-c", code, *command, *shape, "--max-epochs", "3", "--no-baselines"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    scores = json.loads(done.stdout)["scores"]
    print(recurrence, num_layers, scores)
    assert scores["accuracy"] > 0.75 > MAJORITY
    assert scores["macro_f1"] > 0.7
