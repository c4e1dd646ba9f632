"""The kernels beside sgemm in the same run: share of its peak, few rows, the stepper, denormal inputs.

``sgemm`` is the faster of NumPy's and torch's product at m = B, n = gates · H, k = D + H, D = H; ours is the
faster of two runs, as many as the other side has. Forward runs a layer that was packed before, as predicting
does; forward + backward packs its weights anew, as learning must. T is 20 steps or as many as
make 0.4 GFLOP, and 200 at the sizes where the start of a call weighs in a short one. Two threads run as many
calls in a row as fill some 25 ms, so that they are awake, and so does the product beside them. All sizes and
both sides run in turn, round by round; ratios are what to look at, since the machine's own speed drifts.
Slowest first.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is loaded

import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from tables import keep, markdown

from elman import kernels
from elman.cells import make_cell
from elman.kernels.native import compiled
from elman.kernels.scan import KERNELS, weights

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 5 if QUICK else 15
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
WIDE = [(64, 128), (256, 128), (64, 256), (64, 512), (256, 512)]
LONG, LONG_SIZES = 200, WIDE[:3]
SMALL = [(1, 32), (1, 128), (8, 32)]


def aligned(array: np.ndarray) -> np.ndarray:
    """The same in memory that begins with a line of the cache, as torch's does and NumPy's mostly not."""
    room = np.empty(array.nbytes + 64, np.uint8)
    begin = -room.ctypes.data % 64
    new = room[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    new[...] = array
    return new


class Case:
    """One recurrence at one size, ready to run forwards and backwards."""

    def __init__(self, kind: str, B: int, H: int, T: int) -> None:
        self.kind, self.B, self.H, self.T = kind, B, H, T
        self.cell = make_cell(kind, H)
        rng = np.random.default_rng(0)
        params = self.cell.parameters(H, H, 1)
        self.params = {n: (rng.uniform(-1, 1, s) / np.sqrt(H)).astype("f") for n, (s, _) in params.items()}
        self.x = aligned(rng.normal(size=(T, B, H)).astype("f"))
        self.state = [np.zeros((B, H), "f") for _ in self.cell.state_names]
        self.out, self.d_x = (aligned(np.empty((T, B, H), "f")) for _ in range(2))
        self.final = [np.empty((B, H), "f") for _ in self.state]
        self.packed = weights(self.params)
        self.layer = self.pack()
        self.grads = [aligned(w) for w in self.packed]
        self.d_out = aligned(rng.normal(size=(T, B, H)).astype("f"))
        self.d_state = [np.empty((B, H), "f") for _ in self.state]

    @property
    def flops(self) -> float:
        return 2.0 * self.T * self.B * GATES[self.kind] * self.H * 2 * self.H

    def pack(self) -> object:
        return compiled.module.Layer(KERNELS[type(self.cell)], "tanh", *self.packed)

    def forward(self, threads: int = 1) -> object:
        return self._scan(self.layer, threads, keep=False)

    def both(self, threads: int = 1) -> None:
        saved = self._scan(self.pack(), threads, keep=True)
        d_state = [*self.d_state, None][:2]
        kind = KERNELS[type(self.cell)], "tanh", *self.packed[:2]
        given = saved, self.x, None, self.out, self.d_out, None, None
        compiled.module.scan_back(*kind, *given, self.d_x, *self.grads, *d_state, threads)

    def _scan(self, layer: object, threads: int, *, keep: bool) -> object:
        state, final = [*self.state, None][:2], [*self.final, None][:2]
        given = self.x, None, None, None, *state, False, threads
        return compiled.module.scan(layer, *given, self.out, 0, *final, keep)


def sgemm(kind: str, B: int, H: int) -> list[Callable[[], object]]:
    rng = np.random.default_rng(0)
    shapes = (B, 2 * H), (2 * H, GATES[kind] * H), (B, GATES[kind] * H)
    a, b, c = (aligned(rng.normal(size=shape).astype("f")) for shape in shapes)
    ta, tb = torch.tensor(a), torch.tensor(b)
    tc = torch.empty(c.shape)
    return [lambda: np.matmul(a, b, out=c), lambda: torch.matmul(ta, tb, out=tc)]


def whole(case: Case, threads: int) -> Callable[[], object]:
    """As many multiply-adds as a case has in one product of torch: what another thread can give at best."""
    rows, width = case.T * case.B, GATES[case.kind] * case.H
    a, b = torch.randn(rows, 2 * case.H), torch.randn(2 * case.H, width)
    c = torch.empty(rows, width)

    def run() -> None:
        torch.set_num_threads(threads)
        torch.matmul(a, b, out=c)
        torch.set_num_threads(1)

    return run


def seconds(run: Callable[[], object], times: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - start) / times


def in_turn(*runs: tuple[Callable[[], object], int]) -> list[list[float]]:
    (found,) = round_by_round([runs])
    return found


def round_by_round(groups: Sequence[Sequence[tuple[Callable[[], object], int]]]) -> list[list[list[float]]]:
    """Seconds of each run (which is called so often at a time) of each group, all of them in every round."""
    found: list[list[list[float]]] = [[[] for _ in runs] for runs in groups]
    for round_ in range(ROUNDS + 1):
        for times, runs in zip(found, groups, strict=True):
            for took, (run, count) in zip(times, runs, strict=True):
                one = seconds(run, count)
                if round_:  # the first one warms up
                    took.append(one)
    return found


def runs_of(case: Case) -> list[tuple[Callable[[], object], int]]:
    """Both sides twice, then one and two threads of either."""
    first, second = sgemm(case.kind, case.B, case.H)
    awake = max(1, round(4e9 / case.flops))
    return [
        (case.forward, 1), (first, case.T), (case.both, 1),
        (case.forward, 1), (second, case.T), (case.both, 1),
        (case.forward, awake), (lambda: case.forward(2), awake),
        (whole(case, 1), awake), (whole(case, 2), awake),
    ]  # fmt: skip


def short(kind: str, B: int, H: int) -> int:
    return max(20, int(4e8 / (2 * B * GATES[kind] * H * 2 * H)))


def share_of_peak() -> list[dict[str, object]]:
    cases = [Case(kind, B, H, short(kind, B, H)) for kind in GATES for B, H in WIDE]
    cases += [Case(kind, B, H, LONG) for kind in GATES for B, H in LONG_SIZES]
    rows = []
    for case, found in zip(cases, round_by_round([runs_of(case) for case in cases]), strict=True):
        *alone, one, two, one_of_sgemm, two_of_sgemm = found
        ours, theirs, both = (fastest(alone[n], alone[n + 3]) for n in range(3))  # two tries each
        peak = [case.flops / case.T / t for t in theirs]
        rows.append({
            "cell": case.kind, "B": case.B, "H": case.H, "T": case.T,
            "sgemm GFLOP/s": statistics.median(peak) / 1e9,
            "forward": median_ratio([case.flops / t for t in ours], peak),
            "forward + backward": median_ratio([3 * case.flops / t for t in both], peak),
            "two threads / one": median_ratio(one, two),
            "sgemm: two / one": median_ratio(one_of_sgemm, two_of_sgemm),
        })  # fmt: skip
    return sorted(rows, key=lambda row: row["forward"])


def fastest(one: list[float], other: list[float]) -> list[float]:
    return [min(a, b) for a, b in zip(one, other, strict=True)]


def median_ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def small() -> list[dict[str, object]]:
    rows = []
    for kind in GATES:
        for B, H in SMALL:
            case = Case(kind, B, H, 200)
            forward, both = in_turn((case.forward, 20), (case.both, 20))
            step, least = statistics.median(forward) / 200 * 1e6, min(forward) / 200 * 1e6
            learn = statistics.median(both) / 200 * 1e6
            row = {"forward µs/step": step, "best": least, "forward + backward µs/step": learn}
            rows.append({"cell": kind, "B": B, "H": H, **row})
    return rows


def stepper() -> list[dict[str, object]]:
    rows = []
    for kind in GATES:
        shape = Network(kind)
        shapes = kernels.tensor_shapes(shape, (), 4, features=32, task="tag")
        rng = np.random.default_rng(0)
        tensors = {n: (rng.uniform(-1, 1, s) / 6).astype("f") for n, s in shapes.items()}
        for sessions in (1, 64):
            one = kernels.Stepper(shape, tensors, task="tag", sessions=sessions)
            x = rng.normal(size=(sessions, 32)).astype("f")
            step = one.step
            (found,) = in_turn((lambda s=step, x=x: s(x), 5000))
            rows.append({"cell": kind, "sessions": sessions, "µs/step": statistics.median(found) * 1e6,
                         "best": min(found) * 1e6})  # fmt: skip
    return rows


class Network:
    """What the stepper is told of a network."""

    hidden_size, num_layers, causal, nonlinearity, pooling = 32, 1, True, "tanh", "last"
    embedding_size, shortcut, symbols = 8, 0.0, "embedding"

    def __init__(self, recurrence: str) -> None:
        self.recurrence = recurrence


def denormals() -> list[dict[str, object]]:
    rows = []
    for kind in GATES:
        case, tiny = Case(kind, 8, 128, 50), Case(kind, 8, 128, 50)
        tiny.x[...] = 1e-40
        normal, denormal = in_turn((case.forward, 3), (tiny.forward, 3))
        rows.append({"cell": kind, "denormal / normal time": median_ratio(denormal, normal)})
    return rows


def main() -> None:
    torch.set_num_threads(1)
    if compiled.module is None:
        print("no compiled kernels here: nothing to measure", file=sys.stderr)
        return
    found = {
        "Share of the sgemm peak, slowest first": share_of_peak(),
        "One and few rows": small(),
        "Stepper, H 32, one layer and head, from Python": stepper(),
        "Denormal inputs": denormals(),
    }
    text = "\n".join(markdown(title, rows) for title, rows in found.items())
    head = f"{kernels.info()['path']}, one thread unless said, {ROUNDS} rounds, medians\n\n"
    print(head + text)
    if not QUICK:
        keep("kernels", f"# Kernels\n\n{head}{text}", found)


if __name__ == "__main__":
    main()
