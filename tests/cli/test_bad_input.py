"""Each wrong thing is one clear sentence with its place and its exit code, and nothing is half-written."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from elman.cli import main

GOOD = "name,origin\nRossi,it\nSmith,en\nFerrari,it\nJones,en\nBianchi,it\nBrown,en\n"


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def case(folder, capsys, *arguments):
    """Run in ``folder``; return the exit code and the error's lines; check that nothing was left behind."""
    before = sorted(item.name for item in folder.iterdir())
    here = Path.cwd()
    os.chdir(folder)
    try:
        code = main([str(argument) for argument in arguments])
    finally:
        os.chdir(here)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sorted(item.name for item in folder.iterdir()) == before
    assert "Traceback" not in captured.err
    return code, captured.err


TABLES = {
    "empty file": ("", [], 3, "is empty"),
    "header only": ("name,origin\n", [], 3, "header"),
    "no such column": (GOOD, ["--target", "orgin"], 3, "did you mean origin ?"),
    "no such input": (GOOD, ["--input", "nmae"], 3, "did you mean name ?"),
    "no such group": (GOOD, ["--group", "family"], 3, '"family" is not in t.csv'),
    "ragged row": ("name,origin\nRossi,it\nSmith\n", [], 3, "line 3"),
    "too many cells": ("name,origin\nRossi,it,x\nSmith,en\n", [], 3, "line 2"),
    "unclosed quote": ('name,origin\nRossi,it\n"Smith,en\nJones,en\n', [], 3, "line 3"),
    "NUL byte": ("name,origin\nRo\0ssi,it\nSmith,en\n", [], 3, "line 2"),
    "duplicate columns": ("name,name,origin\na,b,it\nc,d,en\n", [], 3, "name"),
    "unnamed column": ("name,,origin\na,b,it\nc,d,en\n", [], 3, "column"),
    "wrong encoding": ("name,origin\nMüller,de\nSmith,en\n".encode("cp1252"), [], 3, "--encoding"),
    "unknown encoding": (GOOD, ["--encoding", "klingon"], 2, "klingon"),
    "empty name": ("name,origin\nRossi,it\n,en\nJones,en\n", [], 3, "t.csv, line 3, column name"),
    "blank name": ("name,origin\nRossi,it\n  ,en\nJones,en\n", [], 3, "t.csv, line 3, column name"),
    "empty label": ("name,origin\nRossi,it\nSmith,\nJones,en\n", [], 3, "t.csv, line 3, column origin"),
    "one class": ("name,origin\na,it\nb,it\nc,it\nd,it\ne,it\nf,it\n", [], 3, "one class only"),
    "target is the input": (GOOD, ["--input", "origin"], 3, "equal to the input"),
    "target copies the input": ("a,b\nx,x\ny,y\nz,z\n", ["--target", "b"], 3, "equal to the input"),
    "several inputs left": ("a,b,origin\nx,u,it\ny,v,en\n", [], 2, "these are texts: a, b"),
    "only a target": ("origin\nit\nen\n", [], 2, "no column but the target"),
    "too few rows": ("name,origin\nRossi,it\nSmith,en\n", [], 3, "too few rows"),
    "huge name": (
        "name,origin\n" + "x" * 1_000_000 + ",it\nSmith,en\nRossi,it\nJones,en\n",
        [],
        3,
        "100,000",
    ),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", [], 3, "t.csv"),
    "bad setting": (GOOD, ["--hidden-size", "0"], 2, "hidden_size must be at least 1"),
    "rounded setting": (GOOD, ["--hidden-size", "3.5"], 2, "whole number"),
    "text for a number": (GOOD, ["--learning-rate", "fast"], 2, "number"),
    "unknown option": (GOOD, ["--hiden-size", "3"], 2, "did you mean --hidden-size ?"),
    "unknown recurrence": (GOOD, ["--recurrence", "grru"], 2, "gru"),
    "unknown optimizer": (GOOD, ["--optimizer", "adan"], 2, "adam"),
    "nothing to resume": (GOOD, ["--resume"], 2, "no stopped run"),
    "zero seeds": (GOOD, ["--seeds", "0"], 2, "--seeds"),
    "seeds and resume": (GOOD, ["--seeds", "3", "--resume"], 2, "several"),
    "output folder missing": (GOOD, ["-o", "no/such/m.safetensors"], 3, "there is no folder"),
    "output is a folder": (GOOD, ["-o", "."], 3, "folder"),
    "split group without a column": (GOOD, ["--split", "group"], 2, "--group COL"),
    "empty group": (
        "name,origin,f\na,it,1\nb,en,\nc,it,2\nd,en,2\n",
        ["--group", "f", "--input", "name"],
        3,
        "line 3",
    ),
    "test file missing": (GOOD, ["--test", "no.csv"], 3, "no.csv"),
}


@pytest.mark.parametrize("name", TABLES)
def test_train_refuses(name, tmp_path, capsys):
    content, arguments, code, words = TABLES[name]
    write(tmp_path, "t.csv", content)
    target = [] if "--target" in arguments else ["--target", "origin"]
    found, err = case(tmp_path, capsys, "train", "t.csv", *target, *arguments)
    assert found == code, err
    assert words in err
    assert err.startswith("error[E") or "\nerror[E" in err


