"""The contract: the same bits alone and in any batch, whole, in chunks and step by step, on every path."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from elman import kernels
from elman.errors import UsageError
from elman.kernels.forward import tensor_shapes
from elman.kernels.native import compiled
from tests.marks import needs_kernels

pytestmark = [needs_kernels, pytest.mark.usefixtures("kept")]

D, K = 5, 3
LENGTHS = np.array([9, 50, 1, 0, 23, 50, 7, 8, 2, 31, 16, 17, 33, 3, 44, 5, *range(6, 20), 50, 0, 49])


@dataclass(frozen=True)
class Shape:
    recurrence: str
    hidden_size: int = 33
    num_layers: int = 1
    causal: bool = True
    nonlinearity: str = "tanh"
    pooling: str = "mean+max"
    embedding_size: int = 8
    shortcut: float = 3.0
    symbols: str = "embedding"


def network(shape, task="tag", seed=0):
    rng = np.random.default_rng(seed)
    shapes = tensor_shapes(shape, (), K, features=D, task=task)
    tensors = {n: (rng.uniform(-1, 1, s) / 3).astype(np.float32) for n, s in shapes.items()}
    x = rng.normal(size=(len(LENGTHS), 50, D)).astype(np.float32)
    return tensors, x


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    np.testing.assert_array_equal(a.view(np.int32), b.view(np.int32))


SHAPES = [
    Shape(kind, num_layers=layers, causal=causal)
    for kind in ("rnn", "lstm", "gru")
    for layers in (1, 3)
    for causal in (True, False)
]
SHAPES += [
    Shape("rnn", nonlinearity="relu"),
    Shape("rnn", nonlinearity="identity"),
    Shape("lstm", hidden_size=128),
]


@pytest.fixture(
    params=SHAPES, ids=lambda s: f"{s.recurrence}-{s.num_layers}-{s.causal}-{s.nonlinearity}-{s.hidden_size}"
)
def shape(request):
    return request.param


@pytest.mark.parametrize("task", ["tag", "classify"])
def test_a_row_has_the_same_bits_in_any_company(shape, task):
    tensors, x = network(shape, task)
    whole, after = kernels.run(shape, tensors, x, LENGTHS, task=task)
    states = after if isinstance(after, tuple) else (after,)
    rng = np.random.default_rng(1)
    for size in (1, 2, 7, 33):
        order = rng.permutation(len(LENGTHS))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            longest = int(LENGTHS[rows].max())
            for padding in (0, 50) if start == 0 else (0,):
                part = np.full((len(rows), longest + padding, D), np.nan, np.float32)
                for i, row in enumerate(rows):
                    part[i, : LENGTHS[row]] = x[row, : LENGTHS[row]]
                said, end = kernels.run(shape, tensors, part, LENGTHS[rows], task=task)
                same(said if task == "classify" else said[:, :longest],
                     whole[rows] if task == "classify" else whole[rows, :longest])  # fmt: skip
                for one, other in zip(end if isinstance(end, tuple) else (end,), states, strict=True):
                    same(one, other[:, rows])


@pytest.mark.parametrize("task", ["tag", "classify"])
def test_every_instruction_set_and_thread_count(shape, task):
    tensors, x = network(shape, task)
    found = []
    for path in compiled.module.isas():
        kernels.use(path)
        assert kernels.info()["path"] == path
        for count in (1, 2, 3):
            kernels.set_threads(count)
            said = kernels.run(shape, tensors, x, LENGTHS, task=task)[0]
            found.append(kernels.softmax(said) if task == "classify" else said)
    for other in found[1:]:
        same(found[0], other)


@pytest.mark.parametrize("size", [1, 7, 50])
def test_in_chunks_with_the_state_handed_on(shape, size):
    if not shape.causal:
        pytest.skip("it reads backwards too, so it has no chunks")
    tensors, x = network(shape)
    whole, after = kernels.run(shape, tensors, x, np.full(len(x), 50), task="tag")
    state, parts = None, []
    for start in range(0, 50, size):
        part = x[:, start : start + size]
        said, state = kernels.run(shape, tensors, part, np.full(len(x), part.shape[1]), state, task="tag")
        parts.append(said)
    same(np.concatenate(parts, axis=1), whole)
    for one, other in zip(*(s if isinstance(s, tuple) else (s,) for s in (state, after)), strict=True):
        same(one, other)


@pytest.mark.parametrize("task", ["tag", "classify"])
@pytest.mark.parametrize("sessions", [1, 2, 33])
def test_step_by_step(shape, task, sessions):
    if not shape.causal:
        pytest.skip("it reads backwards too, so it has no steps")
    tensors, x = network(shape, task)
    stepper = kernels.Stepper(shape, tensors, task=task, sessions=sessions)
    for t in range(20):
        said = stepper.step(np.ascontiguousarray(x[:sessions, t]))
        upto = kernels.run(shape, tensors, x[:sessions, : t + 1], np.full(sessions, t + 1), task=task)[0]
        same(said, upto if task == "classify" else upto[:, t])


def test_a_stepper_goes_on_from_its_state_and_sessions_never_meet():
    shape = Shape("gru", num_layers=2)
    tensors, x = network(shape, "classify")
    one = kernels.Stepper(shape, tensors, sessions=3)
    for t in range(5):
        one.step(x[:3, t].copy())
    other = kernels.Stepper(shape, tensors, sessions=3)
    other.state = one.state
    same(one.step(x[:3, 5].copy()), other.step(x[:3, 5].copy()))
    one.reset(1)
    alone = kernels.Stepper(shape, tensors)
    for t in range(6, 9):
        same(one.step(x[:3, t].copy())[1], alone.step(x[1:2, t].copy())[0])
    one.reset()
    fresh = kernels.Stepper(shape, tensors, sessions=3)
    same(one.step(x[:3, 0].copy()), fresh.step(x[:3, 0].copy()))


def test_a_neighbour_full_of_nan_changes_nothing(shape):
    tensors, x = network(shape)
    whole, _ = kernels.run(shape, tensors, x, LENGTHS, task="tag")
    bad = x.copy()
    bad[[1, 6, 11]] = np.nan
    said, _ = kernels.run(shape, tensors, bad, LENGTHS, task="tag")
    others = np.setdiff1d(np.arange(len(x)), [1, 6, 11])
    same(said[others], whole[others])
    assert np.isnan(said[1, :50]).all()


def test_the_numpy_twin_is_near_and_so_is_its_stepper(shape):
    tensors, x = network(shape, "classify")
    said = kernels.run(shape, tensors, x, LENGTHS)[0]
    wide = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    exact = kernels.run(shape, wide, x.astype(np.float64), LENGTHS)[0]
    assert (abs(said - exact) <= 1e-5 * np.maximum(1, abs(exact))).all()
    kernels.use("numpy")
    twin = kernels.run(shape, tensors, x, LENGTHS)[0]
    assert (abs(said - twin) <= 1e-5 * np.maximum(1, abs(twin))).all()
    if shape.causal:
        stepper = kernels.Stepper(shape, tensors)
        for t in range(9):
            last = stepper.step(x[:1, t])
        np.testing.assert_allclose(last[0], said[0], atol=1e-5)


def test_denormal_numbers_are_noughts_everywhere():
    shape = Shape("lstm")
    tensors, x = network(shape)
    tiny = np.full_like(x, 1e-40)
    lengths = np.full(len(x), 50)
    same(kernels.run(shape, tensors, tiny, lengths, task="tag")[0],
         kernels.run(shape, tensors, np.zeros_like(x), lengths, task="tag")[0])  # fmt: skip


def test_a_network_that_reads_both_ways_has_no_stepper():
    shape = replace(Shape("gru"), causal=False)
    tensors, _ = network(shape)
    with pytest.raises(UsageError, match="reads both ways"):
        kernels.Stepper(shape, tensors, task="tag")
