"""The loop: a generator that yields Progress after every update; its caller decides what to do with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from elman.errors import DivergedError, UsageError
from elman.sealed import Arrays
from elman.settings import check_settings
from elman.train.alone import alone, generators_of
from elman.train.checkpoint import Checkpoint, Place
from elman.train.clock import Clock
from elman.train.learner import Learner, diverged, finite
from elman.train.optimizer import learning_rate
from elman.train.progress import Progress
from elman.train.settings import LoopSettings, as_dict
from elman.train.weights import all_finite, wearing

Epochs = Callable[[int], Sequence[Any]]
Validate = Callable[[Any], Mapping[str, float]]
Scores = dict[str, float]

CARRIED = "carried"
"""The part of a checkpoint that holds what the batches carry."""

USUAL_EPOCHS = 10
"""Passes over the rows where neither the settings nor the caller choose."""


class Carried(Protocol):
    """What batches carry from update to update: it can be copied out as arrays, and put back."""

    def tensors(self) -> Arrays: ...  # noqa: D102
    def restore(self, arrays: Arrays) -> None: ...  # noqa: D102


def learn(
    module: nn.Module,
    epochs: Epochs,
    validate: Validate | None,
    settings: LoopSettings,
    *,
    resume: Checkpoint | None = None,
    carried: Carried | None = None,
) -> Generator[Progress, None, None]:
    """Improve ``module`` in place, and tell how it goes after every update.

    However the generator ends (to its end, by ``break``, by an error), the module then holds the best
    weights so far: those with the lowest validation loss; without validation, or before the first one, the
    last ones. With ``averaging`` these are the averaged weights. Same seed, same bits: the caller's random
    state and number of threads are neither used nor changed.

    Parameters
    ----------
    module
        Has ``loss(batch)``, which gives a scalar tensor. It may have ``slopes()``: None, or what finds the
        ``loss`` of a batch and leaves the gradients in ``grad``, those of some tables in ``rows``, without
        torch's graph; for a batch to which it answers None the loss is differentiated.
    epochs
        ``epochs(n)`` gives the batches of epoch n, counted from 1; the same ones whenever it is asked.
    validate
        ``validate(module)`` gives scores by name; the lowest ``"loss"`` is best. It is called at the end of
        an epoch, and when ``max_minutes`` are over, in evaluation mode and without gradients.
    settings
        How to learn. ``batch_size`` is for the caller: the loop takes batches as they come.
    resume
        What ``Progress.state`` gave in an earlier run.
    carried
        What the batches carry from update to update beside the weights, such as the state of a recurrence;
        ``Progress.state`` keeps it, and ``resume`` puts it back.

    Raises
    ------
    UsageError
        If a setting is wrong, or an epoch has no batches.
    ModelFileError
        If ``resume`` is of other settings or another module.
    DivergedError
        If the loss, the gradient or a weight becomes NaN or infinite. The module then holds the best
        weights; without validation those of the last whole epoch, or else the first ones.
    """
    check_settings(settings)
    loop = _Loop(module, epochs, validate, settings, carried)
    if resume is not None:
        loop.restore(resume)
    return loop.run()


def rows_of(batch: Any) -> str:
    """Name the rows of a batch, if it knows them: those of training, counted from 0."""
    rows = [int(row) for row in getattr(batch, "rows", [])]
    more = f" and {len(rows) - FEW} more" if len(rows) > FEW else ""
    return f"training rows {', '.join(map(str, rows[:FEW]))}{more}" if rows else ""


FEW = 8


class _Loop:
    """One run: its weights, its place, and the way from update to update."""

    def __init__(
        self,
        module: nn.Module,
        epochs: Epochs,
        validate: Validate | None,
        settings: LoopSettings,
        carried: Carried | None,
    ) -> None:
        self.module, self.epochs, self.validate, self.settings = module, epochs, validate, settings
        self.carried = carried
        self.max_epochs = settings.max_epochs or USUAL_EPOCHS
        self.learner = Learner(module, settings)
        self.generators = generators_of(module)
        self.place = Place()
        self.clock = Clock(self.place)
        self.out_of_time = self.ended = False

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go to where ``checkpoint`` was taken."""
        checkpoint.check_settings(as_dict(self.settings))
        self.learner.restore(checkpoint)
        if self.carried is not None:
            self.carried.restore(checkpoint.part(CARRIED))
        self.place = dataclasses.replace(checkpoint.place)

    def state(self, update: int) -> Checkpoint:
        """Take everything needed to go on after ``update``, which must be the last one done."""
        if self.ended or update != self.place.update:
            raise UsageError("the state of a run can be asked for only until it goes on", code="E180")
        tensors = self.learner.tensors()
        if self.carried is not None:
            tensors |= {f"{CARRIED}/{name}": value for name, value in self.carried.tensors().items()}
        return Checkpoint(as_dict(self.settings), dataclasses.replace(self.place), tensors)

    def run(self) -> Generator[Progress, None, None]:
        """Learn; at the end, however it comes, leave the best weights in the module."""
        was_training, has_diverged = self.module.training, False
        self.clock = Clock(self.place)
        try:
            yield from self._epoch_after_epoch()
        except DivergedError as error:
            rows = f", {error.where}" if error.where else ""
            has_diverged, error.where = True, f"epoch {self.place.epoch}{rows}"
            raise
        finally:
            self.ended = True
            self.learner.leave(use_best=has_diverged or self.place.best_epoch is not None)
            self.module.train(was_training)

    def _epoch_after_epoch(self) -> Generator[Progress, None, None]:
        place = self.place
        while not self._is_over():
            batches = self._batches()
            while place.position < len(batches):
                yield self._advance(batches)
                if self.out_of_time:
                    return
            place.epoch, place.position, place.loss_sum = place.epoch + 1, 0, 0.0

    def _is_over(self) -> bool:
        place, patience = self.place, self.settings.patience
        tired = patience is not None and place.epoch - 1 - (place.best_epoch or place.epoch) >= patience
        return place.epoch > self.max_epochs or tired or self._is_late()

    def _is_late(self) -> bool:
        limit = self.settings.max_minutes
        return limit is not None and self.place.seconds >= limit * 60

    def _batches(self) -> Sequence[Any]:
        batches = self.epochs(self.place.epoch)
        if not len(batches):
            reason = f"epoch {self.place.epoch} has no batches"
            raise UsageError(reason, code="E181", help="give some rows to learn from")
        self.place.updates = self.place.updates or len(batches) * self.max_epochs
        return batches

    def _advance(self, batches: Sequence[Any]) -> Progress:
        """Do one update, and the end of the epoch if it is the last."""
        place, update = self.place, self.place.update + 1
        rate = learning_rate(self.settings, update, place.updates)
        batch = batches[place.position]
        try:
            with alone(self.generators, self.settings.random_state, update):
                loss, norm = self.learner.update(batch, rate, update)
        except DivergedError as error:
            error.where = rows_of(batch)
            raise
        place.position, place.update, place.loss_sum = place.position + 1, update, place.loss_sum + loss
        place.seconds = self.clock.seconds()
        self.out_of_time = self._is_late()
        ends = self.out_of_time or place.position == len(batches)
        validation, improved = self._end_epoch(rate) if ends else (None, False)
        place.seconds = self.clock.seconds()
        return self._progress(batch, rate, loss, norm, validation, improved)

    def _end_epoch(self, rate: float) -> tuple[Scores | None, bool]:
        """Validate, keep the weights if they are the best, and write the epoch's record."""
        self.learner.settle()
        if not all_finite(self.learner.answering):
            raise diverged("a weight", self.place.update)
        validation = None if self.validate is None else self._scores(self.validate)
        improved = validation is not None and self._is_best(validation["loss"])
        if improved or validation is None:
            self.learner.keep_best()
        self._record(rate, validation or {})
        return validation, improved

    def _scores(self, validate: Validate) -> Scores:
        self.module.eval()
        learner, seed = self.learner, self.settings.random_state
        with alone(self.generators, seed, 0), torch.no_grad(), wearing(learner.live, learner.answering):
            scores = {name: float(score) for name, score in validate(self.module).items()}
        if "loss" not in scores:
            raise UsageError(
                'the validation gives no "loss"', code="E182", help="the lowest decides what is best"
            )
        finite(scores["loss"], "the validation loss", self.place.update)
        return scores

    def _is_best(self, loss: float) -> bool:
        place = self.place
        if place.best is not None and loss >= place.best:
            return False
        place.best, place.best_epoch = loss, place.epoch
        return True

    def _record(self, rate: float, validation: Scores) -> None:
        place = self.place
        record = {"epoch": place.epoch, "loss": place.loss_sum / place.position, "learning_rate": rate}
        record |= {"seconds": self.clock.seconds()}
        record |= {f"validation_{name}": score for name, score in validation.items()}
        place.history = (*place.history, record)

    def _progress(
        self, batch: Any, rate: float, loss: float, norm: float, validation: Scores | None, improved: bool
    ) -> Progress:
        place, speed = self.place, self.clock.rate(self.place.update)
        return Progress(
            epoch=place.epoch,
            epochs=self.max_epochs,
            update=place.update,
            updates=place.updates,
            loss=place.loss_sum / place.position,
            loss_sum=place.loss_sum,
            update_loss=loss,
            validation=validation,
            best=place.best,
            best_epoch=place.best_epoch,
            improved=improved,
            learning_rate=rate,
            gradient_norm=norm,
            rate=speed,
            seconds=place.seconds,
            remaining=self._remaining(speed),
            history=place.history,
            batch=batch,
            _state=self.state,
        )

    def _remaining(self, speed: float) -> float:
        left = max(0, self.place.updates - self.place.update) / speed
        limit = self.settings.max_minutes
        return left if limit is None else min(left, max(0.0, limit * 60 - self.place.seconds))
