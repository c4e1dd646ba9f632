"""Models of every task and kind of input with weights drawn at random: quick, and made without torch."""

from __future__ import annotations

import itertools

import numpy as np

from elman.data.codec import LabelCodec, TextCodec
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec, next_codec
from elman.models.forecasting import Form
from elman.nn.settings import NetworkSettings

from .made import drawn

RNG = np.random.default_rng(0)
TEXTS = ["anna", "otto", "hannah", "bob", "abba", "", "Zoë!"]
SERIES = [RNG.normal(100, 30, (n, 2)) for n in (5, 7, 3, 1)]
GAPS = [np.where(RNG.random(values.shape) < 0.3, np.nan, values) for values in SERIES]
PAIRS = [(text, [n * 1.5, np.nan if n % 3 else 4.0]) for n, text in enumerate(TEXTS)]
PAIRS += [(text, RNG.normal(3, 2, (len(text), 2))) for text in TEXTS]  # numbers of each symbol

LABELS = LabelCodec().fit(["a", "b", "c"])
NUMBERS = NumberCodec().fit(SERIES)
READS = {
    "text": (TextCodec().fit(TEXTS), TEXTS),
    "n-grams": (TextCodec(ngrams=3, edges=True, min_count=1).fit(TEXTS), TEXTS),
    "words": (TextCodec(unit="word", ngrams=2, min_count=1).fit(["to be, or", "not to be"]), ["to be!", ""]),
    "bytes": (TextCodec(unit="byte", edges=True).fit(TEXTS), TEXTS),
    "numbers": (NUMBERS, SERIES),
    "gaps": (NumberCodec().fit(GAPS), GAPS),
    "mixed": (
        MixedCodec(text=TextCodec(ngrams=2, edges=True, min_count=1), numbers=NumberCodec()).fit(PAIRS),
        PAIRS,
    ),
}
TARGETS = [("classify", LABELS), ("regress", NUMBERS), ("tag", LABELS), ("tag", NUMBERS)]
SHAPES = [
    {"num_layers": 1, "causal": True, "members": 2, "pooling": "last+mean+max"},
    {"num_layers": 2, "causal": True, "members": 1},
    {"num_layers": 1, "causal": False, "members": 3, "pooling": "last"},
    {"num_layers": 2, "causal": False, "members": 1, "pooling": "last+max", "shortcut": 0.0},
]
KINDS = [("rnn", {"nonlinearity": "tanh"}), ("rnn", {"nonlinearity": "relu"}), ("lstm", {}), ("gru", {})]


def make(task, codec, targets, *, members=2, seed=0, details=None, **settings):
    """A model of ``task`` that reads with ``codec`` and answers with ``targets``."""
    made = NetworkSettings(**{"hidden_size": 6, "embedding_size": 4, **settings})
    return drawn(task, made, codec, targets, members, seed, details)


def every_model(cell, options):
    """Each way to read with each task; the shapes of networks take turns, so that all meet all."""
    shapes = itertools.cycle(SHAPES)
    alike = ("words", "bytes")  # texts to the network
    reads = [(name, *read) for name, read in READS.items() if name not in alike]
    for (name, codec, X), (task, targets) in itertools.product(reads, TARGETS):
        shape = next(shapes)
        yield f"{task} {name} {shape}", make(task, codec, targets, recurrence=cell, **options, **shape), X
        next(shapes) if task == "tag" and targets is NUMBERS else None  # so that the turns move on


def forecaster(form: Form | None = None, **settings):
    """A forecaster of two values a step; its form says what else it reads."""
    if form is None or form.plain:
        return make("forecast", NUMBERS, NUMBERS, **settings)
    read = np.random.default_rng(1).normal(5, 2, (9, form.width))
    read[-1, form.values + form.past :] = np.nan  # what is known ends before the series does
    codec = NumberCodec().fit([read])
    targets = NumberCodec().fit([np.random.default_rng(2).normal(0, 1, (9, form.values * form.horizon))])
    return make("forecast", codec, targets, details=form.details(), **settings)


def generator(conditions=("x", "y", "x", "y", "y", "x", "y"), **settings):
    """A generator, with conditions or without."""
    codec = PromptCodec().fit(TEXTS, None if conditions is None else list(conditions))
    return make("generate", codec, next_codec(codec), **settings)
