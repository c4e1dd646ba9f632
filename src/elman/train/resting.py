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
from operator import is_
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from elman.kernels.table import Floats, Ids, Move, Rests, Sums, Table, catch_up, move_all, move_rows, sum_rows
from elman.train.bare import AdamW

LARGE = 1024
"""Rows from which on a table rests: a smaller one is moved whole in less time."""

Group = dict[str, Any]
State = dict[str, Tensor]


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
        self._memories: dict[Tensor, Memory] = {}
        self._history = History()
        self.plain = all(_reached(weight) for group in self.param_groups for weight in group["params"])
        self.given: dict[Tensor, Sums] = {}
        self.share = 1.0

    def take(self, rows: dict[Tensor, Sums], share: float) -> None:
        """For the next step: tables' gradients that stand in no ``grad``, and by which share of all to go."""
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
        elif whole := [w.grad for group in self.param_groups for w in group["params"] if w.grad is not None]:
            torch._foreach_mul_(whole, self.share)
            super().step(closure)
        self.take({}, 1.0)

    def settle(self) -> None:
        """Bring every row up to date, and begin to count anew."""
        for table in self.tables:
            self._catch_up(table, np.arange(len(table.weight)))
            state = self._memory(table.weight).state
            state["since"].zero_()
            state |= UP_TO_DATE

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
        memory = self._memory(table.weight)
        if len(memory.state["decay"]) > 1:
            group = self.param_groups[self._groups[table.weight]]
            catch_up(memory.table, self._history.rests(memory.state, group), ids)

    def _memory(self, weight: Tensor) -> Memory:
        """A weight and what is remembered of it as arrays, which are made anew only where they moved."""
        state: State = self.state[weight]
        kept = self._memories.get(weight)
        if kept is None or not kept.is_of(weight, state):
            if not state:
                state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(weight)}
                state |= {"exp_avg_sq": torch.zeros_like(weight)}
                if weight in self._resting:
                    state |= {"since": torch.zeros(len(weight)), **UP_TO_DATE}
            kept = self._memories[weight] = Memory(weight, state)
        return kept

    def _move(self, weight: Tensor, rows: Ids, slopes: Floats) -> None:
        """Move the rows by AdamW's own rule, and let the others rest."""
        memory = self._memory(weight)
        move = self._next(memory, self.param_groups[self._groups[weight]])
        self._history.rest(memory.state, move)
        move_rows(memory.table, move, rows, slopes, len(memory.state["decay"]) - 1)

    def _move_whole(self, group: Group) -> None:
        """Move those of a group that have a whole gradient."""
        by_move: dict[Move, list[tuple[Table, Floats]]] = {}
        for weight in group["params"]:
            if weight.grad is not None:
                memory, slopes = self._memory(weight), weight.grad.contiguous().numpy()
                by_move.setdefault(self._next(memory, group), []).append((memory.table, slopes))
        for move, given in by_move.items():
            tables, slopes = zip(*given, strict=True)
            move_all(tables, slopes, move)

    def _next(self, memory: Memory, group: Group) -> Move:
        """Count an update, and say how far it goes."""
        memory.step += 1
        step = int(memory.step)
        return move_of(group["lr"], group["weight_decay"], *group["betas"], group["eps"], step, self.share)


class Memory:
    """A weight and what is remembered of it, as arrays over their own memory."""

    def __init__(self, weight: Tensor, state: State) -> None:
        self.state, self.step = state, state["step"].numpy()
        self._at, self._tensors = weight.data_ptr(), _remembered(state)
        parts = weight.detach(), state["exp_avg"], state["exp_avg_sq"], state.get("since", NOTHING)
        self.table = Table(*(part.numpy() for part in parts))

    def is_of(self, weight: Tensor, state: State) -> bool:
        """Whether all still stand where they stood."""
        same = all(map(is_, self._tensors, _remembered(state)))
        return state is self.state and same and self._at == weight.data_ptr()


