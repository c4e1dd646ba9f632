"""One honest trial of any task: learn from some sequences, measure on others, beside baselines."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman.data.prompt import PromptCodec
from elman.data.sequences import as_labels
from elman.data.split import split
from elman.data.tags import as_tags
from elman.errors import DataError, missing_extra
from elman.models.model import Model
from elman.models.reading import keys_of, kind_of
from elman.models.writing_scores import log_loss, ngram_log_loss
from elman.train import metrics

if TYPE_CHECKING:
    from elman.models.learning import FitProgress

Scores = dict[str, float]
TEST_FRACTION = 0.2


@dataclass(frozen=True)
class Cases:
    """B sequences of one kind with their targets (B), or None; rows of one group stay on one side of a split.

    Attributes
    ----------
    task
        "classify", "regress", "tag" (labels) or "generate" (targets are conditions).
    """

    task: str
    inputs: list[Any]
    targets: list[Any] | None
    groups: list[Any]

    @property
    def kind(self) -> str:
        """What the sequences are: "text", "number" or "mixed"."""
        return kind_of(self.inputs)

    def take(self, rows: NDArray[np.int64]) -> Cases:
        """Only these rows."""
        targets = None if self.targets is None else [self.targets[row] for row in rows]
        return Cases(
            self.task, [self.inputs[row] for row in rows], targets, [self.groups[row] for row in rows]
        )


def of(task: str, inputs: list[Any], targets: list[Any] | None, groups: list[Any] | None = None) -> Cases:
    """Put rows together; equal inputs never stand on two sides of a split."""
    keys = keys_of(inputs, kind_of(inputs))
    if groups is None:
        return Cases(task, inputs, targets, keys)
    from elman.models.trial import joined_groups

    return Cases(task, inputs, targets, list(joined_groups(groups, [repr(key) for key in keys])))


def hold_out(cases: Cases, seed: int) -> tuple[Cases, Cases]:
    """Split off a fifth of the rows to measure on: groups stay together, classes are shared evenly."""
    strata = (
        cases.targets if cases.task in ("classify", "generate") and cases.targets else [0] * len(cases.inputs)
    )
    rest, held = split(cases.groups, strata, TEST_FRACTION, seed)
    if not len(held):
        message = f"there are too few rows ({len(cases.inputs)}) to hold some out for the test"
        raise DataError(message, code="E266", help="give more rows, or a file of their own with --test")
    return cases.take(rest), cases.take(held)


def make_estimator(task: str, settings: dict[str, Any], seed: int) -> Any:
    """Build the estimator of the task."""
    from elman.models.estimators import SequenceClassifier, SequenceRegressor
    from elman.models.generator import SequenceGenerator
    from elman.models.number_estimators import SequenceTagger

    kinds = {
        "classify": SequenceClassifier,
        "regress": SequenceRegressor,
        "tag": SequenceTagger,
        "generate": SequenceGenerator,
    }
    return kinds[task](**settings, random_state=seed)


def learning(
    estimator: Any, cases: Cases, checkpoint: Path | None, start: Model | None = None
) -> Generator[FitProgress, None, None]:
    """Learn; every update is yielded."""
    more: dict[str, Any] = {} if cases.task == "tag" else {"groups": cases.groups}
    if start is not None:
        more["start"] = start
    found: Generator[FitProgress, None, None] = estimator.fit_iter(
        cases.inputs, cases.targets, checkpoint=checkpoint, **more
    )
    return found


@dataclass(frozen=True)
class Found:
    """What was found on the held-out rows: the model's scores and the baselines', and its answers."""

    scores: Scores
    baselines: dict[str, Scores]
    rows: int
    leaked: int
    answers: list[Any]
    truth: list[Any]

    def to_json(self) -> dict[str, Any]:
        """Collect what ``--json`` prints and the model keeps."""
        return {"scores": self.scores, "baselines": self.baselines}


def measure(model: Model, learnt: Cases | None, test: Cases) -> Found:
    """Score the model on rows that it did not learn from, beside what needs no network."""
    scores, baselines, answers = MEASURES[test.task](model, learnt, test)
    leaked = 0
    if learnt is not None:
        seen = set(map(repr, keys_of(learnt.inputs, learnt.kind)))
        leaked = sum(repr(key) in seen for key in keys_of(test.inputs, test.kind))
    return Found(scores, baselines, len(test.inputs), leaked, answers, test.targets or [])


def _of_classes(
    model: Model, learnt: Cases | None, test: Cases
) -> tuple[Scores, dict[str, Scores], list[Any]]:
    said = model.predict_proba(test.inputs)
    truth = model.labels.encode(as_labels(test.targets))
    scores = metrics.summarise(said, truth)
    scores["ceiling"] = metrics.ceiling(map(repr, keys_of(test.inputs, test.kind)), truth.tolist())
    answers = model.labels.decode(said.argmax(axis=1)).tolist()
    if learnt is None:
        return scores, {}, answers
    classes = len(model.classes_)
    codes = model.labels.encode(as_labels(learnt.targets))
    shares = np.bincount(codes[codes >= 0], minlength=classes) / max(1, int((codes >= 0).sum()))
    found = {"majority class": metrics.summarise(np.tile(shares, (len(truth), 1)), truth)}
    fitted = _logistic(_summaries(learnt), codes, _summaries(test), classes)
    return (
        scores,
        found | {"logistic regression on means, deviations, ends": metrics.summarise(fitted, truth)},
        answers,
    )


def _logistic(X: Any, y: NDArray[np.int64], test: Any, classes: int) -> NDArray[np.float64]:
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise missing_extra("scikit-learn", "train", "the baselines") from error
    answer = np.zeros((len(test), classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after 500 steps its scores stand still
        fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(X[y >= 0], y[y >= 0])
    answer[:, fitted.classes_] = fitted.predict_proba(test)
    return answer


def _of_numbers(
    model: Model, learnt: Cases | None, test: Cases
) -> tuple[Scores, dict[str, Scores], list[Any]]:
    rows = len(test.inputs)
    answers = np.reshape(model.predict(test.inputs), (rows, -1))
    truth = np.reshape(np.asarray(test.targets, float), (rows, -1))
    scores = regression_scores(answers, truth)
    said = answers[:, 0].tolist() if answers.shape[1] == 1 else answers.tolist()
    if learnt is None:
        return scores, {}, said
    known = np.reshape(np.asarray(learnt.targets, float), (len(learnt.inputs), -1))
    mean = np.tile(known.mean(axis=0), (len(truth), 1))
    try:
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise missing_extra("scikit-learn", "train", "the baselines") from error
    linear = make_pipeline(StandardScaler(), Ridge()).fit(_summaries(learnt), known).predict(_summaries(test))
    name = "ridge regression on means, deviations, ends"
    found = {"mean of training": mean, name: np.reshape(linear, truth.shape)}
    return scores, {name: regression_scores(said, truth) for name, said in found.items()}, said


def regression_scores(answers: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """Errors in the values' own units, and R²."""
    off, spread = answers - truth, ((truth - truth.mean(axis=0)) ** 2).sum()
    return {
        "rmse": float(np.sqrt((off**2).mean())),
        "mae": float(np.abs(off).mean()),
        "r2": 1 - float((off**2).sum() / spread) if spread else 0.0,
    }


