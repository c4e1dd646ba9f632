"""Names answered per second: by kernels, by the NumPy twin, by torch.nn with a PackedSequence.

First nearly all different names, then 100,000 drawn from them with replacement, as a table of people has
them: equal names are answered once, and what names have in common at their beginning is run once.

All run the same weights on the same rows, in turn (A B A B ...), on one thread. Ratios are what
to look at: the machine's own speed drifts. torch runs every row, as its user would write it, and once more
each different name alone, as its user could.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is loaded

import statistics
import time

import numpy as np
import torch
from tables import keep, markdown
from torch import nn

import elman
from elman import kernels
from elman.data.batch import batch_rows, pad

QUICK = bool(os.environ.get("QUICK"))
ROUNDS, ROWS = (3, 5_000) if QUICK else (5, 20_000)


class Packed(nn.Module):
    """The same one-layer network as a user of torch would write it."""

    def __init__(self, model: elman.Model) -> None:
        super().__init__()
        tensors = {name: torch.tensor(value) for name, value in model.members[0].items()}
        self.shortcut = model.settings.shortcut
        self.tables = [tensors[f"embedding.{g}.weight"] for g in range(len(model.inputs.sizes))]
        self.gru = nn.GRU(model.settings.embedding_size, model.settings.hidden_size, batch_first=True)
        layers = {
            name.removeprefix("layers."): t for name, t in tensors.items() if name.startswith("layers.")
        }
        self.gru.load_state_dict(layers)
        self.weight, self.bias = tensors["head.weight"], tensors["head.bias"]

    @torch.no_grad()
    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        x = sum(nn.functional.embedding(ids[..., g], table) for g, table in enumerate(self.tables))
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        valid = (torch.arange(states.shape[1]) < lengths[:, None])[..., None]
        highest = states.masked_fill(~valid, -torch.inf).amax(1)
        direct = self.shortcut * (x * valid).sum(1) / lengths[:, None].sqrt()
        parts = torch.cat([states.sum(1) / lengths[:, None], highest, direct], -1)
        return (parts @ self.weight.T + self.bias).softmax(-1)


def with_torch(model: elman.Model, network: Packed, texts: list[str]) -> np.ndarray:
    """What ``Model.predict_proba`` does, with torch doing the arithmetic."""
    sequences = model.inputs.encode_all(texts)
    answer = np.empty((len(texts), len(model.classes_)), np.float32)
    for rows in batch_rows([len(s) for s in sequences], 512):
        ids, lengths = pad([sequences[row] for row in rows])
        answer[rows] = network(torch.from_numpy(ids), torch.from_numpy(lengths)).numpy()
    return answer


def seconds(run) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    answer = run()
    return time.perf_counter() - start, answer


def main() -> None:
    torch.set_num_threads(1)
    table = elman.data.load_names()
    texts, labels = table.column("name"), table.column("origin")
    learner = elman.SequenceClassifier(max_epochs=1, members=1, pooling="mean+max")
    model = learner.fit(texts[::20], labels[::20]).model_
    network = Packed(model)
    drawn = np.random.default_rng(0).integers(0, len(texts), 5 * ROWS)
    found = [side_by_side(model, network, texts[:ROWS])]
    if not QUICK:
        found.append(side_by_side(model, network, [texts[row] for row in drawn]))
    text = "# Names answered per second\n\none thread, medians\n\n" + markdown("One layer, GRU, H 128", found)
    print(text)
    if not QUICK:
        keep("predict", text, found)


def side_by_side(model: elman.Model, network: Packed, rows: list[str]) -> dict[str, object]:
    ours, twins, theirs, their_best = [], [], [], []
    path = kernels.info()["path"]
    different = list(dict.fromkeys(rows))
    model.predict_proba(rows)
    for _ in range(ROUNDS):
        mine, a = seconds(lambda: model.predict_proba(rows))
        other, b = seconds(lambda: with_torch(model, network, rows))
        best, _ = seconds(lambda: with_torch(model, network, different))
        kernels.use("numpy")
        twin, c = seconds(lambda: model.predict_proba(rows))
        kernels.use(path)
        np.testing.assert_allclose(a, b, atol=1e-5)
        np.testing.assert_allclose(a, c, atol=1e-5)
        ours.append(mine)
        twins.append(twin)
        theirs.append(other)
        their_best.append(best)
    times = {"elman": ours, "NumPy twin": twins, "torch": theirs, "torch, different": their_best}
    return {
        "rows": len(rows),
        "different": len(different),
        **{f"{name} rows/s": round(len(rows) / statistics.median(each)) for name, each in times.items()},
        "elman / torch": ratio(theirs, ours),
        "elman / torch, different": ratio(their_best, ours),
    }


def ratio(theirs: list[float], ours: list[float]) -> float:
    return round(statistics.median(b / a for a, b in zip(ours, theirs, strict=True)), 2)


if __name__ == "__main__":
    main()
