"""System 4 equals its transcription: the state is carried from chunk to chunk, and cut between them."""

import numpy as np
import torch

from elman.nn import Chunks, Network, NetworkSettings
from elman.train import LoopSettings

from . import transcriptions
from .equality import (
    System,
    assert_each_update_is_equal_in_single_precision,
    assert_equal_in_double_precision,
    assert_single_precision_is_as_near,
    batch,
)

torch.set_num_threads(1)
NAMES = {
    **{f"layers.{name}_l0": f"rnn.{name}_l0" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    "head.weight": "linear.weight",
    "head.bias": "linear.bias",
}


def times(chunks):
    """(chunks, 10) in float32, both ends of each chunk included."""
    ends = [(k * np.pi, (k + 1) * np.pi) for k in range(chunks)]
    return np.stack([np.linspace(*each, 10, dtype=np.float32) for each in ends])


def network():
    torch.manual_seed(0)
    settings = NetworkSettings(recurrence="rnn", hidden_size=32, dropout=0.0, first_weights="uniform")
    return Network(settings, (), 1, features=1, task="tag")


def system(chunks=100):
    t = times(chunks)
    x, y = (torch.tensor(f(t).reshape(1, -1, 1)) for f in (np.sin, np.cos))
    assert x.dtype == torch.float32

    def epochs(dtype, carry):
        return lambda number: Chunks([batch(x.to(dtype), y.to(dtype), [10 * chunks])], 10, carry)

    def feed(other, dtype, epochs):
        for k in range(chunks):
            part = slice(10 * k, 10 * (k + 1))
            yield other.update(x[:, part].to(dtype), y[:, part].to(dtype))

    settings = LoopSettings(
        learning_rate=0.02, optimizer="adam", beta2=0.999, schedule="constant", clip=None, max_epochs=1
    )
    return System(network, transcriptions.SineToCosine, NAMES, settings, epochs, feed)


def test_every_loss_in_double_precision():
    assert assert_equal_in_double_precision(system()) == 100


def test_each_of_200_updates_in_single_precision():
    assert_each_update_is_equal_in_single_precision(system(200))


def test_the_losses_in_single_precision():
    assert_single_precision_is_as_near(system())


def test_it_learns_the_cosine():
    _, run = system().ours(torch.float32)
    losses = [progress.update_loss for progress in run]
    assert np.mean(losses[:10]) > 0.1
    assert np.mean(losses[-10:]) < 0.03
