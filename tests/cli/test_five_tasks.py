"""The command line on every task: what is inferred, learnt and answered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import elman
from elman.cli import main
from elman.data.library import LIBRARY
from tests.cli.tables import rows_of, write

torch.set_num_threads(1)
SMALL = ["--hidden-size", "8", "--max-epochs", "2"]
WEEKS = ["--time", "day", "--target", "sold", "--task", "forecast", "--covariates", "week"]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = ["".join(row) for row in RNG.choice(list("abc"), (60, 5)).tolist()]
    tags = [text.upper() for text in texts]
    values = RNG.normal(size=(60, 4)).round(3)
    kinds = ["high" if row.sum() > 0 else "low" for row in values]
    write(
        "texts.csv",
        {"text": texts, "tags": tags, "length": [t.count("a") + 0.5 * t.count("b") for t in texts]},
    )
    write(
        "wide.csv",
        {**{f"t{n}": values[:, n] for n in range(4)}, "kind": kinds, "sum": values.sum(axis=1).round(4)},
    )
    write("mixed.csv", {"text": texts, "size": values[:, 0], "kind": kinds})
    steps = [(n, t, values[n, t], "wet" if values[n, t] > 0 else "dry") for n in range(60) for t in range(4)]
    ids, times, x, weather = zip(*steps, strict=True)
    write("long.csv", {"id": ids, "t": times, "x": x, "weather": weather, "kind": [kinds[n] for n in ids]})
    with Path("lists.jsonl").open("w", encoding="utf-8") as file:
        for row, kind in zip(values, kinds, strict=True):
            file.write(
                json.dumps(
                    {"x": [[a, -a] for a in row.tolist()], "kind": kind, "up": [bool(a > 0) for a in row]}
                )
                + "\n"
            )
    write(
        "series.csv",
        {
            "unique_id": np.repeat(["a", "b"], 60),
            "ds": [*range(60)] * 2,
            "y": np.sin(np.arange(120) / 3).round(4),
        },
    )
    write("zones.csv", {"t": ["2024-01-01T00:00:00+01:00", "2024-01-01T01:00:00"], "y": [1, 2]})
    write("twice.csv", {"t": [1, 2, 2], "y": [1, 2, 3]})
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "task"),
    [
        (["wide.csv", "--target", "kind", "--input", "t0", "t1"], "classify"),
        (["mixed.csv", "--target", "kind"], "classify"),
        (["lists.jsonl", "--target", "kind", "--input", "x"], "classify"),
        (["long.csv", "--id", "id", "--time", "t", "--target", "kind"], "classify"),
        (["wide.csv", "--target", "sum", "--input", "t0", "t1"], "regress"),
        (["texts.csv", "--target", "length", "--input", "text"], "regress"),
        (["lists.jsonl", "--target", "up", "--input", "x"], "tag"),
        (["long.csv", "--id", "id", "--time", "t", "--target", "weather", "--input", "x"], "tag"),
        (["long.csv", "--id", "id", "--time", "t", "--target", "x", "--input", "weather"], "tag"),
    ],
)
def test_the_task_is_inferred_said_and_answered_row_by_row(arguments, task, capsys):
    assert main(["train", *arguments, "-o", "m.safetensors", *SMALL]) == 0
    told = capsys.readouterr()
    assert f"task: {task}, since " in told.err
    assert "--task chooses another" in told.err
    assert elman.load("m.safetensors").task == task
    assert main(["predict", "m.safetensors", arguments[0]]) == 0
    answered = rows_of(capsys.readouterr().out)
    assert len(answered) == (240 if arguments[0] == "long.csv" else 60)
    assert all(row["prediction"] != "" for row in answered)
    assert main(["evaluate", "m.safetensors", arguments[0], "--train", arguments[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]


CODES = "code,kind\n" + "".join(f"{n + 10000},post\nAB-{n:03},plate\n+{n * 31},phone\n" for n in range(30))


def test_a_column_of_codes_is_a_text_though_most_are_digits(capsys):
    Path("codes.csv").write_text(CODES)
    assert main(["train", "codes.csv", "--target", "kind", "-o", "m", *SMALL]) == 0
    assert (
        "code is read as a text, though half of its values or more are numbers\n" in capsys.readouterr().err
    )
    model = elman.load("m")
    assert (model.task, model.inputs.kind) == ("classify", "text")
    assert {"7", "A", "-", "+"} <= set(model.inputs.symbols)
    assert main(["predict", "m", "--text", "12345", "AB-1", "--json"]) == 0
    answered = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["code"] for row in answered] == ["12345", "AB-1"]


def test_digits_alone_are_a_text_when_a_unit_is_asked_for(capsys):
    Path("digits.csv").write_text("code,kind\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(100, 160)))
    assert main(["train", "digits.csv", "--target", "kind", "-o", "m", *SMALL]) == 3
    said = capsys.readouterr().err
    assert "error[E241]" in said
    assert "--unit character" in said
    assert main(["train", "digits.csv", "--target", "kind", "--unit", "character", "-o", "m", *SMALL]) == 0
    assert set("0123456789") >= set(elman.load("m").inputs.symbols) > {"1"}


def test_probabilities_stand_beside_the_labels_of_whole_sequences(capsys):
    for data, more in (("wide.csv", ["t0", "t1"]), ("mixed.csv", ["text", "size"])):
        assert main(["train", data, "--target", "kind", "--input", *more, "--force", *SMALL, "-o", "m"]) == 0
        capsys.readouterr()
        assert main(["predict", "m", data, "--proba", "--json"]) == 0
        for row in map(json.loads, capsys.readouterr().out.splitlines()):
            assert row["p_high"] + row["p_low"] == pytest.approx(1, abs=2e-6)
            assert row["prediction"] == ("high" if row["p_high"] > row["p_low"] else "low")
    assert main(["train", "wide.csv", "--target", "sum", "--input", "t0", "t1", "-o", "r", *SMALL]) == 0
    assert main(["predict", "r", "wide.csv", "--proba"]) == 2
    assert "its answers have no probability to write" in capsys.readouterr().err


def test_whole_numbers_that_are_labels_stay_numbers(capsys):
    rows = [{"x": values.tolist(), "kind": int(values[0] > 0) + 1} for values in RNG.normal(size=(40, 3))]
    Path("few.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert main(["train", "few.jsonl", "--target", "kind", "--task", "classify", "-o", "m", *SMALL]) == 0
    capsys.readouterr()
    assert main(["predict", "m", "few.jsonl", "--json"]) == 0
    assert {json.loads(row)["prediction"] for row in capsys.readouterr().out.splitlines()} <= {1, 2}


def test_known_names_of_columns_are_recognised(capsys):
    assert main(["train", "series.csv", *SMALL]) == 0
    assert "unique_id is the id, ds the time, y the target" in capsys.readouterr().err
    assert main(["forecast", "series.safetensors", "series.csv", "--horizon", "2", "--coverage", "0.5"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [row["unique_id"] for row in rows] == ["a"] * 2 + ["b"] * 2
    assert all(float(row["lower"]) < float(row["forecast"]) < float(row["upper"]) for row in rows)


def test_covariates_are_read_and_asked_for_ahead(capsys):
    t = np.arange(90)
    write(
        "sales.csv",
        {"day": t, "sold": np.sin(t / 3).round(3), "week": (t % 7), "open": np.where(t % 7, "yes", "no")},
    )
    assert main(["train", "sales.csv", *WEEKS, "open", *SMALL]) == 0
    ahead = np.arange(90, 94)
    write("ahead.csv", {"day": ahead, "week": ahead % 7, "open": np.where(ahead % 7, "yes", "no")})
    capsys.readouterr()
    forecast = ["forecast", "sales.safetensors", "sales.csv", "--horizon", "4"]
    assert main([*forecast, "--future", "ahead.csv", "--picture", "f.png"]) == 0
    assert len(rows_of(capsys.readouterr().out)) == 4
    assert main(forecast) == 3
    assert "E275" in capsys.readouterr().err


def test_held_out_from_a_time_on(capsys):
    t = np.arange(90)
    write("sales.csv", {"day": t, "sold": np.sin(t / 3).round(3)})
    assert main(["train", "sales.csv", "--time", "day", "--cut", "80", "--json", *SMALL]) == 0
    assert json.loads(capsys.readouterr().out)["split"] == {"by": "time", "train_steps": 80, "test_steps": 10}


def test_texts_are_written_from_the_command_line(capsys):
    write("names.csv", {"name": [f"{a}{b}n" for a in "abcdefgh" for b in "aeiou"], "kind": ["x", "y"] * 20})
    assert (
        main(["train", "names.csv", "--input", "name", "--condition", "kind", "-o", "m.safetensors", *SMALL])
        == 0
    )
    assert "written by it:" in capsys.readouterr().out
    command = ["generate", "m.safetensors", "-n", "3", "--condition", "x", "--seed", "1", "--longest", "9"]
    assert main(command) == 0
    texts = capsys.readouterr().out.splitlines()
    assert len(texts) == 3
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"] == texts
    assert main(["generate", "m.safetensors", "--condition", "z"]) == 3
    assert "there is no condition z" in capsys.readouterr().err


def test_learning_goes_on_from_a_model(capsys):
    command = ["train", "wide.csv", "--target", "kind", "--input", "t0", "t1", *SMALL]
    assert main([*command, "-o", "a.safetensors"]) == 0
    assert main([*command, "-o", "b.safetensors", "--from", "a.safetensors"]) == 0
    assert main([*command[:3], "sum", *command[4:], "--from", "a.safetensors", "-o", "c.safetensors"]) == 2


@pytest.mark.parametrize("name", LIBRARY)
def test_every_sample_is_written_with_its_command(name, capsys):
    code = main(["sample", name])
    told = capsys.readouterr()
    if code and "E150" in told.err:
        pytest.skip("the package of the sample is not there")
    assert code == 0
    assert told.out.startswith(f"elman train {name}.")
    assert "licence" in told.err
    assert main(["sample", name]) == 2
    assert "exists already" in capsys.readouterr().err


def test_samples_are_listed(capsys):
    assert main(["sample"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in LIBRARY)
    assert main(["sample", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["samples"]) == set(LIBRARY)
    assert main(["sample", "nothing"]) == 2


BAD = {
    "a period longer than the data": (["series.csv", "--period", "50"], 3, "E286"),
    "a period of one": (["series.csv", "--period", "1"], 2, "E111"),
    "zones mixed": (["zones.csv", "--time", "t"], 3, "E279"),
    "a time twice": (["twice.csv", "--time", "t"], 3, "E280"),
    "an odd target": (["lists.jsonl", "--target", "up", "--input", "kind"], 3, "E275"),
    "a changing target": (
        [
            "long.csv",
            "--id",
            "id",
            "--time",
            "t",
            "--target",
            "weather",
            "--task",
            "classify",
            "--input",
            "x",
        ],
        3,
        "E248",
    ),
    "a target that is no number": (
        ["wide.csv", "--target", "kind", "--task", "regress", "--input", "t0"],
        3,
        "E241",
    ),
    "a setting of another task": (
        ["wide.csv", "--target", "sum", "--horizon", "3", "--input", "t0", "t1"],
        2,
        "E139",
    ),
    "a condition to classify": (
        ["wide.csv", "--target", "kind", "--condition", "t0", "--task", "classify"],
        2,
        "E139",
    ),
    "no texts to write from": (["wide.csv", "--task", "generate", "--input", "t0", "t1"], 2, "E112"),
    "two columns of texts": (["mixed.csv", "--target", "size"], 2, "E112"),
    "no target to regress": (["wide.csv", "--task", "regress"], 2, "E112"),
    "no time for a cut": (["wide.csv", "--target", "kind", "--cut", "3", "--input", "t0", "t1"], 2, "E139"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_before_learning(case, capsys):
    arguments, code, said = BAD[case]
    assert main(["train", *arguments, "-o", "m.safetensors"]) == code
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_a_given_period_is_the_baselines(capsys):
    assert main(["train", "series.csv", "--period", "19", "--json", *SMALL]) == 0
    assert "value 19 steps ago" in json.loads(capsys.readouterr().out)["baselines"]


def test_huge_values_are_learnt_or_refused_in_a_sentence(capsys):
    write("huge.csv", {"t": range(40), "y": [1e38 * (-1) ** n for n in range(40)]})
    assert main(["train", "huge.csv", "--time", "t", *SMALL]) == 0
    write("large.csv", {"t": range(40), "y": ["1e400", *range(39)]})
    assert main(["train", "large.csv", "--time", "t", *SMALL]) == 3
    assert "large.csv, line 2, column y" in capsys.readouterr().err


def test_a_label_seen_once_is_no_hindrance(capsys):
    values = RNG.normal(size=(40, 2)).round(3)
    write("once.csv", {"a": values[:, 0], "b": values[:, 1], "kind": [*["x", "y"] * 19, "x", "rare"]})
    assert main(["train", "once.csv", "--target", "kind", *SMALL]) == 0


def test_covariates_known_ahead_and_not(capsys):
    t = np.arange(90)
    write(
        "both.csv", {"day": t, "sold": np.sin(t / 3).round(3), "week": t % 7, "rain": RNG.random(90).round(2)}
    )
    columns = [*WEEKS, "--past", "rain"]
    assert main(["train", "both.csv", *columns, "--horizon", "2", *SMALL]) == 0
    assert "sold, week, rain -> the next value" in capsys.readouterr().err
    write("ahead.csv", {"day": [90, 91], "week": [6, 0]})
    assert main(["forecast", "both.safetensors", "both.csv", "--future", "ahead.csv"]) == 0
    assert len(rows_of(capsys.readouterr().out)) == 2
    assert main(["forecast", "both.safetensors", "both.csv", "--future", "ahead.csv", "--horizon", "4"]) == 2
    assert "nobody knows yet" in capsys.readouterr().err
    assert main(["predict", "both.safetensors", "both.csv"]) == 0
    assert len(rows_of(capsys.readouterr().out)) == 90
