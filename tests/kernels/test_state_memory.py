"""States are read and written where they lie: nothing else is written, and they may be moved on in place."""

import numpy as np
import pytest

from elman.cells import GRU, LSTM, RNN, draw_parameters
from elman.kernels.native import compiled
from elman.kernels.scan import KERNELS, weights
from tests.marks import needs_kernels

pytestmark = needs_kernels
STEPS, BATCH = 6, 9
LENGTHS = {
    "all": None,
    "longest first": np.array([6, 6, 5, 4, 4, 2, 1, 0, 0]),
    "any": np.array([2, 6, 0, 4, 6, 1, 5, 0, 4]),
}


def scan(cell, first, final, lengths, reset, *, keep, threads):
    rng = np.random.default_rng(1)
    params = {n: p.astype("f4") for n, p in draw_parameters(cell, 3, 2, rng).items()}
    layer = compiled.module.Layer(KERNELS[type(cell)], "tanh", *weights(params))
    x = rng.normal(size=(STEPS, BATCH, 3)).astype("f4")
    out = np.zeros((STEPS, BATCH, cell.hidden_size), "f4")
    h0, c0 = [*first, None][:2]
    hn, cn = [*final, None][:2]
    compiled.module.scan(layer, x, None, lengths, reset, h0, c0, False, threads, out, 0, hn, cn, keep)
    return out


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("hidden", [5, 32, 64])
@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_a_state_may_be_moved_on_in_place(kind, hidden, lengths, fresh, keep, threads):
    cell, rng = kind(hidden), np.random.default_rng(0)
    reset = (rng.random((STEPS, BATCH)) < 0.3).astype("u1") if fresh else None
    first = [rng.normal(size=(BATCH, hidden)).astype("f4") for _ in cell.state_names]
    before, in_place = [part.copy() for part in first], [part.copy() for part in first]
    final = [np.full_like(part, np.nan) for part in first]
    how = {"lengths": LENGTHS[lengths], "reset": reset, "keep": keep, "threads": threads}
    out = scan(cell, first, final, **how)
    again = scan(cell, in_place, in_place, **how)
    assert np.array_equal(out, again)
    for own, moved, given, left in zip(final, in_place, before, first, strict=True):
        assert np.array_equal(own, moved)
        assert np.array_equal(given, left)
    if LENGTHS[lengths] is not None:
        ended = LENGTHS[lengths] == 0
        assert all(np.array_equal(f[ended], g[ended]) for f, g in zip(final, before, strict=True))
