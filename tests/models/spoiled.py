"""Load many spoiled model files in a process of its own, watched; print what became of them as JSON.

``python -m tests.models.spoiled COUNT SEED FOLDER``
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import elman
from elman.errors import ElmanError, ModelFileError

from . import mutations
from .golden import NAMES, alike, answers_of, path_of

ROOM = 200 << 20
"""Bytes of memory that a load may take."""

WITHOUT_HARM = frozenset({"open"})
"""Audit events that loading gives; ``open`` of the one file alone."""


class Watch:
    """Python's audit events while it is on: whatever else than opening ``path`` happens."""

    def __init__(self, path: Path) -> None:
        self.path, self.on, self.found = str(path), False, Counter[str]()
        sys.addaudithook(self._take)

    def _take(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and not (event in WITHOUT_HARM and str(arguments[0]) == self.path):
            self.found[f"{event} {arguments[:1]!r}"[:200]] += 1


def load_spoiled(count: int, seed: int, folder: Path) -> dict[str, Any]:
    """Spoil, load and ask ``count`` files; what became of them."""
    path = folder / "m.safetensors"
    known = {name: answers_of(name, elman.load(path_of(name))) for name in NAMES}
    watch, found = Watch(path), {"outcomes": Counter(), "kinds": {}, "faults": []}
    found |= {"slowest": (0.0, 0.0, ""), "most_mebibytes": (0.0, "")}
    for number in range(count):
        random = np.random.default_rng([seed, number])
        name = NAMES[int(random.integers(len(NAMES)))]
        spoil = mutations.draw(random)
        whole = path_of(name).read_bytes()
        data = spoil(whole, random)
        path.write_bytes(data)
        what = f"{spoil.__name__}, {name}, {number}"
        became = _became(path, what, name, known[name], watch, found)
        if became == "another" and spoil not in mutations.SEALED:
            found["faults"].append(f"{what}: its checksum is right, but its answers are others")
        found["outcomes"][became] += 1
        found["kinds"].setdefault(spoil.__name__, Counter())[became] += 1
    found["events"] = dict(watch.found)
    return found


def _became(path: Path, what: str, name: str, known: list[Any], watch: Watch, found: dict[str, Any]) -> str:
    """The code of the refusal; "unchanged"; or "another", a sound model with other answers."""
    model, error = _watched_load(path, what, watch, found)
    if isinstance(error, ModelFileError):
        if not _one_sentence(error, path):
            found["faults"].append(f"{what}: no sentence: {error!r}")
        return error.code
    if error is not None:
        found["faults"].append(f"{what}: {type(error).__name__}: {str(error)[:200]}")
        return "fault"
    return _asked(model, what, name, known, found)


def _watched_load(path: Path, what: str, watch: Watch, found: dict[str, Any]) -> tuple[Any, Exception | None]:
    """Load within ``ROOM``, and note the longest time (processor, clock) and the most memory."""
    size, resident = _memory()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, resource.RLIM_INFINITY))
    wall, start, watch.on = time.perf_counter(), time.process_time(), True
    model, error = None, None
    try:
        model = elman.load(path)
    except Exception as caught:
        error = caught
    watch.on = False
    seconds = time.process_time() - start
    found["slowest"] = max(found["slowest"], (seconds, time.perf_counter() - wall, what))
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    taken = (_peak() - resident) / 2**20
    found["most_mebibytes"] = max(found["most_mebibytes"], (round(taken, 1), what))
    return model, error


def _memory() -> tuple[int, int]:
    """Bytes of address space and of memory now; the highest mark of memory begins anew."""
    Path("/proc/self/clear_refs").write_text("5")
    pages = [int(part) for part in Path("/proc/self/statm").read_text().split()[:2]]
    return pages[0] * resource.getpagesize(), pages[1] * resource.getpagesize()


def _peak() -> int:
    """The most bytes of memory since ``_memory`` was called."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def _one_sentence(error: ModelFileError, path: Path) -> bool:
    text = f"{error.message}{error.help}{error.where}"
    return text.isprintable() and str(path) in error.message and bool(error.help) and len(text) < 1200


def _asked(model: Any, what: str, name: str, known: list[Any], found: dict[str, Any]) -> str:
    try:
        with np.errstate(all="ignore"):  # a weight of 3e38 is finite, what it gives is not
            answers = answers_of(name, model)
    except ElmanError:
        return "another"
    except Exception as caught:
        found["faults"].append(f"{what}: asked, {type(caught).__name__}: {str(caught)[:200]}")
        return "fault"
    return "unchanged" if alike(answers, known, 1e-5) else "another"


if __name__ == "__main__":
    print(json.dumps(load_spoiled(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
