"""AdamW for large embeddings: a row that an update does not read rests, and is brought up to date when read.

AdamW (Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019) moves every row at every update:
by its decay, and on along its past gradients. While a row rests from update l to t, its gradient being
nought, its averages only shrink, m_s = β1^(s-l) m and v_s = β2^(s-l) v, so that with κ_s = 1 - η_s λ

    w_t = D w_l - C m / (√v + ε),   D = κ_{l+1} ... κ_t,
    C = Σ_{s=l+1..t} η_s √(1 - β2^s) / (1 - β1^s) (β1 / √β2)^(s-l) κ_{s+1} ... κ_t.

D and C depend on l alone: two numbers for each update since all rows were last up to date.
(ε, which AdamW adds to a √v that shrinks, is added here once to the first: that is the only difference.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elman.kernels.table import Floats, Ids, Move, Rests, Table, catch_up, move_all, move_rows, sum_rows
from elman.train.bare import AdamW

LARGE = 1024
"""Rows from which on a table rests: a smaller one is moved whole in less time."""

Group = dict[str, Any]
State = dict[str, Tensor]
Sums = tuple[Ids, Floats]
"""Rows of a table, each once, and their gradients (n, E)."""


def rests(table: nn.Embedding) -> bool:
    """Whether a table is large, learns, and is where the kernels can reach it."""
    return _reached(table.weight) and table.weight.requires_grad and len(table.weight) >= LARGE


def _reached(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.is_contiguous()


class RestingAdamW(AdamW):
    """AdamW whose ``tables`` have gradients of the rows that were read alone.

    Parameters
    ----------
    groups
        Parameters by weight decay, those of the tables among them.
    tables
        Embeddings; until ``release`` their gradients are sparse, and what is read of them while they learn
        is up to date.
    options
        ``lr``, ``betas``: as torch's AdamW has them.
    """

    def __init__(self, groups: Iterable[Group], tables: Iterable[nn.Embedding], **options: Any) -> None:
        super().__init__(groups, fused=True, **options)
        self.tables = list(tables)
        self._resting = {table.weight for table in self.tables}
        self._groups = {weight: n for n, group in enumerate(self.param_groups) for weight in group["params"]}
        self._hooks = [table.register_forward_pre_hook(self._before_reading) for table in self.tables]
        for table in self.tables:
            table.sparse = True
        self.plain = all(_reached(weight) for group in self.param_groups for weight in group["params"])
        self.given: dict[Tensor, Sums] = {}
        self.share = 1.0

    def take(self, rows: dict[Tensor, Sums], share: float) -> None:
        """For the next step: tables' gradients that do not stand in ``grad``, and by which share of all to go."""
        self.given, self.share = rows, share

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the rows with a gradient, and all other parameters as AdamW does."""
        for table in self.tables:
            if table.weight.grad is not None:
                rows, slopes = once_each(table.weight)
                self.given[table.weight] = rows.numpy(), slopes.numpy()
                table.weight.grad = None  # AdamW passes over what has none
        for weight, sums in self.given.items():
            self._move(weight, *sums)
        if self.plain:
            for group in self.param_groups:
                self._move_whole(group)
        else:
            super().step(closure)
        self.take({}, 1.0)

    def settle(self) -> None:
        """Bring every row up to date, and begin to count anew."""
        for table in self.tables:
            self._catch_up(table, np.arange(len(table.weight)))
            self.state[table.weight] |= fresh_rests(len(table.weight))

    def release(self) -> None:
        """Settle, and give the tables back as they were."""
        self.settle()
        for hook in self._hooks:
            hook.remove()
        for table in self.tables:
            table.sparse = False

    def _before_reading(self, table: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if table.training and isinstance(table, nn.Embedding):
            self._catch_up(table, inputs[0].reshape(-1).contiguous().numpy())

    def _catch_up(self, table: nn.Embedding, ids: Ids) -> None:
        weight = table.weight
        state, group = self._state(weight), self.param_groups[self._groups[weight]]
        if len(state["decay"]) > 1:
            catch_up(in_memory(weight, state), rests_of(state, group), ids)

    def _state(self, weight: Tensor) -> State:
        state: State = self.state[weight]
        if not state:
            state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(weight)}
            state |= {"exp_avg_sq": torch.zeros_like(weight)}
            state |= fresh_rests(len(weight)) if weight in self._resting else {}
        return state

    def _move(self, weight: Tensor, rows: Ids, slopes: Floats) -> None:
        """Move the rows by AdamW's own rule, and let the others rest."""
        state = self._state(weight)
        move = self._next(state, self.param_groups[self._groups[weight]])
        rest(state, move)
        move_rows(in_memory(weight, state), move, rows, slopes, len(state["decay"]) - 1)

    def _move_whole(self, group: Group) -> None:
        """Move those of a group that have a whole gradient."""
        by_move: dict[Move, list[Tensor]] = {}
        for weight in group["params"]:
            if weight.grad is not None:
                by_move.setdefault(self._next(self._state(weight), group), []).append(weight)
        for move, weights in by_move.items():
            states = [self.state[weight] for weight in weights]
            memory = [[state[kind].numpy() for state in states] for kind in ("exp_avg", "exp_avg_sq")]
            slopes = [weight.grad.contiguous().numpy() for weight in weights]
            move_all([weight.detach().numpy() for weight in weights], *memory, slopes, move)

    def _next(self, state: State, group: Group) -> Move:
        """Count an update, and say how far it goes."""
        step = state["step"].numpy()
        step += 1
        return move_of(group["lr"], group["weight_decay"], *group["betas"], group["eps"], int(step), self.share)


