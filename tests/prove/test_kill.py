"""kill -9 while saving, two hundred times: the file is always the old one or the new one, whole."""

from __future__ import annotations

import dataclasses
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import elman
from elman.models.saving import shapes_of, to_bytes
from tests.models.golden import path_of

SAVE_FOR_EVER = """
import sys, time, elman
models = [elman.load(name) for name in sys.argv[2:4]]
start = time.perf_counter()
models[0].save(sys.argv[1])
print(time.perf_counter() - start, flush=True)
while True:
    for model in models:
        model.save(sys.argv[1])
"""


def large(seed: int) -> bytes:
    """A model file of some megabytes, so that a kill can come within its writing."""
    model = elman.load(path_of("classify-texts"))
    made = dataclasses.replace(model, settings=dataclasses.replace(model.settings, hidden_size=800))
    drawn = np.random.default_rng(seed)
    weights = {
        name: drawn.normal(0, 0.01, shape).astype(np.float32) for name, shape in shapes_of(made).items()
    }
    return to_bytes(dataclasses.replace(made, members=(weights,)))


def small(seed: int) -> bytes:
    """A model file of some kilobytes."""
    return path_of(("classify-texts", "tag-letters")[seed]).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("make", [small, large], ids=lambda make: make.__name__)
def test_a_killed_save_leaves_the_old_or_the_new_file(make, tmp_path, capsys):
    contents = [make(0), make(1)]
    sources = [tmp_path / "old", tmp_path / "new"]
    for path, data in zip(sources, contents, strict=True):
        path.write_bytes(data)
    target = tmp_path / "folder" / "m.safetensors"
    target.parent.mkdir()
    target.write_bytes(contents[0])
    wait, found, cut = random.Random(0), [], 0
    for _ in range(100):
        kill_while_saving(target, sources, wait)
        data = target.read_bytes()
        assert data in contents
        found.append(contents.index(data))
        elman.load(target)
        cut += remove_what_was_begun(target)
    assert set(found) == {0, 1}
    assert cut  # some kills came between the first byte of a temporary file and its new name
    with capsys.disabled():  # the figures are the proof
        print(f"\n{len(contents[0]):,} bytes: old {found.count(0)}, new {found.count(1)}; cut short {cut}")


def kill_while_saving(target: Path, sources: list[Path], wait: random.Random) -> None:
    """Kill a process at a random moment of its next four saves."""
    command = [sys.executable, "-c", SAVE_FOR_EVER, str(target), *map(str, sources)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        seconds = float(process.stdout.readline())
        time.sleep(wait.uniform(0, 4 * seconds))
        process.send_signal(signal.SIGKILL)


def remove_what_was_begun(target: Path) -> int:
    """How many temporary files a kill left."""
    begun = [path for path in target.parent.iterdir() if path != target]
    for path in begun:
        assert path.suffix == ".part"
        path.unlink()
    return len(begun)
