"""Learning: one epoch of the names job and the four systems, beside plain torch in the same run.

The names job is the default classifier's; the other side is the same network with torch.nn's GRU over a
PackedSequence. The four systems stand beside their transcriptions in tests/systems. All on one thread.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import elman
from elman.nn import Recurrent, network

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
QUICK = bool(os.environ.get("QUICK"))
ROUNDS, ROWS = (1, 4_000) if QUICK else (3, None)


class Packed(Recurrent):
    """The same layers by torch.nn's own functions over a PackedSequence, as a user of torch writes them."""

    def forward(self, input: Tensor, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:  # noqa: A002
        packed = pack_padded_sequence(input, lengths, enforce_sorted=False)
        ways = len(self.suffixes)
        first = input.new_zeros(self.num_layers * ways, input.shape[1], self.hidden_size)
        weights = list(self.parameters())
        data, final = torch.gru(
            packed.data, packed.batch_sizes, first, weights, True, self.num_layers, self.dropout,
            self.training, ways == 2,
        )  # fmt: skip
        final = final.index_select(1, packed.unsorted_indices)
        outputs = torch.nn.utils.rnn.PackedSequence(data, *packed[1:])
        return pad_packed_sequence(outputs, total_length=len(input))[0], final


def learn_names(texts: list[str], labels: list[str], layers: type[Recurrent]) -> float:
    """Seconds of one epoch; what stands before it and behind it is not counted."""
    kept, network.Recurrent = network.Recurrent, layers
    try:
        learner = elman.SequenceClassifier(members=1, max_epochs=1, validation_fraction=0, random_state=0)
        steps = learner.fit_iter(texts, labels)
        next(steps)
        start, count = time.perf_counter(), sum(1 for _ in steps)
        return (time.perf_counter() - start) / count
    finally:
        network.Recurrent = kept


def names() -> list[dict[str, object]]:
    table = elman.data.load_names()
    texts, labels = table.column("name")[:ROWS], table.column("origin")[:ROWS]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(learn_names(texts, labels, Recurrent))
        theirs.append(learn_names(texts, labels, Packed))
    return [{
        "job": "names, one epoch", "ms an update": 1e3 * statistics.median(ours),
        "torch ms": 1e3 * statistics.median(theirs),
        "times": statistics.median(b / a for a, b in zip(ours, theirs, strict=True)),
    }]  # fmt: skip


def systems() -> list[dict[str, object]]:
    from tests.systems import test_names_from_scratch, test_names_stacked, test_sine, test_sine_to_cosine

    torch.set_num_threads(1)
    rows = []
    for module in (test_names_from_scratch, test_names_stacked, test_sine, test_sine_to_cosine):
        count = 80 if QUICK else 400
        system = module.system(count + 1)
        _, steps = system.ours(torch.float32)
        next(steps)
        start = time.perf_counter()
        for _ in itertools.islice(steps, count):
            pass
        ours = (time.perf_counter() - start) / count
        losses = system.theirs(torch.float32)[1]
        next(losses)
        start = time.perf_counter()
        for _ in itertools.islice(losses, count):
            pass
        theirs = (time.perf_counter() - start) / count
        name = module.__name__.rpartition("test_")[2].replace("_", "-")
        rows.append(
            {"job": name, "ms an update": 1e3 * ours, "torch ms": 1e3 * theirs, "times": theirs / ours}
        )
    return rows


def table(title: str, rows: list[dict[str, object]]) -> str:
    heads = list(rows[0])
    lines = [f"## {title}", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        values = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(values) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    found = sorted(names() + systems(), key=lambda row: row["times"])
    text = table("Learning, one thread, slowest first", found)
    print(text)
    if not QUICK:
        folder = Path(__file__).parent
        (folder / "learning.md").write_text(f"# Learning beside plain torch {torch.__version__}\n\n{text}")
        (folder / "learning.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
