"""What learns numbers: a tagger says them at every step, a forecaster says the next ones."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.data.numbers import NumberCodec
from elman.data.series import as_series, as_targets
from elman.data.split import split
from elman.errors import missing_extra
from elman.models.model import Model
from elman.models.settings import NumberSettings
from elman.settings import check_settings

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise missing_extra("scikit-learn", "train", "learning") from error
try:
    from elman.models import series as lessons
    from elman.models.fitting import about, fit_steps, run_all, seed_of, settings_that_matter
    from elman.models.learning import FitProgress, Learning, Plan, Reading, Rows
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise missing_extra("torch", "train", "learning") from error

Floats = NDArray[np.float32]
Values = NDArray[np.float64]
FirstWeights = Mapping[str, Any] | None

UPDATES = 1000
"""Updates of a network where nobody says how many epochs; found on a sine of 1,000 steps."""


@dataclass(kw_only=True, repr=False, eq=False)
class SequenceTagger(RegressorMixin, BaseEstimator, NumberSettings):  # type: ignore[misc]
    """Learn numbers at every step of a sequence with a recurrent network.

    The settings are keyword arguments; the docs list each with its sentence.

    Attributes
    ----------
    model_
        The ``Model``: what is saved and what answers. No torch is needed to use it.
    history_
        A record for each epoch and member: epoch, loss, validation_loss, learning_rate.
    """

    def fit(
        self, X: Any, y: Any, *, first_weights: FirstWeights = None, checkpoint: str | Path | None = None
    ) -> SequenceTagger:
        """Learn from sequences and the numbers of their steps.

        Parameters
        ----------
        X
            B sequences of numbers, (T,) or (T, D) each; NaN where one is missing.
        y
            B sequences as long, (T,) or (T, K) each.
        first_weights
            Arrays by tensor name, as ``model_.members`` has them, to begin with; the others are drawn.
        checkpoint
            A file to keep the run in when it is interrupted, and to go on from if it is there.

        Raises
        ------
        DataError
            If a sequence or a target cannot be used: which, at which step, why, and what to do.
        DivergedError
            If the loss becomes NaN; ``model_`` then holds the best weights so far.
        """
        run_all(self.fit_iter(X, y, first_weights=first_weights, checkpoint=checkpoint), self.verbose)
        return self

    def fit_iter(
        self, X: Any, y: Any, *, first_weights: FirstWeights = None, checkpoint: str | Path | None = None
    ) -> Generator[FitProgress, None, None]:
        """Learn as ``fit`` does, yielding progress after every update; ``break`` keeps the best so far."""
        check_settings(self)
        lessons.check_reading(self, forwards=False)
        plan = self._plan(as_series(X), y, lessons.checked_weights(first_weights))
        yield from fit_steps(plan, self, checkpoint, self._finish)

    def predict(self, X: Any) -> Any:
        """Give the numbers of every step: B arrays (T,) or (T, K); one array if X is one."""
        check_is_fitted(self, "model_")
        return self.model_.predict(X)

    def score(self, X: Any, y: Any) -> float:
        """Give R², the share of the variance that is explained, over all steps of all sequences."""
        check_is_fitted(self, "model_")
        sequences = as_series(X)
        return explained(self.model_.predict(sequences), as_targets(y, sequences))

    def save(self, path: str | Path) -> None:
        """Write the model file, whole or not at all; ``elman.load`` reads it."""
        check_is_fitted(self, "model_")
        self.model_.save(path)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that rows are sequences, not lines of a numeric table."""
        return sequence_tags(super().__sklearn_tags__())

    def _plan(self, X: list[Values], y: Any, first: dict[str, Floats] | None) -> Plan:
        """Check everything, hold sequences out, fit the codecs on the others: all before learning starts."""
        lessons.check_sequences(X, most=lessons.most_steps(self))
        targets, seed = as_targets(y, X), seed_of(self.random_state)
        keys = [sequence.tobytes() for sequence in X]
        rest, held = split(keys, [0] * len(X), self.validation_fraction, seed)
        self.inputs_ = NumberCodec(scaling=self.scaling).fit([X[row] for row in rest])
        self.targets_ = NumberCodec(scaling=self.scaling).fit([targets[row] for row in rest])
        self.rows_ = {"training": len(rest), "validation": len(held)}
        encoded = self.inputs_.encode_all(X), self.targets_.encode_all(targets)
        steps = None if self.stateful else self.tbptt
        found = lessons.windows([encoded[0][row] for row in rest], [encoded[1][row] for row in rest], steps)
        more = lessons.windows([encoded[0][row] for row in held], [encoded[1][row] for row in held], steps)
        learnt = lessons.joined(found, more)
        training, kept = (
            np.arange(len(found.sequences)),
            np.arange(len(found.sequences), len(learnt.sequences)),
        )
        examples = lessons.StepExamples(learnt, self.inputs_.features, self.input_noise)
        everything = np.arange(len(learnt.sequences))
        return number_plan(self, "tag", examples, (training, kept), everything, seed, first)

    def _finish(self, learning: Learning) -> None:
        self.history_ = learning.history
        if learning.networks:
            self.model_ = number_model(self, "tag", self.inputs_, self.targets_, learning, self.rows_)


