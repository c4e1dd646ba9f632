"""Each wrong thing in a table of numbers is one sentence with its place, before learning starts."""

from __future__ import annotations

import pytest

from elman.cli import main

GOOD = "id,t,x,y\n" + "".join(f"{i},{t},{t * i},{t}\n" for i in (1, 2, 3) for t in range(6))
TAG = ["--task", "tag", "--id", "id", "--time", "t", "--target", "y"]
SERIES = "t,v\n" + "".join(f"{t},{t % 4}\n" for t in range(12))
FORECAST = ["--task", "forecast", "--time", "t", "--target", "v"]


def tag_with(line: int, new: str) -> str:
    lines = GOOD.splitlines()
    lines[line - 1] = new
    return "\n".join(lines) + "\n"


def series_with(line: int, new: str) -> str:
    lines = SERIES.splitlines()
    lines[line - 1] = new
    return "\n".join(lines) + "\n"


CASES = {
    "missing target": (tag_with(3, "1,1,1,"), TAG, 3, ["E287", "line 3, column y", "fill it in"]),
    "NaN target": (tag_with(4, "1,2,1,NaN"), TAG, 3, ["E287", "line 4, column y"]),
    "infinite target": (tag_with(4, "1,2,1,inf"), TAG, 3, ["E272", "line 4, column y"]),
    "infinite input": (tag_with(4, "1,2,-Infinity,1"), TAG, 3, ["E272", "line 4, column x"]),
    "1e400": (tag_with(4, "1,2,1e400,1"), TAG, 3, ["E272", "line 4, column x"]),
    "decimal comma": (tag_with(4, '1,2,"1,5",1'), TAG, 3, ["E271", "line 4, column x", "write 1.5"]),
    "thousands": (tag_with(4, '1,2,"1,500",1'), TAG, 3, ["E271", "write 1.500 or 1500"]),
    "hexadecimal": (tag_with(4, "1,2,0x10,1"), TAG, 3, ["E271", "write 16; only decimal digits"]),
    "word": (tag_with(4, "1,2,high,1"), TAG, 3, ["E271", "'high' is not a number"]),
    "truth": (tag_with(4, "1,2,yes,1"), TAG, 3, ["E271", "write 1 or 0"]),
    "time twice": (tag_with(4, "1,1,1,1"), TAG, 3, ["E280", "line 4, column t", "line 3 too"]),
    "time goes back": (
        tag_with(4, "1,0.5,1,1"),
        TAG,
        3,
        ["E281", "line 4, column t", "sort the file by id and t"],
    ),
    "time is a word": (tag_with(4, "1,noon,1,1"), TAG, 3, ["E279", "line 4, column t"]),
    "time missing": (tag_with(4, "1,,1,1"), TAG, 3, ["E231", "line 4, column t"]),
    "id missing": (tag_with(4, ",2,1,1"), TAG, 3, ["E231", "line 4, column id"]),
    "no order": (GOOD, ["--task", "tag", "--id", "id", "--target", "y"], 3, ["E278", "it could be t"]),
    "no id": (GOOD, ["--task", "tag", "--time", "t", "--target", "y"], 3, ["E281", "or name with --id"]),
    "no target": (GOOD, ["--task", "tag", "--time", "t", "--id", "id"], 2, ["E112", "--target y"]),
    "unknown target": (GOOD, [*TAG[:-1], "yy"], 3, ["E201", '"yy"', "did you mean y ?"]),
    "unknown time": (
        GOOD,
        ["--task", "tag", "--time", "tt", "--target", "y"],
        3,
        ["E201", "did you mean t ?"],
    ),
    "unknown input": (GOOD, [*TAG, "--input", "z"], 3, ["E201", '"z"']),
    "target is an input": (GOOD, [*TAG, "--input", "y"], 3, ["E244", "the target y is an input too"]),
    "input never there": (
        "t,x,y\n0,,1\n1,NA,2\n2,,3\n3,,4\n",
        ["--task", "tag", "--time", "t", "--target", "y"],
        3,
        ["E277", "no number at all"],
    ),
    "gap in a series": (series_with(5, "3,"), FORECAST, 3, ["E287", "line 5, column v"]),
    "text in a series": (series_with(5, "3,n.a."), FORECAST, 3, ["E271", "line 5, column v"]),
    "series of one step": ("t,v\n0,1\n", FORECAST, 3, ["E286", "line 2", "one step only"]),
    "two steps": ("t,v\n0,1\n1,2\n", FORECAST, 3, ["E289", "hold out a part"]),
    "empty list": (
        '{"v": [1, 2, 3]}\n{"v": []}\n',
        ["--task", "forecast", "--input", "v"],
        3,
        ["E284", "line 2"],
    ),
    "several to forecast": (GOOD, ["--task", "forecast", "--time", "t"], 2, ["E112", "--target"]),
    "input beside time": (SERIES, [*FORECAST, "--input", "v"], 2, ["E112", "--target"]),
    "header only": ("t,v\n", FORECAST, 3, ["E2"]),
    "a text setting": (SERIES, [*FORECAST, "--unit", "word"], 2, ["E139", "--unit has no meaning"]),
    "seeds": (SERIES, [*FORECAST, "--seeds", "3"], 2, ["E139"]),
    "both ways": (SERIES, [*FORECAST, "--no-causal"], 2, ["E134", "forwards only"]),
    "a number setting for texts": (SERIES, ["--task", "classify", "--tbptt", "3"], 2, ["E139", "--tbptt"]),
    "unknown task": (SERIES, ["--task", "guess"], 2, ["E101", "classify"]),
    "no cell file": (SERIES, [*FORECAST, "--cell-from", "none.py"], 2, ["E168", "no such file"]),
    "cell file raises": (
        SERIES,
        [*FORECAST, "--cell-from", "raises.py"],
        2,
        ["raises.py", "ZeroDivisionError"],
    ),
    "no cell in it": (SERIES, [*FORECAST, "--cell-from", "nothing.py"], 2, ["E168", "registers no cell"]),
    "wrong shape": (
        SERIES,
        [*FORECAST, "--cell-from", "shape.py"],
        2,
        ["E169", "of shape (2, 1), not (2, 2)"],
    ),
}
BODY = """
from elman.cells import Cell, register
@register
class Wrong(Cell):
    name = "wrong"
    def parameters(self, input_size, hidden_size, output_size):
        return {"w": ((hidden_size, input_size), 0.5)}
    def step(self, x, state, params):
        return x @ params["w"].T, state[:, :1]
"""