def _summaries(cases: Cases) -> NDArray[np.float64]:
    """Mean, deviation, least, most, first, last of every feature, and the length; of texts, letter counts."""
    if cases.kind == "text":
        return _letters(cases.inputs)
    if cases.kind == "mixed":
        numbers = np.stack([np.atleast_2d(n).mean(axis=0) for _, n in cases.inputs])
        return np.concatenate([_letters([text for text, _ in cases.inputs]), np.nan_to_num(numbers)], axis=1)
    return np.stack([_summary(values) for values in cases.inputs])


def _summary(values: Any) -> NDArray[np.float64]:
    array = np.nan_to_num(np.reshape(values, (len(values), -1)))
    parts = [array.mean(0), array.std(0), array.min(0), array.max(0), array[0], array[-1], [len(array)]]
    return np.concatenate(parts)


def _letters(texts: list[str]) -> NDArray[np.float64]:
    """Counts of letters in 64 places, by a hash that is the same everywhere; and the length."""
    found = np.zeros((len(texts), 65))
    for row, text in enumerate(texts):
        for letter in text:
            found[row, ord(letter) % 64] += 1
        found[row, 64] = len(text)
    return found


def _of_tags(model: Model, learnt: Cases | None, test: Cases) -> tuple[Scores, dict[str, Scores], list[Any]]:
    tags = as_tags(test.targets, [range(len(t)) for t in test.targets or []])
    said = model.predict_proba(test.inputs)
    truth = [model.labels.find(part) for part in tags]
    answers = [model.labels.decode(part.argmax(axis=1)) for part in said]
    flat = np.concatenate(truth)
    scores = metrics.summarise(np.concatenate(said), flat)
    right = [bool((a == b).all()) for a, b in zip(answers, tags, strict=True)]
    scores = {"tag_accuracy": scores.pop("accuracy"), **scores, "whole_sequences": float(np.mean(right))}
    if any("-" in str(label) for label in model.classes_):
        scores["span_f1"] = span_f1([a.tolist() for a in answers], [t.tolist() for t in tags])
    if learnt is None:
        return scores, {}, [part.tolist() for part in answers]
    return scores, _tag_baselines(learnt, test, tags), [part.tolist() for part in answers]


