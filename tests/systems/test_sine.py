"""System 3 equals its transcription: one update at every time step."""

import numpy as np
import pytest
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
EPOCHS = pytest.mark.parametrize("epochs", [60, pytest.param(300, marks=pytest.mark.slow)])
T = np.linspace(2, 10, 21)
D = np.sin(T).astype(np.float32)
X, Y = D[:-1, None], D[1:, None]


def network():
    torch.manual_seed(0)
    settings = NetworkSettings(recurrence="sine", hidden_size=6)
    return Network(settings, (), 1, features=1, task="tag", loss="half_squares")


def epochs(dtype, carry):
    x, y = (torch.tensor(values[None]).to(dtype) for values in (X, Y))
    return lambda number: Chunks([batch(x, y, [20])], 1, carry)


def feed(other, dtype, epochs):
    x, y = (torch.tensor(values).to(dtype) for values in (X, Y))
    for _ in range(epochs):
        other.start_epoch()
        for step in range(20):
            yield other.update(x[step : step + 1], y[step : step + 1])


def system(epochs_in_all=60):
    settings = LoopSettings(
        learning_rate=0.1,
        optimizer="sgd",
        momentum=0.0,
        schedule="constant",
        clip=None,
        max_epochs=epochs_in_all,
    )
    names = {"layers.w1_l0": "w1", "layers.w2_l0": "w2"}
    return System(network, transcriptions.Sine, names, settings, epochs, feed)


@EPOCHS
def test_every_loss_in_double_precision(epochs):
    assert assert_equal_in_double_precision(system(epochs)) == 20 * epochs


def test_each_of_200_updates_in_single_precision():
    assert_each_update_is_equal_in_single_precision(system())


@EPOCHS
def test_the_epoch_sums_in_single_precision(epochs):
    assert_single_precision_is_as_near(system(epochs), lambda losses: losses.reshape(-1, 20).sum(1))


def test_the_sum_of_the_epochs_losses_is_told_and_falls():
    _, run = system().ours(torch.float32)
    told = list(run)
    sums = np.array([progress.update_loss for progress in told]).reshape(60, 20).sum(1)
    ends = [progress.loss_sum for progress in told if progress.update % 20 == 0]
    np.testing.assert_allclose(ends, sums, rtol=1e-12)
    assert sums[-1] < sums[0] / 4
