"""elman.nn beside torch.nn in the same run: RNN, GRU, LSTM over batches, sizes, lengths and threads.

Both sides run in turn (A B A B ...) on the same thread count; a figure is how many times faster ours is, the
median of the rounds' ratios. Cells where ours is slower come first.
"""

from __future__ import annotations

import itertools
import math
import os
import statistics
import sys
import time
from collections.abc import Callable

import torch
from tables import keep, markdown
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import elman.nn

QUICK = bool(os.environ.get("QUICK"))
KINDS = ("RNN", "GRU", "LSTM")
BATCHES = (1, 64) if QUICK else (1, 8, 64, 256)
SIZES = (8, 32, 128) if QUICK else (8, 32, 128, 512)
STEPS = (20,) if QUICK else (20, 200)
THREADS = (1, 2)
LEAST, MOST = (
    (0.005, 0.3) if QUICK else (0.02, 2.0)
)  # seconds of one measurement, and of all rounds of a side
ASKED = {"RNN": 4.5, "GRU": 5.0, "LSTM": 1.8}
Run = Callable[[], object]


def pair(kind: str, size: int, hidden: int) -> tuple[nn.Module, nn.Module]:
    """Ours and torch's, with the same weights."""
    torch.manual_seed(0)
    theirs = getattr(nn, kind)(size, hidden)
    ours = getattr(elman.nn, kind)(size, hidden)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def learn(module: nn.Module, x: torch.Tensor, grad: torch.Tensor) -> None:
    """Forward and backward, the gradients of weights and input included."""
    module.zero_grad()
    x.grad = None
    module(x)[0].backward(grad)


def once(run: Run, times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - start) / times


def in_turn(ours: Run, theirs: Run) -> dict[str, float]:
    """Seconds of both, and the median and least ratio theirs / ours."""
    times = [max(1, math.ceil(LEAST / min(once(run, 1), once(run, 1)))) for run in (ours, theirs)]
    whole = sum(once(run, n) * n for run, n in zip((ours, theirs), times, strict=True))
    rounds = min(9, max(3, int(MOST / whole)))
    a, b = zip(*((once(ours, times[0]), once(theirs, times[1])) for _ in range(rounds)), strict=True)
    ratios = [y / x for x, y in zip(a, b, strict=True)]
    return {"ms": 1e3 * statistics.median(a), "torch ms": 1e3 * statistics.median(b),
            "times": statistics.median(ratios), "best": min(b) / min(a)}  # fmt: skip


def grid() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    cells = list(itertools.product(KINDS, BATCHES, SIZES, STEPS, THREADS))
    start = time.perf_counter()
    for n, (kind, B, H, T, threads) in enumerate(cells):
        torch.set_num_threads(threads)
        ours, theirs = pair(kind, H, H)
        x, grad = torch.randn(T, B, H), torch.randn(T, B, H)
        place = {"cell": kind, "B": B, "H": H, "T": T, "threads": threads}
        with torch.no_grad():
            found = in_turn(lambda m=ours, x=x: m(x), lambda m=theirs, x=x: m(x))
        rows.append({**place, "pass": "forward", **found})
        x.requires_grad_()
        found = in_turn(
            lambda m=ours, x=x, g=grad: learn(m, x, g), lambda m=theirs, x=x, g=grad: learn(m, x, g)
        )
        rows.append({**place, "pass": "both", **found})
        if n % 16 == 15:
            print(f"{n + 1} of {len(cells)}, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return sorted(rows, key=lambda row: row["times"])


def ragged() -> list[dict[str, object]]:
    """Lengths uniform in 1 ... 200, B 64, H 64, forward + backward, against a PackedSequence."""
    rows = []
    for kind, threads in itertools.product(KINDS, THREADS):
        torch.set_num_threads(threads)
        ours, theirs = pair(kind, 64, 64)
        lengths = torch.randint(1, 201, (64,), generator=torch.Generator().manual_seed(0))
        lengths[0] = 200
        x, grad = torch.randn(200, 64, 64, requires_grad=True), torch.randn(200, 64, 64)

        def packed(module: nn.Module = theirs, x=x, n=lengths) -> torch.Tensor:
            out, _ = module(pack_padded_sequence(x, n, enforce_sorted=False))
            return pad_packed_sequence(out)[0]

        def mine(module: nn.Module = ours, x=x, n=lengths) -> torch.Tensor:
            return module(x, lengths=n)[0]

        found = in_turn(lambda f=mine, g=grad: f().backward(g), lambda f=packed, g=grad: f().backward(g))
        ours_packed = in_turn(
            lambda f=packed, m=ours, g=grad: f(m).backward(g), lambda f=packed, g=grad: f().backward(g)
        )
        rows.append({"cell": kind, "threads": threads, **found, "ours packed": ours_packed["times"]})
    return sorted(rows, key=lambda row: row["times"])


def means(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Geometric means of each cell and pass, and the small cells that are promised most."""
    found = []
    for kind, which in itertools.product(KINDS, ("forward", "both")):
        mine = [row for row in rows if row["cell"] == kind and row["pass"] == which]
        small = [r["times"] for r in mine if r["B"] == 1 and r["H"] <= 32 and r["T"] == max(STEPS)]
        found.append({
            "cell": kind, "pass": which,
            "geometric mean": statistics.geometric_mean(r["times"] for r in mine),
            "asked": ASKED[kind], "least": min(r["times"] for r in mine),
            "B 1, H ≤ 32, longest": min(small),
        })  # fmt: skip
    return found


def main() -> None:
    rows = grid()
    found = {
        "Geometric means of torch.nn's time over ours": means(rows),
        "Ragged batches against a PackedSequence, forward + backward": ragged(),
        "Every size, slowest first": rows,
    }
    text = "\n".join(markdown(title, part) for title, part in found.items())
    print(text)
    if not QUICK:
        keep("layers", f"# Layers beside torch.nn {torch.__version__}\n\n{text}", found)


if __name__ == "__main__":
    main()