pytestmark = pytest.mark.usefixtures("registry")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raises.py").write_text("1 / 0\n")
    (tmp_path / "nothing.py").write_text("x = 1\n")
    (tmp_path / "shape.py").write_text(BODY)
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_one_sentence_before_learning(name, here, capsys):
    text, options, code, words = CASES[name]
    path = here / ("t.jsonl" if text.startswith("{") else "t.csv")
    path.write_text(text)
    before = set(here.iterdir())
    assert main(["train", path.name, *options, "--max-epochs", "1", "--hidden-size", "2"]) == code
    told = capsys.readouterr()
    if code == 0:
        return
    assert told.out == ""
    assert set(here.iterdir()) == before
    assert told.err.count("error[") == 1
    assert "Traceback" not in told.err
    for word in words:
        assert word in told.err


def test_renamed_columns_are_named_at_predict_and_evaluate(here, capsys):
    (here / "t.csv").write_text(GOOD)
    assert main(["train", "t.csv", *TAG, "--max-epochs", "1", "--hidden-size", "2"]) == 0
    (here / "u.csv").write_text(GOOD.replace("id,t,x,y", "id,t,xx,y"))
    for command in ("predict", "evaluate"):
        capsys.readouterr()
        assert main([command, "t.safetensors", "u.csv"]) == 3
        told = capsys.readouterr().err
        assert 'column "x" is not in u.csv' in told
        assert "did you mean xx ?" in told
    assert main(["predict", "t.safetensors", "u.csv", "--input", "xx"]) == 0


def test_spaces_and_na_have_their_documented_meaning(here, capsys):
    (here / "t.csv").write_text(tag_with(3, "1,1, 3 ,2").replace("1,2,2,2", "1,2,NA,2"))
    assert main(["train", "t.csv", *TAG, "--max-epochs", "1", "--hidden-size", "2"]) == 0


def test_texts_and_probabilities_are_not_for_numbers(here, capsys):
    (here / "t.csv").write_text(GOOD)
    assert main(["train", "t.csv", *TAG, "--max-epochs", "1", "--hidden-size", "2"]) == 0
    for options in (["--text", "a"], ["t.csv", "--proba"], ["-"], []):
        capsys.readouterr()
        assert main(["predict", "t.safetensors", *options]) == 2
        assert "E133" in capsys.readouterr().err
