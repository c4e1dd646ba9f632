import math
import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from elman.errors import UsageError
from elman.train import metrics

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40).map(
    lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True))
)


@st.composite
def answers(draw):
    """Probabilities (B, K) and targets, some of which may be a label never seen (-1)."""
    rows, classes = draw(st.integers(1, 30)), draw(st.integers(2, 5))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    logits = generator.normal(size=(rows, classes)) * draw(st.sampled_from([0.1, 1.0, 30.0]))
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True), generator.integers(-1, classes, rows)


@given(pairs)
def test_accuracy_confusion_and_per_class_agree_with_sklearn(rows):
    targets, predictions = rows
    labels = list(range(5))
    assert metrics.accuracy(targets, predictions) == pytest.approx(
        sklearn.metrics.accuracy_score(targets, predictions)
    )
    table = metrics.confusion(targets, predictions, 5)
    assert table.dtype == np.int64
    assert (table == sklearn.metrics.confusion_matrix(targets, predictions, labels=labels)).all()
    theirs = sklearn.metrics.precision_recall_fscore_support(
        targets, predictions, labels=labels, zero_division=0
    )
    for mine, other in zip(metrics.per_class(targets, predictions, 5), theirs, strict=True):
        assert mine == pytest.approx(other)


@given(pairs)
def test_macro_scores_count_the_classes_present_as_sklearn_does(rows):
    targets, predictions = rows
    present = np.unique(targets)
    options = {"labels": present, "average": "macro", "zero_division": 0}
    f1 = sklearn.metrics.f1_score(targets, predictions, **options)
    recall = sklearn.metrics.recall_score(targets, predictions, **options)
    assert metrics.macro_f1(targets, predictions) == pytest.approx(f1)
    assert metrics.macro_recall(targets, predictions) == pytest.approx(recall)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn tells of predicted classes that are not in targets
        balanced = sklearn.metrics.balanced_accuracy_score(targets, predictions)
    assert metrics.macro_recall(targets, predictions) == pytest.approx(balanced)


def test_scores_reckoned_by_hand():
    targets, predictions = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 0]
    assert metrics.accuracy(targets, predictions) == 3 / 6
    assert metrics.confusion(targets, predictions, 3).tolist() == [[2, 1, 0], [0, 1, 1], [1, 0, 0]]
    scores = metrics.per_class(targets, predictions, 4)
    assert scores.precision.tolist() == [2 / 3, 1 / 2, 0, 0]
    assert scores.recall.tolist() == [2 / 3, 1 / 2, 0, 0]
    assert scores.f1.tolist() == [2 / 3, 1 / 2, 0, 0]
    assert scores.support.tolist() == [3, 2, 1, 0]
    assert metrics.macro_f1(targets, predictions) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_a_class_absent_from_the_targets_does_not_count_but_its_predictions_are_wrong():
    assert metrics.macro_recall([0, 0, 1, 1], [0, 2, 1, 1]) == 0.75
    assert metrics.macro_f1([0, 0, 1, 1], [0, 2, 1, 1]) == pytest.approx((2 / 3 + 1) / 2)


def test_labels_may_be_names():
    assert metrics.accuracy(["a", "b"], ["a", "a"]) == 0.5
    assert metrics.macro_recall(["a", "b"], ["a", "a"]) == 0.5


