"""kill -9 while saving, a hundred times: the file is always the old one or the new one, whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

import elman
from elman.models.saving import to_bytes

SAVE_FOR_EVER = """
import sys, elman
from elman.files import write_whole
from pathlib import Path
files = [Path(name).read_bytes() for name in sys.argv[2:4]]
print("ready", flush=True)
while True:
    for data in files:
        write_whole(sys.argv[1], data)
"""


@pytest.mark.slow
def test_a_killed_save_leaves_the_old_or_the_new_file(fitted, rows, tmp_path):
    other = elman.SequenceClassifier(hidden_size=9, max_epochs=1, members=1).fit(*rows)
    contents = [to_bytes(fitted.model_), to_bytes(other.model_)]
    sources = [tmp_path / "old", tmp_path / "new"]
    for path, data in zip(sources, contents, strict=True):
        path.write_bytes(data)
    target = tmp_path / "folder" / "m.safetensors"
    target.parent.mkdir()
    target.write_bytes(contents[0])
    wait = random.Random(0)
    seen = set()
    for _ in range(100):
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(target), *map(str, sources)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(wait.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
        found = target.read_bytes()
        assert found in contents
        seen.add(found)
        elman.load(target)
    assert len(seen) == 2
