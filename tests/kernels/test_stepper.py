"""A stepper moves all sessions, some of them or none; looks symbols up; and tells its state by names."""

from __future__ import annotations

import numpy as np
import pytest

from elman import kernels
from elman.errors import UsageError
from elman.kernels.native import compiled
from tests.kernels.test_one_answer import Shape, network, same
from tests.marks import needs_kernels

PATHS = ["numpy"] if compiled.module is None else [compiled.module.isa(), "numpy"]


@pytest.fixture(params=PATHS)
def path(request):
    before = compiled.path
    kernels.use(request.param)
    yield request.param
    kernels.use(before)
    compiled.wanted = ""


@pytest.fixture(params=["rnn", "lstm", "gru"])
def made(request, path):
    shape = Shape(request.param, num_layers=2)
    return shape, *network(shape, "classify")


def test_some_sessions_step_and_the_others_stay(made, path):
    shape, tensors, x = made
    some, alone = (
        kernels.Stepper(shape, tensors, sessions=5),
        [kernels.Stepper(shape, tensors) for _ in "abcde"],
    )
    for t, rows in enumerate([[0, 1, 2, 3, 4], [3, 1], [4], [2, 0, 4, 1]]):
        said = some.step_rows(np.ascontiguousarray(x[rows, t]), np.array(rows))
        for place, row in enumerate(rows):
            wanted = alone[row].step(x[row : row + 1, t])[0]
            if path == "numpy":
                np.testing.assert_allclose(said[place], wanted, atol=1e-6)
            else:
                same(said[place], wanted)


def test_a_peek_says_what_a_step_would_and_stays(made):
    shape, tensors, x = made
    stepper, other = kernels.Stepper(shape, tensors, sessions=2), kernels.Stepper(shape, tensors, sessions=2)
    for t in range(4):
        now = np.ascontiguousarray(x[:2, t])
        before = stepper.state
        said = stepper.peek(now)
        same(stepper.step_rows(now, np.arange(2), keep=False), said)
        same(stepper.state, before)
        same(stepper.step(now), said)
        same(other.step(now), said)


def test_parts_are_the_state_by_names(made, path):
    shape, tensors, x = made
    stepper = kernels.Stepper(shape, tensors, sessions=3)
    for t in range(3):
        stepper.step(np.ascontiguousarray(x[:3, t]))
    parts = stepper.parts
    states = ["h", "c"] if shape.recurrence == "lstm" else ["h"]
    assert list(parts) == [
        *(f"layers.{n}.{state}" for n in (0, 1) for state in states), "sums", "most", "direct", "count",
    ]  # fmt: skip
    assert parts["layers.1.h"].shape == (3, 33)
    assert parts["count"].tolist() == [[3.0]] * 3
    np.testing.assert_allclose(parts["direct"], x[:3, :3].sum(axis=1), atol=1e-5)
    _, after = kernels.run(shape, tensors, x[:3, :3], np.full(3, 3))
    for state, whole in zip(states, after if isinstance(after, tuple) else (after,), strict=True):
        for n in (0, 1):
            np.testing.assert_allclose(parts[f"layers.{n}.{state}"], whole[n], atol=1e-6)
    other = kernels.Stepper(shape, tensors, sessions=3)
    other.parts = parts
    same(other.step(np.ascontiguousarray(x[:3, 3])), stepper.step(np.ascontiguousarray(x[:3, 3])))
    with pytest.raises(UsageError, match=r"layers.0.h has shape \(0,\)"):
        other.parts = {}


def test_the_two_paths_tell_the_same_parts():
    if compiled.module is None:
        pytest.skip("there is only one here")
    for shortcut in (0.0, 3.0):
        shape = Shape("lstm", shortcut=shortcut)
        tensors, _ = network(shape, "classify")
        native = kernels.Stepper(shape, tensors).parts
        before = compiled.path
        kernels.use("numpy")
        plain = kernels.Stepper(shape, tensors).parts
        kernels.use(before)
        compiled.wanted = ""
        assert {n: a.shape for n, a in native.items()} == {n: a.shape for n, a in plain.items()}


@needs_kernels
def test_symbols_are_looked_up():
    shape = Shape("gru")
    tensors, _ = network(shape, "classify")
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(9, 5)).astype(np.float32), rng.normal(size=(4, 5)).astype(np.float32)]
    stepper, other = kernels.Stepper(shape, tensors), kernels.Stepper(shape, tensors)
    assert stepper.look_up_in(tables)
    for ids, ends in [((3, 1), None), ((8, 0), (2, 3)), ((0, 2), (1, 1)), ((1, 1), None)]:
        said = stepper.read(ids, ends, shares=ends is not None)
        wanted = other.step(kernels.embed(tables, np.array([[ids]]))[0])
        if ends is not None:
            wanted = kernels.softmax(other.peek(kernels.embed(tables, np.array([[ends]]))[0]))
        same(said, wanted)
    for ids in [(9, 0), (-1, 0), (0, 4), (0,), (0, 0, 0)]:
        with pytest.raises(ValueError, match="id"):
            stepper.read(ids)
    with pytest.raises(ValueError, match="one session with tables"):
        other.read((0, 0))
    assert not kernels.Stepper(shape, tensors, sessions=2).look_up_in(tables)


@pytest.mark.parametrize("rows", [[0, 0], [2], [-1]])
def test_rows_are_sessions_each_once(made, rows):
    shape, tensors, x = made
    with pytest.raises(UsageError, match="rows must be sessions from 0 to 1, each once"):
        kernels.Stepper(shape, tensors, sessions=2).step_rows(x[: len(rows), 0], np.array(rows))


@pytest.mark.parametrize("wrong", [None, "x", [[1.0, 2.0]], np.zeros((2, 4), np.float32), np.zeros(3)])
@pytest.mark.parametrize("ask", ["step", "peek"])
def test_whatever_cannot_be_a_step_gets_one_sentence(wrong, ask):
    shape = Shape("gru")
    one = kernels.Stepper(shape, network(shape)[0], task="tag", sessions=2)
    with pytest.raises(UsageError, match=r"a step takes numbers \(2, 5\), not"):
        getattr(one, ask)(wrong)
    assert getattr(one, ask)(x=[[1, 2, 3, 4, 5], [0, 0, 0, 0, 0]]).shape == (2, 3)
