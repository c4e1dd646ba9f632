"""Whether a model gives one answer: the same sequences run in every way, and how far apart answers are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman import kernels
from elman.cells import cell_class
from elman.errors import MissingExtraError, UsageError, missing_extra
from elman.kernels.native import TWIN, available, compiled
from elman.models import verify_runs as runs
from elman.models.about import about
from elman.models.answers import BUILT_IN
from elman.models.export_rows import Row, answers_to, steps_of, units
from elman.models.exported import Arrays, Exported
from elman.models.model import Model
from elman.models.onnx_check import TOLERANCE, in_float64, joined, one_step
from elman.models.verify_cases import Case
from elman.models.verify_gap import Gap
from elman.models.verify_runs import Answer, Moment

BITS, NEAR, REPORTED = "bits", "1e-5", "reported"

NOT_HERE = "bits not promised here"
"""What stands beside bits where plain NumPy does the arithmetic."""


@dataclass(frozen=True)
class Line:
    """One way to run the sequences, beside each of them alone.

    Attributes
    ----------
    way
        How they were run.
    promise
        "bits": the same bits; "1e-5": at most 1e-5 · max(1, |y|) apart, in the network's units; "reported":
        nothing is promised.
    difference
        The largest, as a share of max(1, |y|); None if this was not run.
    where
        The sequence, and its step where steps have answers, both counted from 0; None if there is no
        difference.
    held
        Whether the promise is kept; None if there is none, or this was not run.
    note
        Why nothing is promised, or why it was not run.
    """

    way: str
    promise: str
    difference: float | None = None
    where: tuple[int, int | None] | None = None
    held: bool | None = None
    note: str = ""


def verify(model: Model, cases: Sequence[Case]) -> list[Line]:
    """Run the sequences in every way; the arithmetic and the threads in use are put back.

    Raises
    ------
    UsageError
        If there is no sequence.
    """
    if not cases:
        raise UsageError("there is no sequence to verify the model on", code="E110", help="give at least one")
    rows = [case.row for case in cases]
    check = _Verification(model, list(cases), rows, runs.alone(model, rows))
    with kernels.chosen_for_now(compiled.path):
        return [*check.runs(), *check.paths(), *check.twins(), *check.exported()]


@dataclass
class _Verification:
    """A model, its sequences, and what it says of each alone."""

    model: Model
    cases: list[Case]
    rows: list[Row]
    wanted: list[Answer]
    units: list[NDArray[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.units = [units(self.model, row) for row in self.rows]
        pairs = zip(self.cases, self.wanted, strict=True)
        self.marks = [runs.marks(self.model, case, whole) for case, whole in pairs]
        self.steps = None if runs.is_whole(self.model) else 0
        self.own = not issubclass(cell_class(self.model.settings.recurrence), BUILT_IN)
        self.native = compiled.module is not None and not compiled.off

    def runs(self) -> Iterator[Line]:
        """In company, padded, in chunks, step by step."""
        model, rows = self.model, self.rows
        batches = [runs.in_batches(model, rows, size) for size in runs.BATCHES]
        yield self._bits("in batches", self._gap(*batches, runs.as_answered(model, rows)), own=True)
        yield self._bits("padded", self._gap(runs.padded(model, rows)))
        if model.causal:
            chunks = [[self._chunked(n, size) for n in range(len(rows))] for size in runs.CHUNKS]
            yield self._bits("in chunks", self._gap(*chunks))
        else:
            yield Line("in chunks", REPORTED, note="not checked: the network reads both ways")
        yield self._bits("step by step", self._streams(), own=True)

    def paths(self) -> Iterator[Line]:
        """Every instruction set with every number of threads."""
        if not self.native:
            return
        for path in compiled.names():
            for count in sorted({1, 2, available()}) if path != TWIN else ():
                with kernels.chosen_for_now(path, count):
                    gap = self._gap(answers_to(self.model, self.rows))
                    gap = self._streams(gap) if count == 1 else gap
                yield self._bits(f"{path}, {count} thread{'s' * (count > 1)}", gap)

    def twins(self) -> Iterator[Line]:
        """Plain NumPy, and how much float32 rounds."""
        yield self._near("NumPy, one step", self._single_steps(self._twin_step))
        with kernels.chosen_for_now(TWIN):
            whole = answers_to(self.model, self.rows)
        yield self._reported("NumPy, whole", whole)
        yield self._reported("float64, whole", answers_to(in_float64(self.model), self.rows))

    def exported(self) -> Iterator[Line]:
        """The exported graphs in ONNX Runtime."""
        try:
            exported = _export(self.model)
        except (MissingExtraError, UsageError) as error:
            reason = error.help if isinstance(error, MissingExtraError) else error.message
            yield Line("ONNX", REPORTED, note=f"not checked: {reason}")
            return
        yield self._near("ONNX, one step", self._single_steps(self._graph_step(exported)))
        groups = range(0, len(self.rows), runs.TOGETHER)
        whole = [one for n in groups for one in exported.run(self.rows[n : n + runs.TOGETHER])[0]]
        yield self._reported("ONNX, whole", whole)
        if exported.step is not None:
            yield self._reported("ONNX, step by step", self._graph_steps(exported))

    def _bits(self, way: str, gap: Gap, *, own: bool = False) -> Line:
        """The same bits are promised on the kernels; for a cell of one's own only where ``own``."""
        if not self.native:
            return Line(way, REPORTED, gap.difference, gap.where, note=NOT_HERE)
        if self.own and not own:
            return Line(way, REPORTED, gap.difference, gap.where, note="not promised for a cell of one's own")
        return Line(way, BITS, gap.difference, gap.where, gap.same)

    def _near(self, way: str, gap: Gap) -> Line:
        if self.own:
            return Line(way, REPORTED, gap.difference, gap.where, note="not promised for a cell of one's own")
        return Line(way, NEAR, gap.difference, gap.where, gap.difference <= TOLERANCE)

    def _reported(self, way: str, found: Sequence[Answer]) -> Line:
        gap = self._gap(found)
        return Line(way, REPORTED, gap.difference, gap.where)

    def _gap(self, *found: Sequence[Answer]) -> Gap:
        """Compare the answers to all sequences, of each run, with those to each alone."""
        gap = Gap()
        for answers in found:
            for n, answer in enumerate(answers):
                gap.see(answer, self.wanted[n], self.units[n], n, self.steps)
        return gap

    def _chunked(self, n: int, size: int) -> Answer:
        """A sequence without a step has no chunk."""
        empty = not steps_of(self.rows[n])
        return self.wanted[n] if empty else runs.in_chunks(self.model, self.rows[n], size)

    def _streams(self, gap: Gap | None = None) -> Gap:
        """What streams say, beside the marks; added to ``gap``."""
        gap = gap or Gap()
        for n, (case, (steps, wanted)) in enumerate(zip(self.cases, self.marks, strict=True)):
            said = runs.streamed(self.model, case, steps)
            for step, found, right in zip(steps, said, wanted, strict=True):
                unit = self.units[n][step] if self.units[n].ndim > 1 else self.units[n]
                gap.see(found.reshape(right.shape)[None], right[None], unit, n, step)
        return gap

    def _single_steps(self, other: Callable[[Moment], Any]) -> Gap:
        """One step after the other, each from the same state: answers and states (layers, B, H)."""
        gap = Gap()
        for now in runs.moments(self.model, self.rows):
            wanted_states = joined(self.model, now.after)
            for said, states in other(now):
                for n, row in enumerate(now.rows):
                    gap.see(said[n], now.said[n], units(self.model, now.reads[n]), row, now.step)
                    for name, state in wanted_states.items():
                        gap.see(states[name][None, :, n], state[None, :, n], np.ones(1), row, now.step)
        return gap

    def _twin_step(self, now: Moment) -> list[tuple[list[Answer], Arrays]]:
        with kernels.chosen_for_now(TWIN):
            said, after = runs.one_step(self.model, now.reads, now.states)
        return [(said, joined(self.model, after))]

    def _graph_step(self, exported: Exported) -> Callable[[Moment], Any]:
        return lambda now: one_step(self.model, exported, now.reads, now.states)

    def _graph_steps(self, exported: Exported) -> list[Answer]:
        """Of each sequence what the step graph says at every step; of the whole what it says at the end."""
        every = [exported.every_step(row) for row in self.rows]
        if not runs.is_whole(self.model):
            return every
        return [one[-1] if steps_of(row) else one for one, row in zip(every, self.rows, strict=True)]


def _export(model: Model) -> Exported:
    """The model's graphs, open in ONNX Runtime."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise missing_extra(error.name or "onnx", "export", "checking an export") from None
    from elman.models.onnx_graph import to_onnx

    told = about(model, None)
    files = {"full.onnx": to_onnx(model, told, step=False)}
    return Exported(files | ({"step.onnx": to_onnx(model, told, step=True)} if model.causal else {}))
