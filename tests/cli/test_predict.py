"""``elman predict`` part after part: the same bytes in any parts, in every format, whole or not at all."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import elman
from elman import ahead
from elman.cli import main, progress
from elman.cli.answering import way_of
from elman.cli.progress import RowCount, duration
from elman.cli.rows import WRITERS
from elman.data.table import Table
from elman.models.manifest import KIND
from elman.sealed import manifest_in
from tests.cli.tables import rows_of, write

SMALL = ["--hidden-size", "8", "--max-epochs", "1", "--members", "1"]
RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def names(fitted, rows):
    fitted.model_.save("names.safetensors")
    write("names.csv", {"n": range(23), "name": [*rows[0][:20], "", "ЖЖ", "a,\r\nb"]})
    return "names.safetensors"


def predicted(capsys, monkeypatch, rows, *arguments):
    monkeypatch.setattr("elman.cli.predict.PART", rows)
    assert main(["predict", *arguments]) == 0
    return capsys.readouterr()


def test_texts_have_the_same_bytes_in_any_parts(names, capsys, monkeypatch):
    Path("names.jsonl").write_text('{"name": "Rossi"}\n\n{"name": "x", "z": 1}\n{"name": "y", "w": [2]}\n')
    Path("names.txt").write_text("Rossi\n\nNovak\nŁukasz\r\nx", encoding="utf-8")
    pq.write_table(pa.table({"name": ["Rossi", "Novak", "x"], "n": [1, None, 3]}), "names.parquet")
    for asked in ([], ["--json"], ["--proba"], ["--top", "2", "--json"]):
        for data in ("names.csv", "names.jsonl", "names.txt", "names.parquet"):
            column = "text" if data.endswith(".txt") else "name"
            arguments = [names, data, "--input", column, *asked]
            whole = predicted(capsys, monkeypatch, 10**9, *arguments)
            assert len(whole.out.splitlines()) > 2
            for size in (1, 7):
                assert predicted(capsys, monkeypatch, size, *arguments) == whole


def test_texts_may_be_given_one_by_one(names, capsys):
    assert main(["predict", str(names), "--text", "rossi", "kowalski"]) == 0
    together = capsys.readouterr().out
    assert main(["predict", str(names), "--text", "rossi", "--text", "kowalski"]) == 0
    assert capsys.readouterr().out == together


def test_stdin_has_the_same_bytes_in_any_parts(names, capsys, monkeypatch):
    found = set()
    for size in (1, 3, 100):
        stdin = io.TextIOWrapper(io.BytesIO("Rossi\n\nŁukasz\nNovak".encode()), encoding="ascii")
        monkeypatch.setattr("sys.stdin", stdin)
        found.add(predicted(capsys, monkeypatch, size, names, "-").out)
    assert len(found) == 1
    assert [row["text"] for row in rows_of(found.pop())] == ["Rossi", "", "Łukasz", "Novak"]


def learnt(capsys, data, *arguments):
    assert main(["train", data, "-o", "m.safetensors", "--force", *SMALL, *arguments]) == 0
    capsys.readouterr()
    return "m.safetensors"


def test_sequences_have_the_same_bytes_in_any_parts(capsys, monkeypatch):
    values = RNG.normal(size=(30, 3)).round(3)
    kinds = ["high" if row.sum() > 0 else "low" for row in values]
    write("wide.csv", {**{f"t{n}": values[:, n] for n in range(3)}, "kind": kinds})
    Path("lists.jsonl").write_text(
        "".join(
            json.dumps({"x": row.tolist(), "up": ["a" if v > 0 else "bc" for v in row], "k": k}) + "\n"
            for row, k in zip(values, kinds, strict=True)
        )
    )
    for data, arguments in {
        "wide.csv": ["--target", "kind"],
        "lists.jsonl": ["--target", "k", "--input", "x"],
    }.items():
        model = learnt(capsys, data, *arguments)
        whole = predicted(capsys, monkeypatch, 100, model, data, "--top", "1")
        for size in (1, 7):
            assert predicted(capsys, monkeypatch, size, model, data, "--top", "1") == whole
    model = learnt(capsys, "lists.jsonl", "--target", "up", "--input", "x")
    whole = predicted(capsys, monkeypatch, 100, model, "lists.jsonl").out
    assert predicted(capsys, monkeypatch, 1, model, "lists.jsonl").out == whole
    assert all(len(json.loads(row["prediction"])) == 3 for row in rows_of(whole))


@pytest.mark.parametrize("mixed", [False, True])
def test_steps_have_the_same_bytes_in_any_parts(mixed, capsys, monkeypatch):
    steps = [(n, t) for n in range(12) for t in range(n % 5 + 1)]
    if mixed:
        steps.sort(key=lambda step: step[1])
    ids, times = zip(*steps, strict=True)
    x = RNG.normal(size=len(steps)).round(3)
    kinds = ["even" if n % 2 == 0 else "odd" for n in ids]
    write("long.csv", {"id": ids, "t": times, "x": x, "up": np.where(x > 0, "a", "b"), "kind": kinds})
    for target in ("up", "kind"):
        arguments = ["--id", "id", "--time", "t", "--target", target, "--input", "x"]
        model = learnt(capsys, "long.csv", *arguments)
        way = way_of(elman.load(model), Namespace(input=None, id=None, time=None))
        assert (way.layout, way.id) == ("steps", "id")
        whole = predicted(capsys, monkeypatch, 1000, model, "long.csv")
        for size in (1, 7):
            assert predicted(capsys, monkeypatch, size, model, "long.csv") == whole
        assert len(rows_of(whole.out)) == len(steps)


def test_top_labels_stand_in_the_order_of_their_probabilities(names, capsys, fitted):
    assert main(["predict", names, "names.csv", "--input", "name", "--top", "2", "--json"]) == 0
    answered = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    shares = fitted.predict_proba([row["name"] for row in answered])
    for row, share in zip(answered, shares, strict=True):
        order = sorted(range(3), key=lambda k: -share[k])
        assert [row["label_1"], row["label_2"]] == [fitted.classes_[k] for k in order[:2]]
        assert [row["p_1"], row["p_2"]] == [round(float(share[k]), 6) for k in order[:2]]
        assert row["prediction"] == row["label_1"]
        assert "label_3" not in row
    assert main(["predict", names, "--text", "Rossi", "--top", "99"]) == 0
    assert list(rows_of(capsys.readouterr().out)[0])[-2:] == ["label_3", "p_3"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--top", "0"], "E111"),
        (["--top", "2", "--proba"], "E101"),
    ],
)
def test_what_top_cannot_be(arguments, said, names, capsys):
    assert main(["predict", names, "--text", "Rossi", *arguments]) == 2
    assert f"error[{said}]" in capsys.readouterr().err


def test_a_model_of_numbers_has_no_top_labels(capsys):
    write("wide.csv", {"a": range(20), "b": range(20), "sum": [2.5 * n for n in range(20)]})
    model = learnt(capsys, "wide.csv", "--target", "sum")
    assert main(["predict", model, "wide.csv", "--top", "1"]) == 2
    assert "help: leave --top out" in capsys.readouterr().err


def test_every_format_holds_the_same_rows(names, capsys, monkeypatch):
    whole = predicted(
        capsys, monkeypatch, 100, names, "names.csv", "--input", "name", "--proba", "--json"
    ).out
    rows = [json.loads(line) for line in whole.splitlines()]
    monkeypatch.setattr("elman.cli.predict.PART", 5)
    for ending in WRITERS:
        arguments = ["names.csv", "--input", "name", "--proba", "-o", f"out{ending}"]
        assert main(["predict", names, *arguments]) == 0
        table = Table.read(f"out{ending}")
        assert list(table.columns) == list(rows[0])
        read = [
            dict(zip(table.columns, row, strict=True)) for row in zip(*table.columns.values(), strict=True)
        ]
        said = [{name: str(value) for name, value in row.items()} for row in rows]
        assert read == (said if ending in (".csv", ".tsv") else rows)
        assert capsys.readouterr().err.splitlines()[0] == f"written: out{ending}"


def test_a_parquet_column_has_one_type_whatever_comes_later(names, capsys, monkeypatch):
    given = [None, 1, 2.5, None], [[], None, [1], [0.5]], [None, None, None, "x"]
    lines = [json.dumps({"name": "Rossi", "n": n, "s": s, "t": t}) for n, s, t in zip(*given, strict=True)]
    Path("a.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr("elman.data.parquet_rows.GROUP", 1)
    predicted(capsys, monkeypatch, 1, names, "a.jsonl", "--input", "name", "-o", "a.parquet")
    table = pq.read_table("a.parquet")
    assert tuple(table.column(name).to_pylist() for name in "nst") == given
    assert [str(table.schema.field(name).type) for name in "nt"] == ["double", "string"]
    whole = pa.table({"n": given[0], "s": given[1], "t": given[2]}).schema
    assert [table.schema.field(name).type for name in "nst"] == [field.type for field in whole]


def test_kinds_that_parquet_does_not_put_in_one_column(names, capsys, monkeypatch):
    Path("a.jsonl").write_text('{"name": "Rossi", "n": 1}\n{"name": "x", "n": "one"}\n')
    for size in (1, 2):
        monkeypatch.setattr("elman.cli.predict.PART", size)
        assert main(["predict", names, "a.jsonl", "--input", "name", "-o", "a.parquet"]) == 3
        assert "error[E227]: the column n holds values of several kinds" in capsys.readouterr().err
        assert sorted(path.name for path in Path().iterdir() if "parquet" in path.name) == []


def test_a_mistake_in_a_later_part_keeps_the_rows_before(names, capsys, monkeypatch):
    Path("a.csv").write_text("name\nRossi\nNovak\nx,y\n")
    monkeypatch.setattr("elman.cli.predict.PART", 1)
    assert main(["predict", names, "a.csv"]) == 3
    told = capsys.readouterr()
    assert [row["name"] for row in rows_of(told.out)] == ["Rossi", "Novak"]
    assert "error[E210]: the row has 2 cells, but the header has 1\n  --> a.csv, line 4\n" in told.err
    assert main(["predict", names, "a.csv", "-o", "out.csv"]) == 3
    assert not [path for path in Path().iterdir() if "out" in path.name]


def test_an_interrupted_file_is_not_there(names, monkeypatch, capsys):
    calls = []

    def count(self, done, share):
        calls.append(done)
        if done == 2:
            assert [path.name for path in Path().iterdir() if path.name.startswith(".out.csv")]
            raise KeyboardInterrupt

    monkeypatch.setattr(RowCount, "__call__", count)
    monkeypatch.setattr("elman.cli.predict.PART", 1)
    for name in ("out.csv", "out.parquet"):
        calls.clear()
        if name == "out.parquet":
            monkeypatch.setattr(
                RowCount, "__call__", lambda self, done, share: os.kill(os.getpid(), signal.SIGINT)
            )
        assert main(["predict", names, "names.csv", "--input", "name", "-o", name]) == 130
        assert not [path for path in Path().iterdir() if "out" in path.name]
    assert "error[E130]: interrupted" in capsys.readouterr().err


def test_head_ends_a_long_answer_quietly(names, tmp_path):
    write("many.csv", {"name": ["Rossi", "Novak"] * 20_000})
    code = "import sys; from elman.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "predict", names, "many.csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"name,prediction\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def test_progress_says_rows_speed_and_the_time_left(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    count = RowCount(bar=False)
    for done, share, seconds in ((1000, 0.1, 5), (4000, 0.25, 15), (5000, None, 6), (8000, None, 5)):
        now[0] += seconds
        count(done, share)
    count.close()
    assert capsys.readouterr().err.splitlines() == [
        "4,000 rows · 200 rows/s · 1 min 0 s left",
        "8,000 rows · 258 rows/s",
        "8,000 rows · 258 rows/s · 31 s",
    ]
    quick = RowCount(bar=False)
    quick(10, 1.0)
    quick.close()
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_on_a_terminal(names, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(progress, "BAR_EVERY", 0.0)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert main(["predict", names, "names.csv", "--input", "name", "-o", "a.csv"]) == 0
    told = capsys.readouterr()
    assert "23 rows · " in told.err
    assert "━" in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_duration(seconds, said):
    assert duration(seconds) == said


def test_a_commands_model_is_hashed_ahead_and_checked_all_the_same(names, capsys, monkeypatch):
    begun = []
    begin = ahead.begin
    monkeypatch.setattr(ahead, "LARGE", 1)
    monkeypatch.setattr(ahead, "begin", lambda *a: (begin(*a), begun.append(ahead._head[0].result())))
    assert main(["predict", "names.safetensors", "--text", "Nowak"]) == 0
    assert "Nowak" in capsys.readouterr().out
    model = Path("names.safetensors").read_bytes()
    assert begun == [manifest_in(KIND, model, "")["sha256"]]
    assert not ahead._head  # it was used
    Path("names.safetensors").write_bytes(model[:-1] + bytes([model[-1] ^ 1]))
    assert main(["predict", "names.safetensors", "--text", "Nowak"]) == 4
    assert "its checksum does not match" in capsys.readouterr().err
    assert begun[1] not in (None, begun[0])
