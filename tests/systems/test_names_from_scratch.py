"""System 1 equals its transcription: a state that is not squashed, an answer from the previous state."""

import numpy as np
import pytest
import torch

from . import names, transcriptions
from .equality import (
    assert_each_update_is_equal_in_single_precision,
    assert_equal_in_double_precision,
    assert_single_precision_is_as_near,
)

torch.set_num_threads(1)
UPDATES = pytest.mark.parametrize("updates", [300, pytest.param(5000, marks=pytest.mark.slow)])
NAMES = {
    "layers.weight_i2h_l0": "i2h.weight",
    "layers.bias_i2h_l0": "i2h.bias",
    "layers.weight_i2o_l0": "i2o.weight",
    "layers.bias_i2o_l0": "i2o.bias",
}


def system(updates):
    return names.system({"recurrence": "names"}, transcriptions.NamesFromScratch, NAMES, updates)


@UPDATES
def test_every_loss_in_double_precision(updates):
    assert assert_equal_in_double_precision(system(updates)) == updates


def test_each_of_200_updates_in_single_precision():
    assert_each_update_is_equal_in_single_precision(system(200))


@UPDATES
def test_the_losses_in_single_precision(updates):
    assert_single_precision_is_as_near(system(updates))


def test_first_weights_are_those_of_torchs_linear():
    network = system(1).network()
    width = len(names.built_in()[1]) + 128
    for weight in network.parameters():
        bound = 1 / np.sqrt(width)
        assert bound * 0.8 < weight.abs().max().item() <= bound
