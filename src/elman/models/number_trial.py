"""Learn from sequences of numbers, measure on steps that were held out, beside plain baselines."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman.errors import DataError
from elman.models.model import Model
from elman.models.naive import find_period, fit_ar, seasonal
from elman.train.series_scores import smape

if TYPE_CHECKING:
    from elman.models.learning import FitProgress

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

HELD = 0.2
"""Share of the sequences, or of each one's steps, that is held out."""

ENOUGH = 5
"""From so many sequences on, whole ones are held out."""


@dataclass(frozen=True)
class NumberRows:
    """B sequences (T, D); to tag, with a target (T, K) for each of their steps; or with covariates."""

    task: str
    sequences: list[Values]
    targets: list[Values] | None = None
    covariates: list[Values] | None = None
    past: list[Values] | None = None

    @property
    def steps(self) -> int:
        """Steps of all sequences together."""
        return sum(map(len, self.sequences))

    def truth(self) -> list[Values]:
        """What is to be said at every step: the target, or the next value (none at the last step)."""
        return [values[1:] for values in self.sequences] if self.targets is None else self.targets

    def take(self, rows: list[int]) -> NumberRows:
        """Only these sequences."""
        beside = (self.targets, self.covariates, self.past)
        parts = [None if part is None else [part[row] for row in rows] for part in beside]
        return NumberRows(self.task, [self.sequences[row] for row in rows], *parts)

    def until(self, cuts: list[int]) -> NumberRows:
        """Only the steps before each cut."""

        def cut(part: list[Values] | None) -> list[Values] | None:
            return None if part is None else [values[:c] for values, c in zip(part, cuts, strict=True)]

        beside = (self.targets, self.covariates, self.past)
        return NumberRows(self.task, cut(self.sequences) or [], *map(cut, beside))


@dataclass(frozen=True)
class Fold:
    """What is learnt, what is measured, and which of its steps count."""

    learnt: NumberRows
    measured: NumberRows
    counted: list[Mask]
    by: str


@dataclass(frozen=True)
class NumberScores:
    """Errors over the steps that count, beside the baselines'."""

    scores: dict[str, float]
    baselines: dict[str, dict[str, float]]
    steps: int
    by: str
    answers: list[Values]
    truth: list[Values]
    counted: list[Mask]

    def to_json(self) -> dict[str, Any]:
        """Collect what ``--json`` prints and the model keeps."""
        return {"scores": self.scores, "baselines": self.baselines}


def hold_out(rows: NumberRows, seed: int) -> Fold:
    """Hold out whole sequences if there are enough to tag; else the last part of each in time."""
    if rows.task == "tag" and len(rows.sequences) >= ENOUGH:
        order = np.random.default_rng(seed).permutation(len(rows.sequences))
        held = max(1, round(HELD * len(order)))
        learnt, measured = rows.take(sorted(order[held:].tolist())), rows.take(sorted(order[:held].tolist()))
        return Fold(learnt, measured, everything(measured), "sequence")
    return by_time(rows)


def by_time(rows: NumberRows) -> Fold:
    """Hold out the last part of each sequence; the network reads what comes before it first."""
    least = 3 if rows.task == "forecast" else 2
    cuts = [len(s) - max(1, round(HELD * len(s))) if len(s) > least else len(s) for s in rows.sequences]
    return at_cuts(rows, cuts)


def at_cuts(rows: NumberRows, cuts: list[int]) -> Fold:
    """Hold out the steps from each sequence's cut on; the network reads what comes before them first."""
    learnt = rows.until(cuts)
    counted = []
    for values, truth, cut in zip(rows.sequences, rows.truth(), cuts, strict=True):
        first = cut if rows.task == "tag" else cut - 1  # the step that says the first held-out value
        counted.append(np.arange(len(truth)) >= (first if cut < len(values) else len(truth)))
    if not any(mask.any() for mask in counted):
        message = "no sequence is long enough to hold out a part of it"
        raise DataError(message, code="E289", help="give longer sequences, or more of them")
    return Fold(learnt, rows, counted, "time")


def everything(rows: NumberRows) -> list[Mask]:
    """Every step counts."""
    return [np.ones(len(truth), bool) for truth in rows.truth()]


def make_estimator(task: str, settings: dict[str, Any], seed: int) -> Any:
    """Build the estimator of the task."""
    from elman.models.number_estimators import SequenceForecaster, SequenceTagger

    settings = {"answers": "numbers", **settings} if task == "tag" else settings
    kind = SequenceTagger if task == "tag" else SequenceForecaster
    return kind(**settings, random_state=seed)


def learning(
    estimator: Any, rows: NumberRows, checkpoint: Path | None, start: Model | None = None
) -> Generator[FitProgress, None, None]:
    """Learn; every update is yielded."""
    given = (rows.sequences,) if rows.targets is None else (rows.sequences, rows.targets)
    more: dict[str, Any] = {} if start is None else {"start": start}
    beside = {"covariates": rows.covariates, "past": rows.past}
    more |= {name: part for name, part in beside.items() if part is not None}
    steps: Generator[FitProgress, None, None] = estimator.fit_iter(*given, checkpoint=checkpoint, **more)
    return steps


