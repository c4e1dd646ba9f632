"""Scores of answers against the truth. NumPy only.

B rows, K classes. ``targets`` and ``predictions`` (B,) hold class numbers; ``probabilities`` is (B, K).
A target that is no column of the probabilities (such as -1, a label never seen in learning) is legal: it is
always answered wrongly, and it counts as one more class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elman.errors import UsageError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CALIBRATION_BINS = 15
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)
"""A smaller probability counts as this one in the log-loss: 2**-23, so one row costs 15.9 at most."""


class PerClass(NamedTuple):
    """Scores of each class, each of shape (K,)."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: Integers


def accuracy(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Share of the rows that are answered rightly, 0 to 1."""
    truth, answers = _pair(targets, predictions)
    return float(np.mean(truth == answers))


def confusion(targets: ArrayLike, predictions: ArrayLike, classes: int) -> Integers:
    """Count the answers: row = target, column = prediction.

    Returns
    -------
    (classes, classes) int64

    Raises
    ------
    UsageError
        If a class number is not in 0 ... classes - 1.
    """
    truth, answers = _pair(targets, predictions)
    if min(truth.min(), answers.min()) < 0 or max(truth.max(), answers.max()) >= classes:
        raise UsageError(f"class numbers must lie in 0 ... {classes - 1}", code="E184")
    cells = np.bincount(truth.astype(np.int64) * classes + answers, minlength=classes * classes)
    return cells.reshape(classes, classes)


def per_class(targets: ArrayLike, predictions: ArrayLike, classes: int) -> PerClass:
    """Precision, recall, F1 and number of rows of each class; 0 where a score would be 0/0."""
    table = confusion(targets, predictions, classes)
    right, answered, support = np.diag(table), table.sum(axis=0), table.sum(axis=1)
    return PerClass(
        precision=_ratio(right, answered),
        recall=_ratio(right, support),
        f1=_ratio(2 * right, answered + support),
        support=support,
    )


def macro_f1(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Mean F1 of the classes that stand in ``targets``; an absent class does not count."""
    return float(np.mean(_present(targets, predictions).f1))


def macro_recall(targets: ArrayLike, predictions: ArrayLike) -> float:
    """Mean recall of the classes that stand in ``targets`` (also called balanced accuracy)."""
    return float(np.mean(_present(targets, predictions).recall))


def log_loss(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Mean of -ln p(target), in nats; p is taken as at least ``LEAST_PROBABILITY``."""
    table, truth = _table(probabilities, targets)
    known = (truth >= 0) & (truth < table.shape[1])
    chosen = table[np.arange(len(truth)), np.where(known, truth, 0)]
    return float(-np.mean(np.log(np.maximum(np.where(known, chosen, 0.0), LEAST_PROBABILITY))))


def calibration_error(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Expected calibration error of the top answer, 0 to 1.

    Rows fall into 15 equal bins of their largest probability, each open below and closed above; the gap
    between mean probability and accuracy is averaged over the bins, weighted by their rows (Guo et al.,
    *On Calibration of Modern Neural Networks*, 2017, equation 3).
    """
    table, truth = _table(probabilities, targets)
    top = table.max(axis=1)
    gap = (table.argmax(axis=1) == truth) - top
    bins = np.clip(np.ceil(top * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    return float(np.abs(np.bincount(bins, weights=gap)).sum() / len(truth))


def ceiling(groups: Iterable[Hashable], targets: Iterable[Hashable]) -> float:
    """Best accuracy that the data allows: equal inputs (equal ``groups``) must get equal answers.

    For each distinct input its most frequent target is right: those rows over all rows.
    """
    pairs = Counter(zip(_plain(groups), _plain(targets), strict=True))
    if not pairs:
        raise UsageError("there are no rows to score", code="E183")
    best: dict[Hashable, int] = {}
    for (group, _), count in pairs.items():
        best[group] = max(best.get(group, 0), count)
    return sum(best.values()) / pairs.total()


def summarise(probabilities: ArrayLike, targets: ArrayLike) -> dict[str, float]:
    """Every score of ``CLASSIFY_SCORES``, by its name."""
    return {name: score(probabilities, targets) for name, score in CLASSIFY_SCORES.items()}


def _pair(targets: ArrayLike, predictions: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    truth, answers = np.asarray(targets), np.asarray(predictions)
    if truth.ndim != 1 or truth.shape != answers.shape:
        raise UsageError(f"targets {truth.shape} and predictions {answers.shape} do not match", code="E183")
    if not len(truth):
        raise UsageError("there are no rows to score", code="E183")
    return truth, answers


def _table(probabilities: ArrayLike, targets: ArrayLike) -> tuple[Floats, NDArray[Any]]:
    table, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    if table.ndim != 2 or truth.shape != table.shape[:1]:
        raise UsageError(f"targets {truth.shape} and probabilities {table.shape} do not match", code="E183")
    if not table.size:
        raise UsageError("there are no rows to score", code="E183")
    return table, truth


def _present(targets: ArrayLike, predictions: ArrayLike) -> PerClass:
    """Scores of the classes that stand in ``targets`` alone, whatever their numbers or names."""
    truth, answers = _pair(targets, predictions)
    names, codes = np.unique(np.concatenate([truth, answers]), return_inverse=True)
    scores = per_class(codes[: len(truth)], codes[len(truth) :], len(names))
    there = scores.support > 0
    return PerClass(scores.precision[there], scores.recall[there], scores.f1[there], scores.support[there])


def _ratio(part: Integers, whole: Integers) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _plain(values: Iterable[Hashable]) -> Iterable[Hashable]:
    return values.tolist() if isinstance(values, np.ndarray) else values


Score = Callable[[ArrayLike, ArrayLike], float]


def _of_top(score: Score) -> Score:
    """Turn a score of predictions into one of probabilities: the prediction is the most probable class."""

    def of_probabilities(probabilities: ArrayLike, targets: ArrayLike) -> float:
        table, truth = _table(probabilities, targets)
        return score(truth, table.argmax(axis=1))

    return of_probabilities


CLASSIFY_SCORES: dict[str, Score] = {
    "accuracy": _of_top(accuracy),
    "macro_f1": _of_top(macro_f1),
    "macro_recall": _of_top(macro_recall),
    "log_loss": log_loss,
    "calibration_error": calibration_error,
}
