"""Whatever comes to the kernels: the right result or one clear sentence; the interpreter never crashes."""

from __future__ import annotations

import contextlib
import os
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elman import kernels
from elman.cells import make_cell
from elman.errors import UsageError
from elman.kernels import twins
from elman.kernels.native import compiled
from elman.kernels.scan import check_lengths
from tests.marks import needs_kernels

native = compiled.module
pytestmark = needs_kernels
QUIET = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
TYPES = ["f4", "f8", "f2", "i4", "i8", "u1", "?", "O"]


@st.composite
def arrays(draw, most=3):
    shape = draw(st.lists(st.integers(0, 5), min_size=0, max_size=most))
    array = (
        np.random.default_rng(draw(st.integers(0, 9))).normal(size=shape).astype(draw(st.sampled_from(TYPES)))
    )
    kind = draw(
        st.sampled_from(["plain", "reversed", "transposed", "sliced", "broadcast", "read-only", "special"])
    )
    if kind == "reversed" and array.ndim:
        array = array[::-1]
    if kind == "transposed":
        array = array.T
    if kind == "sliced" and array.ndim:
        array = array[..., ::2]
    if kind == "broadcast" and array.ndim:
        array = np.broadcast_to(array[:1], array.shape) if len(array) else array
    if kind == "read-only":
        array.flags.writeable = False
    if kind == "special" and array.dtype.kind == "f" and array.size:
        array = array.copy()
        with np.errstate(over="ignore"):
            array.flat[0] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 1e38, 1e-45]))
    return array


def survives(call, *arguments):
    """A result, or an error that a program can catch."""
    with contextlib.suppress(UsageError, TypeError, ValueError, IndexError, AttributeError):
        call(*arguments)


def zeros_of(*shapes):
    return [np.zeros(shape, "f4") for shape in shapes]


GATES = {"rnn": 1, "gru": 3, "lstm": 4}
WEIGHTS = {kind: ((n * 8, 8), (n * 8, 8), (n * 8,), (n * 8,)) for kind, n in GATES.items()}
maybe = st.one_of(st.none(), arrays())


@QUIET
@given(x=maybe, ids=maybe, lengths=maybe, reset=maybe, h0=maybe, c0=maybe, out=arrays(), hn=arrays(),
       cn=maybe, column=st.integers(-2, 9), threads=st.integers(-1, 3), reverse=st.booleans(),
       keep=st.booleans(), kind=st.sampled_from(["rnn", "lstm", "gru"]))  # fmt: skip
def test_the_boundary_of_scan(
    x, ids, lengths, reset, h0, c0, out, hn, cn, column, threads, reverse, keep, kind
):
    G = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    layer = native.Layer(kind, "tanh", np.ones((G * 3, 2), "f4"), np.ones((G * 3, 3), "f4"), None, None)
    survives(native.scan, layer, x, ids, lengths, reset, h0, c0, reverse, threads, out, column, hn, cn, keep)


@QUIET
@given(a=arrays(), b=arrays(), c=maybe, d=arrays(), n=st.integers(-3, 5))
def test_the_boundary_of_everything_else(a, b, c, d, n):
    for call, arguments in [
        (native.Layer, ("gru", "tanh", a, b, c, c)), (native.Layer, ("other", "tanh", a, b, c, c)),
        (native.linear, (a, b, c, d, n)), (native.softmax, (a, True)), (native.pool, (a, b, n, d)),
        (native.embed, ([a, b], d, a)), (native.scale, (a, b, d)), (native.map, (n, a, d)),
        (native.Stepper, ([("rnn", "tanh", a, b, c, c)], ["last"], 0.0, d, a, n, np.asarray)),
        (native.Stepper, ([], ["no"], 0.0, d, a, n, np.asarray)),
    ]:  # fmt: skip
        survives(call, *arguments)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("hidden", [7, 32, 64])
@pytest.mark.parametrize("batch", [1, 7, 24, 64])
@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_an_input_of_no_numbers_is_no_input(kind, batch, hidden, threads):
    def by(features):  # which are all nought
        x, out, state = zeros_of((3, batch, features), (3, batch, hidden), (batch, hidden))
        lines = GATES[kind] * hidden
        w = np.random.default_rng(0).normal(0, 0.1, (2, lines, hidden)).astype("f4")
        every = np.zeros((lines, features), "f4"), w[0], w[1, :, 0].copy(), w[1, :, 1].copy()
        layer = native.Layer(kind, "tanh", *every)
        second = [np.zeros_like(state) if kind == "lstm" else None]
        saved = native.scan(layer, x, *[None] * 5, False, threads, out, 0, state, *second, True)
        slopes = [np.empty_like(part) for part in (x, *every, state)]
        given = saved, x, None, out, np.ones_like(out), None, None
        native.scan_back(kind, "tanh", *every[:2], *given, *slopes, *second, threads)
        return out, state, *slopes[2:]

    for none, nought in zip(by(0), by(4), strict=True):
        assert np.array_equal(none, nought)


