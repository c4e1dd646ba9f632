"""One update of the weights, and what is kept beside them: the optimizer's memory, the average, the best."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from elman.errors import DivergedError, ModelFileError
from elman.kernels.packing import norm
from elman.kernels.table import Sums
from elman.sealed import Arrays
from elman.train.averaging import follow
from elman.train.checkpoint import Checkpoint
from elman.train.optimizer import load_optimizer, make_optimizer, optimizer_tensors
from elman.train.resting import RestingAdamW, once_each
from elman.train.settings import LoopSettings
from elman.train.weights import Weights, all_finite, copy_of, live_weights, put, to_arrays, to_tensors


class Learner:
    """A module that learns, with its sets of weights.

    Attributes
    ----------
    live
        The module's own; every update moves them.
    answering
        Those to validate and to keep: the running average, or the live ones if there is none.
    best
        A copy of the best answering weights so far, at first of the first ones.
    """

    def __init__(self, module: nn.Module, settings: LoopSettings) -> None:
        self.module, self.settings = module, settings
        self.loss_of = cast(Callable[[Any], Tensor], module.loss)
        find = getattr(module, "slopes", None)
        self.slopes_of: Callable[[Any], Any] | None = find() if callable(find) else None
        self.optimizer = make_optimizer(module, settings)
        self.live = live_weights(module)
        self.answering = copy_of(self.live) if settings.averaging else self.live
        self.best = copy_of(self.live)
        self.learnable = [weight for weight in module.parameters() if weight.requires_grad]

    def update(self, batch: Any, rate: float, update: int) -> tuple[float, float]:
        """Move the weights once; return the loss and the norm of its gradient, both from before."""
        if not self.module.training:  # walking through all modules is slow beside a small update
            self.module.train()
        self.optimizer.zero_grad()
        value, length = self._learn(batch, update)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        if self.settings.averaging:
            follow(self.answering, self.live, self.settings.averaging, update)
        return value, length

    def _learn(self, batch: Any, update: int) -> tuple[float, float]:
        """Find the gradients, without torch's graph where that can be; give the loss and their norm."""
        found = None if self.slopes_of is None else self.slopes_of(batch)
        if found is not None:
            value = finite(found.loss, "the loss", update)
            return value, finite(self._shorten(found.rows), "the gradient", update)
        loss = self.loss_of(batch)
        value = finite(loss.item(), "the loss", update)
        loss.backward()  # type: ignore[no-untyped-call]
        return value, finite(self._clip(), "the gradient", update)

    def _clip(self) -> float:
        """Shorten the gradient to the largest norm allowed; return the norm that it had."""
        slopes = [slope_of(weight) for weight in self.learnable if weight.grad is not None]
        total = nn.utils.get_total_norm(slopes)
        limit, length = self.settings.clip, total.item()
        if limit is not None and math.isfinite(length) and length > limit:
            torch._foreach_mul_(slopes, limit / (total + 1e-6))  # as torch's clip_grad_norm_ does
        return length

    def _shorten(self, rows: dict[Tensor, Sums]) -> float:
        """As ``_clip``, of gradients that were found without torch's graph: some are of tables' rows."""
        whole = [weight.grad for weight in self.learnable if weight.grad is not None]
        length = norm([slopes.numpy() for slopes in whole] + [sums for _, sums in rows.values()])
        limit = self.settings.clip
        share = 1.0 if limit is None or not limit < length < math.inf else limit / (length + 1e-6)
        if isinstance(self.optimizer, RestingAdamW):
            self.optimizer.take(rows, share)
        elif share < 1:
            torch._foreach_mul_(whole, share)
        return length

    def settle(self) -> None:
        """Bring rows up to date that rested."""
        if isinstance(self.optimizer, RestingAdamW):
            self.optimizer.settle()

    def keep_best(self) -> None:
        """Copy the answering weights: they are the best so far."""
        put(self.best, self.answering)

    def leave(self, use_best: bool) -> None:
        """End: the module gets the best weights, or the answering ones if they are sound."""
        self.module.zero_grad()
        if isinstance(self.optimizer, RestingAdamW):
            self.optimizer.release()
        put(self.live, self.best if use_best or not all_finite(self.answering) else self.answering)

    def tensors(self) -> Arrays:
        """Copy everything that an update reads or writes."""
        arrays: Arrays = {}
        for part, weights in self._parts().items():
            arrays |= to_arrays(weights, part)
        return arrays | to_arrays(optimizer_tensors(self.optimizer, self.module), "optimizer")

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put back what ``tensors`` gave; ``ModelFileError`` if that was another module."""
        stored = {part: to_tensors(checkpoint.part(part)) for part in self._parts()}
        for part, weights in self._parts().items():
            _check_same(stored[part], weights, checkpoint.source)
        try:
            load_optimizer(self.optimizer, self.module, to_tensors(checkpoint.part("optimizer")))
        except (KeyError, ValueError) as error:
            raise _other_module(checkpoint.source, "its optimizer knows other weights") from error
        for part, weights in self._parts().items():
            put(weights, stored[part])

    def _parts(self) -> dict[str, Weights]:
        parts = {"weights": self.live, "best": self.best}
        return parts | {"average": self.answering} if self.settings.averaging else parts


def slope_of(weight: Tensor) -> Tensor:
    """The numbers of a gradient: of a sparse one those that are there, each row once."""
    gradient = cast(Tensor, weight.grad)
    return once_each(weight)[1] if gradient.is_sparse else gradient


def finite(value: float, what: str, update: int) -> float:
    """Pass ``value`` on; ``DivergedError`` if it is NaN or infinite."""
    if not math.isfinite(value):
        raise diverged(what, update)
    return value


def diverged(what: str, update: int) -> DivergedError:
    """Build the error that names what became NaN or infinite, and when."""
    return DivergedError(
        f"learning diverged: {what} became NaN or infinite at update {update}",
        code="E401",
        help="lower the learning rate, or clip the gradient (clip = 1)",
    )


def _check_same(stored: Weights, weights: Weights, source: str) -> None:
    if stored.keys() != weights.keys():
        names = sorted(stored.keys() ^ weights.keys())
        raise _other_module(source, f"the two do not share the weights {', '.join(names[:3])}")
    for name, value in weights.items():
        if stored[name].shape != value.shape or stored[name].dtype != value.dtype:
            raise _other_module(source, f"its {name} is {_kind(stored[name])}, not {_kind(value)}")


def _kind(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"


def _other_module(source: str, reason: str) -> ModelFileError:
    return ModelFileError(
        f"{source} is of another network: {reason}",
        code="E356",
        help="use the settings and data that it was made with",
    )
