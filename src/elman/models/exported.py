"""An exported model that runs in ONNX Runtime: whole rows, or step by step with the states carried."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman.errors import ModelFileError, missing_extra
from elman.models.export_rows import Row, padded, part, steps_of
from elman.models.onnx_graph import KEY

if TYPE_CHECKING:
    import onnxruntime

Arrays = dict[str, NDArray[Any]]


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
        states: Arrays | None = None
        found = []
        for t in range(steps_of(row)):
            now = part(row, t, t + 1)
            batch = {name: array[None] if name == "known" else array for name, array in now.items()}
            answer, states = self.advance(batch, states)
            found.append(answer[0])
        return np.stack(found)

    def advance(self, batch: Row, states: Arrays | None = None) -> tuple[NDArray[Any], Arrays]:
        """Take one step of B sessions: the answers, and the states after."""
        return self._run(self.step, batch, states)

    def _run(self, session: Any, batch: Row, states: Arrays | None) -> tuple[NDArray[Any], Arrays]:
        """Its first output, and the states after; a state that is not given is the first one."""
        rows, feeds = len(next(iter(batch.values()))), {}
        for port in session.get_inputs():
            if port.name in batch:
                feeds[port.name] = batch[port.name]
            elif states is not None and port.name in states:
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
