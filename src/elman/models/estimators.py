"""What learns: scikit-learn's estimators over sequences. ``fit`` makes a ``Model``, which answers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import LabelCodec
from elman.data.numbers import NumberCodec
from elman.data.sequences import as_column, as_groups, as_labels, as_weights, check_same_length
from elman.data.series import as_series
from elman.data.split import split
from elman.errors import DataError, UsageError, missing_extra
from elman.models import answers, drawing, examples
from elman.models.calibration import cooled, temperature
from elman.models.codecs import outputs_of, width_of
from elman.models.examples import Examples
from elman.models.model import Model
from elman.models.reading import (
    Inputs,
    as_inputs,
    check_inputs,
    check_kind,
    fingerprint,
    keys_of,
    kind_of,
    make_codec,
    starting,
)
from elman.models.settings import RegressSettings, Settings
from elman.settings import check_settings

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
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
    """What came from Python, checked: B sequences, targets (B,) or (B, K), weights (B,) or None."""

    inputs: Inputs
    targets: NDArray[Any]
    weights: NDArray[np.float32] | None


class OfWholes:
    """What learns one answer for each sequence: how rows are checked, held out and encoded."""

    def _steps(self: Any, plan: Plan, checkpoint: str | Path | None) -> Generator[FitProgress, None, None]:
        yield from fit_steps(plan, self, checkpoint, self._finish)

    def save(self: Any, path: str | Path) -> None:
        """Write the model file, whole or not at all; ``elman.load`` reads it."""
        check_is_fitted(self, "model_")
        self.model_.save(path)

    def _plan_of(
        self: Any, rows: Rows, kind: str, groups: Any, validation: Rows | None, start: Model | None
    ) -> Plan:
        """Fit the codecs, split off validation rows: all before learning starts."""
        keys = keys_of(rows.inputs, kind) if groups is None else as_groups(groups)
        seed = seed_of(self.random_state)
        if start is None:
            self.inputs_ = make_codec(kind, self, edges=True).fit(rows.inputs)
        else:
            check_kind(kind, start.inputs)
            self.inputs_ = start.inputs
        self._fit_targets(rows, start)
        both, folds = rows, self._folds(keys, self._strata(rows.targets), seed)
        everything = np.arange(len(rows.inputs)) if self.refit and len(folds[0][1]) else None
        if validation is not None:
            both, folds = with_validation(rows, validation, self.members)
            everything = None
        learnt = Examples(self.inputs_.encode_all(both.inputs), self._encoded(both.targets), both.weights)
        identity = {
            "settings": settings_that_matter(self, seed),
            "rows": fingerprint(both.inputs, kind, both.targets, both.weights),
        }
        sizes, features = width_of(self.inputs_)
        reading = Reading(
            sizes, outputs_of(self.targets_), features, self._task, "auto", starting(start, self.members)
        )
        return Plan(self._lessons(learnt), folds, everything, reading, seed, identity)

    def _folds(self: Any, keys: list[Any], strata: Any, seed: int) -> list[Fold]:
        """Hold out a part of the rows for each member; equal keys stay on one side."""
        parts = [
            split(keys, strata, self.validation_fraction, seed + member) for member in range(self.members)
        ]
        return [(rest, held) for rest, held in parts]

    def _model(self: Any, learning: Learning, **counts: Any) -> None:
        """Make the model from the networks so far."""
        self.history_ = learning.history
        if not learning.networks:
            return
        rest, held = learning.plan.folds[0]
        rows = {"training": len(rest), "validation": len(held)}
        self.model_ = Model(
            task=self._task,
            settings=self.network_settings(),
            inputs=self.inputs_,
            targets=self.targets_,
            members=tuple(learning.members()),
            training=about(learning, rows=rows, **counts),
        )


def with_validation(rows: Rows, more: Rows, members: int) -> tuple[Rows, list[Fold]]:
    """Append the caller's own validation rows, which every member holds out."""
    ones = np.ones(len(more.inputs), np.float32)
    weights = None if rows.weights is None else np.concatenate([rows.weights, ones])
    both = Rows(rows.inputs + more.inputs, np.concatenate([rows.targets, more.targets]), weights)
    fold = np.arange(len(rows.inputs)), np.arange(len(rows.inputs), len(both.inputs))
    return both, [fold] * members


