"""An honest measure of a classifier: its scores, beside what naive answers score and what the data allows."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.errors import DataError
from elman.models.baselines import Floats, MajorityClass, baseline_answers
from elman.models.examples import input_keys
from elman.models.model import Model
from elman.train import metrics

Scores = dict[str, float]
Labels = NDArray[Any]


@dataclass(frozen=True)
class Evaluation:
    """What was found on B rows with K classes.

    Attributes
    ----------
    classes
        Names of the classes: the model's, then labels that it never saw in training.
    scores
        accuracy, macro_f1, macro_recall, log_loss, calibration_error, and ceiling: the best accuracy that
        the data allows when one input has several labels.
    baselines
        The same scores for each naive answer.
    parts
        Scores over the rows of each script (Latin, Cyrillic, ...) when the rows are of more than one.
    rows, leaked
        How many rows; how many of them stand in training too (None: the training rows are not at hand).
    confusion
        (K, K) counts: row = truth, column = answer.
    """

    classes: list[str]
    scores: Scores
    baselines: dict[str, Scores]
    parts: dict[str, Scores]
    per_class: dict[str, Scores]
    rows: int
    leaked: int | None
    unknown_labels: dict[str, int]
    unknown_symbols: dict[str, int]
    confusion: NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        kept = ("scores", "baselines", "parts", "per_class", "unknown_labels", "unknown_symbols", "classes")
        return {name: getattr(self, name) for name in kept} | {"confusion": self.confusion.tolist()}


def evaluate(
    model: Model,
    texts: list[str],
    labels: Labels,
    *,
    training: tuple[list[str], Labels] | None = None,
    baselines: bool = True,
    answered: Callable[[], dict[str, Floats]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure ``model`` on rows that it did not learn from.

    Parameters
    ----------
    texts, labels
        B inputs and their true labels. A label that training never saw is counted, and always a miss.
    training
        All rows that the model learnt from (validation rows too): the fitted baselines and the count of
        leaked rows need them.
    baselines
        Whether to fit those that need the training rows (they take a while).
    answered
        Gives the answers of the fitted baselines, if they are fitted elsewhere.
    """
    if not texts:
        raise DataError("there are no rows to evaluate", code="E270", help="give at least one labelled row")
    classes, targets, unknown = _targets(model, labels)
    probabilities = model.predict_proba(texts, progress=progress)
    answers = probabilities.argmax(axis=1)
    return Evaluation(
        classes=classes,
        scores=metrics.summarise(probabilities, targets)
        | {"ceiling": metrics.ceiling(input_keys(texts), targets.tolist())},
        baselines=_baselines(model, texts, targets, training if baselines else None, answered),
        parts=_parts(texts, probabilities, targets),
        per_class=_per_class(targets, answers, classes),
        rows=len(texts),
        leaked=_leaked(texts, training),
        unknown_labels=dict(unknown.most_common()),
        unknown_symbols=dict(model.unknown_symbols(texts).most_common()),
        confusion=metrics.confusion(targets, answers, len(classes)),
    )


def _targets(model: Model, labels: Labels) -> tuple[list[str], NDArray[np.int64], Counter[str]]:
    """Number the labels: the model's classes first, then those never seen in training, which are counted."""
    codes = model.labels.encode(labels)
    names = [str(label) for label in labels.tolist()]
    unknown = Counter(name for name, code in zip(names, codes, strict=True) if code < 0)
    classes = [str(label) for label in model.classes_.tolist()] + sorted(unknown)
    numbers = {name: number for number, name in enumerate(classes)}
    targets = [code if code >= 0 else numbers[name] for name, code in zip(names, codes, strict=True)]
    return classes, np.array(targets, np.int64), unknown


def script(text: str) -> str:
    """Name the script of most of its letters by their Unicode names: Latin, Cyrillic, Greek, ..."""
    letters = Counter(unicodedata.name(letter, "?").split()[0] for letter in text if letter.isalpha())
    return letters.most_common(1)[0][0].capitalize() if letters else "None"


def _baselines(
    model: Model,
    texts: list[str],
    targets: NDArray[np.int64],
    training: tuple[list[str], Labels] | None,
    answered: Callable[[], dict[str, Floats]] | None,
) -> dict[str, Scores]:
    """Score every baseline; without training rows only the majority class, which the model knows."""
    if training is None:
        counts = np.array(model.training.get("class_counts", [1] * len(model.classes_)), np.int64)
        fitted = {"majority class": MajorityClass(counts).predict_proba(texts)}
    elif answered is not None:
        fitted = answered()
    else:
        codes = model.labels.encode(training[1])
        rows = np.flatnonzero(codes >= 0)
        kept = [training[0][row] for row in rows]
        fitted = baseline_answers(kept, codes[rows], len(model.classes_), texts)
    return {name: metrics.summarise(answer, targets) for name, answer in fitted.items()}


def _parts(
    texts: list[str], probabilities: NDArray[np.float32], targets: NDArray[np.int64]
) -> dict[str, Scores]:
    scripts = np.array([script(text) for text in texts])
    names, counts = np.unique(scripts, return_counts=True)
    if len(names) < 2:
        return {}
    return {
        str(name): {"rows": int(count)}
        | metrics.summarise(probabilities[scripts == name], targets[scripts == name])
        for count, name in sorted(zip(counts, names, strict=True), reverse=True)
    }


def _per_class(
    targets: NDArray[np.int64], answers: NDArray[np.int64], classes: list[str]
) -> dict[str, Scores]:
    found = metrics.per_class(targets, answers, len(classes))
    return {
        name: {part: values[k].item() for part, values in found._asdict().items()}
        for k, name in enumerate(classes)
    }


def _leaked(texts: list[str], training: tuple[list[str], Labels] | None) -> int | None:
    if training is None:
        return None
    seen = set(input_keys(training[0]))
    return sum(key in seen for key in input_keys(texts))