def _tag_baselines(learnt: Cases, test: Cases, tags: list[Any]) -> dict[str, Scores]:
    """The majority label, the label before, and, of texts, the usual label of each symbol."""
    known = as_tags(learnt.targets, [range(len(t)) for t in learnt.targets or []])
    most = Counter(np.concatenate(known).tolist()).most_common(1)[0][0]
    found = {
        "majority label": [[most] * len(part) for part in tags],
        "label before": [[most, *part.tolist()[:-1]] for part in tags],
    }
    if learnt.kind == "text":
        usual: dict[str, Counter[Any]] = {}
        for text, part in zip(learnt.inputs, known, strict=True):
            for symbol, label in zip(text, part.tolist(), strict=False):
                usual.setdefault(symbol, Counter())[label] += 1
        best = {symbol: counts.most_common(1)[0][0] for symbol, counts in usual.items()}
        found["usual label of the symbol"] = [
            [best.get(symbol, most) for symbol in text] for text in test.inputs
        ]
    return {name: _tag_scores(said, tags) for name, said in found.items()}


def _tag_scores(said: list[list[Any]], tags: list[Any]) -> Scores:
    pairs = [
        np.array([a == b for a, b in zip(p, t.tolist(), strict=False)])
        for p, t in zip(said, tags, strict=True)
    ]
    flat = np.concatenate(pairs)
    return {"tag_accuracy": float(flat.mean()), "whole_sequences": float(np.mean([p.all() for p in pairs]))}


def span_f1(said: list[list[Any]], truth: list[list[Any]]) -> float:
    """F1 of whole spans, labels written as B-kind, I-kind and O (Ramshaw and Marcus 1995)."""
    found = [set(_spans(row)) for row in said]
    wanted = [set(_spans(row)) for row in truth]
    right = sum(len(a & b) for a, b in zip(found, wanted, strict=True))
    total = sum(map(len, found)) + sum(map(len, wanted))
    return 2 * right / total if total else 0.0


def _spans(row: list[Any]) -> list[tuple[int, int, str]]:
    spans: list[tuple[int, int, str]] = []
    for place, label in enumerate(map(str, row)):
        mark, _, kind = label.partition("-")
        if mark == "I" and spans and spans[-1][1] == place and spans[-1][2] == kind:
            spans[-1] = (spans[-1][0], place + 1, kind)
        elif mark in ("B", "I"):
            spans.append((place, place + 1, kind))
    return spans


def _of_texts(model: Model, learnt: Cases | None, test: Cases) -> tuple[Scores, dict[str, Scores], list[Any]]:
    loss = log_loss(model, test.inputs, test.targets)
    scores = {"perplexity": math.exp(loss), "log_loss": loss}
    if learnt is None or not isinstance(model.inputs, PromptCodec):
        return scores, {}, []
    known, held = (
        [row.tolist() for row in model.inputs.targets(part.inputs, model.labels)] for part in (learnt, test)
    )
    classes = len(model.classes_) + 1  # a symbol that was never seen too
    found = {}
    for order, name in ((1, "symbols alone"), (5, "5-grams")):
        loss = ngram_log_loss(known, held, classes, order)
        found[name] = {"perplexity": math.exp(loss), "log_loss": loss}
    return scores, found, []


MEASURES = {"classify": _of_classes, "regress": _of_numbers, "tag": _of_tags, "generate": _of_texts}