@dataclass(kw_only=True, repr=False, eq=False)
class SequenceClassifier(OfWholes, ClassifierMixin, BaseEstimator, Settings):  # type: ignore[misc]
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
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> SequenceClassifier:
        """Learn from sequences and their labels.

        Parameters
        ----------
        X
            B texts (list, tuple, Series, object array, Arrow column), B sequences of numbers (T,) or (T, D),
            or B pairs of a text and its numbers.
        y
            B labels: texts, whole numbers, floats or truth values.
        sample_weight
            (B,) how much each row counts.
        groups
            (B,) rows of one group stay on one side of the validation split; by default equal inputs do.
        validation_data
            (X, y) to decide when to stop, instead of a part of the training rows.
        start
            A model of the same settings to go on from; its codecs are kept.
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
            start=start,
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
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> Generator[FitProgress, None, None]:
        """Learn as ``fit`` does, yielding progress after every update; ``break`` keeps the best so far."""
        check_settings(self)
        drawing.check_sampling(self.sampling, self.updates_per_epoch)
        yield from self._steps(self._plan(X, y, sample_weight, groups, validation_data, start), checkpoint)

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
        shares: NDArray[np.float32] = self.model_.predict_proba(X)
        return shares

    _task = "classify"

    def _plan(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        groups: Any,
        validation_data: tuple[Any, Any] | None,
        start: Model | None = None,
    ) -> Plan:
        """Check everything before learning starts."""
        kind = kind_of(X)
        rows = _labelled(X, y, kind, sample_weight, self.class_weight)
        check_inputs(rows.inputs, kind)
        examples.check_classes(rows.targets)
        more = None if validation_data is None else _labelled(*validation_data, kind, None, None)
        return self._plan_of(rows, kind, groups, more, start)

    def _fit_targets(self, rows: Rows, start: Model | None) -> None:
        self.targets_ = LabelCodec().fit(rows.targets) if start is None else start.labels
        self.classes_ = self.targets_.classes_
        codes = self.targets_.encode(rows.targets)
        if (codes < 0).any():
            label = rows.targets[int(np.flatnonzero(codes < 0)[0])]
            message = f"the label {label!s} is none of the model to go on from"
            raise DataError(message, code="E265", help="give labels that it knows, or learn anew")
        self.class_counts_ = np.bincount(codes, minlength=len(self.classes_))

    def _encoded(self, targets: NDArray[Any]) -> NDArray[np.int64]:
        codes = self.targets_.encode(targets)
        if (codes < 0).any():
            raise DataError(
                "validation_data has a label that y has not",
                code="E265",
                help="give y every label that can occur",
            )
        return codes

    def _strata(self, targets: NDArray[Any]) -> NDArray[Any]:
        return targets

    def _lessons(self, learnt: Examples) -> Any:
        return drawing.lessons(learnt, self.sampling, self.updates_per_epoch)

    def _finish(self, learning: Learning) -> None:
        self._model(learning, class_counts=self.class_counts_.tolist())
        if self.calibrate and learning.complete:
            self._calibrate(learning)

    def _calibrate(self, learning: Learning) -> None:
        """Find the temperature by the first network, on the rows that it did not learn from."""
        held, learnt = learning.plan.folds[0][1], cast(Any, learning.plan.examples)
        learnt = getattr(learnt, "examples", learnt)
        if not len(held) or "head.weight" not in learning.networks[0]:
            message = "calibrate has no meaning here: " + (
                "no rows are held out" if not len(held) else "there is no head"
            )
            raise UsageError(message, code="E172", help="leave it out, or set validation_fraction")
        first = replace(self.model_, members=(learning.networks[0],))
        shares = answers.probabilities(first, [learnt.sequences[row] for row in held.tolist()])
        found = temperature(np.log(np.maximum(shares, 1e-30)), learnt.targets[held])
        members = tuple(cooled(member, found) for member in self.model_.members)
        training = {**self.model_.training, "temperature": found}
        self.model_ = replace(self.model_, members=members, training=training)


@dataclass(kw_only=True, repr=False, eq=False)
class SequenceRegressor(OfWholes, RegressorMixin, BaseEstimator, RegressSettings):  # type: ignore[misc]
    """Learn one number, or some, per sequence with a recurrent network.

    The settings are keyword arguments; ``elman train --help`` and the docs list each with its sentence.

    Attributes
    ----------
    model_
        The ``Model``: what is saved and what answers. No torch is needed to use it.
    history_
        A record for each epoch and member: epoch, loss, validation_loss, learning_rate.
    """

    _task = "regress"

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        validation_data: tuple[Any, Any] | None = None,
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> SequenceRegressor:
        """Learn from sequences and their numbers.

        Parameters
        ----------
        X
            B texts, B sequences of numbers (T,) or (T, D), or B pairs of a text and numbers.
        y
            (B,) or (B, K) numbers.
        sample_weight, groups, validation_data, start, checkpoint
            As ``SequenceClassifier.fit`` has them.

        Raises
        ------
        DataError
            If a sequence or number cannot be used: which row, why, and what to do.
        DivergedError
            If the loss becomes NaN; ``model_`` then holds the best weights so far.
        """
        given = {"sample_weight": sample_weight, "groups": groups, "validation_data": validation_data}
        run_all(self.fit_iter(X, y, **given, start=start, checkpoint=checkpoint), self.verbose)
        return self

    def fit_iter(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        validation_data: tuple[Any, Any] | None = None,
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> Generator[FitProgress, None, None]:
        """Learn as ``fit`` does, yielding progress after every update; ``break`` keeps the best so far."""
        check_settings(self)
        kind = kind_of(X)
        rows = _numbered(X, y, kind, sample_weight)
        check_inputs(rows.inputs, kind)
        more = None if validation_data is None else _numbered(*validation_data, kind, None)
        yield from self._steps(self._plan_of(rows, kind, groups, more, start), checkpoint)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Give the numbers of each sequence: (B,) or (B, K)."""
        check_is_fitted(self, "model_")
        found: NDArray[np.float64] = self.model_.predict(X)
        return found

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that rows are sequences, not lines of a numeric table."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.sparse = False
        tags.input_tags.string = True
        return tags

    def _fit_targets(self, rows: Rows, start: Model | None) -> None:
        self.targets_ = (
            start.numbers
            if start is not None
            else NumberCodec(scaling=self.scaling).fit(rows.targets[:, None])
        )

    def _encoded(self, targets: NDArray[Any]) -> NDArray[np.float32]:
        encoded: NDArray[np.float32] = np.concatenate(self.targets_.encode_all(targets[:, None]))
        return encoded

    def _strata(self, targets: NDArray[Any]) -> list[int]:
        return [0] * len(targets)

    def _lessons(self, learnt: Examples) -> Any:
        return learnt

    def _finish(self, learning: Learning) -> None:
        self._model(learning)


