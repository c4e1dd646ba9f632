"""``elman verify`` as a person runs it: the table, its JSON, its exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elman.kernels.native import TWIN, compiled
from elman.kernels.stepper import Stepper

from ..marks import needs_kernels
from ..models.export_cases import LABELS, NUMBERS, READS, forecaster, generator, make
from .commands import run

PAGE = Path(__file__).parents[2] / "docs" / "verify.md"

pytestmark = needs_kernels


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make("classify", READS["n-grams"][0], LABELS, recurrence="gru").save("names.safetensors")
    (tmp_path / "names.csv").write_text("text,extra\nanna,1\notto,2\nbob,3\n")
    return tmp_path


def ways(table):
    """The way and the promise of each line, whatever this machine's instruction sets are."""
    rows = [re.split(r"\s{2,}", line)[:2] for line in table.splitlines()]
    return [tuple(row) for row in rows if "thread" not in row[0]]


def test_the_table_is_that_of_the_page(folder, capsys):
    code, out, err = run("verify", "names.safetensors", "names.csv", "--input", "text", capsys=capsys)
    assert code == 0
    shown = re.search(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    assert ways(out) == ways(shown)
    threads = [line for line in out.splitlines() if "thread" in line]
    assert {line.split(",")[0] for line in threads} == set(compiled.names()) - {TWIN}
    assert all(re.fullmatch(r"\w+, \d+ threads? +bits +0 +held", line) for line in threads)
    assert err == "3 sequences; differences are shares of max(1, |y|)\nevery promise is kept\n"


def test_json_has_a_line_for_each_way_and_rows_are_cut(folder, capsys):
    words = ["verify", "names.safetensors", "names.csv", "--input", "text", "--rows", "2", "--json"]
    code, out, err = run(*words, capsys=capsys)
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["v"], told["ok"], told["holds"], told["sequences"]) == (1, True, True, 2)
    first = {"way": "in batches", "promise": "bits", "difference": 0.0, "sequence": None, "step": None}
    assert told["lines"][0] == {**first, "held": True, "note": ""}
    assert told["lines"][-1]["way"] == "ONNX, step by step"


def test_a_broken_promise_is_named_and_the_exit_code_is_1(folder, capsys, monkeypatch):
    plain = Stepper.read
    up = np.float32(np.inf)
    monkeypatch.setattr(Stepper, "read", lambda *args, **more: np.nextafter(plain(*args, **more), up))
    code, out, err = run("verify", "names.safetensors", capsys=capsys)
    assert code == 1
    assert re.search(r"^step by step +bits +\d\.\de-\d\d +sequence \d, step \d+ +BROKEN$", out, re.MULTILINE)
    assert re.search(r"^in chunks +bits +0 +held$", out, re.MULTILINE)
    assert "a promise is broken: in batches, step by step, " in err
    code, out, _ = run("verify", "names.safetensors", "--json", capsys=capsys)
    told = json.loads(out)
    assert (code, told["ok"], told["holds"]) == (1, True, False)
    assert "step by step" in [line["way"] for line in told["lines"] if line["held"] is False]


def test_files_of_numbers_and_of_conditions(folder, capsys):
    steps = [(n // 6, n % 6, n * 1.5, 90 + n * 7 % 11) for n in range(18)]
    rows = ["id,t,a,b", *(",".join(map(str, row)) for row in steps)]
    (folder / "steps.csv").write_text("\n".join(rows) + "\n")
    columns = {"layout": "steps", "input": ["a", "b"], "id": "id", "time": "t"}
    for model in (forecaster(), make("tag", NUMBERS, NUMBERS)):
        model.training["columns"] = columns
        model.save("model.safetensors")
        code, _, err = run("verify", "model.safetensors", "steps.csv", capsys=capsys)
        assert (code, err.splitlines()[0][:11]) == (0, "3 sequences")
    writer = generator()
    writer.training["columns"] = {"layout": "rows", "text": "text", "numbers": [], "condition": "like"}
    writer.save("model.safetensors")
    (folder / "texts.csv").write_text("text,like\nanna,x\nbob,y\n")
    code, _, err = run("verify", "model.safetensors", "texts.csv", capsys=capsys)
    assert (code, err.splitlines()[0][:11]) == (0, "2 sequences")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["missing.safetensors"], 4, "error[E300]"),
        (["names.safetensors", "missing.csv"], 3, "error[E200]"),
        (["names.safetensors", "names.csv", "--rows", "0"], 2, "error[E111]: --rows must be at least 1"),
    ],
)
def test_mistakes_are_told_in_one_sentence(folder, words, code, said, capsys):
    found, out, err = run("verify", *words, capsys=capsys)
    assert (found, out) == (code, "")
    assert said in err


def test_verifying_imports_no_torch(folder):
    code = """
import sys
from elman.cli import main
code = main(["verify", "names.safetensors", "--json"])
print(code, [name for name in ("torch", "sklearn", "pandas") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == "0 []\n"
