"""One honest trial: a model learnt from some rows, and scored on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import LabelCodec
from elman.data.split import split
from elman.errors import DataError
from elman.models.background import Background
from elman.models.baselines import Floats, baseline_answers
from elman.models.evaluation import Evaluation, evaluate
from elman.models.examples import input_keys
from elman.models.model import Model

if TYPE_CHECKING:
    from elman.models.estimators import SequenceClassifier
    from elman.models.learning import FitProgress

Baselines = Background[dict[str, Floats]]

TEST_FRACTION = 0.2
BESIDE_FROM = 2_000
"""Rows from which the baselines are fitted in a process of their own."""


@dataclass(frozen=True)
class Rows:
    """B texts with their labels (B,); rows of one group must stay on one side of a split."""

    texts: list[str]
    labels: NDArray[Any]
    groups: Sequence[Any]

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Pick some of the rows."""
        chosen = rows.tolist()
        return Rows([self.texts[r] for r in chosen], self.labels[rows], [self.groups[r] for r in chosen])

    @classmethod
    def of(cls, texts: list[str], labels: NDArray[Any], groups: Sequence[Any] | None = None) -> Rows:
        """Group equal inputs together unless ``groups`` says more; equal inputs never stand on two sides."""
        return cls(
            texts, labels, input_keys(texts) if groups is None else joined_groups(groups, input_keys(texts))
        )


@dataclass(frozen=True)
class Trial:
    """Rows to learn from and rows to measure on; ``about`` goes into the model file (JSON values)."""

    learn: Rows
    test: Rows
    seed: int
    settings: dict[str, Any]
    about: dict[str, Any]

    def estimator(self) -> SequenceClassifier:
        """Make what will learn (this needs torch)."""
        from elman.models.estimators import SequenceClassifier

        return SequenceClassifier(**self.settings, random_state=self.seed)

    def steps(
        self, estimator: SequenceClassifier, checkpoint: Path | None
    ) -> Generator[FitProgress, None, None]:
        """Learn, yielding progress; afterwards ``estimator.model_`` is the model."""
        rows = self.learn
        return estimator.fit_iter(rows.texts, rows.labels, groups=rows.groups, checkpoint=checkpoint)


def hold_out(rows: Rows, seed: int) -> tuple[Rows, Rows]:
    """Split off a fifth of the rows, stratified, groups together: rows to learn from, rows to measure on."""
    rest, held = split(rows.groups, rows.labels, TEST_FRACTION, seed)
    if not len(held):
        raise DataError(
            f"there are too few rows ({len(rows.texts)}) to hold some out for the test",
            code="E266",
            help="give more rows, or a file of their own with --test",
        )
    return rows.take(rest), rows.take(held)


def joined_groups(groups: Sequence[Any], inputs: Sequence[str]) -> list[int]:
    """Number the rows so that rows of one group, and rows with equal inputs, get the same number.

    Union-find over both keys: two groups that share an input become one.
    """
    roots: dict[tuple[int, Any], tuple[int, Any]] = {}

    def root(key: tuple[int, Any]) -> tuple[int, Any]:
        while (above := roots.setdefault(key, key)) != key:
            roots[key] = roots.setdefault(above, above)
            key = above
        return key

    for group, text in zip(groups, inputs, strict=True):
        roots[root((0, group))] = root((1, text))
    numbers: dict[tuple[int, Any], int] = {}
    return [numbers.setdefault(root((1, text)), len(numbers)) for text in inputs]


def begin_baselines(trial: Trial) -> Baselines | None:
    """Begin to fit the baselines beside the learning; None for a small table, where it would not pay."""
    if len(trial.learn.texts) < BESIDE_FROM:
        return None
    labels = LabelCodec().fit(trial.learn.labels)
    codes, classes = labels.encode(trial.learn.labels), len(labels.classes_)
    return Background(baseline_answers, trial.learn.texts, codes, classes, trial.test.texts)


def finish(
    trial: Trial,
    model: Model,
    *,
    baselines: bool,
    begun: Baselines | None = None,
) -> tuple[Model, Evaluation]:
    """Measure ``model`` on the trial's test rows; what was found goes into the model that comes back.

    ``begun`` is what ``begin_baselines`` gave, if they were begun already.
    """
    training = (trial.learn.texts, trial.learn.labels)
    answered = None if begun is None else begun.result
    found = evaluate(
        model, trial.test.texts, trial.test.labels, training=training, baselines=baselines, answered=answered
    )
    held = model.training["rows"]["validation"]
    about = {
        **model.training,
        **trial.about,
        "split": {
            "train": len(trial.learn.texts) - held,
            "validation": held,
            "test": len(trial.test.texts),
            "leaked": found.leaked,
        },
    }
    scores = {"scores": found.scores, "baselines": found.baselines}
    return dataclasses.replace(model, training=about, scores=scores), found
