"""One fit: each network learns in turn, progress is yielded, and a stopped run can go on to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from elman.errors import ModelFileError
from elman.models.model import Tensors
from elman.models.settings import FitSettings, usual_batch_size, usual_epochs
from elman.nn.chunks import Carry, Chunks
from elman.nn.network import Network
from elman.train.alone import one_thread
from elman.train.checkpoint import Checkpoint
from elman.train.loop import learn
from elman.train.progress import Progress

Rows = NDArray[np.int64]
NO_ROWS: Rows = np.zeros(0, np.int64)


class Lessons(Protocol):
    """Encoded rows to learn from, and to validate on."""

    def batches(self, rows: Rows, size: int, seed: Sequence[int]) -> Sequence[Any]:
        """Cut ``rows`` into batches, in an order that follows from ``seed``."""

    def held_batches(self, rows: Rows) -> Sequence[tuple[Any, float]]:
        """Cut held-out rows into batches, and say how much the loss of each counts; taken in this order."""


@dataclass(frozen=True)
class Reading:
    """What a network reads and says: ids in each column or numbers a step, task, loss, some first weights."""

    sizes: tuple[int, ...]
    outputs: int
    features: int = 0
    task: str = "classify"
    loss: str = "auto"
    first: Tensors | Sequence[Tensors] | None = None

    def network(self, settings: FitSettings, number: int = 0) -> Network:
        """Build a network; what is not among the given first weights, its own or all's, is drawn."""
        network = Network(
            settings.network_settings(),
            self.sizes,
            self.outputs,
            features=self.features,
            task=self.task,
            loss=self.loss,
        )
        if self.first:
            first = self.first if isinstance(self.first, dict) else self.first[number % len(self.first)]
            network.load_tensors(network.tensors() | first)
        return network


@dataclass(frozen=True)
class Plan:
    """What one fit learns from.

    Attributes
    ----------
    folds
        For each member its training rows and its validation rows.
    everything
        All rows that may be learnt from, if the members are to learn from all of them once a first network
        has shown for how long; None if each member learns from its own fold.
    reading
        What the networks read and say.
    seed
        A number from which every network's seed and batch order follow.
    identity
        What must be equal for a checkpoint to belong to this run (JSON values).
    tbptt
        Steps in a chunk, the state carried from one to the next; None: sequences are learnt whole.
    updates
        How many updates are usual, where the settings name no epochs; None: it follows from the rows.
    """

    examples: Lessons
    folds: Sequence[tuple[Rows, Rows]]
    everything: Rows | None
    reading: Reading
    seed: int
    identity: dict[str, Any]
    tbptt: int | None = None
    updates: int | None = None


@dataclass(frozen=True)
class FitProgress:
    """Where a fit stands after one update: the network (from 0) of all, and its loop's own ``Progress``."""

    number: int
    networks: int
    finding: bool
    step: Progress

    @property
    def epoch_ended(self) -> bool:
        """Whether this update was the last of an epoch."""
        return len(self.step.history) == self.step.epoch

    @property
    def done(self) -> int:
        """Updates done in all, if every network takes as many as this one."""
        return self.number * self.step.updates + self.step.update

    @property
    def total(self) -> int:
        """Updates planned in all, if every network takes as many as this one."""
        return self.networks * self.step.updates

    def describe(self) -> str:
        """Say in one line how well it learns."""
        which = "how long to learn · " if self.finding else ""
        which += f"network {self.number + 1}/{self.networks} · " if self.networks > 1 else ""
        line = f"{which}epoch {self.step.epoch}/{self.step.epochs} · loss {self.step.loss:.4f}"
        if self.step.history and "validation_loss" in self.step.history[-1]:
            line += f" · validation {self.step.history[-1]['validation_loss']:.4f}"
        return line

    def speed(self) -> str:
        """Say how fast it learns, and the time left."""
        others = (self.networks - 1 - self.number) * self.step.updates / max(self.step.rate, 1e-9)
        left = self.step.remaining + others
        return f"{self.step.rate:.0f} updates/s · {int(left // 60)}:{int(left % 60):02d} left"