@lru_cache(maxsize=4)  # most weights ask for the same
def move_of(
    rate: float, decay: float, beta1: float, beta2: float, eps: float, step: int, share: float
) -> Move:
    """The rule of update ``step``, its corrections of both biases put into its rate and ε."""
    corrected = math.sqrt(1 - beta2**step)
    return Move(rate * corrected / (1 - beta1**step), 1 - rate * decay, beta1, beta2, eps * corrected, share)


def fresh_rests(rows: int) -> State:
    """Since which update each row rests, and D and C of each such update, when all are up to date.

    All are float32, because torch makes them so when an optimizer is loaded.
    """
    return {"since": torch.zeros(rows), "decay": torch.ones(1), "drift": torch.zeros(1)}


def rest(state: State, move: Move) -> None:
    """Let an update go by: D and C of those before it grow by it, and those that rest from it on begin."""
    count, keep = len(state["decay"]), np.float32(move.keep)
    decay, drift = np.ones(count + 1, np.float32), np.zeros(count + 1, np.float32)
    np.multiply(state["decay"].numpy(), keep, out=decay[:-1])
    np.multiply(state["drift"].numpy(), keep, out=drift[:-1])
    drift[:-1] += _missed(move.rate, move.beta1 / math.sqrt(move.beta2), count)
    state["decay"], state["drift"] = torch.from_numpy(decay), torch.from_numpy(drift)


def rests_of(state: State, group: Group) -> Rests:
    """What the kernel needs to bring rows up to date."""
    decay, drift = state["decay"].numpy(), state["drift"].numpy()
    return Rests(decay, drift, *_shrinks(*group["betas"], group["eps"], float(state["step"]), len(decay)))


@lru_cache(maxsize=4)  # every table asks for the same
def _missed(rate: float, shrink: float, count: int) -> np.ndarray:
    """By how much an update more moves those that rest since ``count`` updates ago, ..., since 1 ago."""
    return (rate * shrink ** np.arange(count, 0, -1.0)).astype(np.float32)


@lru_cache(maxsize=4)
def _shrinks(beta1: float, beta2: float, eps: float, step: float, count: int) -> tuple[np.ndarray, ...]:
    """What rests since each update leave of m and v, and the ε of the first one missed."""
    ages = np.arange(count - 1, -1, -1.0)
    scaled = eps * np.sqrt(1 - beta2 ** (step - ages + 1))
    return tuple(values.astype(np.float32) for values in (beta1**ages, beta2**ages, scaled))


def in_memory(weight: Tensor, state: State) -> Table:
    """The table's own memory as arrays."""
    parts = (weight.detach(), state["exp_avg"], state["exp_avg_sq"], state["since"])
    return Table(*(part.numpy() for part in parts))


def once_each(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The rows that have a gradient, each once, and their gradients (n, E), which stay the weight's own."""
    gradient = weight.grad
    if gradient is None or not gradient.is_sparse:
        raise TypeError("no sparse gradient")
    if not gradient.is_coalesced():
        ids, slopes = gradient._indices()[0].contiguous().numpy(), gradient._values().contiguous().numpy()
        each_once = np.bincount(ids, minlength=1).max() <= 1  # as most come, but torch forgets it
        rows, sums = (ids, slopes) if each_once else sum_rows(ids, slopes, len(weight))
        places, values = torch.from_numpy(rows)[None], torch.from_numpy(sums)
        gradient = torch.sparse_coo_tensor(
            places, values, weight.shape, is_coalesced=True, check_invariants=False
        )
        weight.grad = gradient
    return gradient._indices()[0], gradient._values()
