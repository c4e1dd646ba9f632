"""``elman stream``: a line in, a line out, flushed; bad lines in their place; the state kept in a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import numpy as np
import pytest

import elman
from elman import cells
from elman.data.codec import TextCodec
from elman.data.numbers import NumberCodec
from elman.models.forecasting import Form
from tests.cli.streaming import command, environment, killed, stream
from tests.conftest import MINE
from tests.models.made import make, make_mixed, make_text, make_writer
from tests.models.test_stream import WITH_GAPS, forecaster


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.safetensors"
    make_text().save(path)
    return path


@pytest.fixture
def series(tmp_path):
    path = tmp_path / "series.safetensors"
    make("forecast").save(path)
    return path


def rows(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def test_a_text_is_answered_symbol_by_symbol(text):
    said = rows(stream("rossi\nre\u0301\n", text))
    model = elman.load(text)
    assert [(row["line"], row["step"], row["symbol"]) for row in said] == [
        *((1, n + 1, letter) for n, letter in enumerate("rossi")), (2, 1, "r"), (2, 2, "é"),
    ]  # fmt: skip
    for row, prefix in zip(said, ["r", "ro", "ros", "ross", "rossi", "r", "ré"], strict=True):
        shares = model.predict_proba([prefix])[0]
        best = model.classes_[shares.argmax()]
        assert row["prediction"] == best
        assert np.float32(row["probability"]) == shares.max()
        assert {k: np.float32(v) for k, v in row["probabilities"].items()} == dict(
            zip(model.classes_.tolist(), shares, strict=True)
        )
        assert next(iter(row["probabilities"])) == best
    assert list(rows(stream("r\n", text, "--top", "1"))[0]["probabilities"]) == [said[0]["prediction"]]


def test_a_text_over_many_lines(text):
    said = rows(stream('"r"\n{"symbol": "o"}\n{"reset": true}\n"r"\n\n"r"\n', text, "--format", "jsonl"))
    assert [row["step"] for row in said] == [1, 2, 0, 1, 0, 1]
    assert [row.get("reset", False) for row in said] == [False, False, True, False, True, False]
    assert said[0]["probabilities"] == said[3]["probabilities"] == said[5]["probabilities"]
    shares = elman.load(text).predict_proba(["ro"])[0]
    assert np.float32(said[1]["probability"]) == shares.max()


def test_a_bad_line_is_answered_in_its_place_and_changes_nothing(series):
    good = rows(stream("1.5\n2\n", series))
    bad = ["abc", '"x"', "[1, 2]", "[]", "{}", '{"value": 1, "other": 2}', "NaN", "1e999", "[1", "1e400"]
    said = rows(stream("1.5\n" + "\n".join(bad) + "\n2\n", series))
    assert [row["line"] for row in said] == list(range(1, 13))
    assert {**said[-1], "line": 2} == good[1]
    codes = [row["error"]["code"] for row in said[1:-1]]
    assert codes == ["E216", "E271", "E273", "E273", "E295", "E295", "E216", "E216", "E216", "E216"]
    assert all(row["error"]["help"] for row in said[1:-1])
    not_text = rows(stream(b"1.5\n\xff\xfe\n2\n", series))
    assert [row.get("error", {}).get("code") for row in not_text] == [None, "E207", None]
    assert not_text[2]["prediction"] == good[1]["prediction"]


def test_an_unknown_symbol_is_refused_or_read(text):
    said = rows(stream("r☃o\n", text))
    assert [row.get("step") for row in said] == [1, None, 2]
    assert said[1]["symbol"] == "☃"
    assert said[1]["error"]["code"] == "E292"
    assert said[2]["probabilities"] == rows(stream("ro\n", text))[1]["probabilities"]
    read = rows(stream("r☃o\n", text, "--read-unknown"))
    shares = elman.load(text).predict_proba(["r☃o"])[0]
    assert np.float32(read[2]["probability"]) == shares.max()


def test_csv_with_and_without_a_header(tmp_path):
    model = make("regress", NumberCodec().fit(WITH_GAPS), NumberCodec().fit([np.arange(5.0)]))
    model.training["columns"] = {"input": ["a", "b"]}
    model.save(tmp_path / "m")
    plain = stream("1,2\n,3\n1\n\n1,x\n2,2.5\n", tmp_path / "m", "--format", "csv")
    lines = plain.stdout.decode().splitlines()
    assert [line.split(",")[:2] for line in lines] == [
        ["1", "1"], ["2", "2"], ["3", ""], ["4", "0"], ["5", ""], ["6", "1"],
    ]  # fmt: skip
    wanted = model.predict([WITH_GAPS[0][:1], WITH_GAPS[0][:2], WITH_GAPS[0][2:3]])
    for row, value in zip((0, 1, 5), wanted, strict=True):
        assert float(lines[row].split(",")[2]) == value
    assert "E273: 1 number a step, but 2 in training" in lines[2]
    assert "E271" in lines[4]
    named = stream("b,c,a\n2,9,1\n3,9,\n", tmp_path / "m", "--format", "csv").stdout.decode().splitlines()
    assert named == ["line,step,prediction,error", *lines[:2]]
    by_name = rows(stream('{"b": 2, "a": 1, "c": 5}\n{"a": null, "b": 3}\n', tmp_path / "m"))
    assert [row["prediction"] for row in by_name] == wanted[:2].tolist()
    as_json = rows(stream("1,2\n", tmp_path / "m", "--format", "csv", "--json"))
    assert as_json == [{"line": 1, "step": 1, "prediction": wanted[0]}]


def test_every_task_streams(tmp_path):
    writer = make_writer(["x", "y", "y", *"xxxxxx"])
    writer.save(tmp_path / "writer")
    assert rows(stream("ro\n", tmp_path / "writer", "--condition", "y"))[1]["prediction"] in {
        "", *writer.classes_.tolist()
    }  # fmt: skip
    mixed, _ = make_mixed(static=True)
    mixed.save(tmp_path / "mixed")
    said = rows(stream('{"symbol": "r", "numbers": [1, null]}\n', tmp_path / "mixed"))
    shares = mixed.predict_proba([("r", np.array([1.0, np.nan]))])[0]
    assert np.float32(said[0]["probability"]) == shares.max()
    csv = stream("r,1,NA\n", tmp_path / "mixed", "--format", "csv").stdout.decode()
    assert csv == f"1,1,{said[0]['prediction']},{said[0]['probability']},\n"
    form = Form(1, horizon=2, known=1, past=1)
    ahead = forecaster(form)
    ahead.save(tmp_path / "ahead")
    line = '{"value": 1.5, "covariates": [[3], [null]], "past": 2}\n'
    said = rows(stream(line, tmp_path / "ahead"))[0]
    given = {"covariates": [np.array([[0.0], [3.0], [np.nan]])], "past": [np.array([[2.0]])]}
    wanted = ahead.predict([np.array([1.5])], **given)[0]
    assert said["ahead"] == wanted.tolist()
    assert said["prediction"] == wanted[0]
    csv = stream("1.5,2,3,NA\n", tmp_path / "ahead", "--format", "csv").stdout.decode()
    assert csv == f"1,1,{wanted[0]},\n"
    both = make_text(causal=False)
    both.save(tmp_path / "both")
    slow = stream("ro\n", tmp_path / "both")
    assert b"reads all steps again" in slow.stderr
    assert np.float32(rows(slow)[1]["probability"]) == both.predict_proba(["ro"])[0].max()
    refused = stream("ro\n", tmp_path / "both", "--state", tmp_path / "s")
    assert refused.returncode == 2
    assert b"a state file needs a network that reads forwards only" in refused.stderr


def test_words_come_one_by_one(tmp_path):
    codec = TextCodec(unit="word", ngrams=2, edges=True, min_count=1).fit(["the old man, here", "a dog"])
    make_text(codec=codec).save(tmp_path / "m")
    said = rows(stream("the old, dog\n", tmp_path / "m"))
    assert [row["symbol"] for row in said] == ["the", "old", ",", "dog"]


def test_each_answer_comes_before_the_next_line(series):
    words = command(series)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as process:
        for n in range(3):
            process.stdin.write(b"1.5\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["step"] == n + 1
        process.stdin.close()
    assert process.returncode == 0


def test_ctrl_c_ends_it(series):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command(series), **pipes, env=environment()) as process:
        process.stdin.write(b"1.5\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert b"interrupted" in process.stderr.read()
    assert process.returncode == 130


def test_a_closed_pipe_ends_it_quietly(series):
    read, write = os.pipe()
    with subprocess.Popen(
        command(series), stdin=subprocess.PIPE, stdout=write, stderr=subprocess.PIPE, env=environment()
    ) as process:
        os.close(write)
        os.close(read)
        assert process.communicate(b"1.5\n" * 1000)[1] == b""
    assert process.returncode == 0


def test_a_restart_says_the_last_answer_again_and_goes_on(series, tmp_path):
    whole = rows(stream("1.5\n2\nabc\n4\n", series))
    state = ("--state", tmp_path / "s")
    assert rows(stream("1.5\n2\n", series, *state)) == whole[:2]
    assert rows(stream("abc\n", series, *state)) == whole[1:3]
    assert rows(stream("", series, *state)) == whole[2:3]
    assert rows(stream("1.5\n2\nabc\n4\n", series, *state, "--skip-answered")) == whole[2:]


def test_a_header_is_remembered_over_a_restart(tmp_path):
    model = make("regress", NumberCodec().fit(WITH_GAPS), NumberCodec().fit([np.arange(5.0)]))
    model.training["columns"] = {"input": ["a", "b"]}
    model.save(tmp_path / "m")
    words = (tmp_path / "m", "--format", "csv", "--state", tmp_path / "s")
    first = stream("b,a\n2,1\n", *words).stdout.decode().splitlines()
    second = stream("3,\n", *words).stdout.decode().splitlines()
    third = stream("b,a\n2,1\n3,\n2.5,2\n", *words, "--skip-answered").stdout.decode().splitlines()
    assert second[0] == first[1]
    assert third[0] == second[1]
    assert third[1] == first[0]
    said = [float(line.split(",")[2]) for line in (first[1], second[1], third[2])]
    assert said == [model.predict([WITH_GAPS[0][: t + 1]])[0] for t in range(3)]


def test_a_state_that_cannot_be_used_is_refused(series, text, tmp_path):
    stream("1.5\n", series, "--state", tmp_path / "s")
    other = stream("r\n", text, "--state", tmp_path / "s")
    assert other.returncode == 4
    assert b"is the state of another model" in other.stderr
    (tmp_path / "s").write_bytes(b"no state at all")
    assert stream("1.5\n", series, "--state", tmp_path / "s").returncode == 4
    assert stream("1.5\n", series, "--state", tmp_path / "no" / "s").returncode == 3
    assert stream("1.5\n", series, "--skip-answered").returncode == 2
    assert stream("1.5\n", series, "--format", "text").returncode == 2


def test_a_killed_stream_goes_on_with_the_same_bits(series, tmp_path):
    numbers = np.random.default_rng(0).normal(4, 2, 120)
    lines = ["oops" if n % 10 == 7 else repr(float(value)) for n, value in enumerate(numbers)]
    whole = stream("".join(line + "\n" for line in lines), series).stdout.decode().splitlines()
    answers = killed(lines, series, tmp_path, times=3, seed=0)
    assert [answers[n + 1] for n in range(120)] == whole


def test_a_cell_that_is_not_registered_is_asked_for(mine, tmp_path):
    make_text(recurrence="mine").save(tmp_path / "m")
    del cells.CELLS["mine"]
    without = stream("r\n", tmp_path / "m")
    assert without.returncode == 4
    assert b"elman.cells.register" in without.stderr
    assert b"--cell-from" in without.stderr
    assert rows(stream("r\n", tmp_path / "m", "--cell-from", MINE))[0]["step"] == 1
