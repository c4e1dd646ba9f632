"""A run that was stopped, written, read by a fresh module and gone on with ends with the same bits."""

import dataclasses
import itertools
import subprocess
import sys

import pytest
import torch

from elman.train import Checkpoint, LoopSettings, learn
from elman.train.optimizer import OPTIMIZERS, SCHEDULES

from . import toy as toys
from .toy import digest, epochs, same_bits, toy, validate, weights

UPDATES = 9


def settings(**changes):
    return LoopSettings(**{"max_epochs": 3, "learning_rate": 0.05, **changes})


def told(progress):
    """What must be equal; seconds and rates may differ."""
    fields = ("epoch", "update", "updates", "loss", "validation", "best", "best_epoch", "improved")
    told_so_far = {name: getattr(progress, name) for name in (*fields, "learning_rate", "gradient_norm")}
    history = [
        {name: value for name, value in record.items() if name != "seconds"} for record in progress.history
    ]
    return told_so_far | {"history": history}


def unbroken(chosen, judge=validate):
    module = toy()
    return module, [told(progress) for progress in learn(module, epochs, judge, chosen)]


def broken(chosen, stop, path, judge=validate):
    """The same run, stopped after update ``stop``, and gone on with from a file by fresh objects."""
    module, first = toy(), []
    for progress in learn(module, epochs, judge, chosen):
        first.append(told(progress))
        if progress.update == stop:
            progress.state().write(path)
            break
    torch.rand(3)  # the caller's own randomness does not matter
    module = toy(seed=99)
    second = learn(module, epochs, judge, chosen, resume=Checkpoint.read(path))
    return module, first + [told(progress) for progress in second]


@pytest.mark.parametrize(
    ("optimizer", "schedule", "averaging"), list(itertools.product(OPTIMIZERS, SCHEDULES, [0.0, 0.7]))
)
def test_the_same_bits_wherever_it_was_stopped(optimizer, schedule, averaging, tmp_path):
    chosen = settings(optimizer=optimizer, schedule=schedule, averaging=averaging)
    module, whole = unbroken(chosen)
    assert len(whole) == UPDATES
    for stop in (1, 3, 5, 8, 9):
        other, parts = broken(chosen, stop, tmp_path / "run.ckpt")
        assert parts == whole
        assert same_bits(weights(module), weights(other))


def test_without_validation_too(tmp_path):
    module, whole = unbroken(settings(), None)
    for stop in (2, 6):
        other, parts = broken(settings(), stop, tmp_path / "run.ckpt", None)
        assert parts == whole
        assert same_bits(weights(module), weights(other))


def test_stopped_and_gone_on_with_after_every_update(tmp_path):
    chosen, state = settings(averaging=0.7), None
    module, whole = unbroken(chosen)
    for expected in whole:
        other = toy(seed=99 if state else 0)
        run = learn(other, epochs, validate, chosen, resume=state)
        progress = next(run)
        assert told(progress) == expected
        progress.state().write(tmp_path / "run.ckpt")
        state = Checkpoint.read(tmp_path / "run.ckpt")
    assert list(learn(other, epochs, validate, chosen, resume=state)) == []
    assert same_bits(weights(module), weights(other))


def test_the_best_weights_from_before_the_stop_are_kept(tmp_path):
    """The validation grows worse, so the best weights are those of the first epoch."""
    chosen = settings(patience=2, max_epochs=5)
    worse = lambda module: {"loss": 1.0 + module.norm.num_batches_tracked.item()}  # noqa: E731
    module, whole = unbroken(chosen, worse)
    assert (len(whole), whole[-1]["best_epoch"]) == (9, 1)
    for stop in (4, 9):
        other, parts = broken(chosen, stop, tmp_path / "run.ckpt", worse)
        assert parts == whole
        assert same_bits(weights(module), weights(other))
        assert other.norm.num_batches_tracked.item() == 3


def test_going_on_counts_the_seconds_from_before(tmp_path):
    for progress in learn(toy(), epochs, validate, settings()):
        state = progress.state()
        break
    state.place.seconds = 1000.0
    progress = next(learn(toy(), epochs, validate, settings(), resume=state))
    assert 1000 < progress.seconds < 1100
    assert progress.rate > 1
    state.place.seconds = 61.0
    assert list(learn(toy(), epochs, validate, settings(max_minutes=1.0), resume=state)) == []


class Tally:
    """What a batch carries on: how many came before it, in a tensor."""

    def __init__(self):
        self.count = torch.zeros(2)

    def tensors(self):
        return {"count": self.count.numpy().copy()}

    def restore(self, arrays):
        self.count = torch.tensor(arrays["count"])


class Counting(toys.Line):
    """A line whose batches carry a tally; the gradient depends on it."""

    def loss(self, tally):
        tally.count = tally.count * 0.9 + torch.tensor([1.0, 0.1])
        return super().loss(tally.count)


def test_what_the_batches_carry_is_kept_too(tmp_path):
    def run(stop=None, resume=None):
        module, tally = Counting(), Tally()
        steps = learn(module, lambda number: [tally] * 3, None, settings(), resume=resume, carried=tally)
        for progress in steps:
            if progress.update == stop:
                progress.state().write(tmp_path / "run.ckpt")
                break
        return weights(module)

    whole = run()
    for stop in (1, 3, 5):
        run(stop)
        saved = Checkpoint.read(tmp_path / "run.ckpt")
        assert saved.part("carried").keys() == {"count"}
        assert same_bits(run(resume=saved), whole)
        forgotten = {name: value for name, value in saved.tensors.items() if name != "carried/count"}
        zeros = {"carried/count": torch.zeros(2).numpy()}
        assert not same_bits(run(resume=dataclasses.replace(saved, tensors=forgotten | zeros)), whole)


def start(threads):
    command = [sys.executable, toys.__file__, str(threads)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_fresh_processes_and_any_number_of_threads_give_the_same_bits():
    processes = [start(1), start(2)]
    module = toy()
    for _ in learn(module, epochs, validate, LoopSettings(max_epochs=3, averaging=0.8)):
        pass
    assert [process.communicate()[0] for process in processes] == [f"{digest(module)}\n"] * 2


def test_the_threads_of_this_process_do_not_matter():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one, _ = unbroken(settings())
        torch.set_num_threads(3)
        other, _ = unbroken(settings())
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert same_bits(weights(one), weights(other))