@dataclass(kw_only=True, repr=False, eq=False)
class SequenceForecaster(RegressorMixin, BaseEstimator, NumberSettings):  # type: ignore[misc]
    """Learn the next value of series with a recurrent network.

    The settings are keyword arguments; the docs list each with its sentence. The last part of every series in
    time shows for how long to learn.

    Attributes
    ----------
    model_
        The ``Model``: what is saved and what answers. No torch is needed to use it.
    history_
        A record for each epoch and member: epoch, loss, validation_loss, learning_rate.
    """

    def fit(
        self,
        series: Any,
        y: None = None,
        *,
        first_weights: FirstWeights = None,
        checkpoint: str | Path | None = None,
    ) -> SequenceForecaster:
        """Learn from series: from every step to the next.

        Parameters
        ----------
        series
            B series of numbers, (T,) or (T, D) each.
        y
            Not used; scikit-learn asks for it.
        first_weights
            Arrays by tensor name, as ``model_.members`` has them, to begin with; the others are drawn.
        checkpoint
            A file to keep the run in when it is interrupted, and to go on from if it is there.

        Raises
        ------
        DataError
            If a series cannot be used: which, at which step, why, and what to do.
        DivergedError
            If the loss becomes NaN; ``model_`` then holds the best weights so far.
        """
        run_all(self.fit_iter(series, first_weights=first_weights, checkpoint=checkpoint), self.verbose)
        return self

    def fit_iter(
        self,
        series: Any,
        y: None = None,
        *,
        first_weights: FirstWeights = None,
        checkpoint: str | Path | None = None,
    ) -> Generator[FitProgress, None, None]:
        """Learn as ``fit`` does, yielding progress after every update; ``break`` keeps the best so far."""
        check_settings(self)
        lessons.check_reading(self, forwards=True)
        plan = self._plan(as_series(series, "series"), lessons.checked_weights(first_weights))
        yield from fit_steps(plan, self, checkpoint, self._finish)

    def predict(self, series: Any, horizon: int | None = None) -> Values:
        """Give the next values, each fed with the one before: (B, horizon) or (B, horizon, D); None is 1."""
        check_is_fitted(self, "model_")
        answers: Values = self.model_.predict(series, horizon)
        return answers

    def predict_steps(self, series: Any) -> Any:
        """Give the next value after every step: B arrays (T,) or (T, D); one array if ``series`` is one."""
        check_is_fitted(self, "model_")
        return self.model_.predict_steps(series)

    def score(self, series: Any, y: None = None) -> float:
        """Give R², the share of the variance that is explained, over every step to the next."""
        check_is_fitted(self, "model_")
        known = as_series(series, "series")
        answers = self.model_.predict_steps([values[:-1] for values in known])
        return explained(answers, [values[1:] for values in known])

    def save(self, path: str | Path) -> None:
        """Write the model file, whole or not at all; ``elman.load`` reads it."""
        check_is_fitted(self, "model_")
        self.model_.save(path)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that rows are sequences, not lines of a numeric table, and need no targets."""
        tags = sequence_tags(super().__sklearn_tags__())
        tags.target_tags.required = False
        return tags

    def _plan(self, series: list[Values], first: dict[str, Floats] | None) -> Plan:
        """Check everything, hold the last parts out, fit the codec on the first: before learning starts."""
        lessons.check_series(series)
        seed = seed_of(self.random_state)
        cuts = [last_learnt(len(values), self.validation_fraction) for values in series]
        self.codec_ = NumberCodec(scaling=self.scaling).fit(
            [values[: cut + 1] for values, cut in zip(series, cuts, strict=True)]
        )
        encoded = self.codec_.encode_all(series)
        steps = None if self.stateful else self.tbptt or lessons.WINDOW
        early = [values[: cut + 1] for values, cut in zip(encoded, cuts, strict=True)]
        found, whole = (
            lessons.windows([v[:-1] for v in part], [v[1:] for v in part], steps) for part in (early, encoded)
        )
        learnt = lessons.StepExamples(lessons.joined(found, whole), self.codec_.features, self.input_noise)
        held = np.array([r for r, v in enumerate(encoded) if cuts[r] < len(v) - 1], np.int64)
        self.rows_ = {
            "training": sum(cuts),
            "validation": sum(len(encoded[r]) - 1 - cuts[r] for r in held.tolist()),
        }
        rows = np.arange(len(found.sequences))
        everything = np.arange(len(rows), len(learnt.rows.sequences))
        examples = lessons.TimeExamples(learnt, encoded, cuts)
        return number_plan(self, "forecast", examples, (rows, held), everything, seed, first)

    def _finish(self, learning: Learning) -> None:
        self.history_ = learning.history
        if learning.networks:
            self.model_ = number_model(self, "forecast", self.codec_, self.codec_, learning, self.rows_)


def last_learnt(steps: int, fraction: float) -> int:
    """Give the step up to which a series is learnt: the last part in time is held out, if enough is left."""
    held = int(steps * fraction)
    return steps - 1 - held if steps - 1 - held >= max(1, held) else steps - 1


def number_plan(
    estimator: Any,
    task: str,
    examples: Any,
    fold: tuple[Rows, Rows],
    everything: Rows,
    seed: int,
    first: dict[str, Floats] | None,
) -> Plan:
    """Put a plan together; all members hold out the same."""
    inputs, targets = (
        (estimator.codec_,) * 2 if task == "forecast" else (estimator.inputs_, estimator.targets_)
    )
    learnt = examples.learnt.rows if task == "forecast" else examples.rows
    weights = {} if first is None else first
    rows = lessons.fingerprint(learnt.sequences, learnt.targets, list(weights.values()))
    return Plan(
        examples=examples,
        folds=[fold] * estimator.members,
        everything=everything if estimator.refit and len(fold[1]) else None,
        reading=Reading((), targets.features, inputs.size, "tag", estimator.loss, first),
        seed=seed,
        identity={"settings": settings_that_matter(estimator, seed), "rows": rows},
        tbptt=lessons.chunk_of(estimator),
        updates=UPDATES,
    )


def number_model(
    settings: NumberSettings,
    task: str,
    inputs: NumberCodec,
    targets: NumberCodec,
    learning: Learning,
    rows: dict[str, int],
) -> Model:
    """Make the model from the networks so far."""
    members = tuple(learning.members())
    training = about(learning, rows=rows)
    return Model(task, settings.network_settings(), inputs, targets, members, training)


def sequence_tags(tags: Any) -> Any:
    """Say that rows are sequences of any length."""
    tags.input_tags.two_d_array = False
    tags.input_tags.one_d_array = False
    tags.input_tags.sparse = False
    tags.input_tags.allow_nan = True
    return tags


def explained(answers: Sequence[Values], targets: Sequence[Values]) -> float:
    """1 - Σ (y - p)² / Σ (y - mean)², over all steps: R²; 0 if the targets never change."""
    p = np.concatenate([np.reshape(part, (len(part), -1)) for part in answers])
    y = np.concatenate([np.reshape(part, (len(part), -1)) for part in targets])
    spread = float(((y - y.mean(axis=0)) ** 2).sum())
    return 1 - float(((y - p) ** 2).sum()) / spread if spread else 0.0
