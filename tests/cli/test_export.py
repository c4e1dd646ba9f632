"""``elman export`` as a person runs it: what stands where, and what needs which library."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

import elman
from elman import cells

from ..conftest import MINE
from ..models.export_cases import LABELS, NUMBERS, READS, make
from .commands import run

FILES = {
    "onnx": ["full.onnx", "step.onnx", "run_onnx.py", "sequences.py"],
    "npz": ["model.npz", "run_numpy.py", "sequences.py"],
    "torch": [
        *("weights.safetensors", "settings.json"),
        *("load_torch.py", "torch_network.py", "sequences.py"),
    ],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make("classify", READS["n-grams"][0], LABELS, recurrence="gru").save("names.safetensors")
    return tmp_path


@pytest.mark.parametrize("format", FILES)
def test_the_paths_go_to_stdout_and_what_was_checked_to_stderr(folder, format, capsys):  # noqa: A002
    code, out, err = run("export", "names.safetensors", "--format", format, "-o", "out", capsys=capsys)
    assert code == 0
    assert out.splitlines() == [f"out/{name}" for name in FILES[format]]
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(FILES[format])
    if format == "torch":
        assert "load_torch.py was not run here" in err
    else:
        assert "largest difference of all:" in err
        assert "0 steps" in err


def test_json_has_files_and_checks(folder, capsys):
    code, out, err = run("export", "names.safetensors", "--json", capsys=capsys)
    told = json.loads(out)
    assert code == 0
    assert (told["v"], told["ok"]) == (1, True)
    assert told["files"] == [f"names-onnx/{name}" for name in FILES["onnx"]]  # the place without -o
    ways = {"one step from the same states", "in a batch", "step by step", "in pieces"}
    assert {check["what"] for check in told["checks"]} == ways
    assert all(check["difference"] <= 1e-5 for check in told["checks"])
    assert "largest difference" in err


def test_the_files_tell_which_model_they_came_from(folder, capsys):
    run("export", "names.safetensors", "-o", "out", capsys=capsys)
    session = onnxruntime.InferenceSession("out/step.onnx")
    about = json.loads(session.get_modelmeta().custom_metadata_map["elman"])
    assert about["sha256"] == hashlib.sha256((folder / "names.safetensors").read_bytes()).hexdigest()
    assert about["elman"] == elman.__version__


def test_a_folder_is_written_over_with_force_alone(folder, capsys):
    assert run("export", "names.safetensors", "--format", "npz", "-o", "out", capsys=capsys)[0] == 0
    code, out, err = run("export", "names.safetensors", "--format", "npz", "-o", "out", capsys=capsys)
    assert (code, out) == (2, "")
    said = "error[E191]: out exists already and holds an export"
    assert err == f"{said}\nhelp: --force writes over it, -o chooses another\n"
    words = ["export", "names.safetensors", "--format", "npz", "-o", "out", "--force"]
    assert run(*words, capsys=capsys)[0] == 0
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("mine")
    code, _, err = run(*words[:-2], "mine", "--force", capsys=capsys)
    assert code == 2
    assert "mine holds notes.txt, which no export wrote" in err


def test_a_model_that_reads_both_ways_says_why_there_is_no_step(folder, capsys):
    make("regress", NUMBERS, NUMBERS, causal=False).save("both.safetensors")
    code, out, err = run("export", "both.safetensors", capsys=capsys)
    assert code == 0
    assert out.splitlines() == [f"both-onnx/{name}" for name in FILES["onnx"] if name != "step.onnx"]
    assert "no step.onnx: the network reads both ways" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["missing.safetensors"], 4, "error[E300]"),
        (["names.safetensors", "--format", "keras"], 2, "error[E101]"),
        (["names.safetensors", "-o", "no/such/place"], 3, "error[E251]"),
        (["names.safetensors", "-o", "names.safetensors", "--force"], 2, "is a file, not a folder"),
    ],
)
def test_mistakes_are_told_in_one_sentence(folder, words, code, said, capsys):
    found, out, err = run("export", *words, capsys=capsys)
    assert (found, out) == (code, "")
    assert said in err
    assert [path.name for path in folder.iterdir()] == ["names.safetensors"]


def test_without_the_extra_the_other_formats_work(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, _, err = run("export", "names.safetensors", capsys=capsys)
    assert code == 2
    assert "error[E150]: exporting to ONNX needs onnx, which is not installed" in err
    assert 'help: pip install "elman[export]"' in err
    assert run("export", "names.safetensors", "--format", "npz", capsys=capsys)[0] == 0


@pytest.mark.parametrize("format", FILES)
def test_exporting_needs_no_torch(folder, format):  # noqa: A002
    code = """
import sys
from elman.cli import main
code = main(["export", "names.safetensors", "--format", sys.argv[1]])
names = ("torch", "sklearn", "pandas", "onnx", "onnxruntime")
print(code, [name for name in names if name in sys.modules], file=sys.stderr)
"""
    command = [sys.executable, "-W", "error", "-c", code, format]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    used = ["onnx", "onnxruntime"] if format == "onnx" else []
    assert done.stderr.splitlines()[-1] == f"0 {used}"


def test_a_cell_of_ones_own_is_registered_by_its_file(folder, mine, capsys):
    model = make("regress", NUMBERS, NUMBERS, recurrence="mine")
    model.save("mine.safetensors")
    wanted = model.predict([np.full((3, 2), 90.0)])
    del cells.CELLS["mine"]
    words = ["export", "mine.safetensors", "--cell-from", MINE, "-o", "out"]
    assert run(*words, capsys=capsys)[0] == 0
    session = onnxruntime.InferenceSession("out/full.onnx")
    feeds = {"numbers": np.full((1, 3, 2), 90.0), "lengths": np.array([3])}
    feeds |= {
        port.name: np.zeros([1 if axis == "B" else axis for axis in port.shape], np.float32)
        for port in session.get_inputs()
        if port.name not in feeds
    }
    assert np.abs(session.run(None, feeds)[0] - wanted).max() < 1e-5 * NUMBERS.scale.max()
