"""The memory of a command in a process of its own."""

from __future__ import annotations

import subprocess
import sys

RUN = """
import resource, sys
from elman.cli import main
code = main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "code", code, file=sys.stderr)
"""


def run(folder, *arguments):
    """The most bytes that the process held, and what it answered."""
    command = [sys.executable, "-c", RUN, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    _, peak, _, code = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    print(*arguments[:3], f"{int(peak) / 2**20:.0f} MiB", *done.stderr.splitlines()[-3:-1])
    return int(peak), done.stdout
