"""Spoiled model files: refused with a sentence, soon and in little memory, or with the answers they had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import elman
from elman.errors import ModelFileError
from elman.models.manifest import FORMAT

from . import mutations
from .golden import path_of
from .test_saving import rewritten

ROOT = Path(__file__).parents[2]


def load_spoiled(count: int, seed: int, folder: Path) -> dict:
    """Spoil and load so many files in a process of its own; what it tells."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "tests.models.spoiled",
        str(count),
        str(seed),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def check(told: dict, count: int) -> None:
    """No fault, no event but the opening of the file, and within the second and the 200 MB."""
    assert told["faults"] == []
    assert told["events"] == {}
    assert sum(told["outcomes"].values()) == count
    assert told["slowest"][0] < 1
    assert told["most_mebibytes"][0] < 200
    codes = {code for code in told["outcomes"] if code.startswith("E")}
    assert {"E301", "E302", "E303", "E304", "E305", "E306", "E307", "E308", "E322"} <= codes


def test_spoiled_files_are_refused_or_answer_as_before(tmp_path):
    check(load_spoiled(400, 2, tmp_path), 400)


@pytest.mark.parametrize("spoil", mutations.MUTATIONS, ids=lambda spoil: spoil.__name__)
def test_every_way_to_spoil_a_file_spoils_one(spoil):
    """A mutation that changed nothing would prove nothing."""
    for name in ("regress-texts-and-numbers", "forecast-covariates"):
        whole = path_of(name).read_bytes()
        if any(spoil(whole, np.random.default_rng(seed)) != whole for seed in range(4)):
            return
    pytest.fail("nothing changed")


@pytest.mark.parametrize("name", ["classify-texts", "forecast-covariates", "generate-conditions"])
@pytest.mark.parametrize("spoil", mutations.SEALED, ids=lambda spoil: spoil.__name__)
def test_the_checksum_is_right_where_it_is_said_to_be(name, spoil, tmp_path):
    path = tmp_path / "m.safetensors"
    for seed in range(2):
        path.write_bytes(spoil(path_of(name).read_bytes(), np.random.default_rng(seed)))
        assert code_of(path) != "E304"


def code_of(path: Path) -> str:
    """How the file is refused; nothing if it opens."""
    try:
        elman.load(path)
    except ModelFileError as error:
        return error.code
    return ""


def refused(path: Path) -> ModelFileError:
    start = time.process_time()
    with pytest.raises(ModelFileError) as caught:
        elman.load(path)
    assert time.process_time() - start < 1
    assert caught.value.exit_code == 4
    assert str(caught.value).isprintable()
    return caught.value


def test_what_is_no_ordinary_file_is_refused_and_not_waited_for(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "loop", tmp_path / "pipe", Path("/dev/zero"), Path("a\0b")):
        assert refused(path).code == "E300"
    assert "it is a folder" in refused(tmp_path).message
    assert "no ordinary file" in refused(tmp_path / "pipe").message
    (tmp_path / "empty").touch()
    assert refused(tmp_path / "empty").code == "E301"


def test_a_file_of_gigabytes_is_refused_by_its_header_alone(tmp_path):
    """Its content is never read: the files are sparse, and reading one would take minutes."""
    data = path_of("classify-texts").read_bytes()
    for start, size, code in ((b"", 3 << 30, "E301"), (data, 3 << 30, "E303"), (data, 5 << 30, "E305")):
        path = tmp_path / "m.safetensors"
        path.write_bytes(start)
        os.truncate(path, size)
        assert refused(path).code == code


def test_a_symbolic_link_to_a_model_opens(tmp_path):
    (tmp_path / "link").symlink_to(path_of("classify-texts"))
    assert elman.load(tmp_path / "link").task == "classify"


def test_a_newer_file_names_what_is_missing_and_the_version_that_knows_it(tmp_path):
    def newer(manifest, tensors):
        manifest["features"].append("telepathy")
        manifest["training"]["elman"] = "9.1.0"

    path = tmp_path / "m.safetensors"
    path.write_bytes(rewritten(path_of("tag-letters").read_bytes(), newer))
    error = refused(path)
    assert error.code == "E308"
    assert "the feature telepathy is known to elman 9.1.0" in error.message
    assert "pip install -U elman" in error.help


def test_a_later_format_may_have_any_parts(tmp_path):
    def later(manifest, tensors):
        manifest.clear()
        manifest.update({"format": FORMAT + 1, "training": {"elman": "9.1.0"}, "shape": "quite another"})

    path = tmp_path / "m.safetensors"
    path.write_bytes(rewritten(path_of("tag-letters").read_bytes(), later))
    assert f"format {FORMAT + 1} is known to elman 9.1.0" in refused(path).message


def test_a_damaged_codec_is_told_with_the_file(tmp_path):
    def spoil(manifest, tensors):
        tensors["codecs.inputs.vocabulary.0.bytes"] = tensors["codecs.inputs.vocabulary.0.bytes"][:-1]

    path = tmp_path / "m.safetensors"
    path.write_bytes(rewritten(path_of("classify-texts").read_bytes(), spoil))
    assert refused(path).code == "E322"
    assert refused(path).message.startswith(f"{path}: the model's codec is damaged")
    assert refused(path).where == str(path)