def _labelled(X: Any, y: Any, kind: str, sample_weight: Any, class_weight: Any) -> Rows:
    """Read what came from Python; refuse, in one sentence, what cannot be used."""
    inputs, labels = as_inputs(X, kind), as_labels(y)
    check_same_length(inputs, labels.tolist())
    return Rows(inputs, labels, examples.class_weights(class_weight, labels, _weights(inputs, sample_weight)))


def _numbered(X: Any, y: Any, kind: str, sample_weight: Any) -> Rows:
    """Read sequences and the numbers (B, K) to say of them."""
    inputs, numbers = as_inputs(X, kind), as_numbers(y)
    check_same_length(inputs, numbers.tolist())
    return Rows(inputs, numbers, _weights(inputs, sample_weight))


def as_numbers(y: Any, where: str = "y") -> NDArray[np.float64]:
    """Return numbers (B, K) of (B,) or (B, K); a missing one is refused: it is one to learn."""
    values = np.asarray(y) if isinstance(y, np.ndarray) else as_column(y, where)
    rows = as_series(
        [np.atleast_1d(value)[None] if value is not None else [[np.nan]] for value in values], where
    )
    for row, numbers in enumerate(rows):
        if np.isnan(numbers).any():
            message = "a number to learn is missing (NaN)"
            raise DataError(
                message, code="E276", where=f"{where}[{row}]", help="fill it in, or leave the row out"
            )
    return np.concatenate(rows) if rows else np.zeros((0, 1))


def _weights(inputs: Inputs, sample_weight: Any) -> NDArray[np.float32] | None:
    if sample_weight is None:
        return None
    weights = as_weights(sample_weight)
    check_same_length(inputs, weights.tolist(), ("X", "sample_weight"))
    return weights
