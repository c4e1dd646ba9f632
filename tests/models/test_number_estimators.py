"""SequenceTagger and SequenceForecaster: the two systems of numbers, sklearn's protocol, what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

import elman
from elman.data import load_sine, load_sine_to_cosine
from elman.errors import DataError, ModelFileError, UsageError
from elman.models.number_estimators import SequenceForecaster, SequenceTagger, last_learnt
from elman.models.saving import to_bytes
from elman.nn import Network
from tests.conftest import run_python
from tests.models.test_estimators import CHECKS
from tests.systems import transcriptions

SINE = {
    "recurrence": "sine",
    "hidden_size": 6,
    "scaling": "none",
    "stateful": True,
    "tbptt": 1,
    "batch_size": 1,
    "optimizer": "sgd",
    "momentum": 0,
    "learning_rate": 0.1,
    "loss": "half_squares",
    "schedule": "constant",
    "clip": None,
    "members": 1,
    "validation_fraction": 0,
}
SINE_TO_COSINE = {
    "recurrence": "rnn",
    "hidden_size": 32,
    "scaling": "none",
    "stateful": True,
    "tbptt": 10,
    "optimizer": "adam",
    "beta2": 0.999,
    "learning_rate": 0.02,
    "schedule": "constant",
    "clip": None,
    "first_weights": "uniform",
    "max_epochs": 1,
}
QUICK = {"hidden_size": 4, "max_epochs": 3, "recurrence": "rnn"}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def sine_series():
    table = load_sine()
    return np.append(np.array(table.column("x")), table.column("y")[-1])


def pairs(count=6, seed=0):
    """Sequences and the running sum of each, scaled."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(3, 2, rng.integers(4, 9)) for _ in range(count)]
    return X, [np.cumsum(x - 3) for x in X]


def as_learnt(model, X):
    """What the network says at every step in torch, in the user's units."""
    network = Network(model.settings, (), model.targets.features, features=model.inputs.size, task="tag")
    network.load_tensors(model.members[0])
    network.eval()
    with torch.no_grad():
        said = [network(c[None], np.array([len(c)]))[0].numpy() for c in model.inputs.encode_all(X)]
    return [model.targets.decode(part)[:, 0] for part in said]


def assert_the_file_answers_as_learnt(estimator, X, tmp_path):
    """Without torch, to 1e-5 · max(1, |y|) at every step."""
    estimator.save(tmp_path / "m.safetensors")
    np.save(tmp_path / "x.npy", X[0])
    code = """
import sys, numpy as np, elman
model = elman.load(sys.argv[1])
ask = model.predict_steps if model.task == "forecast" else model.predict
np.save(sys.argv[3], ask([np.load(sys.argv[2])])[0])
print("torch" in sys.modules, "sklearn" in sys.modules)
"""
    files = [str(tmp_path / name) for name in ("m.safetensors", "x.npy", "y.npy")]
    assert run_python(code, *files).split() == ["False", "False"]
    expected = as_learnt(estimator.model_, X)[0]
    found = np.load(files[2])
    assert np.all(np.abs(found - expected) <= 1e-5 * np.maximum(1, np.abs(expected)))


def test_system_3_learns_as_its_transcription_and_answers_without_torch(tmp_path):
    series = sine_series()
    rng = np.random.default_rng(0)
    first = {"w1": rng.normal(0, 0.4, (7, 6)), "w2": rng.normal(0, 0.3, (6, 1))}
    named = {f"layers.{name}_l0": weight for name, weight in first.items()}
    learner = SequenceForecaster(**SINE, max_epochs=12).fit([series], first_weights=named)
    other = transcriptions.Sine({name: torch.tensor(weight).float() for name, weight in first.items()})
    d = torch.tensor(series).float()[:, None, None]
    sums = []
    for _ in range(12):
        other.start_epoch()
        sums.append(sum(other.update(d[t], d[t + 1]) for t in range(20)))
    np.testing.assert_allclose([20 * record["loss"] for record in learner.history_], sums, rtol=1e-4)
    learnt = learner.model_.members[0]
    np.testing.assert_allclose(learnt["layers.w1_l0"], other.w1.detach(), atol=1e-4)
    assert_the_file_answers_as_learnt(learner, [series], tmp_path)