def _remembered(state: State) -> list[Tensor | None]:
    return [state["step"], state["exp_avg"], state["exp_avg_sq"], state.get("since")]


NOTHING = torch.zeros(0)


class History:
    """What rests since each update lead to; tables with one and the same past share the work."""

    def __init__(self) -> None:
        self._rested: tuple[Any, ...] = ()
        self._rests: tuple[Any, ...] = ()

    def rest(self, state: State, move: Move) -> None:
        """Let an update go by; see ``rest``."""
        if not (self._rested and self._rested[0] is state["decay"] and self._rested[1] is move):
            self._rested = (state["decay"], move, *rest(state["decay"], state["drift"], move))
        state["decay"], state["drift"] = self._rested[2:]

    def rests(self, state: State, group: Group) -> Rests:
        """What the kernel needs to bring rows up to date."""
        if not (self._rests and self._rests[0] is state["decay"]):
            self._rests = state["decay"], rests_of(state, group)
        found: Rests = self._rests[1]
        return found


@lru_cache(maxsize=4)  # most weights ask for the same
def move_of(
    rate: float, decay: float, beta1: float, beta2: float, eps: float, step: int, share: float
) -> Move:
    """The rule of update ``step``, its corrections of both biases put into its rate and ε."""
    corrected = math.sqrt(1 - beta2**step)
    return Move(rate * corrected / (1 - beta1**step), 1 - rate * decay, beta1, beta2, eps * corrected, share)


UP_TO_DATE = {"decay": torch.ones(1), "drift": torch.zeros(1)}
"""D and C of each update since which rows rest, when all are up to date.

They are float32, as is since which update each row rests, because torch makes them so when an optimizer is
loaded. They are never written in place.
"""


def rest(decay: Tensor, drift: Tensor, move: Move) -> tuple[Tensor, Tensor]:
    """Let an update go by: D and C of those before it grow by it, and those that rest from it on begin."""
    count, keep = len(decay), np.float32(move.keep)
    after, on = np.ones(count + 1, np.float32), np.zeros(count + 1, np.float32)
    np.multiply(decay.numpy(), keep, out=after[:-1])
    np.multiply(drift.numpy(), keep, out=on[:-1])
    on[:-1] += _missed(move.rate, move.beta1 / math.sqrt(move.beta2), count)
    return torch.from_numpy(after), torch.from_numpy(on)


def rests_of(state: State, group: Group) -> Rests:
    """What the kernel needs to bring rows up to date."""
    decay, drift, count = state["decay"].numpy(), state["drift"].numpy(), len(state["decay"])
    (beta1, beta2), first = group["betas"], int(state["step"]) - count + 2
    eps = group["eps"] * _roots(beta2, _room(first + count))[first : first + count]
    shrink_m, shrink_v = (_falling(beta, count).astype(np.float32) for beta in (beta1, beta2))
    return Rests(decay, drift, shrink_m, shrink_v, eps.astype(np.float32))


def _missed(rate: float, shrink: float, count: int) -> Floats:
    """By how much an update more moves those that rest since ``count`` updates ago, ..., since 1 ago."""
    return (rate * _falling(shrink, count + 1)[:-1]).astype(np.float32)


def _falling(base: float, count: int) -> NDArray[np.float64]:
    """base^(count - 1), ..., base, 1."""
    room = _room(count)
    return _powers(base, room)[room - count :]


def _room(count: int) -> int:
    """So much at least, rarely more than before: what is kept is used again."""
    return 1 << max(8, count.bit_length())


@lru_cache(maxsize=16)
def _powers(base: float, count: int) -> NDArray[np.float64]:
    return base ** np.arange(count - 1, -1, -1.0)


@lru_cache(maxsize=4)
def _roots(beta2: float, count: int) -> NDArray[np.float64]:
    """√(1 - β2^s) for the updates s from 0 on."""
    return np.sqrt(1 - beta2 ** np.arange(float(count)))


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