class Learning:
    """One fit as an iterable of ``FitProgress``; what came of it stands in its attributes at any time.

    If the plan says so, a first network learns from a part of the rows, the others show when it was best,
    and the members then learn from all rows for as many epochs.

    Attributes
    ----------
    networks
        Weights of each finished network, and of the one in progress: its best so far.
    history
        A record for each epoch: network, epoch, loss, validation_loss, ...
    complete
        Whether every network has learnt to its end.
    """

    def __init__(self, plan: Plan, settings: FitSettings, resume: Checkpoint | None = None) -> None:
        self.plan, self.settings = plan, settings
        self.networks: list[Tensors] = []
        self.history: list[dict[str, Any]] = []
        self.complete = False
        self.finding = plan.everything is not None
        self._last: FitProgress | None = None
        self._resume = resume
        if resume is not None:
            self._restore(resume)

    def __iter__(self) -> Generator[FitProgress, None, None]:
        for number in range(len(self.networks), self.settings.members + self.finding):
            yield from self._learn(number)
        self.complete = True

    def members(self) -> list[Tensors]:
        """Weights of the networks that answer: not the one that showed for how long, if there are others."""
        return self.networks[int(self.finding) :] or self.networks

    def checkpoint(self) -> Checkpoint:
        """Everything needed to go on from the last update; ask before the next one."""
        if self._last is None:
            raise ModelFileError("nothing has been learnt yet, so there is nothing to keep", code="E330")
        finished = self.networks[: self._last.number]
        return replace(
            self._last.step.state(),
            extra={"identity": self.plan.identity, "networks": self._last.number, "history": self.history},
            extra_tensors={
                f"{n}.{name}": t for n, network in enumerate(finished) for name, t in network.items()
            },
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Take up the finished networks; the loop itself takes up the one in progress."""
        _check_identity(self.plan.identity, checkpoint)
        for number in range(checkpoint.extra["networks"]):
            prefix = f"{number}."
            kept = {
                n.removeprefix(prefix): t for n, t in checkpoint.extra_tensors.items() if n.startswith(prefix)
            }
            self.networks.append(kept)
        self.history = list(checkpoint.extra["history"])

    def _learn(self, number: int) -> Generator[FitProgress, None, None]:
        """Learn one network; however it ends, its best weights are in ``networks``."""
        seed = int(np.random.SeedSequence([self.plan.seed, number]).generate_state(1)[0])
        network, (resume, self._resume) = self._network(seed, number), (self._resume, None)
        steps = self._steps(number, network, seed, resume)
        last: Progress | None = None
        try:
            for last in steps:
                self._last = FitProgress(
                    number, self.settings.members + self.finding, self.finding and number == 0, last
                )
                yield self._last
        finally:
            steps.close()
            if last is not None or resume is not None:  # a network may have been stopped at its very end
                history = last.history if last is not None else resume.place.history if resume else ()
                self.history += [_record(number, record) for record in history]
                self.networks.append(network.tensors())

    def _steps(
        self, number: int, network: Network, seed: int, resume: Checkpoint | None
    ) -> Generator[Progress, None, None]:
        """Start the loop of one network, its state carried from chunk to chunk if the plan says so."""
        (rows, held), carry = self._rows(number), Carry()
        size = self.settings.batch_size or usual_batch_size(len(rows))

        def batches(epoch: int) -> Sequence[Any]:
            found = self.plan.examples.batches(rows, size, (seed, epoch))
            return found if self.plan.tbptt is None else Chunks(found, self.plan.tbptt, carry)

        epochs = self._epochs(number) or self.settings.max_epochs or self._usual_epochs(rows, batches)
        return learn(
            network,
            batches,
            self._validator(held) if len(held) else None,
            self.settings.loop_settings(seed, size, epochs),
            resume=resume,
            carried=None if self.plan.tbptt is None else carry,
        )

    def _rows(self, number: int) -> tuple[Rows, Rows]:
        """Which rows a network learns from, and which are held out to validate it."""
        if self.plan.everything is None:
            return self.plan.folds[number]
        return self.plan.folds[0] if number == 0 else (self.plan.everything, NO_ROWS)

    def _epochs(self, number: int) -> int | None:
        """For how many epochs the first network did well; None: that is not known yet, or not asked."""
        if not self.finding or number == 0:
            return None
        found = [record for record in self.history if record["network"] == 0]
        return int(min(found, key=lambda record: record["validation_loss"])["epoch"])

    def _usual_epochs(self, rows: Rows, batches: Callable[[int], Sequence[Any]]) -> int:
        """For how many epochs to learn where nobody says it."""
        if self.plan.updates is None:
            return usual_epochs(len(rows))
        return max(1, round(self.plan.updates / len(batches(1))))

    def _network(self, seed: int, number: int) -> Network:
        """Build a network with first weights drawn from ``seed``; the caller's random state is put back."""
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.manual_seed(seed)
            network = self.plan.reading.network(self.settings, number)
        return network.to("cuda" if self.settings.device == "cuda" else "cpu")

    def _validator(self, held: Rows) -> Callable[[Any], dict[str, float]]:
        batches = self.plan.examples.held_batches(held)

        def validate(network: Network) -> dict[str, float]:
            """Mean loss over what is held out."""
            losses = [(float(network.loss(batch)), share) for batch, share in batches]
            return {"loss": sum(loss * share for loss, share in losses) / sum(share for _, share in losses)}

        return validate


def _record(number: int, record: Mapping[str, float]) -> dict[str, Any]:
    """One epoch as it is kept: without the seconds, so that the same run gives the same bytes."""
    return {"network": number} | {name: value for name, value in record.items() if name != "seconds"}


def _check_identity(mine: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint of other rows or settings, naming the first that differs."""
    theirs = checkpoint.extra.get("identity", {})
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            difference = _difference(name, theirs.get(name), mine.get(name))
            raise ModelFileError(
                f"{checkpoint.source} belongs to another run: {difference}",
                code="E331",
                help="give the same file and settings, or start anew without --resume",
            )


def _difference(name: str, then: Any, now: Any) -> str:
    """Say what differs: of two dicts the first entry that does, of long values only their name."""
    if isinstance(then, dict) and isinstance(now, dict):
        key = next(key for key in sorted(then.keys() | now.keys()) if then.get(key) != now.get(key))
        return f"{key} was {then.get(key)!r} and is {now.get(key)!r} now"
    return f"its {name} are others"
