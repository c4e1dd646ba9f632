"""The plain twins of the compiled kernels, in NumPy: they say what each computes, and stand in for it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.cells import Cell, Params, State

if TYPE_CHECKING:
    from elman.kernels.table import Move, Rests, Table

Greatest = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Outputs (T, B, H), their maxima over time (B, H), and the gradient of these (B, H)."""


def scan(
    cell: Cell,
    inputs: np.ndarray,
    lengths: np.ndarray,
    params: Params,
    state: State | None = None,
    *,
    reverse: bool = False,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, State]:
    """Take the cell's own step at every time; step t touches only the rows that are longer than t."""
    steps, batch = inputs.shape[:2]
    first = cell.initial_state(batch) if state is None else state
    order = np.argsort(-lengths, kind="stable")
    current = _each(first, lambda array: array[order].astype(inputs.dtype, copy=False))
    final = _each(first, lambda array: array.astype(inputs.dtype))
    for t, rows in enumerate(_rows_alive(order, lengths)):
        current = _leave(current, final, order, rows.size)
        times = lengths[rows] - 1 - t if reverse else t
        output, current = cell.step(inputs[times, rows], current, params)
        if out is None:
            out = np.zeros((steps, batch, output.shape[-1]), inputs.dtype)
        out[times, rows] = output
    _leave(current, final, order, 0)
    if out is None:  # no row has a step
        out = np.zeros((steps, batch, _width(cell, inputs, params)), inputs.dtype)
    return out, final


def _width(cell: Cell, inputs: np.ndarray, params: Params) -> int:
    """How many numbers an output has: H, or as many as a cell that answers itself gives to noughts."""
    if not cell.answers:
        return cell.hidden_size
    output, _ = cell.step(np.zeros((1, inputs.shape[-1]), inputs.dtype), cell.initial_state(1), params)
    return int(output.shape[-1])


