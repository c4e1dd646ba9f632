"""One step of elman.nn's cells beside torch.nn's in the same run, as a loop over time takes them.

Forward without gradients, and forward + backward. One thread; in turn (A B A B ...); slowest first.
"""

from __future__ import annotations

import itertools

import torch
from layers import KINDS, QUICK, in_turn, pair
from tables import keep, markdown
from torch import nn

BATCHES = (1, 8)
SIZES = (32, 128) if QUICK else (32, 128, 256, 512)


def forward(cell: nn.Module, x: torch.Tensor, _: torch.Tensor) -> None:
    with torch.no_grad():
        cell(x)


def both(cell: nn.Module, x: torch.Tensor, grad: torch.Tensor) -> None:
    cell.zero_grad()
    out = cell(x)
    (out[0] if isinstance(out, tuple) else out).backward(grad)


def one_step() -> list[dict[str, object]]:
    rows = []
    for kind, H, B in itertools.product(KINDS, SIZES, BATCHES):
        ours, theirs = pair(kind + "Cell", H, H)
        x, grad = torch.randn(B, H), torch.randn(B, H)
        for run in (forward, both):
            for _ in range(100):  # until the memory that a step takes is that which the one before gave back
                run(ours, x, grad), run(theirs, x, grad)
            found = in_turn(
                lambda m=ours, x=x, f=run, g=grad: f(m, x, g), lambda m=theirs, x=x, f=run, g=grad: f(m, x, g)
            )
            rows.append({"cell": kind, "B": B, "H": H, "pass": run.__name__, **found})
    return sorted(rows, key=lambda row: row["times"])


def main() -> None:
    torch.set_num_threads(1)
    rows = one_step()
    table = markdown("Cells, one thread, slowest first", rows)
    text = f"# One step beside torch.nn {torch.__version__}\n\n{table}"
    print(text)
    if not QUICK:
        keep("steps", text, rows)


if __name__ == "__main__":
    main()