@given(answers())
def test_log_loss_agrees_with_sklearn(rows):
    table, targets = rows
    table, targets = table[targets >= 0], targets[targets >= 0]
    if not len(targets):
        return
    clipped = np.maximum(table, metrics.LEAST_PROBABILITY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the clipped rows do not sum to one
        theirs = sklearn.metrics.log_loss(targets, clipped, labels=range(table.shape[1]), normalize=True)
    assert metrics.log_loss(table, targets) == pytest.approx(theirs, rel=1e-5, abs=1e-6)


def test_log_loss_by_hand_with_a_certain_mistake_and_an_unseen_label():
    certain = [[1.0, 0.0], [0.25, 0.75]]
    assert metrics.log_loss(certain, [0, 1]) == pytest.approx(-math.log(0.75) / 2)
    assert metrics.log_loss(certain, [1, 1]) == pytest.approx((23 * math.log(2) - math.log(0.75)) / 2)
    assert metrics.log_loss(certain, [0, -1]) == pytest.approx(23 * math.log(2) / 2)
    assert metrics.log_loss(np.float32(certain), [0, 2]) == pytest.approx(23 * math.log(2) / 2)


@given(answers())
def test_calibration_error_is_the_weighted_gap_of_the_bins(rows):
    table, targets = rows
    top, right = table.max(axis=1), table.argmax(axis=1) == targets
    expected = 0.0
    for number in range(15):
        inside = (top > number / 15) & (top <= (number + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - top[inside].mean())
    assert metrics.calibration_error(table, targets) == pytest.approx(expected)


def test_calibration_error_by_hand():
    assert metrics.calibration_error([[1.0, 0.0]] * 4, [0, 0, 0, 1]) == pytest.approx(0.25)
    assert metrics.calibration_error([[0.75, 0.25]] * 4, [0, 0, 0, 1]) == pytest.approx(0.0)
    two_bins = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]
    assert metrics.calibration_error(two_bins, [0, 0, 1, 1]) == pytest.approx((0.1 + 0.6) / 2)


def test_the_ceiling_is_the_most_frequent_label_of_each_input():
    names = ["Li", "Li", "Li", "Kim", "Kim", "Rossi"]
    assert metrics.ceiling(names, ["zh", "zh", "ko", "ko", "en", "it"]) == 4 / 6
    assert metrics.ceiling(np.array([1, 1, 2]), np.array([0, 1, 0])) == 2 / 3
    assert metrics.ceiling([(1, 2), (1, 2)], [True, True]) == 1.0


@given(pairs)
def test_no_rule_of_the_groups_beats_the_ceiling(rows):
    groups, targets = rows
    best = {group: np.bincount(targets[groups == group]).argmax() for group in np.unique(groups)}
    rule = np.array([best[group] for group in groups])
    assert metrics.ceiling(groups, targets) == pytest.approx(metrics.accuracy(targets, rule))


def test_the_summary_holds_every_score():
    table, targets = np.array([[0.8, 0.2], [0.4, 0.6], [0.7, 0.3]]), np.array([0, 1, 1])
    assert list(metrics.CLASSIFY_SCORES) == [
        "accuracy",
        "macro_f1",
        "macro_recall",
        "log_loss",
        "calibration_error",
    ]
    assert metrics.summarise(table, targets) == {
        "accuracy": metrics.accuracy(targets, [0, 1, 0]),
        "macro_f1": metrics.macro_f1(targets, [0, 1, 0]),
        "macro_recall": metrics.macro_recall(targets, [0, 1, 0]),
        "log_loss": metrics.log_loss(table, targets),
        "calibration_error": metrics.calibration_error(table, targets),
    }
    assert all(type(score) is float for score in metrics.summarise(table, targets).values())


@given(answers())
def test_an_unseen_label_is_a_wrong_answer_and_a_class_of_its_own(rows):
    table, targets = rows
    scores = metrics.summarise(table, targets)
    right = table.argmax(axis=1) == targets
    recalls = [right[targets == label].mean() for label in np.unique(targets)]
    assert scores["accuracy"] == pytest.approx(right.mean())
    assert scores["macro_recall"] == pytest.approx(np.mean(recalls))
    assert -1 not in targets or recalls[0] == 0


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: metrics.accuracy([], []), "E183"),
        (lambda: metrics.accuracy([0, 1], [0]), "E183"),
        (lambda: metrics.macro_f1([[0]], [[0]]), "E183"),
        (lambda: metrics.log_loss(np.ones((2, 2)), [0]), "E183"),
        (lambda: metrics.log_loss(np.ones((0, 2)), []), "E183"),
        (lambda: metrics.summarise(np.ones(2), [0, 1]), "E183"),
        (lambda: metrics.ceiling([], []), "E183"),
        (lambda: metrics.confusion([0, -1], [0, 0], 2), "E184"),
        (lambda: metrics.confusion([0, 1], [0, 2], 2), "E184"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, code):
    with pytest.raises(UsageError) as error:
        call()
    assert error.value.code == code