@pytest.mark.parametrize(("ran", "asked"), [("rnn", "lstm"), ("rnn", "gru"), ("gru", "lstm")])
def test_what_another_cell_has_kept_is_refused(ran, asked):
    weights = {kind: zeros_of(*shapes) for kind, shapes in WEIGHTS.items()}
    x, out, state = zeros_of((3, 2, 8), (3, 2, 8), (2, 8))
    saved = native.scan(
        native.Layer(ran, "tanh", *weights[ran]), x, *[None] * 5, False, 1, out, 0, state, None, True
    )
    given = saved, x, None, out, out, None, None
    with pytest.raises(ValueError, match="saved by another layer"):
        native.scan_back(asked, "tanh", *weights[asked][:2], *given, x, *weights[asked], state, state, 1)


def test_a_head_without_answers_is_refused():
    layer = ("rnn", "tanh", np.ones((3, 2), "f4"), np.ones((3, 3), "f4"), None, None)
    head = np.ones((0, 3), "f4"), np.ones(0, "f4")
    with pytest.raises(ValueError, match="answers something"):
        native.Stepper([layer], [], 0.0, *head, 1, np.asarray)


@QUIET
@given(x=arrays(), weight=arrays(2), bias=st.one_of(st.none(), arrays(1)))
def test_linear_is_right_or_says_why(x, weight, bias):
    try:
        with np.errstate(all="ignore"):
            found = kernels.linear(x, weight, bias)
    except (UsageError, ValueError, TypeError, IndexError):
        return
    with np.errstate(all="ignore"):
        wanted = twins.linear(x, weight, bias)
    assert found.shape == wanted.shape
    if found.dtype.kind == "f" and np.isfinite(wanted).all() and (abs(wanted.astype("f8")) < 1e30).all():
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [(0,), (1,), (7,), (64,), (3, 5), (0, 5), ()])
def test_a_product_of_no_numbers_is_the_bias(rows):
    weight, bias = np.ones((33, 0), "f4"), np.arange(33, dtype="f4")
    found = kernels.linear(np.empty((*rows, 0), "f4"), weight, bias)
    assert np.array_equal(found, np.broadcast_to(bias, (*rows, 33)))


@QUIET
@given(data=st.data(), kind=st.sampled_from(["rnn", "lstm", "gru"]), T=st.integers(0, 6), B=st.integers(0, 5),
       D=st.integers(1, 4), H=st.integers(1, 20), reverse=st.booleans())  # fmt: skip
def test_scan_is_right_for_any_layout(data, kind, T, B, D, H, reverse):
    cell = make_cell(kind, H)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    params = {n: rng.uniform(-1, 1, s).astype("f4") for n, (s, _) in cell.parameters(D, H, 1).items()}
    x = rng.normal(size=(B, T, D)).astype("f4").swapaxes(0, 1)
    x = np.asfortranarray(x) if data.draw(st.booleans()) else x
    x.flags.writeable = False
    least = data.draw(st.sampled_from([-1, 0]))
    kinds = st.sampled_from(["i8", "i4", "f4"] if least else ["i8", "u1", "f4"])
    lengths = np.array(
        data.draw(st.lists(st.integers(least, T + 1), min_size=B, max_size=B)), data.draw(kinds)
    )
    try:
        checked = check_lengths(lengths, T, B)
    except UsageError as error:
        with pytest.raises(UsageError, match=str(error.message).split(" ", 1)[0]):
            kernels.scan(cell, x, lengths, params, reverse=reverse)
        return
    found, after = kernels.scan(cell, x, lengths, params, reverse=reverse)
    wanted, end = twins.scan(cell, x, checked, params, reverse=reverse)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    for one, other in zip(*(s if isinstance(s, tuple) else (s,) for s in (after, end)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("bad", [np.ones((2, 3, 7), "f4"), np.ones((2, 3, 0), "f4")])
def test_a_wrong_width_is_named(bad):
    cell = make_cell("gru", 4)
    params = {n: np.ones(s, "f4") for n, (s, _) in cell.parameters(5, 4, 1).items()}
    with pytest.raises(UsageError, match=r"weight_ih has shape \(12, 5\), expected \(12, "):
        kernels.scan(cell, bad, None, params)


def work(seed=0):
    cell = make_cell("lstm", 64)
    rng = np.random.default_rng(seed)
    params = {n: rng.uniform(-0.1, 0.1, s).astype("f4") for n, (s, _) in cell.parameters(32, 64, 1).items()}
    return kernels.scan(cell, rng.normal(size=(20, 64, 32)).astype("f4"), None, params)[0]


@pytest.fixture
def two_threads():
    kernels.set_threads(2)
    yield
    kernels.set_threads(None)


def test_a_forked_child_computes_the_same(two_threads):
    wanted = work()
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(work(), wanted) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(work(), wanted)


def test_two_python_threads_at_once(two_threads):
    wanted, found = work(), {}

    def run(name):
        found[name] = [work() for _ in range(10)]

    threads = [threading.Thread(target=run, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, wanted) for each in found.values() for one in each)


def test_in_processes_of_joblib(two_threads):
    joblib = pytest.importorskip("joblib")
    wanted = work()
    for found in joblib.Parallel(n_jobs=2)(joblib.delayed(work)() for _ in range(4)):
        np.testing.assert_array_equal(found, wanted)


def test_beside_a_parallel_region_of_torch(two_threads):
    torch = pytest.importorskip("torch")
    before, wanted = torch.get_num_threads(), work()
    torch.set_num_threads(2)
    a = torch.randn(512, 512)
    try:
        for _ in range(20):
            a @ a
            np.testing.assert_array_equal(work(), wanted)
    finally:
        torch.set_num_threads(before)
