"""Every task on texts, numbers and both: learnt, saved, loaded, answered with the same bits."""

import numpy as np
import pytest
import torch

import elman
from elman import SequenceClassifier, SequenceGenerator, SequenceRegressor, SequenceTagger
from elman.errors import DataError, DivergedError, UsageError
from elman.models.calibration import temperature
from elman.models.reading import kind_of
from elman.models.saving import from_bytes, to_bytes
from elman.models.sequence_trial import hold_out, learning, make_estimator, measure, of, span_f1
from elman.models.writing_scores import log_loss, ngram_log_loss

torch.set_num_threads(1)
RNG = np.random.default_rng(0)
SERIES = [RNG.normal(size=(n, 2)) for n in RNG.integers(3, 9, 60)]
MEANS = np.array([values[:, 0].mean() for values in SERIES])
TEXTS = ["".join(row) for row in RNG.choice(list("ab"), (60, 6)).tolist()]
PAIRS = list(zip(TEXTS, MEANS[:, None].tolist(), strict=True))
ODD = ["".join(str(text[: n + 1].count("b") % 2) for n in range(6)) for text in TEXTS]
QUICK = {"hidden_size": 8, "max_epochs": 3, "members": 1, "random_state": 0}
INPUTS = {"text": TEXTS, "number": SERIES, "mixed": PAIRS}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_every_task_reads_every_kind_and_its_file_gives_the_same_bits(kind, cell):
    X = INPUTS[kind]
    assert kind_of(X) == kind
    tags = ODD if kind != "number" else [values[:, 0] > 0 for values in SERIES]
    numbers = [[float(c == "b") for c in text] for text in TEXTS] if kind != "number" else SERIES
    for learner, y in [
        (SequenceClassifier(recurrence=cell, **QUICK), MEANS > 0),
        (SequenceRegressor(recurrence=cell, **QUICK), MEANS),
        (SequenceRegressor(recurrence=cell, **QUICK), np.stack([MEANS, -MEANS], axis=1)),
        (SequenceTagger(recurrence=cell, **QUICK), tags),
        (SequenceTagger(recurrence=cell, **QUICK), numbers),
    ]:
        learner.fit(X, y)
        model = from_bytes(to_bytes(learner.model_))
        for mine, other in zip(learner.predict(X), model.predict(X), strict=True):
            np.testing.assert_array_equal(mine, other)
        alone = [model.predict([x])[0] for x in X[:4]]
        for one, mine in zip(alone, model.predict(X)[:4], strict=True):
            np.testing.assert_array_equal(one, mine)
        assert np.isfinite(learner.score(X, y))


def test_what_was_learnt_is_learnt():
    long = {**QUICK, "max_epochs": 40, "dropout": 0.0, "patience": None}
    assert SequenceClassifier(**long).fit(SERIES, MEANS > 0).score(SERIES, MEANS > 0) > 0.9
    assert SequenceRegressor(**long).fit(SERIES, MEANS).score(SERIES, MEANS) > 0.8
    assert SequenceTagger(**long, embedding_size=8, ngrams=1).fit(TEXTS, ODD).score(TEXTS, ODD) > 0.9
    mixed = SequenceClassifier(**long).fit(PAIRS, MEANS > 0)
    assert mixed.score(PAIRS, MEANS > 0) > 0.9


def test_labels_at_steps_keep_their_type_and_have_probabilities():
    tagger = SequenceTagger(**QUICK).fit(SERIES, [values[:, 0] > 0 for values in SERIES])
    assert tagger.predict(SERIES)[0].dtype == bool
    assert tagger.classes_.tolist() == [False, True]
    for values, shares in zip(SERIES, tagger.predict_proba(SERIES), strict=True):
        assert shares.shape == (len(values), 2)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    whole = SequenceTagger(**QUICK, answers="labels").fit(TEXTS, [[int(c) for c in row] for row in ODD])
    assert whole.predict(TEXTS)[0].dtype.kind == "i"


def test_one_long_sequence_holds_its_last_part_out():
    t = np.arange(400)
    tagger = SequenceTagger(**QUICK).fit([np.sin(t / 5)], [np.cos(t / 5)])
    assert tagger.rows_ == {"training": 1, "validation": 0}
    assert "validation_loss" in tagger.history_[0]


