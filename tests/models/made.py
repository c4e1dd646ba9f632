"""Models of numbers with weights drawn at random: quick, and made without torch."""

from __future__ import annotations

import numpy as np

from elman.data.codec import LabelCodec
from elman.data.numbers import NumberCodec
from elman.kernels import tensor_shapes
from elman.models.codecs import outputs_of
from elman.models.model import Model
from elman.nn.settings import NetworkSettings

SERIES = [np.array([1.0, 4.0, 2.0, 8.0, 5.0]), np.array([7.0, 3.0]), np.array([6.0, 9.0, 0.0])]


def make(task, codec=None, targets=None, members=2, seed=0, **settings):
    """A model of ``task``; by default it reads ``SERIES``."""
    codec = codec or NumberCodec().fit(SERIES)
    targets = targets or (LabelCodec().fit(["a", "b", "c"]) if task == "classify" else codec)
    made = NetworkSettings(**{"hidden_size": 5, "shortcut": 0.0, **settings})
    kind = "classify" if task == "classify" else "tag"
    shapes = tensor_shapes(made, (), outputs_of(targets), features=codec.size, task=kind)
    rng = np.random.default_rng(seed)
    networks = [
        {n: rng.normal(0, 0.5, shape).astype(np.float32) for n, shape in shapes.items()}
        for _ in range(members)
    ]
    return Model(task, made, codec, targets, tuple(networks))
