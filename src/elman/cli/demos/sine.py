"""``elman demo sine``: the next value of a sine, an update at every step; then the network runs free."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.cli.demos.exact import drawn, taken, tell
from elman.data.samples import load_sine
from elman.models.model import Model
from elman.models.series_pictures import draw_sine

if TYPE_CHECKING:
    from elman.models.number_estimators import SequenceForecaster

AS_GIVEN: dict[str, Any] = {
    "recurrence": "sine",
    "hidden_size": 6,
    "loss": "half_squares",
    "optimizer": "sgd",
    "momentum": 0.0,
    "learning_rate": 0.1,
    "schedule": "constant",
    "clip": None,
    "stateful": True,
    "tbptt": 1,
    "batch_size": 1,
    "max_epochs": 300,
    "scaling": "none",
    "validation_fraction": 0.0,
}
"""System 3; the cell draws its own first weights."""

TAKEN = ("random_state", "hidden_size", "learning_rate", "max_epochs")
TOLD = 10
"""The loss of every tenth epoch is printed."""
FREE = 200
"""Steps of the run that is fed with its own predictions."""


def sine(arguments: argparse.Namespace, folder: Path) -> int:
    """Learn the next value of a sine, one update at every time step."""
    from elman.models.number_estimators import SequenceForecaster

    learner = SequenceForecaster(**(AS_GIVEN | taken(arguments, "sine", TAKEN)))
    table = load_sine()
    series = np.append(np.array(table.column("x")), table.column("y")[-1])
    losses = list(epoch_sums(learner, series, arguments.json))
    model = folder / "sine.safetensors"
    learner.save(model)
    pictures = drawn(partial(draw, learner.model_, series), folder / "sine.png")
    tell(model, pictures, losses, arguments.json)
    return 0


def epoch_sums(learner: SequenceForecaster, series: Any, quiet: bool) -> Iterator[float]:
    """Learn, give the sum of each epoch's losses, each taken before its update, and print every tenth."""
    for progress in learner.fit_iter([series]):
        if progress.epoch_ended:
            epoch, loss = progress.step.epoch - 1, progress.step.loss_sum
            if epoch % TOLD == 0 and not quiet:
                print(f"Epoch: {epoch} loss {loss:.6f}", flush=True)
            yield loss


def draw(model: Model, series: Any, path: Path) -> None:
    """Draw one step ahead of each true value, and beyond the series what the network says of itself."""
    ahead = model.predict_steps([series[:-1]])[0]
    draw_sine(series, ahead, model.predict([series], FREE)[0], path)
