"""What the loop tells after every update. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman.train.checkpoint import Checkpoint

History = tuple[dict[str, float], ...]


@dataclass(frozen=True)
class Progress:
    """Where learning stands after one update. Epochs and updates count from 1.

    Attributes
    ----------
    epoch, epochs, update, updates
        How far, and how far it is planned to go; learning may stop earlier.
    loss, loss_sum
        Mean and sum of the losses of this epoch's updates so far.
    update_loss
        Loss of this very update, taken before it.
    validation
        What ``validate`` said, on the last update of an epoch; otherwise None.
    best, best_epoch
        Lowest validation loss so far and its epoch; None before the first validation.
    improved
        Whether this very validation is the best.
    learning_rate, gradient_norm
        Of this update; the norm is the one before clipping.
    rate
        Updates per second since learning started or went on.
    seconds, remaining
        Time spent in all, runs before a resume included, and an estimate of the time left.
    history
        One record for each finished epoch: epoch, loss, learning_rate, seconds and ``validation_...``.
    batch
        What this update learnt from.
    """

    epoch: int
    epochs: int
    update: int
    updates: int
    loss: float
    loss_sum: float
    update_loss: float
    validation: dict[str, float] | None
    best: float | None
    best_epoch: int | None
    improved: bool
    learning_rate: float
    gradient_norm: float
    rate: float
    seconds: float
    remaining: float
    history: History = field(repr=False)
    batch: Any = field(repr=False, compare=False)
    _state: Callable[[int], Checkpoint] = field(repr=False, compare=False)

    def state(self) -> Checkpoint:
        """Everything needed to go on from here to the same bits; costs a copy of the weights.

        Raises
        ------
        UsageError
            If the next update has been asked for, or learning has ended, since this was yielded.
        """
        return self._state(self.update)
