"""What a trace shows is what the model computes: the bits of its states and beliefs, and its cell's gates."""

from __future__ import annotations

import numpy as np
import pytest

from elman import kernels
from elman.data.codec import TextCodec
from elman.data.numbers import NumberCodec
from elman.errors import DataError, UsageError
from elman.kernels.forward import layer_params
from elman.models.forecasting import Form
from elman.models.trace import Layer
from tests.marks import needs_kernels
from tests.models.made import NAMES, SERIES, make, make_mixed, make_text, make_writer
from tests.models.test_stream import forecaster, same

pytestmark = needs_kernels


def squash(a):
    return 1 / (1 + np.exp(-a.astype(np.float64)))


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("causal", [True, False])
def test_states_are_the_bits_of_the_network(recurrence, causal):
    model = make_text(recurrence=recurrence, num_layers=2, causal=causal)
    found = model.trace("rossi")
    assert found.symbols == ["r", "o", "s", "s", "i", "⊣"]
    ids = model.inputs.encode("rossi")[None]
    for tensors, layers in zip(model.members, found.members, strict=True):
        _, after = kernels.run(model.settings, tensors, ids, np.array([6]))
        final = after if isinstance(after, tuple) else (after,)
        assert [layer.name for layer in layers] == (
            ["layer 1", "layer 2"]
            if causal
            else ["layer 1", "layer 1, backwards", "layer 2", "layer 2, backwards"]
        )
        for n, layer in enumerate(layers):
            ends = 0 if "backwards" in layer.name else -1
            for part, kept in zip(final, layer.states.values(), strict=True):
                assert kept.shape == (6, 7)
                same(kept[ends], part[n, 0])


def test_every_step_of_a_state_is_that_of_the_prefix():
    model = make_text(recurrence="lstm", members=1)
    found = model.trace("rossi")
    ids = model.inputs.encode("rossi")[None]
    for t in range(6):
        _, (h, c) = kernels.run(model.settings, model.members[0], ids[:, : t + 1], np.array([t + 1]))
        same(found.layers[0].h[t], h[0, 0])
        same(found.layers[0].c[t], c[0, 0])


def test_the_gates_of_an_lstm_are_those_of_its_equations():
    model = make("tag", recurrence="lstm", num_layers=2, members=1)
    for n, layer in enumerate(model.trace(SERIES[0]).layers):
        assert list(layer.gates) == ["i", "f", "g", "o"]
        i, f, g, o = layer.gates.values()
        before = np.concatenate([np.zeros((1, 5), np.float32), layer.c[:-1]])
        np.testing.assert_allclose(f * before + i * g, layer.c, atol=1e-6)
        np.testing.assert_allclose(o * np.tanh(layer.c), layer.h, atol=1e-6)
        assert n in (0, 1)


def test_the_gates_of_a_gru_are_those_of_its_equations():
    model = make("tag", recurrence="gru", members=1)
    layer = model.trace(SERIES[0]).layers[0]
    r, z, n = layer.gates.values()
    before = np.concatenate([np.zeros((1, 5), np.float32), layer.h[:-1]])
    np.testing.assert_allclose(n + z * (before - n), layer.h, atol=1e-6)
    from elman.cells import GRU

    params = layer_params(GRU(5), model.members[0], "_l0")
    x = model.inputs.encode(SERIES[0])
    a = x @ params["weight_ih"].T + params["bias_ih"]
    q = before @ params["weight_hh"].T + params["bias_hh"]
    np.testing.assert_allclose(r, squash((a + q)[:, :5]), atol=1e-6)
    np.testing.assert_allclose(z, squash((a + q)[:, 5:10]), atol=1e-6)
    with pytest.raises(UsageError, match="no state c"):
        _ = layer.c


@pytest.mark.parametrize("causal", [True, False])
def test_beliefs_are_what_is_said_of_the_steps_so_far(causal):
    model = make_text(causal=causal)
    found = model.trace("rossi")
    assert found.classes.tolist() == ["a", "b", "c"]
    for t in range(6):
        same(found.probabilities[t], model.predict_proba(["rossi"[: t + 1]])[0])
    assert found.values is None
    targets = NumberCodec().fit([np.array([1.0, 5.0, 9.0])])
    numbers = make_text("regress", targets=targets).trace("ro")
    assert numbers.probabilities is None
    same(numbers.values, make_text("regress", targets=targets).predict(["r", "ro", "ro"]))


def test_beliefs_of_bytes():
    model = make_text(codec=TextCodec(unit="byte", ngrams=2, edges=True, min_count=1).fit(NAMES))
    found = model.trace("né")
    assert found.symbols == ["0x6E", "0xC3", "0xA9", "⊣"]
    same(found.probabilities[[0, 2, 3]], model.predict_proba(["n", "né", "né"]))


def test_beliefs_of_every_task():
    tagger = make_text("tag")
    same(tagger.trace("rossi").probabilities, tagger.predict_proba(["rossi"])[0])
    assert tagger.trace("rossi").symbols == list("rossi")
    writer = make_writer()
    found = writer.trace("rossi")
    assert found.symbols == ["⊢", *"rossi"]
    same(found.probabilities, writer.predict_proba(["rossi"])[0])
    series = make("forecast")
    found = series.trace(SERIES[0])
    same(found.values, series.predict_steps([SERIES[0]])[0])
    assert found.symbols == ["1", "4", "2", "8", "5"]
    same(found.inputs, SERIES[0][:, None])
    form = Form(2, known=1, normalise="scale")
    ahead, rng = forecaster(form), np.random.default_rng(0)
    x, known = rng.normal(size=(5, 2)), rng.normal(size=(6, 1))
    same(ahead.trace(x, covariates=known).values, ahead.predict_steps([x], covariates=[known])[0])
    mixed, pairs = make_mixed()
    found = mixed.trace(pairs[1])
    text, numbers = pairs[1]
    for t in range(len(text)):
        same(found.probabilities[t], mixed.predict_proba([(text[: t + 1], numbers[: t + 1])])[0])
    same(found.inputs, numbers)


def test_what_cannot_be_traced_is_said():
    with pytest.raises(UsageError, match="0 steps cannot be traced"):
        make("tag").trace([])
    with pytest.raises(UsageError, match="10,001 steps cannot be traced"):
        make("tag").trace(np.zeros(10_001))
    with pytest.raises(DataError):
        make("tag").trace(["x"])
    assert isinstance(make_text().trace("").layers[0], Layer)  # its end is a step


@pytest.mark.parametrize("task", ["text", "series", "long"])
def test_the_picture_is_drawn(task, tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    if task == "text":
        found = make_text(recurrence="lstm", num_layers=2).trace("wiśniewski")
    else:
        steps = 5 if task == "series" else 700
        found = make("forecast").trace(np.sin(np.arange(steps)))
    found.draw(tmp_path / "t.png")
    picture = imread(tmp_path / "t.png")
    assert picture.shape[0] > 300
    assert picture.shape[1] > 500
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20
    first = (tmp_path / "t.png").read_bytes()
    found.draw(tmp_path / "t.png")
    assert (tmp_path / "t.png").read_bytes() == first
