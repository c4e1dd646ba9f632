"""A stream that is killed again and again, and what it must have said in the end."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from elman.cli import main

START = "import sys; from elman.cli import main; sys.exit(main(sys.argv[1:]))"


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-c", START, "stream", *map(str, words)]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


class Done(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


def stream(given: str | bytes, *words: str | Path) -> Done:
    """Run ``elman stream`` in this process."""
    data = given.encode() if isinstance(given, str) else given
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["stream", *map(str, words)])
    finally:
        sys.stdin = before
    return Done(code, out.getvalue().encode(), err.getvalue().encode())


def killed(lines: list[str], model: Path, folder: Path, times: int, seed: int) -> dict[int, str]:
    """Feed ``lines`` and kill -9 ``times`` times at random moments; give each line's answer.

    After each kill the stream is fed from the beginning again and told to leave out what it has answered.
    Every answer that is seen twice must be the same both times; one cut short must be the beginning of it.
    """
    source, state = folder / "lines", folder / "state"
    source.write_text("".join(line + "\n" for line in lines))
    wait, answers, cut = random.Random(seed), {}, []
    while times >= 0:
        words = command(model, "--state", state, "--skip-answered")
        with source.open("rb") as given, subprocess.Popen(
            words, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
        ) as process:  # fmt: skip
            assert process.stdout is not None
            first = process.stdout.readline() if times else b""
            if times:
                time.sleep(wait.uniform(0, 0.03))
                process.send_signal(signal.SIGKILL)
            said = (first + process.stdout.read()).decode().split("\n")
        cut.append(said.pop())
        for line in said:
            number = json.loads(line)["line"]
            assert answers.setdefault(number, line) == line
        times -= 1
    assert all(any(line.startswith(part) for line in answers.values()) for part in cut)
    return answers
