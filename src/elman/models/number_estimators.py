"""What learns numbers: a tagger says them at every step, a forecaster says the next ones."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import LabelCodec
from elman.data.kinds import Reader
from elman.data.numbers import NumberCodec
from elman.data.series import as_series, as_targets
from elman.data.split import split
from elman.data.tags import are_labels, as_tags
from elman.errors import DataError, UsageError, missing_extra
from elman.models import examples
from elman.models.codecs import outputs_of, width_of
from elman.models.conformal import half_widths
from elman.models.forecasting import Form, Given, check_given, truths
from elman.models.model import Model
from elman.models.reading import (
    Inputs,
    as_inputs,
    check_inputs,
    check_kind,
    keys_of,
    kind_of,
    make_codec,
    measured,
)
from elman.models.settings import ForecastSettings, NumberSettings, TagSettings
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
class SequenceTagger(RegressorMixin, BaseEstimator, TagSettings):  # type: ignore[misc]
    """Learn a label, or numbers, at every step of a sequence with a recurrent network.

    The settings are keyword arguments; the docs list each with its sentence.

    Attributes
    ----------
    model_
        The ``Model``: what is saved and what answers. No torch is needed to use it.
    history_
        A record for each epoch and member: epoch, loss, validation_loss, learning_rate.
    """

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        first_weights: FirstWeights = None,
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> SequenceTagger:
        """Learn from sequences and the labels or numbers of their steps.

        Parameters
        ----------
        X
            B sequences of numbers, (T,) or (T, D) each, NaN where one is missing; B texts; or B pairs of a
            text and numbers.
        y
            B sequences as long: labels (a text is one label for each character), or numbers (T,) or (T, K).
        first_weights
            Arrays by tensor name, as ``model_.members`` has them, to begin with; the others are drawn.
        start
            A model of the same settings to go on from; its codecs are kept.
        checkpoint
            A file to keep the run in when it is interrupted, and to go on from if it is there.

        Raises
        ------
        DataError
            If a sequence or a target cannot be used: which, at which step, why, and what to do.
        DivergedError
            If the loss becomes NaN; ``model_`` then holds the best weights so far.
        """
        steps = self.fit_iter(X, y, first_weights=first_weights, start=start, checkpoint=checkpoint)
        run_all(steps, self.verbose)
        return self

    def fit_iter(
        self,
        X: Any,
        y: Any,
        *,
        first_weights: FirstWeights = None,
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> Generator[FitProgress, None, None]:
        """Learn as ``fit`` does, yielding progress after every update; ``break`` keeps the best so far."""
        check_settings(self)
        lessons.check_reading(self, forwards=False)
        plan = self._plan(X, y, first_of(first_weights, start, "tag"), start)
        yield from fit_steps(plan, self, checkpoint, self._finish)

    def predict(self, X: Any) -> Any:
        """Give the label or numbers of every step: B arrays (T,) or (T, K); one array if X is one."""
        check_is_fitted(self, "model_")
        return self.model_.predict(X)

    def predict_proba(self, X: Any) -> list[Floats]:
        """Give the probability of each label at every step: B arrays (T, K), columns as ``classes_``."""
        check_is_fitted(self, "model_")
        found: list[Floats] = self.model_.predict_proba(X)
        return found

    def score(self, X: Any, y: Any) -> float:
        """Give the share of steps with the right label; of numbers R², over all steps of all sequences."""
        check_is_fitted(self, "model_")
        inputs = as_inputs(X, kind := kind_of(X))
        labels = self.targets_
        if not isinstance(labels, LabelCodec):
            return explained(self.model_.predict(inputs), as_targets(y, measured(inputs, kind, self.inputs_)))
        tags = as_tags(y, measured(inputs, kind, self.inputs_))
        said = [labels.find(part) for part in self.model_.predict(inputs)]
        return float(np.concatenate([a == labels.find(b) for a, b in zip(said, tags, strict=True)]).mean())

    def save(self, path: str | Path) -> None:
        """Write the model file, whole or not at all; ``elman.load`` reads it."""
        check_is_fitted(self, "model_")
        self.model_.save(path)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that rows are sequences, not lines of a numeric table."""
        return sequence_tags(super().__sklearn_tags__())

    def _plan(self, X: Any, y: Any, first: dict[str, Floats] | None, start: Model | None = None) -> Plan:
        """Check everything, hold sequences out, fit the codecs on the others: all before learning starts."""
        kind = kind_of(X) if hasattr(X, "__len__") and len(X) else "number"
        inputs = as_inputs(X, kind)
        if kind == "number":
            lessons.check_sequences(inputs, most=lessons.most_steps(self))
        else:
            check_inputs(inputs, kind)
        seed = seed_of(self.random_state)
        rest, held = split(keys_of(inputs, kind), [0] * len(inputs), self.validation_fraction, seed)
        self.rows_ = {"training": len(rest), "validation": len(held)}
        if start is not None:
            check_kind(kind, start.inputs)
            self.inputs_ = start.inputs
        else:
            self.inputs_ = make_codec(kind, self, edges=False).fit([inputs[row] for row in rest])
        encoded = self.inputs_.encode_all(inputs), self._encoded(y, inputs, kind, rest, start)
        found, more = self._windows(*encoded, rest, held)
        learnt = lessons.joined(found, more)
        training, kept = (
            np.arange(len(found.sequences)),
            np.arange(len(found.sequences), len(learnt.sequences)),
        )
        if self.input_noise and kind != "number":
            raise UsageError(
                "input_noise has no meaning here: symbols take no noise", code="E172", help="leave it out"
            )
        values = self.inputs_.features if isinstance(self.inputs_, NumberCodec) else 0
        lessons_ = lessons.StepExamples(learnt, values, self.input_noise)
        everything = np.arange(len(learnt.sequences))
        return number_plan(self, "tag", lessons_, (training, kept), everything, seed, first)

    def _windows(
        self, read: list[Any], said: list[Any], rest: Rows, held: Rows
    ) -> tuple[examples.Examples, examples.Examples]:
        """What is learnt and what is held out: whole sequences, or the last part of each if they are few."""
        steps = None if self.stateful else self.tbptt
        pick = [[(part[row], row) for row in rows] for rows in (rest, held) for part in (read, said)]
        early, early_said, late, late_said = ([values for values, _ in part] for part in pick)
        share = self.validation_fraction
        if not len(held) and share and not self.stateful:
            cuts = [len(values) - int(len(values) * share) for values in early]
            steps = steps or lessons.WINDOW
            late, late_said = ([v[c:] for v, c in zip(p, cuts, strict=True)] for p in (early, early_said))
            early, early_said = ([v[:c] for v, c in zip(p, cuts, strict=True)] for p in (early, early_said))
            there = [n for n, values in enumerate(late) if len(values)]
            late, late_said = [late[n] for n in there], [late_said[n] for n in there]
        return lessons.windows(early, early_said, steps), lessons.windows(late, late_said, steps)

    def _encoded(
        self, y: Any, inputs: Inputs, kind: str, rest: Rows, start: Model | None = None
    ) -> list[Any]:
        """What is to be said at every step; the codec learns from the rows of ``rest`` alone if it scales."""
        steps = measured(inputs, kind, self.inputs_)
        if are_labels(y, self.answers):
            tags = as_tags(y, steps)
            labels = LabelCodec(np.unique(np.concatenate(tags))) if start is None else start.labels
            self.targets_: LabelCodec | NumberCodec = labels
            self.classes_ = labels.classes_
            examples.check_classes(self.classes_)
            return known_tags(labels, tags)
        targets = as_targets(y, steps)
        fitted = NumberCodec(scaling=self.scaling)
        scaled = fitted.fit([targets[row] for row in rest]) if start is None else start.numbers
        self.targets_ = scaled
        encoded: list[Any] = scaled.encode_all(targets)
        return encoded

    def _finish(self, learning: Learning) -> None:
        self.history_ = learning.history
        if learning.networks:
            self.model_ = number_model(self, "tag", self.inputs_, self.targets_, learning, self.rows_)


