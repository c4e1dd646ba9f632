"""The names model run in three ways: by elman, by ONNX Runtime on what ``elman export`` wrote, by torch.

Batches of 1 and 1,000 encoded names, and one step. All three run the same weights on the same rows, in turn,
on one thread; the answers are compared. Ratios are what to look at: the machine's own speed drifts.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is loaded

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import torch
from predict import Packed
from tables import keep, markdown

import elman
from elman import kernels
from elman.data.batch import pad
from elman.models.answers import probabilities
from elman.models.export import export
from elman.models.stream_network import CausalNetwork

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 5 if QUICK else 31
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
Run = Callable[[], Any]


def session(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def feeds_of(
    found: onnxruntime.InferenceSession, ids: np.ndarray, lengths: np.ndarray | None
) -> dict[str, Any]:
    """Ids (B, T, G), the lengths where they are asked for, and first states of noughts."""
    about = json.loads(found.get_modelmeta().custom_metadata_map["elman"])
    feeds: dict[str, Any] = {}
    for port in found.get_inputs():
        given = {"ids": ids, "lengths": lengths}.get(port.name)
        if given is None:
            shape = [{"B": len(ids), "T": ids.shape[1]}.get(axis, axis) for axis in port.shape]
            given = np.zeros(shape, TYPES[port.type]) + about.get("first", {}).get(port.name, 0)
        feeds[port.name] = given.astype(TYPES[port.type])
    return feeds


def microseconds(run: Run, least: float = 0.02) -> float:
    count, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < least:
        run()
        count += 1
    return 1e6 * spent / count


def in_turn(what: str, ours: Run, onnx: Run, theirs: Run | None, rows: int) -> dict[str, Any]:
    times = [[microseconds(run) for run in (ours, onnx, theirs) if run is not None] for _ in range(ROUNDS)]
    names = ["elman µs", "ONNX Runtime µs", "torch µs"]
    found: dict[str, Any] = {"what": what, "rows": rows}
    found |= {
        name: statistics.median(column) for name, column in zip(names, zip(*times, strict=True), strict=False)
    }
    found["times ONNX Runtime"] = statistics.median(b / a for a, b, *_ in times)
    if theirs is not None:
        found["times torch"] = statistics.median(row[2] / row[0] for row in times)
    return found


def batch(model: elman.Model, full: onnxruntime.InferenceSession, texts: list[str]) -> dict[str, Any]:
    sequences = model.inputs.encode_all(texts)
    ids, lengths = pad(sequences)
    feeds, network = feeds_of(full, ids, lengths), Packed(model)
    tensors = torch.from_numpy(ids), torch.from_numpy(lengths)
    ours = lambda: probabilities(model, sequences, None)  # noqa: E731
    onnx = lambda: full.run(None, feeds)  # noqa: E731
    theirs = lambda: network(*tensors)  # noqa: E731
    wanted = ours()
    np.testing.assert_allclose(onnx()[0], wanted, atol=2e-5)
    np.testing.assert_allclose(theirs().numpy(), wanted, atol=2e-5)
    return in_turn(f"a batch of {len(texts):,}", ours, onnx, theirs, len(texts))


def one_step(model: elman.Model, step: onnxruntime.InferenceSession) -> dict[str, Any]:
    """One symbol by its ids, its n-grams and the belief: as a stream steps, and by step.onnx."""
    ids = model.inputs.encode_all(["Rossi"])[0][None, :1]
    feeds = feeds_of(step, ids if len(step.get_inputs()[0].shape) == 3 else ids[:, 0], None)
    network, symbol = CausalNetwork(model, 1), tuple(ids[0, 0].tolist())
    ours = lambda: network.read([symbol], None, shares=True)  # noqa: E731
    onnx = lambda: step.run(None, feeds)  # noqa: E731
    np.testing.assert_allclose(onnx()[0], ours()[0], atol=1e-5)
    return in_turn("one step", ours, onnx, None, 1)


def main() -> None:
    torch.set_num_threads(1)
    kernels.set_threads(1)
    table = elman.data.load_names()
    texts, labels = table.column("name"), table.column("origin")
    model = elman.SequenceClassifier(max_epochs=1, members=1).fit(texts[::20], labels[::20]).model_
    files = export(model).files
    full, step = session(files["full.onnx"]), session(files["step.onnx"])
    found = [batch(model, full, texts[:1]), batch(model, full, texts[:1000]), one_step(model, step)]
    rows = sorted(found, key=lambda row: row["times ONNX Runtime"])
    text = markdown("Running the names model, one thread, slowest first", rows)
    print(text)
    if not QUICK:
        keep("anywhere", f"# Beside ONNX Runtime {onnxruntime.__version__}\n\n{text}", found)


if __name__ == "__main__":
    main()
