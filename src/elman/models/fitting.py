"""One fit of any estimator: progress is yielded, a stopped run is kept, and what was learnt is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_random_state

from elman import __version__
from elman.models.learning import FitProgress, Learning, Plan
from elman.models.settings import FitSettings
from elman.nn.settings import NetworkSettings
from elman.train.checkpoint import Checkpoint

FREE = {"verbose", "max_minutes", "class_weight", "device"}
"""Settings that a run may change when it goes on."""


def fit_steps(
    plan: Plan, settings: FitSettings, checkpoint: str | Path | None, finish: Callable[[Learning], None]
) -> Generator[FitProgress, None, None]:
    """Learn, yielding progress; however it ends, ``finish`` is called with what was learnt."""
    resume = Checkpoint.read(checkpoint) if checkpoint is not None and Path(checkpoint).exists() else None
    learning = Learning(plan, settings, resume)
    steps = iter(learning)
    keeper = _Keeper(learning, checkpoint)
    try:
        for step in steps:  # not `yield from`: at a break the run must still be able to tell its state
            keeper.after(step)
            yield step
    except GeneratorExit:
        keeper.write()
        raise
    finally:
        steps.close()
        finish(learning)
    keeper.remove()


def run_all(steps: Generator[FitProgress, None, None], verbose: bool) -> None:
    """Learn to the end, and print a line after every epoch if that is asked for."""
    for step in steps:
        if verbose and step.epoch_ended:
            print(f"{step.describe()} · {step.speed()}")


def seed_of(random_state: Any) -> int:
    """One number for a fit: ``random_state``, or one drawn from it if it is None or a generator."""
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


def settings_that_matter(settings: FitSettings, seed: int) -> dict[str, Any]:
    """Settings that must be equal for a stopped run to go on; JSON values."""
    return {k: v for k, v in asdict(settings).items() if k not in FREE} | {"random_state": seed}


MOST_RECORDS = 2_000
"""Epochs that the model file tells of; its manifest has room for some thousands."""


def thinned(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most ``MOST_RECORDS`` of the records, evenly apart, the first and the last among them."""
    if len(history) <= MOST_RECORDS:
        return history
    return [history[n] for n in np.linspace(0, len(history) - 1, MOST_RECORDS).astype(int).tolist()]


def about(learning: Learning, **counts: Any) -> dict[str, Any]:
    """What the model file tells of how it was learnt: JSON values, the same for the same run."""
    network, settings = asdict(NetworkSettings()), settings_that_matter(learning.settings, learning.plan.seed)
    return {
        "elman": __version__,
        "libraries": {"numpy": np.__version__, "torch": torch.__version__},
        "settings": {name: value for name, value in settings.items() if name not in network},
        **counts,
        "history": thinned(learning.history),
        "complete": learning.complete,
    }


class _Keeper:
    """Keeps a run's checkpoint on disk: every minute at the end of an epoch, and when the run is stopped."""

    EVERY = 60.0

    def __init__(self, learning: Learning, path: str | Path | None) -> None:
        self.learning, self.path, self.written = learning, path, time.monotonic()

    def after(self, step: FitProgress) -> None:
        if step.epoch_ended and time.monotonic() - self.written > self.EVERY:
            self.write()

    def write(self) -> None:
        if self.path is not None:
            self.learning.checkpoint().write(self.path)
            self.written = time.monotonic()

    def remove(self) -> None:
        if self.path is not None:
            Path(self.path).unlink(missing_ok=True)