def _rows_alive(order: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """For each step, the rows that are longer; ``order`` lists the rows from the longest to the shortest."""
    longest = int(lengths.max(initial=0))
    alive = np.searchsorted(-lengths[order], -np.arange(longest), side="left")
    return [order[:count] for count in alive]


def _leave(current: State, final: State, order: np.ndarray, count: int) -> State:
    """Keep the first ``count`` rows of the running state; the others have ended and go to ``final``."""
    if isinstance(current, tuple):
        return tuple(_leave(a, b, order, count) for a, b in zip(current, final, strict=True))
    if count < len(current):
        final[order[count : len(current)]] = current[count:]
    return current[:count]


def _each(state: State, change: Callable[[np.ndarray], np.ndarray]) -> State:
    return tuple(change(a) for a in state) if isinstance(state, tuple) else change(state)


def embed(tables: Sequence[np.ndarray], columns: Sequence[np.ndarray]) -> np.ndarray:
    """Sum one row of each table, in the order of the tables."""
    total: np.ndarray = tables[0][columns[0]]
    for table, column in zip(tables[1:], columns[1:], strict=True):
        total += table[column]
    return total


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """W x + b for every row."""
    product: np.ndarray = x @ weight.T
    if bias is not None:
        product += bias
    return product


def pool(outputs: np.ndarray, lengths: np.ndarray, kind: str) -> np.ndarray:
    """Mean, maximum or sum over a row's own steps."""
    gather, start = POOLS[kind]
    pooled = np.full(outputs.shape[1:], start, outputs.dtype)
    for t in range(int(lengths.max(initial=0))):
        gather(pooled, outputs[t], out=pooled, where=(lengths > t)[:, None])
    if kind == "mean":
        pooled /= np.maximum(lengths, 1).astype(outputs.dtype)[:, None]
    pooled[lengths == 0] = 0
    return pooled


def pool_back(
    lengths: np.ndarray, steps: int, d_sum: np.ndarray | None, greatest: Greatest | None
) -> np.ndarray:
    """The gradient of pooling, as the kernel has it."""
    valid = np.arange(steps)[:, None, None] < lengths[:, None]
    d_x = np.float32(0) if d_sum is None else np.where(valid, d_sum, np.float32(0))
    if greatest is not None:
        outputs, most, d_most = greatest
        those = valid & (outputs == most)
        d_x = d_x + those * (d_most / np.maximum(those.sum(0), 1).astype(d_most.dtype))
    return np.asarray(d_x)


def catch_up(table: Table, rests: Rests, ids: np.ndarray) -> None:
    """Each row that rested moves by what its rest leads to."""
    rows = np.unique(ids)
    since = table.since[rows].astype(np.int64)
    rows, since = rows[since < len(rests.decay) - 1], since[since < len(rests.decay) - 1]
    m, v = table.mean[rows], table.square[rows]
    drift = rests.drift[since, None] * m / (np.sqrt(v) + rests.eps[since, None])
    table.weight[rows] = table.weight[rows] * rests.decay[since, None] - drift
    table.mean[rows] = m * rests.shrink_mean[since, None]
    table.square[rows] = v * rests.shrink_square[since, None]
    table.since[rows] = len(rests.decay) - 1


def move_rows(table: Table, move_by: Move, rows: np.ndarray, slopes: np.ndarray, now: int) -> None:
    """AdamW's own rule, for rows alone."""
    weight, mean, square = table.weight[rows], table.mean[rows], table.square[rows]
    move(weight, mean, square, slopes, move_by)
    table.weight[rows], table.mean[rows], table.square[rows] = weight, mean, square
    table.since[rows] = now


def move(weight: np.ndarray, mean: np.ndarray, square: np.ndarray, slopes: np.ndarray, by: Move) -> None:
    """AdamW's own rule, in place."""
    beta1, beta2, rate = np.float32(by.beta1), np.float32(by.beta2), np.float32(by.rate)
    slopes = slopes * np.float32(by.share)
    mean[...] = beta1 * mean + (1 - beta1) * slopes
    square[...] = beta2 * square + (1 - beta2) * (slopes * slopes)
    weight[...] = weight * np.float32(by.keep) - rate * mean / (np.sqrt(square) + np.float32(by.eps))


def random_words(seeds: Sequence[int], count: int) -> np.ndarray:
    """The stream of SFC64 from three seeds; the first words, which show them, are passed over."""
    generator = np.random.SFC64()
    state = np.array([*seeds, 1], np.uint64)
    generator.state = {"bit_generator": "SFC64", "state": {"state": state}, "has_uint32": 0, "uinteger": 0}
    return generator.random_raw(12 + count)[12:]


def sum_rows(ids: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different ids in their first order, and for each the sum over its places."""
    _, first, place = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first)
    back = np.argsort(order)
    sums = np.zeros((len(first), slopes.shape[1]), slopes.dtype)
    np.add.at(sums, back[place], slopes)
    return ids[first[order]], sums


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(y_k) / Σ exp(y) over the last axis."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = e / e.sum(axis=-1, keepdims=True)
    return probabilities


def nll(
    logits: np.ndarray,
    targets: np.ndarray,
    share: np.ndarray,
    class_weights: np.ndarray | None,
    label_smoothing: float,
) -> tuple[float, np.ndarray]:
    """Cross entropy of rows that count by their ``share``, and its gradient."""
    logs = log_softmax(logits)
    wanted = np.full_like(logs, label_smoothing / logits.shape[1])
    wanted[np.arange(len(targets)), targets] += 1 - np.float32(label_smoothing)
    wanted *= share[:, None] * (1 if class_weights is None else class_weights)
    slopes = np.exp(logs) * wanted.sum(1, keepdims=True) - wanted
    return -float((wanted * logs)[wanted != 0].sum(dtype=np.float64)), slopes


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """y_k - log Σ exp(y) over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


POOLS = {"mean": (np.add, 0.0), "max": (np.maximum, -np.inf), "sum": (np.add, 0.0)}
"""How a step is taken in, and what no step gives."""


class Stepper:
    """The plain twin of the compiled stepper: the cell's own step, pooling, and the head by ``product``."""

    def __init__(
        self, settings: Any, tensors: Any, cell: Cell, task: str, sessions: int, product: Any = linear
    ) -> None:
        names = cell.parameters(1, cell.hidden_size, 1)
        self.layers = [
            {name: tensors[f"layers.{name}_l{n}"].copy() for name in names}
            for n in range(settings.num_layers)
        ]
        self.cell, self.sessions = cell, sessions
        self.head = None if cell.answers else (tensors["head.weight"].copy(), tensors["head.bias"].copy())
        self.pools = settings.pooling.split("+") if task == "classify" and not cell.answers else []
        self.shortcut = np.float32(settings.shortcut if self.pools else 0)
        self.dtype = next(iter(self.layers[0].values())).dtype
        states = len(self.pools) * cell.hidden_size
        self.width = self.head[0].shape[1] - states if self.head is not None and self.shortcut else 0
        self.product = product
        self.reset()

    def reset(self) -> None:
        """Begin anew in all sessions."""
        S, H = self.sessions, self.cell.hidden_size
        self.states = [self._first() for _ in self.layers]
        self.sums = np.zeros((S, H), self.dtype)
        self.most = np.full((S, H), -np.inf, self.dtype)
        self.direct = np.zeros((S, self.width), self.dtype)
        self.count = np.zeros((S, 1), self.dtype)

    def _first(self) -> list[np.ndarray]:
        state = self.cell.initial_state(self.sessions)
        parts = state if isinstance(state, tuple) else (state,)
        return [part.astype(self.dtype) for part in parts]

    def reset_one(self, session: int) -> None:
        """Begin anew in one session."""
        for state in self.states:
            for part, first in zip(state, self._first(), strict=True):
                part[session] = first[session]
        self.sums[session] = self.direct[session] = self.count[session] = 0
        self.most[session] = -np.inf

    def step(self, x: np.ndarray) -> np.ndarray:
        """(S, D) -> (S, K)."""
        if x.ndim != 2 or len(x) != self.sessions:
            raise ValueError("one row for each session")
        out = np.asarray(x, self.dtype)
        for n, params in enumerate(self.layers):
            parts = self.states[n]
            out, after = self.cell.step(out, tuple(parts) if len(parts) > 1 else parts[0], params)
            self.states[n] = [np.array(part) for part in (after if isinstance(after, tuple) else (after,))]
        if self.head is None:
            return np.array(out)
        said: np.ndarray = self.product(self._pooled(x, out) if self.pools else out, *self.head)
        return said

    def step_rows(self, x: np.ndarray, rows: np.ndarray, *, keep: bool) -> np.ndarray:
        """(R, D) -> (R, K) for some sessions; without ``keep`` every state stays what it was."""
        some = copy.copy(self)
        some.sessions, some.states = len(rows), [[part[rows] for part in state] for state in self.states]
        some.sums, some.most, some.direct, some.count = (
            array[rows] for array in (self.sums, self.most, self.direct, self.count)
        )
        said = some.step(x)
        if keep:
            for mine, its in zip(self._blocks(), some._blocks(), strict=True):
                mine[rows] = its
        return said

    def _pooled(self, x: np.ndarray, top: np.ndarray) -> np.ndarray:
        self.sums += top
        self.most = np.maximum(self.most, top)
        self.count += 1
        kinds = {"last": top, "mean": self.sums / self.count, "max": self.most, "sum": self.sums}
        parts = [kinds[kind] for kind in self.pools]
        if self.shortcut:
            self.direct += x
            parts.append(self.shortcut * (self.direct / np.sqrt(self.count)))
        return np.concatenate(parts, axis=-1)

    def _blocks(self) -> list[np.ndarray]:
        pooled = [self.sums, self.most, self.direct, self.count] if self.pools else []
        return [part for state in self.states for part in state] + pooled

    @property
    def widths(self) -> list[int]:
        """The numbers of one session in each array of the state."""
        return [part.shape[1] for part in self._blocks()]

    def get_state(self) -> np.ndarray:
        """Everything that is carried, as one block (1, N)."""
        return np.concatenate([part.ravel() for part in self._blocks()])[None]

    def set_state(self, block: np.ndarray) -> None:
        """Go on from a block."""
        start = 0
        for part in self._blocks():
            part[...] = block[0, start : start + part.size].reshape(part.shape)
            start += part.size
