"""What learns: scikit-learn's estimators over sequences. ``fit`` makes a ``Model``, which answers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import LabelCodec, TextCodec
from elman.data.sequences import as_groups, as_labels, as_texts, as_weights, check_same_length
from elman.data.split import split
from elman.errors import DataError, missing_extra
from elman.models import drawing, examples
from elman.models.model import Model
from elman.models.settings import Settings
from elman.settings import check_settings

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise missing_extra("scikit-learn", "train", "learning") from error
try:
    from elman.models.fitting import about, fit_steps, run_all, seed_of, settings_that_matter
    from elman.models.learning import FitProgress, Learning, Plan, Reading
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise missing_extra("torch", "train", "learning") from error

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


class Rows(NamedTuple):
    """What came from Python, checked: B texts, labels (B,), weights (B,) or None."""

    texts: list[str]
    labels: NDArray[Any]
    weights: NDArray[np.float32] | None


@dataclass(kw_only=True, repr=False, eq=False)
class SequenceClassifier(ClassifierMixin, BaseEstimator, Settings):  # type: ignore[misc]
    """Learn one label per sequence with a recurrent network.

    The settings are keyword arguments; ``elman train --help`` and the docs list each with its sentence.

    Attributes
    ----------
    model_
        The ``Model``: what is saved and what answers. No torch is needed to use it.
    classes_
        The labels, sorted; column k of ``predict_proba`` is ``classes_[k]``.
    history_
        A record for each epoch and member: epoch, loss, validation_loss, learning_rate.
    """

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        validation_data: tuple[Any, Any] | None = None,
        checkpoint: str | Path | None = None,
    ) -> SequenceClassifier:
        """Learn from sequences and their labels.

        Parameters
        ----------
        X
            B texts: list, tuple, Series, object array, Arrow column.
        y
            B labels: texts, whole numbers, floats or truth values.
        sample_weight
            (B,) how much each row counts.
        groups
            (B,) rows of one group stay on one side of the validation split; by default equal inputs do.
        validation_data
            (X, y) to decide when to stop, instead of a part of the training rows.
        checkpoint
            A file to keep the run in when it is interrupted, and to go on from if it is there.

        Raises
        ------
        DataError
            If a sequence or label cannot be used: which row, why, and what to do.
        DivergedError
            If the loss becomes NaN; ``model_`` then holds the best weights so far.
        """
        steps = self.fit_iter(
            X,
            y,
            sample_weight=sample_weight,
            groups=groups,
            validation_data=validation_data,
            checkpoint=checkpoint,
        )
        run_all(steps, self.verbose)
        return self

    def fit_iter(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        validation_data: tuple[Any, Any] | None = None,
        checkpoint: str | Path | None = None,
    ) -> Generator[FitProgress, None, None]:
        """Learn as ``fit`` does, yielding progress after every update; ``break`` keeps the best so far."""
        check_settings(self)
        drawing.check_sampling(self.sampling, self.updates_per_epoch)
        plan = self._plan(X, y, sample_weight, groups, validation_data)
        yield from fit_steps(plan, self, checkpoint, self._finish)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that rows are texts, not lines of a numeric table."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.sparse = False
        return tags

    def predict(self, X: Any) -> NDArray[Any]:
        """Give the most probable label of each sequence: (B,), of y's type."""
        check_is_fitted(self, "model_")
        labels: NDArray[Any] = self.model_.predict(X)
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Give the probability of each class: (B, K), columns as ``classes_``."""
        check_is_fitted(self, "model_")
        return self.model_.predict_proba(X)

    def save(self, path: str | Path) -> None:
        """Write the model file, whole or not at all; ``elman.load`` reads it."""
        check_is_fitted(self, "model_")
        self.model_.save(path)

    def _plan(
        self, X: Any, y: Any, sample_weight: Any, groups: Any, validation_data: tuple[Any, Any] | None
    ) -> Plan:
        """Check everything, fit the codecs, split off validation rows: all before learning starts."""
        rows = _rows(X, y, sample_weight, self.class_weight)
        examples.check_learnable(rows.texts, rows.labels)
        keys = examples.input_keys(rows.texts) if groups is None else as_groups(groups)
        seed = seed_of(self.random_state)
        self.inputs_ = self._codec().fit(rows.texts)
        self.labels_ = LabelCodec().fit(rows.labels)
        self.classes_ = self.labels_.classes_
        self.class_counts_ = np.bincount(self.labels_.encode(rows.labels), minlength=len(self.classes_))
        both, folds = rows, self._folds(keys, rows.labels, seed)
        everything = np.arange(len(rows.texts)) if self.refit and len(folds[0][1]) else None
        if validation_data is not None:
            both, folds = self._with_validation(rows, validation_data)
            everything = None
        learnt = examples.encode(both.texts, both.labels, self.inputs_, self.labels_, both.weights)
        identity = {"settings": settings_that_matter(self, seed), "rows": examples.fingerprint(*both)}
        lessons = drawing.lessons(learnt, self.sampling, self.updates_per_epoch)
        return Plan(
            lessons, folds, everything, Reading(self.inputs_.sizes, len(self.classes_)), seed, identity
        )

    def _codec(self) -> TextCodec:
        """One-hot symbols are read as they are: no groups of them, and no marks of a text's edges."""
        if self.symbols == "one-hot":
            return TextCodec(unit=self.unit)
        return TextCodec(unit=self.unit, ngrams=self.ngrams, edges=True)

    def _folds(self, keys: list[Any], labels: NDArray[Any], seed: int) -> list[Fold]:
        """Hold out a part of the rows for each member; equal keys stay on one side."""
        parts = [
            split(keys, labels, self.validation_fraction, seed + member) for member in range(self.members)
        ]
        return [(rest, held) for rest, held in parts]

    def _with_validation(self, rows: Rows, validation_data: tuple[Any, Any]) -> tuple[Rows, list[Fold]]:
        """Append the caller's own validation rows, which every member holds out."""
        more = _rows(*validation_data, None, None)
        if (self.labels_.encode(more.labels) < 0).any():
            raise DataError(
                "validation_data has a label that y has not",
                code="E265",
                help="give y every label that can occur",
            )
        ones = np.ones(len(more.texts), np.float32)
        weights = None if rows.weights is None else np.concatenate([rows.weights, ones])
        both = Rows(rows.texts + more.texts, np.concatenate([rows.labels, more.labels]), weights)
        fold = np.arange(len(rows.texts)), np.arange(len(rows.texts), len(both.texts))
        return both, [fold] * self.members

    def _finish(self, learning: Learning) -> None:
        """Make the model from the networks so far."""
        self.history_ = learning.history
        if not learning.networks:
            return
        rest, held = learning.plan.folds[0]
        self.model_ = Model(
            task="classify",
            settings=self.network_settings(),
            inputs=self.inputs_,
            targets=self.labels_,
            members=tuple(learning.members()),
            training=about(
                learning,
                rows={"training": len(rest), "validation": len(held)},
                class_counts=self.class_counts_.tolist(),
            ),
        )


def _rows(X: Any, y: Any, sample_weight: Any, class_weight: Any) -> Rows:
    """Read what came from Python; refuse, in one sentence, what cannot be used."""
    texts, labels = as_texts(X), as_labels(y)
    check_same_length(texts, labels.tolist())
    weights = None if sample_weight is None else as_weights(sample_weight)
    if weights is not None:
        check_same_length(texts, weights.tolist(), ("X", "sample_weight"))
    return Rows(texts, labels, examples.class_weights(class_weight, labels, weights))
