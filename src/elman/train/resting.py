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

from elman.kernels.table import Move, Rests, Table, catch_up, move_rows, sum_rows
from elman.train.bare import AdamW

LARGE = 1024
"""Rows from which on a table rests: a smaller one is moved whole in less time."""

Group = dict[str, Any]
State = dict[str, Tensor]


def rests(table: nn.Embedding) -> bool:
    """Whether a table is large, learns, and is where the kernels can reach it."""
    weight = table.weight
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.is_contiguous()
    return plain and weight.requires_grad and len(weight) >= LARGE


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
        self._hooks = [table.register_forward_pre_hook(self._before_reading) for table in self.tables]
        for table in self.tables:
            table.sparse = True

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the rows with a gradient, and all other parameters as AdamW does."""
        for table in self.tables:
            if table.weight.grad is not None:
                self._move(table, *once_each(table.weight))
                table.weight.grad = None  # AdamW passes over what has none
        super().step(closure)

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

    def _catch_up(self, table: nn.Embedding, ids: np.ndarray) -> None:
        state, group = self._state(table.weight), self._group(table.weight)
        if len(state["decay"]) > 1:
            catch_up(in_memory(table.weight, state), rests_of(state, group), ids)

    def _group(self, weight: Tensor) -> Group:
        return next(g for g in self.param_groups if any(mine is weight for mine in g["params"]))

    def _state(self, weight: Tensor) -> State:
        state: State = self.state[weight]
        if not state:
            state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(weight)}
            state |= {"exp_avg_sq": torch.zeros_like(weight), **fresh_rests(len(weight))}
        return state

    def _move(self, table: nn.Embedding, rows: Tensor, slopes: Tensor) -> None:
        """Move the rows by AdamW's own rule, and let the others rest."""
        state, group = self._state(table.weight), self._group(table.weight)
        state["step"] += 1
        (beta1, beta2), step = group["betas"], int(state["step"])
        corrected = math.sqrt(1 - beta2**step)
        rate, keep = group["lr"] * corrected / (1 - beta1**step), 1 - group["lr"] * group["weight_decay"]
        move = Move(rate, keep, beta1, beta2, group["eps"] * corrected)
        rest(state, move)
        now = len(state["decay"]) - 1
        move_rows(in_memory(table.weight, state), move, rows.numpy(), slopes.numpy(), now)


def fresh_rests(rows: int) -> State:
    """Since which update each row rests, and D and C of each such update, when all are up to date.

    All are float32, because torch makes them so when an optimizer is loaded.
    """
    return {"since": torch.zeros(rows), "decay": torch.ones(1), "drift": torch.zeros(1)}


def rest(state: State, move: Move) -> None:
    """Let an update go by: D and C of those before it grow by it, and those that rest from it on begin."""
    missed = torch.from_numpy(_missed(move.rate, move.beta1 / math.sqrt(move.beta2), len(state["decay"])))
    state["drift"] = torch.cat([state["drift"] * move.keep + missed, torch.zeros(1)])
    state["decay"] = torch.cat([state["decay"] * move.keep, torch.ones(1)])


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
