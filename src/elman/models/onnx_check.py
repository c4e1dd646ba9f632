"""An exported model in ONNX Runtime beside the model itself, on the same rows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman.errors import ModelFileError, missing_extra
from elman.kernels.forward import WHOLE
from elman.models.answers import TASKS
from elman.models.export_rows import Row, answers_to, drawn, padded, part, rows_of, steps_of, units
from elman.models.model import Model
from elman.models.onnx_graph import KEY

if TYPE_CHECKING:
    import onnxruntime

TOLERANCE = 1e-5
"""How far an answer y may be from the model's own, as a share of max(1, |y|)."""

BATCHES = ((1,), (5, 2, 0), (12, 7), (1, 1, 1, 1), (0,), (40,))
"""Lengths of the rows that are run together."""

STEPS = 12
PIECES = ((0, 1), (1, 1), (1, 6), (6, STEPS))
Arrays = dict[str, NDArray[Any]]


class Check(NamedTuple):
    """What was compared, on how many rows and steps.

    Attributes
    ----------
    difference
        The largest, as a share of max(1, |y|).
    rounding
        How far the model's own float32 is from float64 there, measured alike.
    """

    what: str
    rows: int
    steps: int
    difference: float
    rounding: float

    @property
    def agrees(self) -> bool:
        """Within the tolerance; or, where rounding itself does more, within ten times that."""
        return self.difference <= max(TOLERANCE, 10 * self.rounding)


class Exported:
    """An exported model: ``full.onnx``, and ``step.onnx`` if it has one.

    Parameters
    ----------
    files
        The folder that ``elman export`` wrote, or the bytes of its files by their names.

    Raises
    ------
    MissingExtraError
        If ``onnxruntime`` is not installed.
    ModelFileError
        E311 if ``full.onnx`` is missing, or ONNX Runtime cannot open a file.
    """

    def __init__(self, files: str | Path | Mapping[str, bytes]) -> None:
        if not isinstance(files, Mapping):
            files = _read(Path(files))
        self.full = _session(files["full.onnx"])
        self.step = _session(files["step.onnx"]) if "step.onnx" in files else None
        self.whole = len(self.full.get_outputs()[0].shape) == 2  # (B, K), without an axis of time
        self.about = json.loads(self.full.get_modelmeta().custom_metadata_map.get(KEY, "{}"))

    def run(self, rows: Sequence[Row], states: Arrays | None = None) -> tuple[list[NDArray[Any]], Arrays]:
        """Run whole rows together from ``states`` on: each row's answer, and the states after."""
        batch = padded(rows)
        answer, after = self._run(self.full, batch, states)
        pairs = zip(answer, batch["lengths"], strict=True)
        return [one if self.whole else one[:n] for one, n in pairs], after

    def every_step(self, row: Row) -> NDArray[Any]:
        """The answer after each step of a row; to the whole where it has no steps, or there are none."""
        return self.run([row])[0][0] if self.step is None or not steps_of(row) else self.run_steps(row)

    def run_steps(self, row: Row) -> NDArray[Any]:
        """Run one row step by step, the states carried: the answer after each step (T, ...)."""
        assert self.step is not None
        states: Arrays | None = None
        found = []
        for t in range(steps_of(row)):
            now = part(row, t, t + 1)
            batch = {name: array[None] if name == "known" else array for name, array in now.items()}
            answer, states = self._run(self.step, batch, states)
            found.append(answer[0])
        return np.stack(found)

    def _run(self, session: Any, batch: Row, states: Arrays | None) -> tuple[NDArray[Any], Arrays]:
        """Run a session: its first output, and the states after; without states from the first ones on."""
        rows, feeds = len(next(iter(batch.values()))), {}
        for port in session.get_inputs():
            if port.name in batch:
                feeds[port.name] = batch[port.name]
            elif states is not None:
                feeds[port.name] = states[port.name]
            else:
                dtype = np.float64 if "double" in port.type else np.float32
                shape = [rows if axis == "B" else axis for axis in port.shape]
                first = np.asarray(self.about.get("first", {}).get(port.name, 0), dtype)
                feeds[port.name] = np.broadcast_to(first, shape).copy()
        answer, *after = session.run(None, feeds)
        names = [port.name.removesuffix("_next") for port in session.get_outputs()[1:]]
        return answer, dict(zip(names, after, strict=True))


def _read(folder: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("*.onnx"))}
    if "full.onnx" not in found:
        message = f"{folder} holds no full.onnx"
        raise ModelFileError(message, code="E311", help="elman export MODEL -o DIR writes one")
    return found


def _session(data: bytes) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime
    except ImportError:
        raise missing_extra("onnxruntime", "export", "checking an ONNX file") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class for each reason, which it does not export
        reason = str(error).splitlines()[0]
        message = f"ONNX Runtime cannot open the exported file: {reason}"
        raise ModelFileError(message, code="E311", help="export it again") from error


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
    """The largest difference as a share of max(1, |y|), both in the network's own units."""
    if found.shape != wanted.shape:
        return float("inf")
    apart = np.abs(found - wanted) / unit
    return float(np.max(apart / np.maximum(1, np.abs(wanted) / unit), initial=0))


def check(model: Model, files: Mapping[str, bytes]) -> list[Check]:
    """Run an exported model beside ``model`` on rows drawn at random: in batches, in pieces, step by step.

    Raises
    ------
    ModelFileError
        E310 if an answer is too far away.
    """
    exported, exact = Exported(files), in_float64(model)
    found = [_check_batch(model, exact, exported, lengths) for lengths in BATCHES]
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


def _check_batch(model: Model, exact: Model, exported: Exported, lengths: tuple[int, ...]) -> Check:
    rows = drawn(model, lengths)
    scales = [units(model, row) for row in rows]
    wanted = answers_to(model, rows)
    found = _worst(exported.run(rows)[0], wanted, scales)
    return Check(
        "in a batch", len(rows), max(lengths), found, _worst(wanted, answers_to(exact, rows), scales)
    )


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
