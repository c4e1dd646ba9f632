"""An exported model in ONNX Runtime beside the model itself, on the same rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman import kernels
from elman.cells import State
from elman.data.codec import LabelCodec
from elman.errors import ModelFileError
from elman.kernels.forward import WHOLE, cell_of, directions
from elman.models.answers import TASKS, mean_of, run
from elman.models.export_rows import (
    Row,
    answers_to,
    drawn,
    encoded,
    in_units,
    padded,
    part,
    rows_of,
    steps_of,
    units,
)
from elman.models.exported import Arrays, Exported
from elman.models.model import Model

TOLERANCE = 1e-5
"""How far an answer y may be from the model's own, as a share of max(1, |y|)."""

GROWN = 100
"""How often float32's own distance from float64 a difference may be that has grown over a whole run."""

BATCHES = ((1,), (5, 2, 0), (12, 7), (1, 1, 1, 1), (0,), (40,))
"""Lengths of the rows that are run together."""

STEPS = 12
PIECES = ((0, 1), (1, 1), (1, 6), (6, STEPS))


class Check(NamedTuple):
    """What was compared, on how many rows and steps.

    Attributes
    ----------
    difference
        The largest, as a share of max(1, |y|).
    rounding
        How far the model's own float32 is from float64 there, measured alike; 0 for a single step from the
        same state, where nothing has grown.
    """

    what: str
    rows: int
    steps: int
    difference: float
    rounding: float

    @property
    def agrees(self) -> bool:
        """Within the tolerance; or, where what was rounded has grown over many steps, near that."""
        return self.difference <= max(TOLERANCE, GROWN * self.rounding)


def answers(model: Model, files: str | Path | Mapping[str, bytes], X: Any, **more: Any) -> list[NDArray[Any]]:
    """Give what ONNX Runtime answers to each of B sequences, step by step where the model is causal.

    Parameters
    ----------
    files
        The folder that ``elman export`` wrote, or the bytes of its files by their names.
    X, more
        As ``export_rows.rows_of`` takes them: sequences as ``Model.predict`` takes them, ``covariates``,
        ``past``, ``conditions``.

    Returns
    -------
    Of a causal model the answer after each step, B arrays (T, K), whole sequences too; otherwise that of the
    whole: (K,) or (T, K).
    """
    exported = Exported(files)
    return [exported.every_step(row) for row in rows_of(model, X, **more)]


def compare(model: Model, files: str | Path | Mapping[str, bytes], X: Any, **more: Any) -> Check:
    """Compare ``answers`` with the model's own on B sequences; the arguments are those of ``answers``."""
    exported, exact, rows = Exported(files), in_float64(model), rows_of(model, X, **more)
    by_step = exported.step is not None
    found, rounding = 0.0, 0.0
    for row in rows:
        wanted, unit = expected(model, row, by_step), units(model, row)
        found = max(found, difference(exported.every_step(row), wanted, unit))
        rounding = max(rounding, difference(wanted, expected(exact, row, by_step), unit))
    what = "step by step" if by_step else "in a batch"
    return Check(what, len(rows), max(map(steps_of, rows), default=0), found, rounding)


def expected(model: Model, row: Row, by_step: bool = True) -> NDArray[Any]:
    """What the model itself answers after each step of a row: (T, ...); or to the whole."""
    steps = steps_of(row)
    if not by_step or not steps or TASKS[model.task].network not in WHOLE:
        return answers_to(model, [row])[0]
    return np.stack(answers_to(model, [part(row, 0, t + 1) for t in range(steps)]))


def difference(found: NDArray[Any], wanted: NDArray[Any], unit: NDArray[Any]) -> float:
    """The largest difference as a share of max(1, |y|), both in the network's own units; NaN is none."""
    if found.shape != wanted.shape:
        return math.inf
    apart = np.abs(found - wanted) / unit
    worst = float(np.max(apart / np.maximum(1, np.abs(wanted) / unit), initial=0))
    return worst if math.isfinite(worst) else math.inf


def check(model: Model, files: Mapping[str, bytes]) -> list[Check]:
    """Run an exported model beside ``model`` on rows drawn at random: in batches, in pieces, step by step.

    Raises
    ------
    ModelFileError
        E310 if an answer is too far away.
    """
    exported, exact = Exported(files), in_float64(model)
    found = [_check_one_step(model, exported)]
    found += [_check_batch(model, exact, exported, lengths) for lengths in BATCHES]
    if exported.step is not None:
        found += _check_steps(model, exact, exported)
    refuse_others(found)
    return found


def check_runner(model: Model, run: Callable[[Row], Any]) -> list[Check]:
    """Run a runner's ``run``, which answers one row with lists, beside ``model``."""
    exact, found = in_float64(model), []
    for steps in (0, 1, STEPS):
        row = drawn(model, [steps], seed=steps)[0]
        (wanted,), (wide,), unit = answers_to(model, [row]), answers_to(exact, [row]), units(model, row)
        said = np.asarray(run(row)).reshape(wanted.shape)
        found.append(Check("alone", 1, steps, difference(said, wanted, unit), difference(wanted, wide, unit)))
    refuse_others(found)
    return found