@pytest.mark.parametrize(
    ("learn", "code"),
    [
        (lambda: SequenceTagger(**QUICK).fit(TEXTS, [row[:-1] for row in ODD]), "E275"),
        (lambda: SequenceTagger(**QUICK).fit(TEXTS, ODD[:-1]), "E239"),
        (lambda: SequenceTagger(**QUICK).fit(TEXTS, ["0" * 6] * 60), "E263"),
        (lambda: SequenceTagger(**QUICK, loss="mse").fit(TEXTS, ODD), "E170"),
        (lambda: SequenceTagger(**QUICK, loss="nll").fit(SERIES, SERIES), "E170"),
        (lambda: SequenceTagger(**QUICK, input_noise=0.1).fit(TEXTS, ODD), "E172"),
        (
            lambda: SequenceTagger(**QUICK).fit(SERIES, [["a", None, *"bcdefgh"][: len(v)] for v in SERIES]),
            "E276",
        ),
        (lambda: SequenceRegressor(**QUICK).fit(SERIES, [*MEANS[:-1], np.nan]), "E276"),
        (lambda: SequenceRegressor(**QUICK).fit(SERIES, MEANS[:-1]), "E239"),
        (lambda: SequenceRegressor(**QUICK).fit(SERIES, ["a"] * 60), "E271"),
        (lambda: SequenceClassifier(**QUICK).fit([*PAIRS[:-1], "text"], MEANS > 0), "E274"),
        (lambda: SequenceClassifier(**QUICK).fit([], []), "E260"),
        (lambda: SequenceGenerator(**QUICK, causal=False).fit(TEXTS), "E172"),
        (lambda: SequenceGenerator(**QUICK, ngrams=2).fit(TEXTS), "E172"),
        (lambda: SequenceGenerator(**QUICK).fit(TEXTS, ODD[:-1]), "E239"),
    ],
)
def test_one_sentence_before_learning(learn, code):
    with pytest.raises((DataError, UsageError)) as caught:
        learn()
    assert caught.value.code == code


def test_learning_goes_on_from_a_model():
    first = SequenceClassifier(**QUICK).fit(TEXTS, MEANS > 0)
    again = SequenceClassifier(**{**QUICK, "max_epochs": 1}, learning_rate=1e-9, embedding_decay=0.0)
    again.fit(TEXTS, MEANS > 0, start=first.model_)
    np.testing.assert_allclose(again.predict_proba(TEXTS), first.predict_proba(TEXTS), atol=1e-5)
    with pytest.raises(UsageError, match="sequences of numbers, and the network learnt from texts"):
        again.fit(SERIES, MEANS > 0, start=first.model_)
    with pytest.raises(DataError, match="none of the model to go on from"):
        again.fit(TEXTS, np.arange(60) % 3 > 1, start=SequenceClassifier(**QUICK).fit(TEXTS, ODD).model_)


def test_gates_can_be_set_to_remember():
    tagger = SequenceTagger(**QUICK, recurrence="gru", memory=50).fit(TEXTS, ODD)
    assert np.isfinite(tagger.score(TEXTS, ODD))
    with pytest.raises(UsageError, match="a rnn has no gate that keeps a state"):
        SequenceTagger(**QUICK, recurrence="rnn", memory=50).fit(TEXTS, ODD)


@pytest.fixture(scope="module")
def writer():
    rng = np.random.default_rng(1)
    texts = [("ab" * n if n % 2 else "cd" * n) for n in rng.integers(1, 5, 200).tolist()]
    conditions = ["ab" if text[0] == "a" else "cd" for text in texts]
    options = {"hidden_size": 24, "max_epochs": 40, "learning_rate": 0.01, "random_state": 0, "dropout": 0.0}
    return SequenceGenerator(**options).fit(texts, conditions), texts, conditions


