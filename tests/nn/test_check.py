"""Settings, tasks and losses that do not go together, each in one sentence."""

from dataclasses import replace

import pytest

from elman.cells import CELLS, Names
from elman.errors import UsageError
from elman.nn.check import (
    TASKS,
    check_answering,
    check_class_weights,
    check_inputs,
    check_used,
    choose_loss,
)
from elman.nn.settings import LossSettings, NetworkSettings
from elman.settings import check_settings

PLAIN = NetworkSettings()


@pytest.mark.parametrize(
    ("task", "loss", "expected"),
    [
        ("classify", "auto", "nll"),
        ("classify", "nll", "nll"),
        ("tag", "auto", "mse"),
        ("tag", "mse", "mse"),
        ("tag", "half_squares", "half_squares"),
    ],
)
def test_the_loss_of_a_task(task, loss, expected):
    assert choose_loss(task, loss) == expected


@pytest.mark.parametrize(
    ("task", "loss", "message", "hint"),
    [
        ("classify", "mse", "a network that learns to classify cannot learn with mse", "loss: auto, nll"),
        ("regress", "nll", "a network that learns to regress cannot learn with nll", "loss: auto, mse"),
        ("draw", "auto", "there is no task 'draw'", "known tasks: classify, regress, tag"),
    ],
)
def test_a_loss_that_a_task_cannot_learn_with_is_refused(task, loss, message, hint):
    with pytest.raises(UsageError, match=message) as caught:
        choose_loss(task, loss)
    assert (caught.value.code, caught.value.help) == ("E170", hint)


def test_the_setting_knows_every_loss():
    for loss in {"auto", *(loss for losses in TASKS.values() for loss in losses)}:
        check_settings(LossSettings(loss=loss))
    with pytest.raises(UsageError, match="loss must be one of auto, nll, mse, half_squares, not 'mae'"):
        check_settings(LossSettings(loss="mae"))


def test_ids_or_numbers():
    check_inputs((3,), 0)
    check_inputs((), 3)
    check_inputs((3,), 2)
    with pytest.raises(UsageError, match=r"reads ids .*, numbers .*, or both") as caught:
        check_inputs((), 0)
    assert caught.value.code == "E171"
    for features in (-1, True, 2.0, "3"):
        with pytest.raises(UsageError, match="features must be a whole number of at least 0"):
            check_inputs((), features)


def test_a_cell_that_answers_itself_is_one_layer_in_one_direction():
    check_answering(Names(3), 1, False)
    check_answering(CELLS["gru"](3), 2, True)
    for layers, both, hint in [(2, False, "set num_layers = 1"), (1, True, "set causal = true")]:
        with pytest.raises(UsageError, match="the cell names answers itself, so it makes one") as caught:
            check_answering(Names(3), layers, both)
        assert caught.value.code == "E167"
        assert caught.value.help.startswith(hint)


def used(cell="gru", features=0, task="classify", **settings):
    sizes = () if features else (3,)
    check_used(replace(PLAIN, **settings), CELLS[cell](3), sizes, task, choose_loss(task, "auto"))


def test_defaults_and_what_asks_for_nothing_are_never_refused():
    for cell in CELLS:
        for features in (0, 2):
            for task in TASKS:
                used(cell, features, task)
                used(cell, features, task, pooling="last", shortcut=0.0, ngrams=1, dropout=0.0)
                used(cell, features, task, input_dropout=0.0, label_smoothing=0.0)


@pytest.mark.parametrize(
    ("case", "settings", "message"),
    [
        ({"features": 2}, {"embedding_size": 8}, "embedding_size = 8 has no meaning here: numbers are read"),
        ({"features": 2}, {"ngrams": 3}, "ngrams = 3 has no meaning here"),
        ({"features": 2}, {"symbols": "one-hot"}, "symbols = one-hot has no meaning here: numbers are read"),
        ({}, {"ngrams": 3, "symbols": "one-hot"}, "ngrams = 3 has no meaning here: one-hot symbols are read"),
        ({}, {"embedding_size": 8, "symbols": "one-hot"}, "embedding_size = 8 has no meaning here: one-hot"),
        ({"task": "tag"}, {"pooling": "mean"}, "pooling = mean has no meaning here: the network answers at"),
        ({"task": "tag"}, {"shortcut": 0.5}, "shortcut = 0.5 has no meaning here"),
        ({"task": "tag"}, {"label_smoothing": 0.1}, "label_smoothing = 0.1 .*: the loss is mse"),
        ({"cell": "names"}, {"dropout": 0.25}, "dropout = 0.25 .*: the cell names answers itself"),
        ({"cell": "names"}, {"pooling": "max"}, "pooling = max .*: the cell names answers itself"),
    ],
)
def test_a_setting_that_was_chosen_in_vain_is_refused(case, settings, message):
    with pytest.raises(UsageError, match=message) as caught:
        used(**case, **settings)
    assert (caught.value.code, caught.value.help) == ("E172", f"leave {next(iter(settings))} out")


def test_class_weights_without_classes_are_refused():
    check_class_weights(True, "nll")
    check_class_weights(False, "mse")
    with pytest.raises(UsageError, match="class weights have no meaning here: the loss is mse") as caught:
        check_class_weights(True, "mse")
    assert caught.value.code == "E172"
