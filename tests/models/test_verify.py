"""The same sequences in every way: what is promised holds for every model, and what is broken is found."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from elman import kernels
from elman.errors import UsageError
from elman.kernels import twins
from elman.kernels.native import TWIN, compiled
from elman.kernels.stepper import Stepper
from elman.models import verify as verifying
from elman.models import verify_runs
from elman.models.exported import Exported
from elman.models.forecasting import Form
from elman.models.verify import BITS, NEAR, NOT_HERE, REPORTED, verify
from elman.models.verify_cases import cases_of, own_cases

from ..marks import needs_kernels
from .export_cases import LABELS, NUMBERS, READS, SERIES, forecaster, generator, make

SHAPES = {
    "1 layer": {},
    "2 layers": {"num_layers": 2},
    "both ways": {"causal": False, "pooling": "last+mean+max"},
    "2 members": {"members": 2, "pooling": "last+max"},
}
FORM = Form(2, horizon=3, known=1, past=2, normalise="scale")
MODELS = {
    "classify texts": lambda **s: make("classify", READS["n-grams"][0], LABELS, **s),
    "regress texts with numbers": lambda **s: make("regress", READS["mixed"][0], NUMBERS, **s),
    "tag numbers": lambda **s: make("tag", READS["gaps"][0], NUMBERS, **s),
    "forecast with covariates": lambda **s: forecaster(FORM, **s),
    "generate": generator,
}
ONE_WAY = ("forecast with covariates", "generate")
"""What only goes forwards."""

CASES = [
    (name, shape) for name in MODELS for shape in SHAPES if not (shape == "both ways" and name in ONE_WAY)
]


def model_of(name, shape="1 layer", **settings):
    return MODELS[name](**{"members": 1, "recurrence": "gru", **SHAPES[shape], **settings})


def by_way(lines):
    return {line.way: line for line in lines}


def broken(lines):
    return {line.way for line in lines if line.held is False}


def single_thread_paths():
    return {f"{path}, 1 thread" for path in compiled.names() if path != TWIN}


@needs_kernels
@pytest.mark.parametrize(("name", "shape"), CASES)
@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
def test_what_is_promised_holds(name, shape, recurrence):
    model = model_of(name, shape, recurrence=recurrence)
    lines = by_way(verify(model, own_cases(model)))
    ways = {"in batches", "padded", "step by step"} | ({"in chunks"} if model.causal else set())
    paths = {way for way in lines if "thread" in way}
    assert len(paths) >= 2 * (len(compiled.names()) - 1)
    for way in ways | paths:
        assert (lines[way].promise, lines[way].held) == (BITS, True), way
        assert (lines[way].difference, lines[way].where) == (0, None)
    for way in ("NumPy, one step", "ONNX, one step"):
        assert (lines[way].promise, lines[way].held) == (NEAR, True)
        assert 0 < lines[way].difference <= 1e-5  # it was another arithmetic
    wholes = {"NumPy, whole", "float64, whole", "ONNX, whole", *["ONNX, step by step"] * model.causal}
    for way in wholes:
        assert (lines[way].promise, lines[way].held) == (REPORTED, None)
        assert 0 < lines[way].difference < 1e-3
    assert set(lines) == ways | paths | wholes | {"NumPy, one step", "ONNX, one step", "in chunks"}
    assert model.causal or "reads both ways" in lines["in chunks"].note


@needs_kernels
def test_own_sequences_of_ones_own_with_covariates_and_conditions():
    rng = np.random.default_rng(5)
    model = model_of("forecast with covariates")
    known, past = ([rng.normal(5, 2, (len(s) + more, k)) for s in SERIES] for more, k in ((3, 1), (0, 2)))
    assert not broken(verify(model, cases_of(model, SERIES, covariates=known, past=past)))
    model = model_of("generate")
    assert not broken(verify(model, cases_of(model, ["anna", "Zoë!"], conditions=["y", "x"])))
    model = make("classify", READS["words"][0], LABELS)
    assert not broken(verify(model, cases_of(model, ["to be, or not", "", "be"])))
    model = make("tag", READS["bytes"][0], LABELS)
    assert not broken(verify(model, cases_of(model, ["Zoë!", "", "ëë"])))
    model, long = model_of("tag numbers"), [rng.normal(100, 30, (230, 2)), rng.normal(100, 30, (1, 2))]
    assert not broken(verify(model, cases_of(model, long)))


def last_bit(answer):
    """The next larger numbers."""
    return np.nextafter(answer, np.float32(np.inf), dtype=np.float32)


@needs_kernels
def test_a_stream_that_is_a_bit_away_is_found(monkeypatch):
    model, plain = model_of("classify texts"), Stepper.read
    monkeypatch.setattr(Stepper, "read", lambda *args, **more: last_bit(plain(*args, **more)))
    lines = verify(model, own_cases(model))
    assert broken(lines) == {"in batches", "step by step", *single_thread_paths()}  # short texts are stepped
    line = by_way(lines)["step by step"]
    assert 0 < line.difference < 1e-6
    assert line.where is not None


@needs_kernels
@pytest.mark.parametrize("name", ["classify texts", "tag numbers"])
def test_chunks_that_are_a_little_away_are_found(name, monkeypatch):
    layers, run = verify_runs.run_layers, verify_runs.run

    def later_layers(settings, tensors, inputs, lengths, state=None):
        said, after = layers(settings, tensors, inputs, lengths, state)
        return (said if state is None else said + np.float32(1e-5)), after  # a bit is lost in the pooling

    def later_run(model, inputs, lengths, states=None):
        said, after = run(model, inputs, lengths, states)
        return (said if states is None else [last_bit(one) for one in said]), after

    monkeypatch.setattr(verify_runs, "run_layers", later_layers)
    monkeypatch.setattr(verify_runs, "run", later_run)
    model = model_of(name)
    assert broken(verify(model, own_cases(model))) == {"in chunks"}


@needs_kernels
def test_company_padding_and_threads_that_change_a_bit_are_found(monkeypatch):
    model, plain, padded = model_of("tag numbers"), verifying.answers_to, verify_runs.padded

    def on_two(model, rows):
        said = plain(model, rows)
        said[1][3] = np.nextafter(said[1][3], np.inf) if kernels.threads() == 2 else said[1][3]
        return said

    monkeypatch.setattr(verifying, "answers_to", on_two)
    monkeypatch.setattr(verify_runs, "padded", lambda *args: [-one for one in padded(*args)])
    kernels.set_threads(1)
    try:
        lines = verify(model, own_cases(model))
    finally:
        kernels.set_threads(None)
    two = {f"{path}, 2 threads" for path in compiled.names() if path != TWIN}
    assert broken(lines) == {"padded", *two}
    assert {by_way(lines)[way].where for way in two} == {(1, 3)}


@needs_kernels
@pytest.mark.parametrize("way", ["NumPy, one step", "ONNX, one step"])
def test_another_arithmetic_that_is_too_far_away_is_found(way, monkeypatch):
    if way == "NumPy, one step":
        plain = twins.linear
        monkeypatch.setattr(twins, "linear", lambda *args: plain(*args) + np.float32(1e-4))
    else:
        advance = Exported.advance

        def away(*args):
            said, after = advance(*args)
            return said, {name: np.full_like(state, np.nan) for name, state in after.items()}

        monkeypatch.setattr(Exported, "advance", away)
    model = model_of("tag numbers")
    lines = verify(model, own_cases(model))
    assert broken(lines) == {way}
    assert by_way(lines)[way].difference > 1e-5


@needs_kernels
def test_the_arithmetic_and_the_threads_are_put_back(monkeypatch):
    def fails(*args):
        kernels.use("scalar")
        raise RuntimeError("in the middle")

    kernels.set_threads(3)
    before = compiled.path, compiled.wanted, compiled.off
    try:
        model = model_of("classify texts")
        verify(model, own_cases(model))
        assert (compiled.path, compiled.wanted, compiled.off, kernels.threads()) == (*before, 3)
        monkeypatch.setattr(verifying, "answers_to", fails)
        with pytest.raises(RuntimeError, match="in the middle"):
            verify(model, own_cases(model))
        assert (compiled.path, compiled.wanted, compiled.off, kernels.threads()) == (*before, 3)
    finally:
        kernels.set_threads(None)


@pytest.mark.parametrize("how", ["no module", "ELMAN_ISA=numpy"])
def test_bits_are_not_promised_in_plain_numpy(how, monkeypatch):
    if how == "no module":
        monkeypatch.setattr(compiled, "module", None)
        monkeypatch.setattr(compiled, "_warned", True)
    else:
        monkeypatch.setattr(compiled, "off", True)
    model = model_of("classify texts", "2 members")
    lines = verify(model, own_cases(model))
    for line in lines[:4]:
        assert (line.promise, line.held, line.note) == (REPORTED, None, NOT_HERE)
        assert line.difference < 1e-5
    assert not any("thread" in line.way for line in lines)
    assert by_way(lines)["ONNX, one step"].held
    assert by_way(lines)["NumPy, one step"].difference == 0  # it is NumPy already


@needs_kernels
def test_a_cell_of_ones_own_is_promised_less(mine):
    model = model_of("classify texts", recurrence="mine")
    lines = verify(model, own_cases(model))
    promised = {line.way for line in lines if line.promise != REPORTED}
    assert promised == {"in batches", "step by step"}
    assert not broken(lines)
    assert by_way(lines)["padded"].note == "not promised for a cell of one's own"


def test_without_onnxruntime_its_line_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = model_of("classify texts")
    line = verify(model, own_cases(model))[-1]
    assert (line.way, line.held, line.difference) == ("ONNX", None, None)
    assert line.note == 'not checked: pip install "elman[export]"'


def test_a_model_is_verified_on_something():
    with pytest.raises(UsageError, match="no sequence to verify"):
        verify(model_of("classify texts"), [])
