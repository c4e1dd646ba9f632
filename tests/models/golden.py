"""One small model file of every kind, kept for ever: how each was learnt, and what it is asked.

``python -m tests.models.golden`` writes the files that are not there yet, and their answers.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

FILES = Path(__file__).parent / "files"
ANSWERS = FILES / "answers-1.json"
FORMAT = 1

_SMALL = {"hidden_size": 5, "max_epochs": 10, "learning_rate": 0.02, "random_state": 0}
_LETTERS = {**_SMALL, "embedding_size": 4}
_TEXTS = {**_LETTERS, "ngrams": 2}
_PARTS = [(a + b, c) for a in ("ros", "now", "mül") for b in "aeoi" for c in ("ni", "ski", "er")]
_WORDS, _ENDINGS = [stem + end for stem, end in _PARTS], [end for _, end in _PARTS]
_STEPS = np.arange(60.0)
_SERIES = [np.sin(_STEPS / 3) * 4 + 9, np.cos(_STEPS / 5) * 2 + 5]
_CALENDAR = [np.stack([_STEPS % 7, _STEPS % 2], axis=1)] * 2
_ROWS = [np.stack([series[n : n + 8], -series[n : n + 8]], axis=1) for series in _SERIES for n in range(20)]


def _learn() -> dict[str, Any]:
    """Learn a model of each kind; this needs torch."""
    import elman

    gaps = [np.where(_STEPS[:8] == n % 8, np.nan, row[:, 0]) for n, row in enumerate(_ROWS)]
    sums = [row.sum() for row in np.abs(_ROWS)]
    pairs = [(word, [len(word), word.count("o")]) for word in _WORDS]
    past = [series[:, None] ** 2 for series in _SERIES]
    plain, form = {"normalise": "none", "intervals": False}, {"horizon": 3, "normalise": "scale"}
    classify, regress = elman.SequenceClassifier, elman.SequenceRegressor
    tag, forecast = elman.SequenceTagger, elman.SequenceForecaster
    return {
        "classify-texts": classify(
            **_TEXTS, members=2, unit="byte", calibrate=True, validation_fraction=0.3
        ).fit(_WORDS, _ENDINGS),
        "classify-letters": classify(
            **_SMALL, recurrence="names", symbols="one-hot", shortcut=0.0, members=1, dropout=0.0
        ).fit(_WORDS, [len(word) for word in _WORDS]),
        "classify-numbers": classify(**_SMALL, recurrence="lstm", causal=False, num_layers=2, members=1).fit(
            _ROWS, np.array(sums) > np.median(sums)
        ),
        "regress-texts-and-numbers": regress(**_TEXTS).fit(pairs, [[len(w), 0.5 * len(w)] for w in _WORDS]),
        "tag-numbers-with-gaps": tag(**_SMALL, recurrence="rnn").fit(gaps, [row[:, 0] for row in _ROWS]),
        "tag-letters": tag(**_TEXTS, recurrence="gru").fit(
            _WORDS, [[c in "aeoiü" for c in w] for w in _WORDS]
        ),
        "forecast-plain": forecast(**_SMALL, **plain).fit(_SERIES),
        "forecast-intervals": forecast(**_SMALL, validation_fraction=0.2).fit(_SERIES),
        "forecast-covariates": forecast(**_SMALL, **form, validation_fraction=0.2).fit(
            [series[:50] for series in _SERIES], covariates=_CALENDAR, past=[p[:50] for p in past]
        ),
        "generate-conditions": elman.SequenceGenerator(**_LETTERS).fit(_WORDS, _ENDINGS),
        "generate-words": elman.SequenceGenerator(**_LETTERS, unit="word", num_layers=2).fit(
            [f"{a} {b}, {a}" for a, b in zip(_WORDS, _ENDINGS, strict=True)]
        ),
    }


NAMES = (
    "classify-texts",
    "classify-letters",
    "classify-numbers",
    "regress-texts-and-numbers",
    "tag-numbers-with-gaps",
    "tag-letters",
    "forecast-plain",
    "forecast-intervals",
    "forecast-covariates",
    "generate-conditions",
    "generate-words",
)


def path_of(name: str) -> Path:
    """Where a file is kept."""
    return FILES / f"{name}-{FORMAT}.safetensors"


def answers_of(name: str, model: Any) -> list[Any]:
    """What a model says to a few questions of its kind: numbers and texts, as JSON has them."""
    return [_plain(answer) for answer in _ask(name, model)]


def _ask(name: str, model: Any) -> list[Any]:
    if name in ("classify-texts", "classify-letters"):
        return [model.predict(_WORDS[:4]), model.predict_proba(["", "ω", *_WORDS[:4]])]
    if name == "classify-numbers":
        return [model.predict(_ROWS[:3]), model.predict_proba([*_ROWS[:3], _ROWS[0][:2]])]
    if name == "regress-texts-and-numbers":
        return [model.predict([(word, [3.0, 1.0]) for word in ("", "ω", *_WORDS[:3])])]
    if name == "tag-numbers-with-gaps":
        return [model.predict([_ROWS[0][:, 0], np.array([1.0, np.nan, 5.0])])]
    if name == "tag-letters":
        return [model.predict(_WORDS[:3]), model.predict_proba(_WORDS[:3])]
    if name == "forecast-plain":
        return [model.predict(_SERIES, 5), model.predict_steps([_SERIES[0][:6]])]
    if name == "forecast-intervals":
        return [model.predict(_SERIES, 5), model.predict_interval(_SERIES, 3, coverage=0.8)]
    if name == "forecast-covariates":
        read = {"covariates": _CALENDAR, "past": [series[:50, None] ** 2 for series in _SERIES]}
        series = [values[:50] for values in _SERIES]
        return [model.predict(series, 3, **read), model.predict_interval(series, 3, coverage=0.8, **read)]
    condition = _ENDINGS[0] if name == "generate-conditions" else None
    drawn = model.generate(3, _WORDS[0][:1], condition=condition, seed=0, longest=12)
    return [drawn, model.predict_proba(_WORDS[:2])]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    return [_plain(part) for part in value] if isinstance(value, list) else value


def alike(found: Any, expected: Any, tolerance: float = 1e-4) -> bool:
    """Whether answers are equal; numbers may differ by a share of max(1, |y|)."""
    if isinstance(expected, list):
        same = isinstance(found, list) and len(found) == len(expected)
        return same and all(alike(*pair, tolerance) for pair in zip(found, expected, strict=True))
    if type(found) is not type(expected) or not isinstance(expected, float):
        return type(found) is type(expected) and found == expected
    return abs(found - expected) <= tolerance * max(1.0, abs(expected))


def main() -> None:
    """Write what is missing."""
    known = json.loads(ANSWERS.read_text("utf-8")) if ANSWERS.exists() else {}
    for name, estimator in _learn().items():
        if not path_of(name).exists():
            estimator.save(path_of(name))
            known[name] = answers_of(name, estimator.model_)
    ANSWERS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