def test_system_4_learns_as_its_transcription_and_answers_without_torch(tmp_path):
    table = load_sine_to_cosine(30)
    X, Y = [np.array(table.column("sin"))], [np.array(table.column("cos"))]
    drawn = SequenceTagger(**SINE_TO_COSINE)
    torch.manual_seed(0)
    first = Network(drawn.network_settings(), (), 1, features=1, task="tag").tensors()
    losses = [p.step.update_loss for p in drawn.fit_iter(X, Y, first_weights=first)]
    names = {f"layers.{n}": f"rnn.{n}" for n in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")}
    names |= {"head.weight": "linear.weight", "head.bias": "linear.bias"}
    other = transcriptions.SineToCosine({names[n]: torch.tensor(weight) for n, weight in first.items()})
    x, y = (torch.tensor(v[0]).float().reshape(30, 1, 10, 1) for v in (X, Y))
    expected = [other.update(*chunk) for chunk in zip(x, y, strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=1e-2)
    np.testing.assert_allclose(losses[:10], expected[:10], rtol=1e-4)
    assert_the_file_answers_as_learnt(drawn, X, tmp_path)


def test_a_tagger_learns_numbers_in_the_users_units():
    X, y = pairs(60)
    far = [1000 + 50 * target for target in y]
    learner = SequenceTagger(hidden_size=16, recurrence="rnn", max_epochs=60).fit(X, far)
    assert learner.score(*[pairs(20, seed=9)[0], [1000 + 50 * t for t in pairs(20, seed=9)[1]]]) > 0.9
    assert {r["network"] for r in learner.history_} == {0, 1}
    assert learner.model_.training["rows"] == {"training": 54, "validation": 6}


def test_missing_inputs_are_learnt_as_missing():
    X, y = pairs(20)
    X = [np.where(np.arange(len(x)) == 2, np.nan, x) for x in X]
    learner = SequenceTagger(**QUICK, input_noise=0.1).fit(X, y)
    assert learner.model_.inputs.size == 2
    assert np.isfinite(np.concatenate(learner.predict(X))).all()


def test_the_scale_is_that_of_the_training_part_alone():
    series = np.concatenate([np.zeros(45), [2.0, 4.0], np.full(3, 9.0), np.full(5, 1e6)])
    learner = SequenceForecaster(**QUICK).fit([series])
    assert learner.inputs_.mean.tolist() == [series[:50].mean()]
    assert learner.model_.training["rows"] == {"training": 49, "validation": 5}


@pytest.mark.parametrize(
    ("steps", "fraction", "last"), [(20, 0.1, 17), (20, 0.0, 19), (9, 0.1, 8), (2, 0.9, 1), (3, 0.4, 1)]
)
def test_where_the_held_part_begins(steps, fraction, last):
    assert last_learnt(steps, fraction) == last


@pytest.mark.parametrize("settings", [{}, {"stateful": True, "tbptt": 7}, {"tbptt": 5, "input_noise": 0.1}])
def test_same_seed_same_bytes_also_of_a_run_that_was_stopped(tmp_path, settings):
    series = [np.sin(0.4 * np.arange(60)), np.cos(0.3 * np.arange(40))]
    made = {**QUICK, "batch_size": 2, **settings}
    whole = SequenceForecaster(**made).fit(series)
    path = tmp_path / "run.checkpoint"
    steps = SequenceForecaster(**made).fit_iter(series, checkpoint=path)
    for _ in range(4):
        next(steps)
    steps.close()
    resumed = SequenceForecaster(**made).fit(series, checkpoint=path)
    assert to_bytes(resumed.model_) == to_bytes(whole.model_)
    assert to_bytes(SequenceForecaster(**made, random_state=1).fit(series).model_) != to_bytes(whole.model_)
    next(SequenceForecaster(**made).fit_iter(series, checkpoint=path))
    with pytest.raises(ModelFileError, match="its rows are others"):
        SequenceForecaster(**made).fit(series[:1], checkpoint=path)


def test_several_numbers_a_step_and_several_series():
    t = np.arange(40)
    series = [np.stack([np.sin(0.4 * t), 100 + np.cos(0.4 * t)], axis=1), np.ones((9, 2))]
    learner = SequenceForecaster(**{**QUICK, "members": 2}).fit(series)
    assert learner.predict(series, 3).shape == (2, 3, 2)
    assert len(learner.model_.members) == 2
    assert learner.score(series) < 1


# scikit-learn's protocol ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_sine_is_forecast_200_steps_beyond_its_end_by_default(seed):
    s = np.sin(0.4 * np.arange(1200))
    said = SequenceForecaster(random_state=seed).fit([s[:1000]]).predict([s[:1000]], 200)[0]
    assert np.sqrt(np.mean((said - s[1000:]) ** 2)) <= 0.05


def test_a_short_run_forecasts_a_sine_better_than_its_mean():
    s = np.sin(0.4 * np.arange(330))
    learner = SequenceForecaster(hidden_size=16, max_epochs=30, recurrence="rnn", refit=False).fit([s[:300]])
    said = learner.predict([s[:300]], 30)[0]
    assert np.sqrt(np.mean((said - s[300:]) ** 2)) < 0.2
    assert learner.score([s]) > 0.98


@pytest.mark.parametrize("kind", [SequenceTagger, SequenceForecaster])
@pytest.mark.parametrize("check", CHECKS)
def test_scikit_learns_own_checks(kind, check):
    getattr(estimator_checks, check)(kind.__name__, kind(**QUICK))


def test_clone_pickle_and_not_fitted():
    learner = SequenceTagger(**QUICK)
    assert clone(learner).get_params() == learner.get_params()
    with pytest.raises(NotFittedError):
        learner.predict([[1.0]])
    X, y = pairs()
    learner.fit(X, y)
    again = pickle.loads(pickle.dumps(learner))
    assert all((a == b).all() for a, b in zip(again.predict(X), learner.predict(X), strict=True))


# what cannot be learnt from -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y", "code", "where"),
    [
        ([], [], "E283", ""),
        ([[1.0], []], [[1.0], []], "E284", "X[1]"),
        ([np.zeros(100_001)], [np.zeros(100_001)], "E285", "X[0]"),
        ([[1.0, 2.0]], [[1.0, np.nan]], "E276", "y[0], step 1"),
        ([[1.0, 2.0]], [[1.0]], "E275", "y[0]"),
        ([[1.0, "x"]], [[1.0, 1.0]], "E271", "X[0], step 1"),
    ],
)
def test_what_a_tagger_cannot_learn_from(X, y, code, where):
    with pytest.raises(DataError) as caught:
        SequenceTagger(**QUICK).fit(X, y)
    assert caught.value.code == code
    assert caught.value.where.startswith(where)


@pytest.mark.parametrize(
    ("series", "code", "where"),
    [
        ([], "E283", ""),
        ([[1.0, 2.0], [1.0]], "E286", "series[1]"),
        ([[1.0, 2.0], []], "E284", "series[1]"),
        ([[1.0, np.nan, 2.0]], "E287", "series[0], step 1, counted from 0"),
    ],
)
def test_what_a_forecaster_cannot_learn_from(series, code, where):
    with pytest.raises(DataError) as caught:
        SequenceForecaster(**QUICK).fit(series)
    assert (caught.value.code, caught.value.where) == (code, where)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"causal": False}, "a forecast reads forwards only"),
        ({"tbptt": 0}, "tbptt must be at least 1"),
        ({"scaling": "log"}, "scaling must be one of"),
        ({"loss": "nll"}, "cannot learn with nll"),
        ({"embedding_size": 3}, "embedding_size = 3 has no meaning here"),
        ({"recurrence": "sine", "num_layers": 2}, "answers itself"),
    ],
)
def test_settings_that_cannot_be_meant(settings, word):
    with pytest.raises(UsageError, match=word):
        SequenceForecaster(**{**QUICK, **settings}).fit([sine_series()])


@pytest.mark.parametrize(
    ("first", "word"),
    [({"head.bias": ["x"]}, "no array of finite numbers"), ({"head.bias": [np.nan]}, "no array of finite")],
)
def test_first_weights_that_are_none(first, word):
    with pytest.raises(UsageError, match=word) as caught:
        SequenceForecaster(**QUICK).fit([sine_series()], first_weights=first)
    assert caught.value.code == "E135"


@pytest.mark.parametrize("first", [{"head.bais": [0.0]}, {"head.bias": [0.0, 1.0]}])
def test_first_weights_that_do_not_fit(first):
    with pytest.raises(ModelFileError) as caught:
        SequenceForecaster(**QUICK).fit([sine_series()], first_weights=first)
    assert caught.value.code == "E340"


def test_a_sequence_both_ways_is_tagged_but_not_in_chunks():
    X, y = pairs()
    learner = SequenceTagger(**QUICK, causal=False).fit(X, y)
    assert not elman.models.saving.from_bytes(to_bytes(learner.model_)).causal
    with pytest.raises(UsageError, match="a state is carried forwards only"):
        SequenceTagger(**QUICK, causal=False, stateful=True).fit(X, y)
