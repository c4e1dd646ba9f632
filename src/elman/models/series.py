"""Sequences of numbers as a network learns them: at every step, in windows, or in time; checked first."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.data.batch import Batch, pad
from elman.errors import DataError, UsageError
from elman.models.examples import MOST_STEPS, Examples
from elman.models.settings import NumberSettings
from elman.nn.chunks import Carry, Chunk

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
Series = NDArray[np.float64]

WINDOW = 64
"""Steps of a window or a chunk where nobody says how many."""

STEPS_APART = 8
"""A window begins an eighth of its length after the one before."""

WARM_UP = 1000
"""Steps from which the state is taken before a held-out part."""

TOGETHER = 64
"""Series that are validated together."""


@dataclass(frozen=True)
class StepExamples:
    """B encoded sequences (T, D) with a target for every step (T, K).

    Attributes
    ----------
    values
        Numbers of a step that may get noise; the mask channels behind them get none.
    noise
        Standard deviation of what is added to them, anew in every epoch.
    """

    rows: Examples
    values: int
    noise: float

    def batches(self, rows: Rows, size: int, seed: Sequence[int]) -> list[Batch]:
        """Cut ``rows`` into batches of like lengths; their order and the noise follow from ``seed``."""
        batches = self.rows.batches(rows, size, seed)
        if not self.noise:
            return batches
        generator = np.random.default_rng([*seed, 1])
        return [self._noisy(batch, generator) for batch in batches]

    def held_batches(self, rows: Rows) -> Sequence[tuple[Any, float]]:
        """Cut held-out rows into batches, without noise."""
        return self.rows.held_batches(rows)

    def _noisy(self, batch: Batch, generator: np.random.Generator) -> Batch:
        inputs = batch.inputs.copy()
        shape = (*inputs.shape[:2], self.values)
        inputs[..., : self.values] += self.noise * generator.standard_normal(shape, dtype=np.float32)
        return dataclasses.replace(batch, inputs=inputs)


@dataclass(frozen=True)
class TimeExamples:
    """Rows to learn from, and series whose last parts in time are held out.

    Attributes
    ----------
    learnt
        What is learnt.
    inputs, targets
        For each series what is read (N, D) and what is to be said (N, K) at each step.
    cuts
        For each of them the step at which the held-out part begins.
    """

    learnt: StepExamples
    inputs: Sequence[Floats]
    targets: Sequence[Floats]
    cuts: Sequence[int]

    def batches(self, rows: Rows, size: int, seed: Sequence[int]) -> list[Batch]:
        """Cut what is learnt into batches."""
        return self.learnt.batches(rows, size, seed)

    def held_batches(self, rows: Rows) -> list[tuple[Chunk, float]]:
        """For some series: the steps before the held part, whose loss does not count, then that part."""
        groups = [rows[start : start + TOGETHER].tolist() for start in range(0, len(rows), TOGETHER)]
        return [pair for group in groups for pair in self._held(group)]

    def _held(self, group: list[int]) -> list[tuple[Chunk, float]]:
        carry = Carry()
        before = [slice(max(0, self.cuts[row] - WARM_UP), self.cuts[row]) for row in group]
        after = [slice(self.cuts[row], None) for row in group]
        steps = float(sum(len(self.inputs[row][part]) for row, part in zip(group, after, strict=True)))
        return [
            (self._chunk(group, before, carry, first=True), 0.0),
            (self._chunk(group, after, carry, first=False), steps),
        ]

    def _chunk(self, group: list[int], parts: list[slice], carry: Carry, *, first: bool) -> Chunk:
        """These parts of the series, side by side."""
        inputs, lengths = pad([self.inputs[row][part] for row, part in zip(group, parts, strict=True)])
        targets, _ = pad([self.targets[row][part] for row, part in zip(group, parts, strict=True)])
        return Chunk(inputs, targets, lengths, None, carry, first)


def windows(sequences: Sequence[Floats], targets: Sequence[Floats], steps: int | None) -> Examples:
    """Cut pairs of sequences into windows of ``steps`` steps that overlap; None leaves them whole."""
    places = [
        (row, start, len(sequence) if steps is None else start + steps)
        for row, sequence in enumerate(sequences)
        for start in _starts(len(sequence), steps)
    ]
    return Examples(
        [sequences[row][start:end] for row, start, end in places],
        [targets[row][start:end] for row, start, end in places],
        None,
    )


def joined(one: Examples, other: Examples) -> Examples:
    """The rows of both, one after the other."""
    return Examples([*one.sequences, *other.sequences], [*one.targets, *other.targets], None)


def _starts(length: int, steps: int | None) -> list[int]:
    if steps is None or length <= steps:
        return [0]
    return [*range(0, length - steps, max(1, steps // STEPS_APART)), length - steps]


def chunk_of(settings: NumberSettings) -> int | None:
    """Steps of a chunk whose state is carried on; None if none is."""
    return (settings.tbptt or WINDOW) if settings.stateful else None


def check_reading(settings: NumberSettings, *, forwards: bool) -> None:
    """Refuse to read backwards what is known only up to now."""
    if not settings.causal and (forwards or settings.stateful):
        reason = "a forecast reads forwards only" if forwards else "a state is carried forwards only"
        raise UsageError(reason, code="E134", help="set causal = true")


def check_sequences(sequences: Sequence[Series], *, most: int | None, name: str = "X") -> None:
    """Refuse, in one sentence, sequences from which nothing can be learnt."""
    if not sequences:
        raise DataError("there are no sequences to learn from", code="E283", help="give at least one")
    for row, sequence in enumerate(sequences):
        if not len(sequence):
            message = "an empty sequence teaches nothing"
            raise DataError(message, code="E284", where=f"{name}[{row}]", help="leave it out")
        if most is not None and len(sequence) > most:
            message = f"the sequence has {len(sequence):,} steps; learning takes at most {most:,} at once"
            raise DataError(
                message, code="E285", where=f"{name}[{row}]", help="set stateful = true, or tbptt"
            )


def check_series(series: Sequence[Series], ahead: int) -> None:
    """Refuse, in one sentence, series of which no value so many steps ahead can be learnt."""
    check_sequences(series, most=None, name="series")
    for row, values in enumerate(series):
        if len(values) < 2:
            message = "the series has one step only, so there is no next value to learn"
            raise DataError(message, code="E286", where=f"series[{row}]", help="give at least two steps")
        if len(values) <= ahead:
            message = f"the series has {len(values)} steps, too few to learn {ahead} steps ahead from"
            help_ = "set a smaller horizon, or leave it out"
            raise DataError(message, code="E286", where=f"series[{row}]", help=help_)
        gaps = np.argwhere(np.isnan(values))
        if len(gaps):
            place = f"series[{row}], step {gaps[0, 0]}, counted from 0"
            message = "a number is missing (NaN), and every number is one to learn"
            raise DataError(message, code="E287", where=place, help="fill it in, or cut the series there")


def most_steps(settings: NumberSettings) -> int | None:
    """The longest sequence that is learnt at once; None: they are cut anyway."""
    return None if settings.stateful or settings.tbptt else MOST_STEPS


def checked_weights(first_weights: Mapping[str, Any] | None) -> dict[str, Floats] | None:
    """First weights as float32 arrays; ``UsageError`` if one is no array of finite numbers."""
    if first_weights is None:
        return None
    found = {}
    for name, given in first_weights.items():
        try:
            found[name] = np.array(given, np.float32)
        except (TypeError, ValueError):
            found[name] = np.array(np.nan, np.float32)
        if not np.isfinite(found[name]).all():
            message = f"the first weights {name} are no array of finite numbers"
            raise UsageError(message, code="E135", help="give arrays of numbers by their names")
    return found


def fingerprint(*parts: Sequence[NDArray[Any]]) -> str:
    """Tell these arrays from any others, so that a run is only resumed on the rows it began with."""
    digest = hashlib.sha256()
    for part in parts:
        for array in part:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(b"|")
    return digest.hexdigest()
