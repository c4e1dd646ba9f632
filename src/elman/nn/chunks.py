"""Sequences of any length, learnt in chunks: the state is carried from chunk to chunk, and cut between them.

Truncated backpropagation through time (Williams and Peng 1990), one update for each chunk.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from elman.cells import State
from elman.errors import UsageError


class Batch(Protocol):
    """What a network learns from: NumPy arrays or tensors."""

    @property
    def inputs(self) -> Any: ...  # noqa: D102
    @property
    def targets(self) -> Any: ...  # noqa: D102
    @property
    def lengths(self) -> Any: ...  # noqa: D102
    @property
    def weights(self) -> Any: ...  # noqa: D102


@dataclass(eq=False)
class Carry:
    """The state that a chunk leaves to the next one, cut from the graph; None before the first.

    It is no part of a layer: it travels with the chunks, and ``learn(..., carried=carry)`` keeps it in
    checkpoints. Validation in chunks takes one of its own.
    """

    state: State | None = None

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Copy the state to NumPy, its arrays numbered."""
        return {str(n): np.array(part.cpu().numpy()) for n, part in enumerate(_parts(self.state))}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put back what ``tensors`` gave."""
        parts = tuple(torch.tensor(arrays[str(n)]) for n in range(len(arrays)))
        self.state = parts if len(parts) > 1 else parts[0] if parts else None

    def keep(self, state: State) -> None:
        """Take the state that a chunk leaves, cut from the graph."""
        self.state = tuple(a.detach() for a in state) if isinstance(state, tuple) else state.detach()


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some steps of B sequences that run side by side: a batch, and the state that it goes on from.

    Attributes
    ----------
    inputs, targets, lengths, weights
        As of the whole batch; a row that has ended has length 0.
    carry
        Where the state comes from and goes to.
    first
        Whether the sequences start here, from the cell's own first state.
    """

    inputs: Any
    targets: Any
    lengths: Any
    weights: Any
    carry: Carry
    first: bool

    def state(self) -> State | None:
        """Give the state to go on from; None for the cell's own first one."""
        if not self.first and self.carry.state is None:
            message = "a chunk goes on with a sequence, but no state is carried to it"
            raise UsageError(message, code="E174", help="learn the chunks in order, or resume with carried=")
        return None if self.first else self.carry.state


class Chunks(Sequence[Chunk]):
    """Batches cut along time into chunks of ``tbptt`` steps, made when they are asked for.

    The chunks of a batch follow one another in order, then those of the next batch.

    Parameters
    ----------
    batches
        Each holds B sequences side by side, with targets (B, T, K) at every step.
    tbptt
        Steps in a chunk; the last of a batch may have fewer.
    carry
        What carries the state; the same for every epoch of a run.

    Raises
    ------
    UsageError
        If ``tbptt`` is not at least 1, or a batch has no target for every step.
    """

    def __init__(self, batches: Sequence[Batch], tbptt: int, carry: Carry) -> None:
        if isinstance(tbptt, bool) or not hasattr(tbptt, "__index__") or tbptt < 1:
            raise UsageError(f"tbptt must be a whole number of at least 1, not {tbptt!r}", code="E110")
        self.batches, self.tbptt, self.carry = batches, tbptt, carry
        self.ends = list(accumulate(-(-_steps(batch) // tbptt) for batch in batches))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._chunk(index % len(self))

    def __iter__(self) -> Iterator[Chunk]:
        return (self._chunk(number) for number in range(len(self)))

    def _chunk(self, number: int) -> Chunk:
        place = bisect.bisect_right(self.ends, number)
        batch, position = self.batches[place], number - (self.ends[place - 1] if place else 0)
        start, end = position * self.tbptt, (position + 1) * self.tbptt
        return Chunk(
            inputs=batch.inputs[:, start:end],
            targets=batch.targets[:, start:end],
            lengths=_within(batch.lengths, start, min(end, _steps(batch))),
            weights=batch.weights,
            carry=self.carry,
            first=position == 0,
        )


def _steps(batch: Batch) -> int:
    """How many steps a batch has; ``UsageError`` if it has no target for each."""
    shape: tuple[int, ...] = tuple(getattr(batch.targets, "shape", ()))
    steps = int(batch.inputs.shape[1])
    if len(shape) < 2 or shape[1] != steps:
        message = f"chunks need a target for each of the {steps} steps, not targets of shape {shape}"
        raise UsageError(message, code="E175", help="tbptt is for answers at every step")
    return steps


def _within(lengths: Any, start: int, end: int) -> Any:
    """How many steps of each row lie between ``start`` and ``end``: (B,)."""
    return lengths.clip(start, end) - start


def _parts(state: State | None) -> tuple[Tensor, ...]:
    return () if state is None else state if isinstance(state, tuple) else (state,)