@dataclass(kw_only=True, repr=False, eq=False)
class SequenceForecaster(RegressorMixin, BaseEstimator, ForecastSettings):  # type: ignore[misc]
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
        covariates: Any = None,
        past: Any = None,
        first_weights: FirstWeights = None,
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> SequenceForecaster:
        """Learn from series: from every step to the next ones.

        Parameters
        ----------
        series
            B series of numbers, (T,) or (T, D) each.
        y
            Not used; scikit-learn asks for it.
        covariates
            B arrays (T,) or (T, C): other numbers of each step, known ahead; NaN where one is missing.
        past
            The same of numbers that are not known ahead.
        first_weights
            Arrays by tensor name, as ``model_.members`` has them, to begin with; the others are drawn.
        start
            A model of the same settings to go on from; its codecs are kept.
        checkpoint
            A file to keep the run in when it is interrupted, and to go on from if it is there.

        Raises
        ------
        DataError
            If a series cannot be used: which, at which step, why, and what to do.
        DivergedError
            If the loss becomes NaN; ``model_`` then holds the best weights so far.
        """
        given = {"covariates": covariates, "past": past, "first_weights": first_weights, "start": start}
        run_all(self.fit_iter(series, **given, checkpoint=checkpoint), self.verbose)
        return self

    def fit_iter(
        self,
        series: Any,
        y: None = None,
        *,
        covariates: Any = None,
        past: Any = None,
        first_weights: FirstWeights = None,
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> Generator[FitProgress, None, None]:
        """Learn as ``fit`` does, yielding progress after every update; ``break`` keeps the best so far."""
        check_settings(self)
        lessons.check_reading(self, forwards=True)
        first = first_of(first_weights, start, "forecast")
        plan = self._plan(as_series(series, "series"), (covariates, past), first, start)
        yield from fit_steps(plan, self, checkpoint, self._finish)

    def predict(
        self,
        series: Any,
        horizon: int | None = None,
        covariates: Any = None,
        future: Any = None,
        past: Any = None,
    ) -> Values:
        """Give the next values, beyond the learnt horizon each fed with the ones before.

        Parameters
        ----------
        horizon
            Steps ahead; None: as many as the network says at once.
        covariates
            B arrays (T, C), as in training.
        future
            B arrays (horizon, C): the covariates of the steps ahead, if they are known.
        past
            B arrays (T, P): the covariates that are not known ahead.

        Returns
        -------
        (B, horizon), or (B, horizon, D).
        """
        check_is_fitted(self, "model_")
        answers: Values = self.model_.predict(
            series, horizon, covariates=covariates, future=future, past=past
        )
        return answers

    def predict_interval(
        self,
        series: Any,
        horizon: int | None = None,
        coverage: float = 0.9,
        covariates: Any = None,
        future: Any = None,
        past: Any = None,
    ) -> Values:
        """Give the ends between which the next values lie with this probability: (B, horizon[, D], 2)."""
        check_is_fitted(self, "model_")
        ends: Values = self.model_.predict_interval(
            series, horizon, coverage=coverage, covariates=covariates, future=future, past=past
        )
        return ends

    def predict_steps(self, series: Any, covariates: Any = None, past: Any = None) -> Any:
        """Give the next value after every step: B arrays (T,) or (T, D); one array if ``series`` is one."""
        check_is_fitted(self, "model_")
        return self.model_.predict_steps(series, covariates=covariates, past=past)

    def score(self, series: Any, y: None = None, *, covariates: Any = None, past: Any = None) -> float:
        """Give R², the share of the variance that is explained, over every step to the next."""
        check_is_fitted(self, "model_")
        known = as_series(series, "series")
        answers = self.model_.predict_steps(known, covariates=covariates, past=past)
        return explained([values[:-1] for values in answers], [values[1:] for values in known])

    def backtest(
        self,
        series: Any,
        horizon: int | None = None,
        origins: int = 10,
        covariates: Any = None,
        past: Any = None,
    ) -> dict[str, Any]:
        """Forecast from several origins of each series, as ``elman.models.backtest.backtest`` says."""
        from elman.models.backtest import backtest

        check_is_fitted(self, "model_")
        return backtest(self.model_, series, horizon, origins=origins, covariates=covariates, past=past)

    def save(self, path: str | Path) -> None:
        """Write the model file, whole or not at all; ``elman.load`` reads it."""
        check_is_fitted(self, "model_")
        self.model_.save(path)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that rows are sequences, not lines of a numeric table, and need no targets."""
        tags = sequence_tags(super().__sklearn_tags__())
        tags.target_tags.required = False
        return tags

    def _plan(
        self,
        series: list[Values],
        covariates: tuple[Any, Any],
        first: dict[str, Floats] | None,
        start: Model | None = None,
    ) -> Plan:
        """Check everything, hold the last parts out, fit the codecs on the first: before learning starts."""
        ahead = self.horizon
        lessons.check_series(series, ahead)
        self.given_ = self._given(series, *covariates)
        if start is not None and Form.of(start) != self.form_:
            message = "the model to go on from reads or says other numbers"
            raise UsageError(message, code="E177", help="give its horizon, normalise and covariates")
        self.cuts_ = [last_learnt(len(values), self.validation_fraction, ahead) for values in series]
        read, said = self._encoded(self.given_, start)
        ends = [
            cut if cut == len(values) - ahead else cut - ahead + 1
            for cut, values in zip(self.cuts_, series, strict=True)
        ]
        held = np.array([r for r, values in enumerate(said) if self.cuts_[r] < len(values)], np.int64)
        validation = sum(len(said[row]) - self.cuts_[row] for row in held.tolist())
        self.rows_ = {"training": sum(ends), "validation": validation}
        examples, early = self._examples(read, said, ends)
        rows, every = np.arange(early), np.arange(early, len(examples.learnt.rows.sequences))
        return number_plan(self, "forecast", examples, (rows, held), every, seed_of(self.random_state), first)

    def _examples(
        self, read: list[Floats], said: list[Floats], ends: list[int]
    ) -> tuple[lessons.TimeExamples, int]:
        """Windows of each series up to its end, then windows of all of it; how many the first ones are."""
        steps = None if self.stateful else self.tbptt or lessons.WINDOW
        early, early_said = ([v[:n] for v, n in zip(part, ends, strict=True)] for part in (read, said))
        found, whole = lessons.windows(early, early_said, steps), lessons.windows(read, said, steps)
        learnt = lessons.StepExamples(lessons.joined(found, whole), self.inputs_.features, self.input_noise)
        return lessons.TimeExamples(learnt, read, said, self.cuts_), len(found.sequences)

    def _given(self, series: list[Values], covariates: Any, past: Any) -> Given:
        """Check the covariates, and take the form that follows from them."""
        if not self.covariates_known:
            if past is not None and covariates is not None:
                message = "no covariates are known ahead, so they are all of the past"
                raise UsageError(message, code="E177", help="give them all as past, or set covariates_known")
            covariates, past = None, covariates if past is None else past
        known = None if covariates is None else as_series(covariates, "covariates")
        gone = None if past is None else as_series(past, "past")
        widths = [part[0].shape[1] if part else 0 for part in (known, gone)]
        self.form_ = Form(series[0].shape[1], self.horizon, widths[0], widths[1], self.normalise)
        given = Given(series, known, gone)
        check_given(given, self.form_, 0)
        return given

    def _encoded(self, given: Given, start: Model | None) -> tuple[list[Floats], list[Floats]]:
        """What is read and what is to be said at each step from which the whole horizon follows."""
        form, ahead = self.form_, self.horizon
        if form.plain:
            parts = [values[: cut + 1] for values, cut in zip(given.series, self.cuts_, strict=True)]
            codec = NumberCodec(scaling=self.scaling)
            self.inputs_ = self.targets_ = codec.fit(parts) if start is None else start.numbers
            encoded = self.inputs_.encode_all(given.series)
            return [values[:-1] for values in encoded], [values[1:] for values in encoded]
        reads = [values[: len(values) - ahead] for values in given.read(form)]
        says = [truths(values, form) for values in given.series]
        ends = [max(1, cut - ahead + 1) for cut in self.cuts_]
        self.inputs_, self.targets_ = (
            NumberCodec(scaling=self.scaling).fit([v[:n] for v, n in zip(part, ends, strict=True)])
            for part in (reads, says)
        )
        if start is not None:
            self.inputs_, self.targets_ = cast(NumberCodec, start.inputs), start.numbers
        return self.inputs_.encode_all(reads), self.targets_.encode_all(says)

    def _finish(self, learning: Learning) -> None:
        self.history_ = learning.history
        if learning.networks:
            details = self._intervals(learning)
            if not self.form_.plain or "intervals" in details:
                details |= {"form": asdict(self.form_)}
            model = number_model(self, "forecast", self.inputs_, self.targets_, learning, self.rows_)
            self.model_ = replace(model, details=details)

    def _intervals(self, learning: Learning) -> dict[str, Any]:
        """Half widths of intervals, by the network that did not learn from the last parts."""
        if not learning.complete or not self.rows_["validation"] or not self.intervals:
            return {}
        network = (learning.networks[0],)
        first = Model(
            "forecast",
            self.network_settings(),
            self.inputs_,
            self.targets_,
            network,
            details={"form": asdict(self.form_)},
        )
        found = half_widths(first, self.given_, self.cuts_)
        return {"intervals": found} if found else {}


def first_of(first_weights: FirstWeights, start: Model | None, task: str) -> dict[str, Floats] | None:
    """The weights to begin with: those that were given, or those of the model to go on from."""
    if start is None:
        return lessons.checked_weights(first_weights)
    if start.task != task or first_weights is not None:
        reason = "first weights are given too" if start.task == task else f"it learnt to {start.task}"
        raise UsageError(f"this model cannot be gone on from: {reason}", code="E124", help="leave start= out")
    return dict(start.members[0])


def known_tags(labels: LabelCodec, tags: list[Any]) -> list[Any]:
    """Number the labels of every step; ``DataError`` for one that the model to go on from does not know."""
    found = [labels.find(part) for part in tags]
    for part, codes in zip(tags, found, strict=True):
        if (codes < 0).any():
            label = part[int(np.flatnonzero(codes < 0)[0])]
            message = f"the label {label!s} is none of the model to go on from"
            raise DataError(message, code="E265", help="give labels that it knows, or learn anew")
    return found


def last_learnt(steps: int, fraction: float, ahead: int = 1) -> int:
    """Give the step up to which a series is learnt: the last part in time is held out, if enough is left."""
    held = int(steps * fraction)
    enough = held >= ahead and steps - ahead - held >= max(1, held - ahead + 1)
    return steps - 1 - held if enough else steps - ahead


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
    (sizes, features), targets = width_of(estimator.inputs_), estimator.targets_
    loss = loss_of(estimator.loss, labels=isinstance(targets, LabelCodec))
    learnt = examples.learnt.rows if task == "forecast" else examples.rows
    weights = {} if first is None else first
    rows = lessons.fingerprint(learnt.sequences, learnt.targets, list(weights.values()))
    return Plan(
        examples=examples,
        folds=[fold] * estimator.members,
        everything=everything if estimator.refit and len(fold[1]) else None,
        reading=Reading(sizes, outputs_of(targets), features, "tag", loss, first),
        seed=seed,
        identity={"settings": settings_that_matter(estimator, seed), "rows": rows},
        tbptt=lessons.chunk_of(estimator),
        updates=UPDATES,
    )


def loss_of(loss: str, *, labels: bool) -> str:
    """Give the loss that is meant for labels or numbers; ``UsageError`` if it cannot be learnt with."""
    if loss != "auto" and labels != (loss == "nll"):
        what = "labels" if labels else "numbers"
        hint = "loss: auto, nll" if labels else "loss: auto, mse, half_squares"
        raise UsageError(f"a network that says {what} cannot learn with {loss}", code="E170", help=hint)
    return "nll" if labels else loss


def number_model(
    settings: NumberSettings,
    task: str,
    inputs: Reader,
    targets: NumberCodec | LabelCodec,
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
