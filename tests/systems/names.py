"""The names of systems 1 and 2: letters one-hot; each update an origin, then one of its names."""

from __future__ import annotations

import functools
from collections import defaultdict

import numpy as np
import torch

from elman.data import load_names
from elman.nn import NetworkSettings
from elman.nn.network import Network
from elman.train import LoopSettings

from .equality import System, batch


@functools.cache
def built_in():
    """The names of each origin, origins sorted, and the letters."""
    columns = load_names().columns
    names = defaultdict(list)
    for name, origin in zip(columns["name"], columns["origin"], strict=True):
        names[origin].append(name)
    return dict(sorted(names.items())), sorted({letter for name in columns["name"] for letter in name})


@functools.cache
def draws(updates):
    """For each update the letters' numbers, and the origin's: an origin drawn uniformly, then a name."""
    names, letters = built_in()
    rng, number = np.random.default_rng(0), {letter: n for n, letter in enumerate(letters)}
    pairs = []
    for _ in range(updates):
        origin = rng.integers(len(names))
        chosen = list(names.values())[origin]
        name = chosen[rng.integers(len(chosen))]
        pairs.append(([number[letter] for letter in name], int(origin)))
    return pairs


def one_hot(ids, dtype):
    """(T, 1, V)."""
    return torch.eye(len(built_in()[1]), dtype=dtype)[ids][:, None]


def system(settings, transcription, names, updates):
    """One of the two: its settings, its other side, and the names of its weights there."""
    settings_of_loop = LoopSettings(
        learning_rate=0.005, optimizer="sgd", momentum=0.0, schedule="constant", clip=None, max_epochs=1
    )
    return System(
        network=functools.partial(network, settings),
        transcription=transcription,
        names=names,
        settings=settings_of_loop,
        epochs=lambda dtype, carry: lambda number: Lines(draws(updates), dtype),
        feed=lambda other, dtype, epochs: feed(other, dtype, updates),
    )


def network(settings):
    torch.manual_seed(0)
    names, letters = built_in()
    return Network(NetworkSettings(**settings), (), len(names), features=len(letters))


class Lines:
    """Batches of one name, made when they are asked for."""

    def __init__(self, pairs, dtype):
        self.pairs, self.dtype = pairs, dtype

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        ids, origin = self.pairs[index]
        return batch(one_hot(ids, self.dtype).transpose(0, 1), np.array([origin]), [len(ids)])


def feed(other, dtype, updates):
    for ids, origin in draws(updates):
        yield other.update(one_hot(ids, dtype), torch.tensor([origin]))
