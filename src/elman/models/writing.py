"""Texts drawn symbol by symbol from what a generator says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman import kernels
from elman.data.prompt import PromptCodec, is_end
from elman.errors import UsageError
from elman.models.answers import mean_of, run

if TYPE_CHECKING:
    from elman.models.model import Model

Floats = NDArray[np.float64]
LONGEST = 100_000
COLDEST = 1e-4
"""A temperature below which the likeliest symbol is taken."""


class Draw(NamedTuple):
    """How a symbol is drawn."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def check(self) -> None:
        """Raise ``UsageError`` for what cannot be."""
        if not (isinstance(self.temperature, (int, float)) and 0 <= self.temperature < float("inf")):
            _refuse("temperature", "a number of at least 0", self.temperature)
        if self.top_k is not None and not (_whole(self.top_k) and self.top_k >= 1):
            _refuse("top_k", "a whole number of at least 1", self.top_k)
        if self.top_p is not None and not (isinstance(self.top_p, (int, float)) and 0 < self.top_p <= 1):
            _refuse("top_p", "a number above 0 and at most 1", self.top_p)

    def probabilities(self, said: Floats) -> Floats:
        """Bend probabilities (B, K) as asked."""
        if self.temperature < COLDEST:
            sure: Floats = np.eye(said.shape[1])[said.argmax(axis=1)]
            return sure
        logs = np.log(np.maximum(said, 1e-30)) / self.temperature
        bent: Floats = np.exp(logs - logs.max(axis=1, keepdims=True))
        order = np.argsort(-bent, axis=1, kind="stable")
        ranks = np.argsort(order, axis=1, kind="stable")
        if self.top_k is not None:
            bent[ranks >= self.top_k] = 0
        if self.top_p is not None:
            ordered = np.take_along_axis(bent, order, axis=1)
            before = np.cumsum(ordered, axis=1) - ordered
            kept = before < self.top_p * ordered.sum(axis=1, keepdims=True)
            bent[~np.take_along_axis(kept, ranks, axis=1)] = 0
        shares: Floats = bent / bent.sum(axis=1, keepdims=True)
        return shares


def _whole(value: Any) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__")


def _refuse(name: str, wanted: str, given: Any) -> None:
    raise UsageError(f"{name} must be {wanted}, not {given!r}", code="E110", help=f"leave {name} out")


def write(
    model: Model, n: int, prime: str, condition: Any, draw: Draw, longest: int, seed: int | None
) -> list[str]:
    """Draw ``n`` texts that begin with ``prime``; see ``Model.generate``."""
    draw.check()
    for name, value in (("n", n), ("longest", longest)):
        if not _whole(value) or not 1 <= value <= LONGEST:
            _refuse(name, f"a whole number from 1 to {LONGEST:,}", value)
    codec = model.inputs
    if not isinstance(codec, PromptCodec):
        raise UsageError("this model has no prompts to go on from", code="E133", help="learn one to generate")
    if condition is not None and codec.conditions is None:
        message = "this model learnt no conditions"
        raise UsageError(message, code="E177", help="leave the condition out, or learn with conditions")
    conditions = None if condition is None else [condition] * n
    begun = np.stack(codec.encode_all([prime] * n, conditions))
    generator = np.random.default_rng(seed)
    drawn = _draw(model, begun, draw, longest, generator)
    symbols = model.classes_
    unit = codec.text
    head = unit.normalise(prime)
    return [_joined(unit, head, [str(symbols[k]) for k in row]) for row in drawn]


def _draw(
    model: Model, begun: NDArray[np.int64], draw: Draw, longest: int, generator: np.random.Generator
) -> list[list[int]]:
    """The classes that are drawn for each of the rows, up to the end of each."""
    codec, rows = model.inputs, len(begun)
    assert isinstance(codec, PromptCodec)
    ids = np.array([codec.text.vocabulary[0].index(str(s)) + 1 for s in model.classes_])
    ends = np.array([is_end(str(s)) for s in model.classes_])
    parts, states = run(model, begun, np.full(rows, begun.shape[1]))
    last, alive = [part[:, -1] for part in parts], np.ones(rows, bool)
    found: list[list[int]] = [[] for _ in range(rows)]
    column = begun[:, -1:, 1:] if begun.ndim == 3 else None
    for _ in range(longest):
        said = mean_of([kernels.softmax(part) for part in last]).astype(np.float64)
        shares = np.cumsum(draw.probabilities(said), axis=1)
        chosen = (generator.random((rows, 1)) * shares[:, -1:] >= shares).sum(axis=1)
        alive &= ~ends[chosen]
        if not alive.any():
            break
        for row in np.flatnonzero(alive).tolist():
            found[row].append(int(chosen[row]))
        step = ids[chosen][:, None]
        step = step if column is None else np.concatenate([step[..., None], column], axis=-1)
        parts, states = run(model, step, np.ones(rows, np.int64), states)
        last = [part[:, 0] for part in parts]
    return found


def _joined(unit: Any, head: str, symbols: list[str]) -> str:
    """The prompt and what was drawn, as a text."""
    rest: str = unit.joined(symbols)
    return head + (" " if head and rest and unit.unit == "word" else "") + rest