def measure(model: Model, fold: Fold, period: int | None = None) -> NumberScores:
    """Score the model on the steps that count, beside what needs no network.

    ``period`` is that of the values a period ago; None: it is found.
    """
    truth = [_wide(values) for values in fold.measured.truth()]
    rows = fold.measured
    if rows.task == "tag":
        answers = [_wide(values) for values in model.predict(rows.sequences)]
    else:
        said = model.predict_steps(rows.sequences, covariates=rows.covariates, past=rows.past)
        answers = [_wide(values[:-1]) for values in said]
    plain = baselines(fold, truth, period)
    usual = _usual_errors(fold)
    return NumberScores(
        errors(answers, truth, fold.counted, usual),
        {name: errors(said, truth, fold.counted, usual) for name, said in plain.items()},
        int(sum(mask.sum() for mask in fold.counted)),
        fold.by,
        answers,
        truth,
        fold.counted,
    )


def baselines(fold: Fold, truth: list[Values], period: int | None = None) -> dict[str, list[Values]]:
    """The mean of what was learnt; to forecast, also the last value, the value a period ago, and AR(p)."""
    known = [_wide(values) for values in fold.learnt.truth()]
    mean = np.concatenate(known).mean(axis=0)
    plain = {"mean of training": [np.broadcast_to(mean, values.shape) for values in truth]}
    if fold.measured.task == "tag":
        return plain | {"linear regression on the step's own numbers": linear(fold, known)}
    learnt, measured = ([_wide(v) for v in part.sequences] for part in (fold.learnt, fold.measured))
    plain["last value"] = [values[:-1] for values in measured]
    period = period or find_period(learnt)
    if period > 1:
        plain[f"value {period} steps ago"] = [seasonal(values, period) for values in measured]
    fitted = fit_ar(learnt)
    if fitted is not None:
        plain[f"AR({fitted.order})"] = [fitted.next_values(values)[:-1] for values in measured]
    return plain


def linear(fold: Fold, known: list[Values]) -> list[Values]:
    """Answer each step by least squares from its own numbers; a missing one counts as the mean."""
    learnt, measured = ([_wide(values) for values in part.sequences] for part in (fold.learnt, fold.measured))
    every = np.concatenate(learnt)
    mean = np.nan_to_num(np.nanmean(every, axis=0)) if len(every) else np.zeros(every.shape[1])

    def table(values: Values) -> Values:
        return np.concatenate([np.where(np.isnan(values), mean, values), np.ones((len(values), 1))], axis=1)

    fitted = np.linalg.lstsq(table(every), np.concatenate(known), rcond=None)[0]
    return [table(values) @ fitted for values in measured]


def _usual_errors(fold: Fold) -> float:
    """Mean absolute change from step to step in what was learnt, by which MASE measures; 0 for none."""
    if fold.learnt.task == "tag":
        return 0.0
    changes = [np.abs(np.diff(_wide(values), axis=0)).ravel() for values in fold.learnt.sequences]
    flat = np.concatenate(changes)
    return float(flat.mean()) if flat.size else 0.0


def errors(
    answers: list[Values], truth: list[Values], counted: list[Mask], usual: float = 0.0
) -> dict[str, float]:
    """Root of the mean squared error and mean absolute error over the steps that count; of forecasts more.

    A step of which nothing can be said (NaN) does not count.
    """
    pairs = [(a[mask], y[mask]) for a, y, mask in zip(answers, truth, counted, strict=True)]
    said, wanted = (np.concatenate(part) for part in zip(*pairs, strict=True))
    there = ~np.isnan(said).any(axis=1)
    off = said[there] - wanted[there]
    found = {"rmse": float(np.sqrt((off**2).mean())), "mae": float(np.abs(off).mean())}
    if not usual:
        return found
    return found | {"mase": found["mae"] / usual, "smape": smape(said[there], wanted[there])}


def is_copy(found: NumberScores) -> bool:
    """Whether a forecast says little but the last value: it is ten times nearer to it than the truth is."""
    said, last = [], []
    for answers, truth, mask in zip(found.answers, found.truth, found.counted, strict=True):
        before = np.concatenate([np.full((1, truth.shape[1]), np.nan), truth[:-1]])
        there = mask & ~np.isnan(before).any(axis=1) & ~np.isnan(answers).any(axis=1)
        said.append((answers - before)[there])
        last.append((truth - before)[there])
    one, other = (np.concatenate(part) for part in (said, last))
    return bool(one.size) and float((one**2).mean()) < 0.01 * float((other**2).mean())


def _wide(values: Any) -> Values:
    """(T,) or (T, K) -> (T, K)."""
    array = np.asarray(values, np.float64)
    return array[:, None] if array.ndim == 1 else array