def test_texts_are_written_under_their_condition(writer):
    model = writer[0].model_
    for condition in ("ab", "cd"):
        for seed in range(5):
            texts = model.generate(20, condition=condition, seed=seed)
            assert sum(set(text) <= set(condition) for text in texts) >= 18
    written = model.generate(20, condition="ab", seed=0)
    assert written == model.generate(20, condition="ab", seed=0)
    assert written != model.generate(20, condition="ab", seed=1)
    assert all(text.startswith("cd") for text in model.generate(5, "cd", seed=0))
    assert len(set(model.generate(5, condition="ab", temperature=0.0))) == 1
    assert len(set(model.generate(9, condition="ab", top_k=1))) == 1
    assert len(set(model.generate(9, condition="ab", top_p=1e-9))) == 1
    assert all(len(text) <= 3 for text in model.generate(9, longest=3))


def test_a_writers_file_gives_the_same_texts_and_scores(writer):
    learner, texts, conditions = writer
    model = from_bytes(to_bytes(learner.model_))
    assert model.generate(6, seed=3) == learner.generate(6, seed=3)
    loss = log_loss(model, texts, conditions)
    assert loss == pytest.approx(-learner.score(texts, conditions))
    known = [row.tolist() for row in model.inputs.targets(texts, model.labels)]
    assert loss < ngram_log_loss(known, known, len(model.classes_) + 1, order=1)
    shares = model.predict_proba(["abab"])[0]
    assert shares.shape == (5, len(model.classes_))
    assert len(model.predict(["abab"])[0]) == 5


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"condition": "xy"}, "E265"),
        ({"temperature": -1}, "E110"),
        ({"top_k": 0}, "E110"),
        ({"top_p": 0.0}, "E110"),
        ({"n": 0}, "E110"),
        ({"longest": 10**9}, "E110"),
    ],
)
def test_what_cannot_be_written(writer, options, code):
    with pytest.raises((DataError, UsageError)) as caught:
        writer[0].model_.generate(**options)
    assert caught.value.code == code


def test_a_task_that_a_model_cannot_do_is_named(writer):
    classifier = SequenceClassifier(**QUICK).fit(TEXTS, MEANS > 0).model_
    for ask in (
        lambda: classifier.generate(),
        lambda: classifier.predict_interval(SERIES),
        lambda: classifier.predict(TEXTS, 3),
        lambda: SequenceRegressor(**QUICK).fit(SERIES, MEANS).model_.predict_proba(SERIES),
    ):
        with pytest.raises(UsageError, match="this model learnt to") as caught:
            ask()
        assert caught.value.code == "E133"
    bare = SequenceGenerator(**QUICK).fit(TEXTS).model_
    with pytest.raises(UsageError, match="learnt no conditions"):
        bare.generate(condition="ab")


def test_ngrams_mix_their_orders():
    rows = [[0, 1, 0, 1, 2]] * 50
    alone, five = (ngram_log_loss(rows, rows, 3, order=order) for order in (1, 5))
    assert alone == pytest.approx(-(0.4 * np.log(0.4) * 2 + 0.2 * np.log(0.2)), abs=0.02)
    assert five < 0.2


def test_spans_are_counted_whole():
    truth = [["B-x", "I-x", "O", "B-y"]]
    assert span_f1(truth, truth) == 1
    assert span_f1([["B-x", "O", "O", "B-y"]], truth) == 0.5
    assert span_f1([["O"] * 4], truth) == 0


@pytest.mark.parametrize("task", ["classify", "regress", "tag", "generate"])
def test_a_trial_measures_beside_its_baselines(task):
    y = {"classify": (MEANS > 0).tolist(), "regress": MEANS.tolist(), "tag": ODD, "generate": None}[task]
    cases = of(task, TEXTS if task != "regress" else SERIES, y)
    learn, test = hold_out(cases, 0)
    assert not {repr(k) for k in learn.groups} & {repr(k) for k in test.groups}
    estimator = make_estimator(task, {k: v for k, v in QUICK.items() if k != "random_state"}, 0)
    for _ in learning(estimator, learn, None):
        pass
    found = measure(estimator.model_, learn, test)
    assert found.leaked == 0
    assert found.baselines
    assert all(
        np.isfinite(list(scores.values())).all() for scores in [found.scores, *found.baselines.values()]
    )
    assert measure(estimator.model_, learn, learn).leaked == len(learn.inputs)
    assert not measure(elman.models.saving.from_bytes(to_bytes(estimator.model_)), None, test).baselines


