"""An evaluation counts what is leaked, unseen and unreachable, and its baselines are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, f1_score, log_loss

from elman.data.sequences import as_labels
from elman.errors import DataError
from elman.models.evaluation import evaluate, script
from tests.conftest import make_rows


@pytest.fixture(scope="module")
def test_rows():
    return make_rows(90, seed=7)


def test_scores_are_those_of_scikit_learn(fitted, test_rows):
    texts, labels = test_rows
    found = evaluate(fitted.model_, texts, as_labels(labels))
    answers, shares = fitted.predict(texts), fitted.predict_proba(texts).astype(float)
    assert found.scores["accuracy"] == accuracy_score(labels, answers)
    assert found.scores["macro_f1"] == pytest.approx(f1_score(labels, answers, average="macro"))
    expected = log_loss(labels, shares / shares.sum(axis=1, keepdims=True), labels=fitted.classes_)
    assert found.scores["log_loss"] == pytest.approx(expected, rel=1e-4)
    assert found.rows == 90
    assert found.confusion.sum() == 90
    assert np.trace(found.confusion) == round(found.scores["accuracy"] * 90)


def test_without_training_rows_there_is_the_majority_class_alone(fitted, rows, test_rows):
    texts, labels = test_rows
    found = evaluate(fitted.model_, texts, as_labels(labels))
    assert found.baselines.keys() == {"majority class"}
    assert found.leaked is None
    dummy = DummyClassifier(strategy="prior").fit(rows[0], rows[1])
    assert found.baselines["majority class"]["accuracy"] == dummy.score(texts, labels)
    expected = log_loss(labels, dummy.predict_proba(texts), labels=dummy.classes_)
    assert found.baselines["majority class"]["log_loss"] == pytest.approx(expected)


def test_leaked_rows_are_counted_after_nfc(fitted, rows):
    texts = [rows[0][0], rows[0][1], "Zoe\u0308", "unheard"]
    training = ([*rows[0], "Zo\u00eb"], as_labels([*rows[1], "en"]))
    found = evaluate(fitted.model_, texts, as_labels(["en"] * 4), training=training)
    assert found.leaked == 3


def test_the_n_gram_baseline_is_fitted_on_the_training_rows(fitted, rows, test_rows):
    texts, labels = test_rows
    found = evaluate(fitted.model_, texts, as_labels(labels), training=(rows[0], as_labels(rows[1])))
    assert found.baselines["n-gram logistic regression"]["accuracy"] > 0.95
    shuffled = np.random.default_rng(0).permutation(rows[1])
    worse = evaluate(fitted.model_, texts, as_labels(labels), training=(rows[0], as_labels(shuffled)))
    assert worse.baselines["n-gram logistic regression"]["accuracy"] < 0.7


def test_answers_of_baselines_may_come_from_elsewhere(fitted, rows, test_rows):
    texts, labels = test_rows
    right = np.eye(3)[fitted.model_.labels.encode(labels)]
    training = (rows[0], as_labels(rows[1]))
    found = evaluate(
        fitted.model_, texts, as_labels(labels), training=training, answered=lambda: {"oracle": right}
    )
    assert found.baselines["oracle"]["accuracy"] == 1


def test_one_input_with_two_labels_lowers_the_ceiling(fitted):
    found = evaluate(fitted.model_, ["Abc", "Abc", "Abc", "Xyz"], as_labels(["en", "en", "it", "pl"]))
    assert found.scores["ceiling"] == 0.75


def test_labels_and_symbols_never_seen_are_counted(fitted):
    found = evaluate(fitted.model_, ["Å", "Rossini", "Å"], as_labels(["se", "it", "se"]))
    assert found.unknown_labels == {"se": 2}
    assert found.unknown_symbols["Å"] == 2
    assert found.classes == ["en", "it", "pl", "se"]
    assert found.per_class["se"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2}
    assert found.scores["accuracy"] <= 1 / 3


def test_scripts_are_measured_apart(fitted):
    found = evaluate(fitted.model_, ["Rossini", "Росси", "Rossi"], as_labels(["it", "it", "it"]))
    assert {name: part["rows"] for name, part in found.parts.items()} == {"Latin": 2, "Cyrillic": 1}
    assert evaluate(fitted.model_, ["Rossini"], as_labels(["it"])).parts == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [("Rossi", "Latin"), ("Ω", "Greek"), ("Иванов A", "Cyrillic"), ("12 -", "None"), ("", "None")],
)
def test_script_names_most_of_the_letters(text, name):
    assert script(text) == name


def test_no_rows_are_refused(fitted):
    with pytest.raises(DataError) as caught:
        evaluate(fitted.model_, [], np.array([], np.str_))
    assert caught.value.code == "E270"
