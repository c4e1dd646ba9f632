"""What moves a stream on: the networks of a model, one step at a time, or the whole prefix again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman import kernels
from elman.cells import cell_class
from elman.data.batch import pad
from elman.errors import UsageError
from elman.kernels.forward import WHOLE
from elman.kernels.native import compiled
from elman.models.answers import BUILT_IN, TASKS
from elman.models.stream_reads import Arrays, Floats, Ids, Reads

if TYPE_CHECKING:
    from elman.models.model import Model, Tensors

LONGEST_PREFIX = 512
"""Steps after which a stream of a network that reads both ways stops."""


class Member:
    """One network with the state of S sessions; a cell of one's own runs each alone, for the same bits."""

    def __init__(self, model: Model, tensors: Tensors, sessions: int) -> None:
        settings = model.settings
        own = not issubclass(cell_class(settings.recurrence), BUILT_IN)
        task = "classify" if TASKS[model.task].network in WHOLE else "tag"
        self._steppers = [
            kernels.Stepper(settings, tensors, task=task, sessions=1 if own else sessions)
            for _ in range(sessions if own else 1)
        ]
        self._apart = own and sessions > 1
        self._tables = _tables(model, tensors)
        self._embed: Any = compiled.module.embed if self._tables and compiled(*self._tables) else None
        self._width = self._tables[0].shape[1] if self._tables else 0

    def looks_up(self) -> bool:
        """Whether ``read`` works: one session of symbols, and kernels."""
        return self._steppers[0].look_up_in(self._tables)

    def read(self, ids: tuple[int, ...], ends: tuple[int, ...] | None, *, shares: bool) -> Floats:
        """Take one step of the only session in one call: a symbol by its ids; see ``kernels.Stepper``."""
        return self._steppers[0].read(ids, ends, shares=shares)

    def step(self, ids: Ids | None, channels: Floats | None, rows: Ids | None, *, keep: bool) -> Floats:
        """Take one step of all sessions, or of ``rows`` (R,): (R, K)."""
        x = self._inputs(ids, channels)
        if self._apart:
            chosen = range(len(x)) if rows is None else rows.tolist()
            return np.concatenate(
                [_step(self._steppers[row], x[n : n + 1], None, keep=keep) for n, row in enumerate(chosen)]
            )
        return _step(self._steppers[0], x, rows, keep=keep)

    def _inputs(self, ids: Ids | None, channels: Floats | None) -> Floats:
        """What the first layer reads: (R, D)."""
        if ids is None:
            assert channels is not None
            return channels
        if self._embed is None:
            symbols = kernels.embed(self._tables, ids[None])[0]
        else:
            symbols = np.empty((len(ids), self._width), np.float32)
            self._embed(self._tables, ids, symbols)
        return symbols if channels is None else np.concatenate([symbols, channels], axis=-1)

    def reset(self, rows: Sequence[int]) -> None:
        """Begin anew."""
        for row in rows:
            if self._apart:
                self._steppers[row].reset()
            else:
                self._steppers[0].reset(row)

    @property
    def parts(self) -> Arrays:
        """The state, arrays (S, …)."""
        found = [stepper.parts for stepper in self._steppers]
        return {name: np.concatenate([parts[name] for parts in found]) for name in found[0]}

    @parts.setter
    def parts(self, parts: Arrays) -> None:
        for row, stepper in enumerate(self._steppers):
            stepper.parts = (
                {name: array[row : row + 1] for name, array in parts.items()} if self._apart else parts
            )


def _step(stepper: Any, x: Floats, rows: Ids | None, *, keep: bool) -> Floats:
    if rows is not None:
        said: Floats = stepper.step_rows(x, rows, keep=keep)
    else:
        said = stepper.step(x) if keep else stepper.peek(x)
    return said


def _tables(model: Model, tensors: Tensors) -> list[Floats]:
    """What the symbols are looked up in: an embedding for each column of ids, or the rows of a one-hot."""
    if model.settings.symbols == "one-hot":
        return [np.ascontiguousarray(np.eye(model.inputs.sizes[0], dtype=np.float32)[:, 1:])]  # type: ignore[union-attr]
    count = sum(name.startswith("embedding.") for name in tensors)
    return [np.ascontiguousarray(tensors[f"embedding.{g}.weight"]) for g in range(count)]


