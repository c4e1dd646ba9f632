"""Learning: one epoch of the names job and the four systems, beside plain torch in the same run.

The names job is the default classifier's; the other side is the same network written with torch.nn alone, its
GRU over a PackedSequence, and learns from the same batches by the same rule. The four systems stand beside
their transcriptions in tests/systems. All on one thread.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import torch
from tables import keep, markdown
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import elman
from elman.nn.network import Network

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
QUICK = bool(os.environ.get("QUICK"))
ROUNDS, ROWS = (1, 4_000) if QUICK else (3, None)


class Plain(nn.Module):
    """The default classifier as a user of torch writes it: tables, a GRU over a PackedSequence, a head."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        s = network.settings
        self.rates, self.shortcut = s, s.shortcut
        self.tables = nn.ModuleList(
            nn.Embedding(n, s.embedding_size, padding_idx=0 if g else None)
            for g, n in enumerate(network.sizes)
        )
        self.layers = nn.GRU(s.embedding_size, s.hidden_size)
        self.head = nn.Linear(*reversed(network.head.weight.shape))
        found = {n.replace("embedding.", "tables."): w for n, w in network.state_dict().items()}
        self.load_state_dict(found)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """(T, B, G), (B,) -> logits (B, K)."""
        total = torch.zeros(())
        for g, table in enumerate(self.tables):
            column, rate = ids[..., g], self.rates.ngram_dropout if g else self.rates.symbol_dropout
            if self.training and rate:
                column = column.masked_fill(torch.rand(column.shape) < rate, 0)
            total = total + table(column)
        read = functional.dropout(total, self.rates.input_dropout, self.training)
        outputs, _ = pad_packed_sequence(
            self.layers(pack_padded_sequence(read, lengths, enforce_sorted=False))[0]
        )
        valid = (torch.arange(len(read))[:, None] < lengths)[..., None]
        size = lengths[:, None].float()
        mean, most = (outputs * valid).sum(0) / size, outputs.masked_fill(~valid, -torch.inf).amax(0)
        pooled = torch.cat([mean, most, self.shortcut * (read * valid).sum(0) / size.sqrt()], dim=-1)
        return self.head(functional.dropout(pooled, self.rates.dropout, self.training))


def learn_plainly(network: Network, batches: list[Any], settings: elman.SequenceClassifier) -> float:
    """Seconds of an update of the same network from the same batches by torch alone."""
    plain = Plain(network)
    ids, lengths = torch.as_tensor(batches[0].inputs).transpose(0, 1), torch.as_tensor(batches[0].lengths)
    same = network.eval()(batches[0].inputs, batches[0].lengths), plain.eval()(ids, lengths)
    torch.testing.assert_close(*same, rtol=1e-4, atol=1e-4)
    plain.train()
    groups = [
        {"params": plain.tables.parameters(), "weight_decay": settings.embedding_decay},
        {"params": [*plain.layers.parameters(), *plain.head.parameters()], "weight_decay": 0.0},
    ]
    rule = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, settings.beta2), fused=True)
    start = time.perf_counter()
    for batch in batches:
        ids, lengths = torch.as_tensor(batch.inputs).transpose(0, 1), torch.as_tensor(batch.lengths)
        rule.zero_grad()
        loss = functional.cross_entropy(plain(ids, lengths), torch.as_tensor(batch.targets))
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), settings.clip)
        rule.step()
        loss.item()
    return (time.perf_counter() - start) / len(batches)


def learn_names(texts: list[str], labels: list[str]) -> tuple[float, float]:
    """Seconds of an update in one epoch, ours and torch's; what stands around them is not counted."""
    learner = elman.SequenceClassifier(members=1, max_epochs=1, validation_fraction=0, random_state=0)
    steps, batches = learner.fit_iter(texts, labels), []
    next(steps)
    start = time.perf_counter()
    batches = [progress.step.batch for progress in steps]
    ours = (time.perf_counter() - start) / len(batches)
    model = learner.model_
    network = Network(model.settings, model.inputs.sizes, len(model.classes_))
    network.load_tensors(model.members[0])
    return ours, learn_plainly(network, batches, learner)


def names() -> list[dict[str, object]]:
    table = elman.data.load_names()
    texts, labels = table.column("name")[:ROWS], table.column("origin")[:ROWS]
    ours, theirs = zip(*(learn_names(texts, labels) for _ in range(ROUNDS)), strict=True)
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


def main() -> None:
    found = sorted(names() + systems(), key=lambda row: row["times"])
    text = markdown("Learning, one thread, slowest first", found)
    print(text)
    if not QUICK:
        keep("learning", f"# Learning beside plain torch {torch.__version__}\n\n{text}", found)


if __name__ == "__main__":
    main()
