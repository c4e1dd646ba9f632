"""A file, or a folder, is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from elman.errors import OutputError
from elman.files import check_writable, write_folder, write_whole


def test_the_bytes_stand_there_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.bin"]  # noqa: PTH208


def test_the_file_has_the_permissions_that_any_new_file_has(tmp_path):
    write_whole(tmp_path / "a", b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_alone(tmp_path, monkeypatch, broken):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync" if broken == "fsync" else "pathlib.Path.replace", fail)
    with pytest.raises(OutputError, match="no space left on device"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        write_whole(tmp_path / "no" / "a", b"x")
    with pytest.raises(OutputError, match="there is no folder"):
        check_writable(tmp_path / "no" / "a")


def test_a_folder_is_no_place_for_a_file(tmp_path):
    with pytest.raises(OutputError) as caught:
        check_writable(tmp_path)
    assert caught.value.code == "E250"


def test_a_folder_holds_the_files_and_nothing_else(tmp_path):
    folder = tmp_path / "out"
    write_folder(folder, {"a": b"one", "b": b"two"})
    write_folder(folder, {"b": b"three", "c": b""})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"b": b"three", "c": b""}
    assert os.listdir(tmp_path) == ["out"]  # noqa: PTH208
    (tmp_path / "other").mkdir()
    assert folder.stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("place", ["the second file", "the old folder", "the new folder"])
def test_a_failure_leaves_the_old_folder_alone(tmp_path, monkeypatch, place):
    folder = tmp_path / "out"
    write_folder(folder, {"a": b"old"})
    owner, method = (os, "fsync") if place == "the second file" else (Path, "rename")
    calls, wanted, real = [], 1 if place == "the old folder" else 2, getattr(owner, method)

    def fail(*arguments):
        calls.append(arguments)
        if len(calls) == wanted:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(owner, method, fail)
    with pytest.raises(OutputError, match="no space left on device"):
        write_folder(folder, {"a": b"new", "b": b"new"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a": b"old"}
    assert os.listdir(tmp_path) == ["out"]  # noqa: PTH208
