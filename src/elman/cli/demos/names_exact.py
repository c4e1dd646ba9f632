"""``elman demo names-from-scratch`` and ``names-stacked``: systems 1 and 2, exactly."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elman.cli.demos.exact import taken
from elman.cli.demos.names import names_trial, show_answers
from elman.cli.run import Files, run_trial
from elman.errors import DivergedError, UsageError
from elman.models.model import Model
from elman.models.trial import Rows

if TYPE_CHECKING:
    from elman.models.estimators import SequenceClassifier
    from elman.models.learning import FitProgress

UPDATES, EVERY = 5_000, 500

RECIPE: dict[str, Any] = {
    "symbols": "one-hot",
    "sampling": "classes",
    "batch_size": 1,
    "optimizer": "sgd",
    "momentum": 0.0,
    "learning_rate": 0.005,
    "schedule": "constant",
    "clip": None,
    "dropout": 0.0,
    "first_weights": "uniform",
    "pooling": "last",
    "shortcut": 0.0,
    "members": 1,
    "validation_fraction": 0.0,
}
"""One name an update, an origin drawn first; plain descent; the last step answers."""

SYSTEMS: dict[str, dict[str, Any]] = {
    "names-from-scratch": {"recurrence": "names"},
    "names-stacked": {"recurrence": "rnn", "num_layers": 2},
}


def learn_names(name: str, arguments: argparse.Namespace, folder: Path) -> int:
    """Learn one of the two systems, tell how its loss falls, and measure it as any classifier."""
    given = taken(arguments, name, ("random_state", "clip"), resumes=True)
    updates = UPDATES if arguments.updates is None else arguments.updates
    trial = names_trial(RECIPE | SYSTEMS[name] | epochs_of(updates) | given)
    files = Files(
        folder / f"{name}.safetensors", arguments.resume, arguments.json, not arguments.no_baselines
    )
    if not files.resume:
        files.checkpoint.unlink(missing_ok=True)
    try:
        code = run_trial(trial, files, None if files.as_json else Teller(trial.learn, updates).watch)
    except DivergedError as error:
        raise with_cure(error, name, updates, trial.seed) from error
    if code == 0 and not files.as_json:
        show_answers(trial.test, files.model)
    return code


def epochs_of(updates: int) -> dict[str, int]:
    """Cut the updates into epochs, each of which ends with a line.

    Raises
    ------
    UsageError
        If they are not whole lines' worth.
    """
    if updates < 1 or (updates > EVERY and updates % EVERY):
        message = f"--updates must be a multiple of {EVERY}, or from 1 to {EVERY}, not {updates}"
        raise UsageError(message, code="E111", help=f"--updates {UPDATES}")
    return {"updates_per_epoch": min(updates, EVERY), "max_epochs": max(1, updates // EVERY)}


class Teller:
    """Prints a line at the end of every epoch: the mean loss, and what is answered to the last name."""

    def __init__(self, rows: Rows, updates: int) -> None:
        self.rows, self.updates = rows, updates

    def watch(self, estimator: SequenceClassifier, steps: Iterable[FitProgress]) -> Iterator[FitProgress]:
        """Pass progress on; the answer is that of the weights from before the last update."""
        model: Model | None = None
        for step in steps:
            if step.epoch_ended:
                print(self.line(step, model or model_of(estimator, step)), flush=True)
            elif step.step.update % EVERY == EVERY - 1 or step.step.update == self.updates - 1:
                model = model_of(estimator, step)
            yield step

    def line(self, step: FitProgress, model: Model) -> str:
        """``500 10% loss 2.8754 / Rossi / Italian ✓``, or ``✗`` and the truth."""
        row, place = int(step.step.batch.rows[0]), step.step
        text, truth = self.rows.texts[row], self.rows.labels[row]
        guess = model.predict([text])[0]
        mark = "✓" if guess == truth else f"✗ ({truth})"
        share = 100 * place.update // self.updates
        return f"{place.update} {share}% loss {place.loss:.4f} / {text} / {guess} {mark}"


def model_of(estimator: SequenceClassifier, step: FitProgress) -> Model:
    """Make a model of the network as it stands."""
    tensors = dict(step.step.state().part("weights"))
    return Model("classify", estimator.network_settings(), estimator.inputs_, estimator.targets_, (tensors,))


def with_cure(error: DivergedError, name: str, updates: int, seed: int) -> DivergedError:
    """Say which command goes on where this one could not."""
    seeded = f" --seed {seed}" if seed else ""
    cure = f"elman demo {name} --updates {updates}{seeded} --clip 1"
    help_ = f"nothing bounds the state of this network; shorten its gradients: {cure}"
    return DivergedError(error.message, code=error.code, where=error.where, help=help_)
