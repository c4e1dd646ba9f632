"""Models with weights drawn at random: quick, and made without torch."""

from __future__ import annotations

import numpy as np

from elman.data.codec import LabelCodec, TextCodec
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec, next_codec
from elman.kernels import tensor_shapes
from elman.models.answers import TASKS
from elman.models.codecs import outputs_of, width_of
from elman.models.model import Model
from elman.nn.settings import NetworkSettings

SERIES = [np.array([1.0, 4.0, 2.0, 8.0, 5.0]), np.array([7.0, 3.0]), np.array([6.0, 9.0, 0.0])]


def drawn(task, settings, codec, targets, members, seed, details=None):
    """A model of ``settings`` whose weights come from ``seed``."""
    sizes, features = width_of(codec)
    network = TASKS[task].network
    shapes = tensor_shapes(settings, sizes, outputs_of(targets), features=features, task=network)
    rng = np.random.default_rng(seed)
    weights = [
        {n: rng.normal(0, 0.5, shape).astype(np.float32) for n, shape in shapes.items()}
        for _ in range(members)
    ]
    return Model(task, settings, codec, targets, tuple(weights), details=details or {})


def make(task, codec=None, targets=None, members=2, seed=0, **settings):
    """A model of ``task``; by default it reads ``SERIES``."""
    codec = codec or NumberCodec().fit(SERIES)
    targets = targets or (LabelCodec().fit(["a", "b", "c"]) if task == "classify" else codec)
    made = NetworkSettings(**{"hidden_size": 5, "shortcut": 0.0, **settings})
    return drawn(task, made, codec, targets, members, seed)


NAMES = ["rossi", "bianchi", "ferrari", "nowak", "wiśniewski", "wójcik", "rossini", "nowicki", "réné"]


def make_text(task="classify", codec=None, members=2, seed=0, targets=None, **settings):
    """A model of texts: by default of names, with n-grams and edges, and three labels."""
    codec = codec or TextCodec(ngrams=3, edges=task != "tag", min_count=1).fit(NAMES)
    targets = targets or LabelCodec().fit(["a", "b", "c"])
    made = NetworkSettings(**{"hidden_size": 7, "embedding_size": 6, "shortcut": 2.0, **settings})
    return drawn(task, made, codec, targets, members, seed)


def make_writer(conditions=None, **settings):
    """A model that writes names."""
    codec = PromptCodec().fit(NAMES, conditions)
    return make_text("generate", codec, targets=next_codec(codec), **settings)


def make_mixed(task="classify", static=False, **settings):
    """A model of texts with two numbers, of which some are missing."""
    rng = np.random.default_rng(1)
    pairs = [(name, rng.normal(size=2) if static else rng.normal(size=(len(name), 2))) for name in NAMES]
    pairs[0] = ("rossi", np.array([np.nan, 1.0]) if static else np.full((5, 2), np.nan))
    codec = MixedCodec(text=TextCodec(ngrams=2, edges=task != "tag", min_count=1)).fit(pairs)
    return make_text(task, codec, **settings), pairs
