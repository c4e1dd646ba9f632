"""How equality with a transcription is proven; the same for all four systems.

``ours`` learns with the package's own loop, a transcription beside it from the same first weights and data.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from elman.nn import Carry
from elman.train import LoopSettings, learn


@dataclass
class System:
    """One system, twice.

    Attributes
    ----------
    network
        ``network()`` makes elman's, always with the same first weights, in float32.
    transcription
        The class of the other side.
    names
        The transcription's name of each weight by elman's.
    settings
        How elman learns.
    epochs
        ``epochs(dtype, carry)`` gives the function of an epoch's batches.
    feed
        ``feed(other, dtype, epochs)`` yields the transcription's losses, update by update.
    """

    network: Any
    transcription: Any
    names: dict[str, str]
    settings: LoopSettings
    epochs: Any
    feed: Any

    def ours(self, dtype):
        """Elman's network, and the generator that learns."""
        network, carry = self.network().to(dtype), Carry()
        return network, learn(network, self.epochs(dtype, carry), None, self.settings, carried=carry)

    def theirs(self, dtype):
        """The transcription, and the generator of its losses."""
        state = {name: p.detach().clone().to(dtype) for name, p in self.network().named_parameters()}
        other = self.transcription({self.names[name]: weight for name, weight in state.items()})
        return other, self.feed(other, dtype, self.settings.max_epochs)

    def losses(self, dtype):
        """Both sides' losses of the whole run, each taken before its update."""
        ours = [progress.update_loss for progress in self.ours(dtype)[1]]
        return np.array(ours), np.array(list(self.theirs(dtype)[1]))


def assert_equal_in_double_precision(system):
    """Every loss of the run within 1e-6, the first ten updates within 1e-10, relative."""
    network, run = system.ours(torch.float64)
    other, losses = system.theirs(torch.float64)
    count = 0
    for count, (progress, loss) in enumerate(zip(run, losses, strict=True), start=1):
        limit = 1e-10 if count <= 10 else 1e-6
        assert abs(progress.update_loss - loss) <= limit * abs(loss), (count, progress.update_loss, loss)
        if count <= 10:
            assert distance(network, other, system.names) <= 1e-10
    assert count > 10
    return count


def assert_each_update_is_equal_in_single_precision(system, updates=200):
    """Take the transcription's weights before each update; after it they are within 1e-5 of one another."""
    network, run = system.ours(torch.float32)
    other, losses = system.theirs(torch.float32)
    for _ in range(updates):
        with torch.no_grad():
            for name, weight in network.named_parameters():
                weight.copy_(other.weights[system.names[name]])
        next(run)
        next(losses)
        assert distance(network, other, system.names) <= 1e-5
    run.close()


def assert_single_precision_is_as_near(system, gather=lambda losses: losses):
    """Our distance from the double-precision transcription is at most 4 times its own in single precision."""
    exact = gather(np.array(list(system.theirs(torch.float64)[1])))
    ours, theirs = map(gather, system.losses(torch.float32))
    own = np.linalg.norm(theirs - exact)
    assert own > 0
    assert np.linalg.norm(ours - exact) <= 4 * own, (np.linalg.norm(ours - exact), own)


def distance(network, other, names):
    """||Δ|| / ||w|| over all weights together."""
    ours = torch.cat([p.detach().flatten() for p in network.parameters()])
    theirs = torch.cat(
        [other.weights[names[name]].detach().flatten() for name, _ in network.named_parameters()]
    )
    return (torch.linalg.norm(ours - theirs) / torch.linalg.norm(theirs)).item()


def batch(inputs, targets, lengths):
    """What the network reads, as the data's batches have it."""
    return SimpleNamespace(inputs=inputs, targets=targets, lengths=np.asarray(lengths), weights=None)
