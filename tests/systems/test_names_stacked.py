"""System 2 equals its transcription: two layers of RNN, the last output of the top one."""

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
SETTINGS = {
    "recurrence": "rnn",
    "num_layers": 2,
    "pooling": "last",
    "shortcut": 0.0,
    "dropout": 0.0,
    "first_weights": "uniform",
}
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
NAMES = {
    **{f"layers.{kind}_l{n}": f"rnn.{kind}_l{n}" for kind in KINDS for n in (0, 1)},
    "head.weight": "linear.weight",
    "head.bias": "linear.bias",
}


def system(updates):
    return names.system(SETTINGS, transcriptions.NamesStacked, NAMES, updates)


@UPDATES
def test_every_loss_in_double_precision(updates):
    assert assert_equal_in_double_precision(system(updates)) == updates


def test_each_of_200_updates_in_single_precision():
    assert_each_update_is_equal_in_single_precision(system(200))


@UPDATES
def test_the_losses_in_single_precision(updates):
    assert_single_precision_is_as_near(system(updates))


def test_first_weights_are_those_of_torchs_rnn_and_linear():
    for weight in system(1).network().parameters():
        assert 128**-0.5 * 0.8 < weight.abs().max().item() <= 128**-0.5