def refuse_others(found: Sequence[Check]) -> None:
    """Raise ``ModelFileError`` (E310) if an answer is too far away."""
    for one in found:
        if not one.agrees:
            message = (
                f"what was exported answers otherwise than the model: up to {one.difference:.1e} of "
                f"max(1, |y|) apart ({one.what}, {one.rows} rows, {one.steps} steps)"
            )
            raise ModelFileError(
                message, code="E310", help="run elman doctor, and report this with its output"
            )


def in_float64(model: Model) -> Model:
    """The same model with weights in float64, which says how much float32 rounds."""
    members: Any = tuple(
        {name: tensor.astype(np.float64) for name, tensor in member.items()} for member in model.members
    )
    return dataclasses.replace(model, members=members)


def _check_one_step(model: Model, exported: Exported) -> Check:
    """One step of several rows from states drawn at random, which the model is given too."""
    rows = drawn(model, [1] * STEPS, seed=2)
    states = _drawn_states(model)
    sequences = np.stack([encoded(model, row) for row in rows])
    parts, after = run(model, sequences, np.ones(STEPS, np.int64), states)
    said = mean_of([kernels.softmax(p) for p in parts] if isinstance(model.targets, LabelCodec) else parts)
    wanted = [in_units(model, one, row) for one, row in zip(said, rows, strict=True)]
    scales = [units(model, row) for row in rows]
    worst = []
    for found, left in one_step(model, exported, rows, states):
        worst += [_worst(found, wanted, scales), _of_states(left, joined(model, after))]
    return Check("one step from the same states", STEPS, 1, max(worst), 0.0)


def one_step(
    model: Model, exported: Exported, rows: Sequence[Row], states: list[State] | None
) -> Iterator[tuple[list[NDArray[Any]], Arrays]]:
    """What each graph answers to rows of one step from ``states`` on, and the states after."""
    firsts = None if states is None else joined(model, states)
    yield exported.run(rows, firsts)
    if exported.step is not None:
        batch = padded(rows)  # of one step each; what is known ahead keeps its axis
        batch = {n: a if n in ("known", "lengths") else a[:, 0] for n, a in batch.items()}
        answer, after = exported.advance(batch, firsts)
        yield list(answer if exported.whole else answer[:, None]), after


def _drawn_states(model: Model) -> list[State]:
    """First states of each member, (layers · directions, B, H)."""
    rng, cell = np.random.default_rng(3), cell_of(model.settings)
    each = model.settings.num_layers * len(directions(model.settings))
    shape = (len(cell.state_names), each, STEPS, cell.hidden_size)
    every = [rng.normal(0, 0.5, shape).astype(np.float32) for _ in model.members]
    return [tuple(parts) if len(parts) > 1 else parts[0] for parts in every]


def joined(model: Model, states: list[State]) -> Arrays:
    """The states of all members as the graph has them, by name."""
    names = cell_of(model.settings).state_names
    parts = [state if isinstance(state, tuple) else (state,) for state in states]
    return {name: np.concatenate(each) for name, each in zip(names, zip(*parts, strict=True), strict=True)}


def _of_states(found: Arrays, wanted: Arrays) -> float:
    return max(difference(found[name], state, np.ones(1)) for name, state in wanted.items())


def _check_batch(model: Model, exact: Model, exported: Exported, lengths: tuple[int, ...]) -> Check:
    """Rows of these lengths that are run together."""
    rows = drawn(model, lengths)
    scales, wanted = [units(model, row) for row in rows], answers_to(model, rows)
    found = _worst(exported.run(rows)[0], wanted, scales)
    rounding = _worst(wanted, answers_to(exact, rows), scales)
    return Check("in a batch", len(rows), max(lengths), found, rounding)


def _worst(
    found: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]], scales: Sequence[NDArray[Any]]
) -> float:
    return max(difference(*three) for three in zip(found, wanted, scales, strict=True))


def _check_steps(model: Model, exact: Model, exported: Exported) -> list[Check]:
    """One row, whose steps are run one by one, and in pieces of several."""
    row = drawn(model, [STEPS], seed=1)[0]
    wanted, unit = expected(model, row), units(model, row)
    rounding = difference(wanted, expected(exact, row), unit)
    each = difference(exported.run_steps(row), wanted, unit)
    pieces = difference(*_in_pieces(exported, row, wanted), unit)
    return [Check("step by step", 1, STEPS, each, rounding), Check("in pieces", 1, STEPS, pieces, rounding)]


def _in_pieces(exported: Exported, row: Row, wanted: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """What pieces of a row give, which go on from one another's states, and what they should give."""
    states: Arrays | None = None
    found = {}
    for start, end in PIECES:
        (answer,), states = exported.run([part(row, start, end)], states)
        if end > start:  # an empty piece only passes the states on
            found[end - 1] = answer
    if exported.whole:
        return np.stack(list(found.values())), wanted[list(found)]
    return np.concatenate(list(found.values())), wanted
