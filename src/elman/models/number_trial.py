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
    """B sequences (T, D); to tag, with a target (T, K) for each of their steps."""

    task: str
    sequences: list[Values]
    targets: list[Values] | None = None

    @property
    def steps(self) -> int:
        """Steps of all sequences together."""
        return sum(map(len, self.sequences))

    def truth(self) -> list[Values]:
        """What is to be said at every step: the target, or the next value (none at the last step)."""
        return [values[1:] for values in self.sequences] if self.targets is None else self.targets

    def take(self, rows: list[int]) -> NumberRows:
        """Only these sequences."""
        targets = None if self.targets is None else [self.targets[row] for row in rows]
        return NumberRows(self.task, [self.sequences[row] for row in rows], targets)

    def until(self, cuts: list[int]) -> NumberRows:
        """Only the steps before each cut."""
        pairs = list(zip(self.sequences, cuts, strict=True))
        targets = None
        if self.targets is not None:
            targets = [values[:cut] for values, cut in zip(self.targets, cuts, strict=True)]
        return NumberRows(self.task, [values[:cut] for values, cut in pairs], targets)


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

    kind = SequenceTagger if task == "tag" else SequenceForecaster
    return kind(**settings, random_state=seed)


def learning(estimator: Any, rows: NumberRows, checkpoint: Path | None) -> Generator[FitProgress, None, None]:
    """Learn; every update is yielded."""
    given = (rows.sequences,) if rows.targets is None else (rows.sequences, rows.targets)
    steps: Generator[FitProgress, None, None] = estimator.fit_iter(*given, checkpoint=checkpoint)
    return steps


def measure(model: Model, fold: Fold) -> NumberScores:
    """Score the model on the steps that count, beside what needs no network."""
    truth = [_wide(values) for values in fold.measured.truth()]
    if fold.measured.task == "tag":
        answers = [_wide(values) for values in model.predict(fold.measured.sequences)]
    else:
        answers = [_wide(v) for v in model.predict_steps([s[:-1] for s in fold.measured.sequences])]
    plain = baselines(fold, truth)
    return NumberScores(
        errors(answers, truth, fold.counted),
        {name: errors(said, truth, fold.counted) for name, said in plain.items()},
        int(sum(mask.sum() for mask in fold.counted)),
        fold.by,
        answers,
        truth,
        fold.counted,
    )


def baselines(fold: Fold, truth: list[Values]) -> dict[str, list[Values]]:
    """The mean of what was learnt; to forecast, the last value too."""
    mean = np.concatenate([_wide(values) for values in fold.learnt.truth()]).mean(axis=0)
    plain = {"mean of training": [np.broadcast_to(mean, values.shape) for values in truth]}
    if fold.measured.task == "forecast":
        plain["last value"] = [_wide(values[:-1]) for values in fold.measured.sequences]
    return plain


def errors(answers: list[Values], truth: list[Values], counted: list[Mask]) -> dict[str, float]:
    """Root of the mean squared error, and mean absolute error, over the steps that count."""
    off = [(a - y)[mask] for a, y, mask in zip(answers, truth, counted, strict=True)]
    gaps = np.concatenate(off)
    return {"rmse": float(np.sqrt((gaps**2).mean())), "mae": float(np.abs(gaps).mean())}


def _wide(values: Any) -> Values:
    """(T,) or (T, K) -> (T, K)."""
    array = np.asarray(values, np.float64)
    return array[:, None] if array.ndim == 1 else array