def test_probabilities_can_be_calibrated():
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(60) < 0.25, ~(MEANS > 0), MEANS > 0)
    options = {**QUICK, "max_epochs": 40, "validation_fraction": 0.4, "patience": None, "refit": False}
    plain = SequenceClassifier(**options).fit(SERIES, noisy)
    warm = SequenceClassifier(**options, calibrate=True).fit(SERIES, noisy)
    found = warm.model_.training["temperature"]
    logits = np.log(plain.predict_proba(SERIES))
    shares = np.exp(logits / found)
    expected = shares / shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(warm.predict_proba(SERIES), expected, atol=1e-4)
    with pytest.raises(UsageError, match="no rows are held out"):
        SequenceClassifier(**QUICK, calibrate=True, validation_fraction=0).fit(SERIES, noisy)


def test_the_temperature_is_the_one_that_was_put_in():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = np.array([rng.choice(3, p=p) for p in shares])
    assert temperature(3 * logits, classes) == pytest.approx(3, rel=0.08)


def test_the_same_answers_from_lists_arrays_series_and_arrow():
    import pandas as pd
    import pyarrow as pa

    X = RNG.normal(size=(40, 6))
    y = X.sum(axis=1)
    learner = SequenceRegressor(**QUICK).fit(X, y)
    said = learner.predict(X)
    for other in (X.tolist(), list(X), pd.Series(list(X)), pa.array(X.tolist()), tuple(X), X[..., None]):
        np.testing.assert_array_equal(learner.predict(other), said)
    for numbers in (y.tolist(), pd.Series(y), pa.array(y), y[:, None]):
        again = SequenceRegressor(**QUICK).fit(X.tolist(), numbers)
        np.testing.assert_array_equal(again.predict(X).ravel(), said)


def test_divergence_names_the_rows():
    wild = SequenceRegressor(**{**QUICK, "max_epochs": 30}, optimizer="sgd", learning_rate=1e30, clip=None)
    with pytest.raises(DivergedError, match="at update") as caught:
        wild.fit(SERIES, MEANS)
    assert "training rows" in caught.value.where
    assert np.isfinite(wild.model_.predict(SERIES)).all()


STILL = {"learning_rate": 1e-9, "embedding_decay": 0.0, "max_epochs": 1}


def test_every_task_goes_on_from_its_model():
    wave = [np.sin(np.arange(80) / 4), np.cos(np.arange(80) / 5)]
    ask = {
        "tag": (SequenceTagger, (TEXTS, ODD), lambda m: np.concatenate(m.predict_proba(TEXTS))),
        "numbers": (SequenceTagger, (SERIES, SERIES), lambda m: np.concatenate(m.predict(SERIES))),
        "forecast": (elman.SequenceForecaster, (wave,), lambda m: m.predict(wave, 3)),
        "generate": (SequenceGenerator, (TEXTS, ODD), lambda m: np.concatenate(m.predict_proba(TEXTS))),
    }
    quick = {name: value for name, value in QUICK.items() if name != "members"}
    for kind, given, answer in ask.values():
        first = kind(**quick).fit(*given).model_
        again = kind(**{**quick, **STILL}).fit(*given, start=first).model_
        np.testing.assert_allclose(answer(again), answer(first), atol=1e-4)
    with pytest.raises(UsageError, match="cannot be gone on from: it learnt to generate"):
        SequenceTagger(**quick).fit(TEXTS, ODD, start=first)
    with pytest.raises(UsageError, match="under other conditions"):
        SequenceGenerator(**quick).fit(TEXTS, start=first)
    tagger = SequenceTagger(**quick).fit(TEXTS, ODD).model_
    with pytest.raises(DataError, match="none of the model to go on from"):
        SequenceTagger(**quick).fit(TEXTS, [tags.replace("0", "x") for tags in ODD], start=tagger)


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads():
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            learner = SequenceTagger(hidden_size=128, max_epochs=1, random_state=0).fit(TEXTS, ODD)
            found.append(to_bytes(learner.model_))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]
