"""One fit: each member learns in turn, progress is yielded, and a stopped run can go on to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from elman.errors import ModelFileError
from elman.models.examples import Examples
from elman.models.model import Tensors
from elman.models.settings import Settings
from elman.nn.network import Network
from elman.train.checkpoint import Checkpoint
from elman.train.loop import learn
from elman.train.progress import Progress

Rows = NDArray[np.int64]
VALIDATION_BATCH = 512


@dataclass(frozen=True)
class Plan:
    """What one fit learns from.

    Attributes
    ----------
    folds
        For each member its training rows and its validation rows.
    sizes, outputs
        Ids in each column of the input; number of classes.
    seed
        A number from which every member's seed and batch order follow.
    identity
        What must be equal for a checkpoint to belong to this run (JSON values).
    """

    examples: Examples
    folds: Sequence[tuple[Rows, Rows]]
    sizes: tuple[int, ...]
    outputs: int
    seed: int
    identity: dict[str, Any]


@dataclass(frozen=True)
class FitProgress:
    """Where a fit stands after one update: the member (from 0) and its loop's own ``Progress``."""

    member: int
    members: int
    step: Progress

    @property
    def epoch_ended(self) -> bool:
        """Whether this update was the last of an epoch."""
        return self.step.update * self.step.epochs % self.step.updates == 0

    @property
    def done(self) -> int:
        """Updates done in all."""
        return self.member * self.step.updates + self.step.update

    @property
    def total(self) -> int:
        """Updates planned in all."""
        return self.members * self.step.updates

    def describe(self) -> str:
        """Say in one line how well it learns."""
        which = f"network {self.member + 1}/{self.members} · " if self.members > 1 else ""
        line = f"{which}epoch {self.step.epoch}/{self.step.epochs} · loss {self.step.loss:.4f}"
        if self.step.history and "validation_loss" in self.step.history[-1]:
            line += f" · validation {self.step.history[-1]['validation_loss']:.4f}"
        return line

    def speed(self) -> str:
        """Say how fast it learns, and the time left."""
        left = self.step.remaining + (self.members - 1 - self.member) * self.step.updates / max(
            self.step.rate, 1e-9
        )
        return f"{self.step.rate:.0f} updates/s · {int(left // 60)}:{int(left % 60):02d} left"


class Learning:
    """One fit as an iterable of ``FitProgress``; what came of it stands in its attributes at any time.

    Attributes
    ----------
    networks
        Weights of each finished member, and of the one in progress: its best so far.
    history
        A record for each epoch: member, epoch, loss, validation_loss, ...
    complete
        Whether every member has learnt to its end.
    """

    def __init__(self, plan: Plan, settings: Settings, resume: Checkpoint | None = None) -> None:
        self.plan, self.settings = plan, settings
        self.networks: list[Tensors] = []
        self.history: list[dict[str, Any]] = []
        self.complete = False
        self._last: FitProgress | None = None
        self._resume = resume
        if resume is not None:
            self._restore(resume)

    def __iter__(self) -> Generator[FitProgress, None, None]:
        for member in range(len(self.networks), self.settings.members):
            yield from self._learn(member)
        self.complete = True

    def checkpoint(self) -> Checkpoint:
        """Everything needed to go on from the last update; ask before the next one."""
        if self._last is None:
            raise ModelFileError("nothing has been learnt yet, so there is nothing to keep", code="E330")
        finished = self.networks[: self._last.member]
        return replace(
            self._last.step.state(),
            extra={"identity": self.plan.identity, "member": self._last.member, "history": self.history},
            extra_tensors={
                f"{m}.{name}": t for m, member in enumerate(finished) for name, t in member.items()
            },
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Take up the finished members; the loop itself takes up the one in progress."""
        _check_identity(self.plan.identity, checkpoint)
        for member in range(checkpoint.extra["member"]):
            prefix = f"{member}."
            kept = {
                n.removeprefix(prefix): t for n, t in checkpoint.extra_tensors.items() if n.startswith(prefix)
            }
            self.networks.append(kept)
        self.history = list(checkpoint.extra["history"])

    def _learn(self, member: int) -> Generator[FitProgress, None, None]:
        """Learn one member; however it ends, its best weights are in ``networks``."""
        seed = int(np.random.SeedSequence([self.plan.seed, member]).generate_state(1)[0])
        network, (rows, held) = self._network(seed), self.plan.folds[member]
        resume, self._resume = self._resume, None
        steps = learn(
            network,
            lambda epoch: self.plan.examples.batches(rows, self.settings.batch_size, (seed, epoch)),
            self._validator(held) if len(held) else None,
            self.settings.loop_settings(seed),
            resume=resume,
        )
        last: Progress | None = None
        try:
            for last in steps:
                self._last = FitProgress(member, self.settings.members, last)
                yield self._last
        finally:
            steps.close()
            if last is not None or resume is not None:  # a member may have been stopped at its very end
                history = last.history if last is not None else resume.place.history if resume else ()
                self.history += [_record(member, record) for record in history]
                self.networks.append(network.tensors())

    def _network(self, seed: int) -> Network:
        """Build a member with first weights drawn from ``seed``; the caller's random state is put back."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(self.settings.network_settings(), self.plan.sizes, self.plan.outputs)
        return network.to("cuda" if self.settings.device == "cuda" else "cpu")

    def _validator(self, held: Rows) -> Callable[[Any], dict[str, float]]:
        batches = self.plan.examples.batches(held, VALIDATION_BATCH)

        def validate(network: Network) -> dict[str, float]:
            """Mean loss over the held-out rows (each batch counts by its rows)."""
            losses = [(float(network.loss(batch)), len(batch.rows)) for batch in batches]
            return {"loss": sum(loss * rows for loss, rows in losses) / sum(rows for _, rows in losses)}

        return validate


def _record(member: int, record: Mapping[str, float]) -> dict[str, Any]:
    """One epoch as it is kept: without the seconds, so that the same run gives the same bytes."""
    return {"member": member} | {name: value for name, value in record.items() if name != "seconds"}


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
