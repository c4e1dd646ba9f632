"""Torch's own operations with one thread and a random stream of their own; the caller's are put back.

Kernels keep their threads: their bits do not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from elman import kernels
from elman.kernels.native import chosen

SEEDS = 32
"""So many updates' seeds are made at once."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch's own operations in the block on one thread: their bits depend on how many there are."""
    threads, of_kernels = torch.get_num_threads(), chosen[0]
    try:
        kernels.set_threads(kernels.threads())
        torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)
        kernels.set_threads(of_kernels)


@contextmanager
def alone(generators: Sequence[torch.Generator], random_state: int, update: int) -> Iterator[None]:
    """Run the block on one thread, its randomness a function of ``random_state`` and ``update`` alone.

    So the bits of an update depend neither on the number of threads nor on what was drawn before, and a
    run that goes on later draws the same.
    """
    states = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(_seed(random_state, update))
        with one_thread():
            yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def generators_of(module: nn.Module) -> list[torch.Generator]:
    """The global generators that ``module`` may draw from: the CPU's, and its graphics cards'."""
    cards = sorted({weight.device.index for weight in module.parameters() if weight.device.type == "cuda"})
    return [torch.default_generator, *(torch.cuda.default_generators[card] for card in cards)]


def _seed(random_state: int, update: int) -> int:
    return _seeds(random_state, update // SEEDS)[update % SEEDS]


@lru_cache(maxsize=2)
def _seeds(random_state: int, block: int) -> list[int]:
    """The seeds of some updates in a row: between two updates, what makes them is driven from the caches."""
    updates = range(block * SEEDS, (block + 1) * SEEDS)
    sequences = (np.random.SeedSequence([random_state, update]) for update in updates)
    return [int(sequence.generate_state(1)[0]) for sequence in sequences]
