"""The naive answers that a network must beat, fitted on the same training rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from elman.errors import missing_extra

Floats = NDArray[np.float64]


class Baseline(Protocol):
    """Fitted on texts and class numbers; answers with probabilities."""

    def predict_proba(self, texts: list[str]) -> Floats:
        """(B, K)."""


class MajorityClass:
    """Always answers with the share of each class in training; the most frequent one wins."""

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self.shares: Floats = counts / counts.sum()

    @classmethod
    def fit(cls, texts: list[str], targets: NDArray[np.int64], classes: int) -> MajorityClass:
        """Count the classes."""
        return cls(np.bincount(targets, minlength=classes))

    def predict_proba(self, texts: list[str]) -> Floats:
        """(B, K): the same row for every text."""
        return np.tile(self.shares, (len(texts), 1))


class NgramRegression:
    """Logistic regression on the groups of 1 to 4 neighbouring letters (tf-idf, scikit-learn)."""

    def __init__(self, pipeline: Any, classes: int) -> None:
        self.pipeline, self.classes = pipeline, classes

    @classmethod
    def fit(cls, texts: list[str], targets: NDArray[np.int64], classes: int) -> NgramRegression:
        """Fit on ``texts`` and class numbers; needs scikit-learn."""
        try:
            from sklearn.exceptions import ConvergenceWarning
            from sklearn.feature_extraction.text import TfidfVectorizer
            from sklearn.linear_model import LogisticRegression
            from sklearn.pipeline import make_pipeline
        except ImportError as error:
            raise missing_extra("scikit-learn", "train", "the n-gram baseline") from error
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, dtype=np.float32)
        pipeline = make_pipeline(letters, LogisticRegression(C=10, max_iter=500))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # after 500 steps its scores stand still
            return cls(pipeline.fit(texts, targets), classes)

    def predict_proba(self, texts: list[str]) -> Floats:
        """(B, K); a class that was not in training gets 0."""
        answer = np.zeros((len(texts), self.classes))
        answer[:, self.pipeline.classes_] = self.pipeline.predict_proba(texts)
        return answer


BASELINES: dict[str, Callable[[list[str], NDArray[np.int64], int], Baseline]] = {
    "majority class": MajorityClass.fit,
    "n-gram logistic regression": NgramRegression.fit,
}


def baseline_answers(
    learnt: list[str], targets: NDArray[np.int64], classes: int, texts: list[str]
) -> dict[str, Floats]:
    """Fit every baseline on texts and class numbers, and let it answer other texts: (B, K) by its name."""
    return {name: fit(learnt, targets, classes).predict_proba(texts) for name, fit in BASELINES.items()}