OTHERS = {
    "no such file": (["train", "naems.csv", "--target", "origin"], 3, "did you mean names.csv ?"),
    "no target named": (["train", "names.csv"], 2, "which column of names.csv is the target?"),
    "no command": (["trian"], 2, "did you mean elman train ?"),
    "no such demo": (["demo", "nmaes"], 2, "no demo"),
    "an empty folder": (["train", "empty"], 3, "empty"),
    "a folder with one label": (["train", "single"], 3, "one class only"),
    "a truncated gz": (["train", "cut.csv.gz", "--target", "origin"], 3, "cut.csv.gz"),
    "a spreadsheet": (["train", "notes.xlsx", "--target", "origin"], 3, "save the table as CSV"),
    "an unknown kind": (["train", "notes.doc", "--target", "origin"], 3, ".csv"),
    "broken JSON": (["train", "bad.jsonl", "--target", "origin"], 3, "line 2"),
    "numbers as input": (
        ["train", "numbers.jsonl", "--target", "origin"],
        3,
        "numbers.jsonl, line 1, column name",
    ),
    "null as label": (["train", "null.jsonl", "--target", "origin"], 3, "null.jsonl, line 2, column origin"),
    "mixed labels": (["train", "mixed.jsonl", "--target", "origin"], 3, "several types"),
    "a model that is none": (["predict", "names.csv", "--text", "x"], 4, "is not a model file"),
    "a model that is missing": (["info", "m.safetensors"], 4, "there is no such file"),
    "an empty model": (["info", "none.safetensors"], 4, "is not a model file"),
    "neither file nor text": (["predict", "m"], 4, "no such file"),
}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "names.csv", GOOD)
    (tmp_path / "empty").mkdir()
    (tmp_path / "single").mkdir()
    write(tmp_path / "single", "it.txt", "Rossi\nBianchi\nFerrari\nEsposito\nRusso\nRomano\n")
    write(tmp_path, "cut.csv.gz", gzip.compress(GOOD.encode() * 99)[:60])
    write(tmp_path, "notes.xlsx", b"PK\x03\x04\x14\x00\x06\x00")
    write(tmp_path, "notes.doc", "Dear diary\n")
    write(tmp_path, "bad.jsonl", '{"name": "a", "origin": "it"}\n{"name": "b", \n')
    write(tmp_path, "numbers.jsonl", '{"name": 3, "origin": "it"}\n{"name": 4, "origin": "en"}\n')
    write(tmp_path, "null.jsonl", '{"name": "a", "origin": "it"}\n{"name": "b", "origin": null}\n')
    write(tmp_path, "mixed.jsonl", '{"name": "a", "origin": "it"}\n{"name": "b", "origin": 3}\n')
    write(tmp_path, "none.safetensors", b"")
    return tmp_path


@pytest.mark.parametrize("name", OTHERS)
def test_other_mistakes(name, folder, capsys):
    arguments, code, words = OTHERS[name]
    found, err = case(folder, capsys, *arguments)
    assert found == code, err
    assert words in err


def test_an_existing_model_is_not_overwritten(folder, capsys):
    write(folder, "names.safetensors", b"precious")
    code, err = case(folder, capsys, "train", "names.csv", "--target", "origin")
    assert (code, "--force writes over it" in err) == (2, True)
    assert (folder / "names.safetensors").read_bytes() == b"precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused_before_learning(folder, capsys):
    (folder / "locked").mkdir(mode=0o500)
    code, err = case(folder, capsys, "train", "names.csv", "--target", "origin", "-o", "locked/m.safetensors")
    assert (code, "permission denied" in err) == (3, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_one_sentence(fitted, folder):
    fitted.save(folder / "m.safetensors")
    code = "import sys; from elman.cli import main; sys.exit(main())"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, "predict", str(folder / "m.safetensors"), "--text", "x"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert "no space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_fills_while_saving_leaves_nothing(fitted, tmp_path, monkeypatch):
    import errno

    from elman.errors import OutputError

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "m.safetensors").write_bytes(b"old")
    with pytest.raises(OutputError, match="no space left on device"):
        fitted.save(tmp_path / "m.safetensors")
    assert [item.name for item in tmp_path.iterdir()] == ["m.safetensors"]
    assert (tmp_path / "m.safetensors").read_bytes() == b"old"


def test_errors_as_json(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["train", "names.csv", "--target", "orgin", "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["v"], found["ok"], found["error"]["code"]) == (1, False, "E201")
    assert found["error"]["help"] == "did you mean origin ?"
    assert found["error"]["where"] == "names.csv, header: name, origin"


def test_a_prediction_column_is_not_overwritten(fitted, folder, capsys):
    fitted.save(folder / "m.safetensors")
    write(folder, "p.csv", "name,prediction\nRossi,it\n")
    code, err = case(folder, capsys, "predict", "m.safetensors", "p.csv", "--input", "name")
    assert (code, "has a column prediction already" in err) == (3, True)


def test_a_class_seen_once_trains(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    write(folder, "rare.csv", GOOD + "Åberg,se\n")
    assert (
        main(
            [
                "train",
                "rare.csv",
                "--target",
                "origin",
                "--max-epochs",
                "1",
                "--members",
                "1",
                "--no-baselines",
            ]
        )
        == 0
    )


def test_there_are_at_least_sixty_cases():
    """With those of tests/data/test_bad_tables.py there are many more."""
    assert len(TABLES) + len(OTHERS) >= 50