class CausalNetwork:
    """Every member, one call a step."""

    def __init__(self, model: Model, sessions: int) -> None:
        self._members = [Member(model, tensors, sessions) for tensors in model.members]
        self.reads = model.inputs.kind != "mixed" and all(member.looks_up() for member in self._members)
        """Whether ``read`` works."""

    def read(
        self, steps: list[tuple[int, ...]], ends: tuple[int, ...] | None, *, shares: bool
    ) -> list[Floats]:
        """Read a symbol, by the ids of each of its steps; the last one answers."""
        for ids in steps[:-1]:
            for member in self._members:
                member.read(ids, None, shares=False)
        return [member.read(steps[-1], ends, shares=shares) for member in self._members]

    def step(self, reads: Reads, rows: Ids | None) -> list[Floats]:
        """Move on by one step, and give what each member says: (R, K)."""
        for place, first in reads.early:
            row = np.array([place]) if rows is None else rows[place : place + 1]
            beside = None if reads.channels is None else reads.channels[place : place + 1]
            for member in self._members:
                member.step(np.array([first], np.int64), beside, row, keep=True)
        ids, channels, ends, _ = reads
        said = [member.step(ids, channels, rows, keep=True) for member in self._members]
        if ends is None:
            return said
        return [member.step(ends, channels, rows, keep=False) for member in self._members]

    def reset(self, rows: Sequence[int]) -> None:
        """Begin anew."""
        for member in self._members:
            member.reset(rows)

    def state(self) -> Arrays:
        """The state of each member by name."""
        parts = [member.parts for member in self._members]
        return {f"members.{m}.{name}": array for m, part in enumerate(parts) for name, array in part.items()}

    def restore(self, state: Arrays) -> None:
        """Go on from a state whose names and shapes are right."""
        for m, member in enumerate(self._members):
            ahead = f"members.{m}."
            member.parts = {n[len(ahead) :]: array for n, array in state.items() if n.startswith(ahead)}


class PrefixNetwork:
    """A network that reads both ways: all steps so far are run again at each one; one session."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._steps: list[NDArray[Any]] = []
        self._columns = len(getattr(model.inputs, "sizes", ()))

    def step(self, reads: Reads, rows: Ids | None) -> list[Floats]:
        """Run the steps so far; ``UsageError`` beyond ``LONGEST_PREFIX``, and nothing has changed."""
        beside = reads.channels
        fresh = [_row(np.array([ids], np.int64), beside) for _, ids in reads.early]
        fresh.append(_row(reads.ids, beside))
        if len(self._steps) + len(fresh) > LONGEST_PREFIX:
            message = f"a network that reads both ways streams at most {LONGEST_PREFIX} steps"
            raise UsageError(message, code="E129", help="reset the stream, or learn with causal = true")
        self._steps += fresh
        return self._said(self._steps if reads.ends is None else [*self._steps, _row(reads.ends, beside)])

    def _said(self, steps: list[NDArray[Any]]) -> list[Floats]:
        model, sequence = self._model, np.stack(steps)
        one_column = self._columns == 1 and sequence.dtype.kind != "f"
        inputs, lengths = pad([sequence[:, 0] if one_column else sequence])
        sizes, task = getattr(model.inputs, "sizes", ()), TASKS[model.task].network
        found = [
            kernels.forward(model.settings, one, inputs, lengths, task=task, sizes=sizes)
            for one in model.members
        ]
        return found if task in WHOLE else [said[:, -1] for said in found]

    def reset(self, rows: Sequence[int]) -> None:
        """Begin anew."""
        self._steps = []

    def state(self) -> Arrays:
        """The steps so far (T, G + C)."""
        return {"prefix": np.stack(self._steps).astype(np.float64) if self._steps else np.zeros((0, 0))}

    def restore(self, state: Arrays) -> None:
        """Go on from a state."""
        if state["prefix"].ndim != 2 or len(state["prefix"]) > LONGEST_PREFIX:
            raise UsageError("the state's prefix is none", code="E165", help="begin anew")
        kind = np.float32 if self._columns == 0 or self._model.inputs.kind == "mixed" else np.int64
        self._steps = list(state["prefix"].astype(kind))


def _row(ids: Ids | None, channels: Floats | None) -> NDArray[Any]:
    """One step of one row: ids, numbers, or the ids as floats before the numbers."""
    parts = [part[0] for part in (ids, channels) if part is not None]
    return parts[0] if len(parts) == 1 else np.concatenate([parts[0].astype(np.float32), parts[1]])
