"""``elman`` on tables of numbers: ``train --task tag | forecast``, ``predict``, ``evaluate``; own cells."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import elman
from elman import cells
from elman.cli import main
from tests.cli.tables import rows_of
from tests.conftest import MINE

torch.set_num_threads(1)
SMALL = ["--hidden-size", "8", "--max-epochs", "3"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tags(here):
    lines = [
        f"{r},{t},{math.sin(t * 0.4 + r):.5f},{math.cos(t * 0.4 + r):.5f}"
        for t in range(30)
        for r in range(8)
    ]
    (here / "tags.csv").write_text("run,t,x,y\n" + "\n".join(lines) + "\n")
    return here / "tags.csv"


@pytest.fixture
def sales(here):
    lines = [f"{t},{10 + 3 * math.sin(t * 0.4):.4f}" for t in range(80)]
    (here / "sales.csv").write_text("day,sold\n" + "\n".join(lines) + "\n")
    return here / "sales.csv"


def test_tag_is_learnt_and_answers_row_by_row(tags, capsys):
    assert main(["train", "tags.csv", "--id", "run", "--time", "t", "--target", "y", *SMALL]) == 0
    told = capsys.readouterr()
    assert "task: tag, since y changes from step to step; --task chooses another" in told.err
    assert "tags.csv: 8 sequences, 240 steps, x -> y" in told.err
    assert "mean of training" in told.out
    assert {path.name for path in tags.parent.glob("tags*")} == {
        "tags.csv", "tags.safetensors", "tags-held-out.png", "tags-learning.png",
    }  # fmt: skip
    assert main(["predict", "tags.safetensors", "tags.csv"]) == 0
    answered = rows_of(capsys.readouterr().out)
    given = rows_of(tags.read_text())
    assert [row["x"] for row in answered] == [row["x"] for row in given]
    model = elman.load("tags.safetensors")
    third = [float(row["x"]) for row in given if row["run"] == "3"]
    said = [float(row["prediction"]) for row in answered if row["run"] == "3"]
    np.testing.assert_allclose(said, model.predict([np.array(third)])[0], rtol=1e-6)


def test_divergence_keeps_a_model_and_says_what_was_learnt(tags, capsys):
    wild = ["--optimizer", "sgd", "--learning-rate", "1e30", "--clip", "none", "--max-epochs", "30"]
    wild += ["--validation-fraction", "0", "--recurrence", "rnn"]
    command = ["train", "tags.csv", "--id", "run", "--time", "t", "--target", "y", *wild]
    assert main([*command, "--json"]) == 5
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "E401"
    assert "the best network so far is in tags.safetensors" in error["message"]
    assert error["where"].startswith("epoch 2, training rows ")
    assert np.isfinite(elman.load("tags.safetensors").predict([[1.0, 2.0]])[0]).all()


def test_forecast_holds_the_last_part_out_and_evaluates_a_file(sales, capsys):
    assert main(["train", "sales.csv", "--time", "day", "--json", *SMALL]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["split"] == {"by": "time", "train_steps": 64, "test_steps": 16}
    named = {"mean of training", "last value", "value 16 steps ago"}
    assert named < set(told["baselines"])
    assert [name for name in told["baselines"] if name.startswith("AR(")]
    assert set(told["scores"]) == {"rmse", "mae", "mase", "smape"}
    assert told["scores"]["rmse"] >= told["scores"]["mae"] > 0
    values = np.array([float(row["sold"]) for row in rows_of(sales.read_text())])
    last = math.sqrt(((values[64:] - values[63:-1]) ** 2).mean())
    assert told["baselines"]["last value"]["rmse"] == pytest.approx(last)
    assert main(["evaluate", "sales.safetensors", "sales.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    said = elman.load("sales.safetensors").predict_steps([values[:-1]])[0]
    assert found["scores"]["mae"] == pytest.approx(abs(said - values[1:]).mean())
    assert main(["predict", "sales.safetensors", "sales.csv"]) == 0
    assert float(rows_of(capsys.readouterr().out)[-2]["prediction"]) == pytest.approx(said[-1])
    assert main(["info", "sales.safetensors"]) == 0
    assert "columns:      input sold, layout steps, time day" in capsys.readouterr().out


def test_a_row_may_be_a_series(here, capsys):
    rows = [[f"{math.sin(0.4 * t + r):.4f}" for t in range(20)] for r in range(6)]
    (here / "wide.csv").write_text(
        ",".join(f"t{t}" for t in range(20)) + "\n" + "\n".join(map(",".join, rows)) + "\n"
    )
    assert main(["train", "wide.csv", "--task", "forecast", *SMALL]) == 0
    assert "6 sequences, 120 steps, t0, t1, t2, t3, t4, t5 … -> the next value" in capsys.readouterr().err
    assert main(["predict", "wide.safetensors", "wide.csv"]) == 0
    answered = rows_of(capsys.readouterr().out)
    series = [np.array(list(map(float, row))) for row in rows]
    wanted = elman.load("wide.safetensors").predict(series)[:, 0]
    np.testing.assert_allclose([float(row["prediction"]) for row in answered], wanted, rtol=1e-5)


def test_a_test_file_is_measured_instead(tags, capsys):
    assert main(["train", "tags.csv", "--id", "run", "--time", "t", "--target", "y", "--test", "tags.csv",
                 "--json", *SMALL]) == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out)["split"] == {
        "by": "file",
        "train_steps": 240,
        "test_steps": 240,
    }


def test_constant_columns_are_named_and_missing_numbers_counted(here, capsys):
    lines = [f"{t},1,{t % 5},{(t % 5) / 2}" for t in range(40)]
    (here / "a.csv").write_text("t,k,x,y\n" + "\n".join(lines) + "\n")
    assert main(["train", "a.csv", "--time", "t", "--target", "y", *SMALL]) == 0
    assert "constant, so nothing can be learnt of it: k" in capsys.readouterr().err
    (here / "b.csv").write_text("t,k,x,y\n0,1,,NA\n1,1,NA,\n2,1,3,\n")
    assert main(["predict", "a.safetensors", "b.csv"]) == 0
    assert "2 numbers are missing, as none was in training" in capsys.readouterr().err


def test_ones_own_cell_learns_and_answers_where_it_is_given(sales, registry, capsys):
    assert main(["train", "sales.csv", "--time", "day", "--cell-from", str(MINE), *SMALL]) == 0
    assert "mine.py registers the cell mine" in capsys.readouterr().err
    cells.CELLS.pop("mine")
    assert main(["predict", "sales.safetensors", "sales.csv"]) == 4
    assert "--cell-from" in capsys.readouterr().err
    assert main(["predict", "sales.safetensors", "sales.csv", "--cell-from", str(MINE)]) == 0
    assert len(rows_of(capsys.readouterr().out)) == 80
