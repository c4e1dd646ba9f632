"""``elman info`` on a model of every task, and on one whose cell is not known here."""

from __future__ import annotations

import json

import pytest

import elman
from elman import cells
from elman.cli import main
from elman.models.answers import TASKS
from tests.conftest import MINE
from tests.models.golden import NAMES, path_of
from tests.models.made import make
from tests.models.test_files import manifest_of
from tests.models.test_saving import rewritten

EVERY = {"file", "bytes", "task", "network", "parameters", "causal", "inputs", "settings", "sha256", "format"}
TOLD = {
    "classify-texts": ["inputs:       unit byte", "classes:      er, ni, ski", "temperature:  0."],
    "classify-numbers": [
        "inputs:       numbers 2, scaling standard, missing no",
        "classes:      False, True",
    ],
    "regress-texts-and-numbers": ["inputs:       unit character, numbers 2, ", "numbers:      2"],
    "tag-numbers-with-gaps": ["missing yes", "features:     numbers", "rows:         training 36"],
    "tag-letters": ["task:         tag", "classes:      False, True", "symbols:      12"],
    "forecast-covariates": [
        "forecast:     values 1, horizon 3, known 2, past 1, normalise scale",
        "intervals:    coverages 0.5, 0.8, 0.9, steps_ahead 3",
    ],
    "generate-conditions": ["conditions:   er, ni, ski", "epochs:       10"],
}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_printed_and_what_is_given_as_json(name, capsys):
    assert main(["info", str(path_of(name)), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    manifest = manifest_of(path_of(name).read_bytes())
    assert facts.keys() >= EVERY
    assert facts["task"] == manifest["task"]
    assert facts["sha256"] == manifest["sha256"]
    assert facts["features"] == manifest["features"]
    assert facts["settings"].items() >= manifest["settings"].items()
    assert facts["rows"] == manifest["training"]["rows"]
    model = elman.load(path_of(name))
    assert facts["parameters"] == sum(t.size for member in model.members for t in member.values())

    assert main(["info", str(path_of(name))]) == 0
    printed = capsys.readouterr().out
    for line in TOLD.get(name, []):
        assert line in printed
    assert f"sha256:       {manifest['sha256']}\n" in printed
    assert max(map(len, printed.splitlines())) <= 110


def test_every_task_is_among_them():
    assert {elman.load(path_of(name)).task for name in TOLD} == TASKS.keys()


def test_words_of_a_stranger_cannot_steer_the_terminal(tmp_path, capsys):
    def strange(manifest, tensors):
        manifest["training"]["source"] = "a\x1b[2J\nclasses: none"
        manifest["scores"] = {"scores": {"a\n": [[[[[[[[[[[[1]]]]]]]]]]]]}}

    path = tmp_path / "m.safetensors"
    path.write_bytes(rewritten(path_of("classify-texts").read_bytes(), strange))
    assert main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "source:       a\\x1b[2J\\nclasses: none\n" in printed
    assert "\x1b" not in printed
    assert "a\\n ...\n" in printed


@pytest.fixture
def own_model(tmp_path, mine):
    """A model whose cell is registered by a file alone."""
    make("tag", recurrence="mine").save(tmp_path / "m.safetensors")
    (tmp_path / "steps.csv").write_text("t,x\n0,1\n1,4\n2,2\n", encoding="utf-8")
    del cells.CELLS["mine"]
    return tmp_path


@pytest.mark.parametrize("command", [["info"], ["predict", "steps.csv"], ["evaluate", "steps.csv"]])
def test_a_model_of_an_own_cell_says_how_to_register_it(own_model, command, capsys, monkeypatch):
    monkeypatch.chdir(own_model)
    words = [command[0], "m.safetensors", *command[1:]]
    assert main(words) == 4
    said = capsys.readouterr().err
    assert (
        "error[E309]: m.safetensors holds a network of the cell 'mine', which is not registered here" in said
    )
    assert "help: register its class with elman.cells.register (in a shell: --cell-from FILE.py)" in said
    assert "mine" not in cells.CELLS


def test_the_file_of_the_cell_makes_it_known(own_model, capsys, monkeypatch):
    monkeypatch.chdir(own_model)
    assert main(["info", "m.safetensors", "--cell-from", str(MINE)]) == 0
    assert "network:      elman mine 5" in capsys.readouterr().out
    assert main(["predict", "m.safetensors", "steps.csv", "--input", "x", "--time", "t"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
