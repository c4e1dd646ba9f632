import math
import types

import pytest
import torch
from torch import nn

import elman.train.clock
from elman.errors import DivergedError, UsageError
from elman.train import LoopSettings, learn

from .toy import Line, epochs, same_bits, toy, validate, weights


def plain(**settings):
    """Plain gradient descent, so that every number can be reckoned by hand."""
    defaults = {
        "optimizer": "sgd",
        "momentum": 0.0,
        "schedule": "constant",
        "weight_decay": 0.0,
        "clip": None,
    }
    return LoopSettings(**{"learning_rate": 0.25, "max_epochs": 2, **defaults, **settings})


def ones(number):
    return [torch.ones(1)] * 2


def scripted(losses):
    """A validation that says the given losses, one after the other, whatever the module is."""
    remaining = iter(losses)
    return lambda module: {"loss": next(remaining)}


def test_every_update_is_told_with_the_numbers_of_plain_gradient_descent():
    line = Line()
    told = list(learn(line, ones, lambda module: {"loss": module.weight.item(), "twice": 2.0}, plain()))
    # w <- w - 0.25 * 2 (w - 1): 0, 0.5, 0.75, 0.875, 0.9375; the loss is (w - 1)^2 before each update
    assert [(p.epoch, p.update, p.epochs, p.updates) for p in told] == [
        (1, 1, 2, 4),
        (1, 2, 2, 4),
        (2, 3, 2, 4),
        (2, 4, 2, 4),
    ]
    assert [p.loss for p in told] == [1.0, (1 + 0.25) / 2, 0.0625, (0.0625 + 0.015625) / 2]
    assert [p.loss_sum for p in told] == [1.0, 1.25, 0.0625, 0.078125]
    assert [p.update_loss for p in told] == [1.0, 0.25, 0.0625, 0.015625]
    assert [p.gradient_norm for p in told] == [2.0, 1.0, 0.5, 0.25]
    assert [p.learning_rate for p in told] == [0.25] * 4
    assert [p.validation for p in told] == [
        None,
        {"loss": 0.75, "twice": 2.0},
        None,
        {"loss": 0.9375, "twice": 2.0},
    ]
    assert [(p.best, p.best_epoch, p.improved) for p in told] == [
        (None, None, False),
        (0.75, 1, True),
        (0.75, 1, False),
        (0.75, 1, False),
    ]
    assert line.weight.item() == 0.75


def test_the_history_holds_a_record_for_each_finished_epoch():
    told = list(learn(Line(), ones, scripted([3.0, 2.0]), plain()))
    assert [len(p.history) for p in told] == [0, 1, 1, 2]
    kept = [
        {name: value for name, value in record.items() if name != "seconds"} for record in told[-1].history
    ]
    assert kept == [
        {"epoch": 1, "loss": 0.625, "learning_rate": 0.25, "validation_loss": 3.0},
        {"epoch": 2, "loss": 0.0390625, "learning_rate": 0.25, "validation_loss": 2.0},
    ]


def test_without_validation_the_last_weights_are_kept():
    line = Line()
    told = list(learn(line, ones, None, plain()))
    assert line.weight.item() == 0.9375
    assert {(p.validation, p.best, p.best_epoch, p.improved) for p in told} == {(None, None, None, False)}


@pytest.mark.parametrize(("stop", "expected"), [(1, 0.5), (2, 0.75), (3, 0.75), (4, 0.9375)])
def test_break_leaves_the_best_weights_or_the_last_before_any_validation(stop, expected):
    line = Line()
    for progress in learn(line, ones, scripted([3.0, 2.0]), plain()):
        if progress.update == stop:
            break
    assert line.weight.item() == expected


def test_an_equal_validation_loss_is_no_improvement():
    line = Line()
    assert [p.improved for p in learn(line, ones, scripted([1.0, 1.0]), plain())] == [
        False,
        True,
        False,
        False,
    ]
    assert line.weight.item() == 0.75


@pytest.mark.parametrize("place", ["loss", "validate", "epochs"])
def test_an_error_of_the_callers_own_leaves_the_best_weights(place):
    line, calls = Line(), {"loss": 0, "validate": 0, "epochs": 0}

    def count(name, call, error_at):
        calls[name] += 1
        if name == place and calls[name] == error_at:
            raise KeyboardInterrupt
        return call()

    loss, losses = line.loss, iter([3.0, 2.0])
    line.loss = lambda batch: count("loss", lambda: loss(batch), 4)
    told = learn(
        line,
        lambda number: count("epochs", lambda: ones(number), 2),
        lambda module: count("validate", lambda: {"loss": next(losses)}, 2),
        plain(),
    )
    with pytest.raises(KeyboardInterrupt):
        list(told)
    assert line.weight.item() == 0.75


def test_patience_counts_epochs_without_a_better_loss():
    losses = [5.0, 4.0, 4.5, 4.5, 1.0, 1.0]
    told = list(learn(Line(), ones, scripted(losses), plain(max_epochs=6, patience=2)))
    assert (told[-1].epoch, told[-1].best_epoch, told[-1].updates) == (4, 2, 12)
    told = list(learn(Line(), ones, scripted(losses), plain(max_epochs=6, patience=3)))
    assert (told[-1].epoch, told[-1].best_epoch) == (6, 5)
    assert len(list(learn(Line(), ones, None, plain(max_epochs=6, patience=1)))) == 12


def test_clip_shortens_the_gradient_and_tells_its_norm_from_before():
    line = Line()
    told = list(learn(line, lambda number: [torch.ones(1)], None, plain(max_epochs=1, clip=0.5)))
    assert told[0].gradient_norm == 2.0
    assert line.weight.item() == pytest.approx(0.25 * 0.5, rel=1e-5)


def test_the_schedule_follows_the_planned_updates():
    told = list(learn(Line(), ones, None, plain(schedule="linear", max_epochs=10, warm_up=0.0)))
    assert [p.learning_rate for p in told] == pytest.approx([0.25 * (1 - step / 20) for step in range(20)])


def test_with_averaging_the_averaged_weights_are_validated_and_kept():
    line, seen, live, average = Line(), [], 0.0, 0.0
    for progress in learn(
        line, ones, lambda module: seen.append(module.weight.item()) or {"loss": 1.0}, plain(averaging=0.5)
    ):
        live -= 0.25 * 2 * (live - 1)
        share = 10 / (progress.update + 9)
        average += share * (live - average)
        assert line.weight.item() == live
        if progress.update == 2:
            first = average
    assert seen == pytest.approx([first, average])
    assert line.weight.item() == seen[0]


@pytest.mark.parametrize("averaging", [0.0, 0.5])
def test_break_before_any_validation_leaves_the_averaged_weights_if_averaging(averaging):
    line = Line()
    for progress in learn(line, ones, None, plain(averaging=averaging)):
        if progress.update == 3:
            break
    averaged = (0.5 + (10 / 11) * 0.25) * (1 - 10 / 12) + 0.875 * 10 / 12
    assert line.weight.item() == pytest.approx(averaged if averaging else 0.875)


def test_learning_and_validating_have_their_modes_and_the_callers_is_put_back():
    module, seen = toy(), []
    loss = module.loss
    module.loss = lambda batch: seen.append((module.training, torch.is_grad_enabled())) or loss(batch)
    module.eval()
    for progress in learn(module, epochs, validate, LoopSettings(max_epochs=2)):
        module.eval()
        assert (progress.validation is not None) == (progress.update % 3 == 0)
    assert seen == ([(True, True)] * 3 + [(False, False)]) * 2
    assert not module.training
    assert all(weight.grad is None for weight in module.parameters())


def test_the_callers_random_state_and_threads_are_neither_used_nor_changed():
    torch.manual_seed(5)
    expected, found = torch.rand(6).tolist(), []
    torch.manual_seed(5)
    module = toy()
    threads = torch.get_num_threads()
    for _ in learn(module, epochs, validate, LoopSettings(max_epochs=2)):
        found.append(torch.rand(1).item())
        assert torch.get_num_threads() == threads
    assert found == expected
    other = toy()
    for _ in learn(other, epochs, validate, LoopSettings(max_epochs=2)):
        torch.rand(17)
    assert same_bits(weights(module), weights(other))


def test_another_seed_gives_other_dropout():
    modules = toy(), toy()
    for seed, module in enumerate(modules):
        list(learn(module, epochs, None, LoopSettings(max_epochs=1, random_state=seed)))
    assert not same_bits(*map(weights, modules))


def test_a_loss_that_is_not_finite_names_its_update_and_keeps_the_best():
    line = Line()
    batches = {1: ones(1), 2: [torch.ones(1), torch.full((1,), math.nan)]}
    with pytest.raises(
        DivergedError, match=r"^learning diverged: the loss became NaN or infinite at update 4 \(epoch 2\)"
    ) as error:
        list(learn(line, batches.__getitem__, scripted([3.0]), plain()))
    assert (error.value.code, error.value.exit_code) == ("E401", 5)
    assert "learning rate" in error.value.help
    assert line.weight.item() == 0.75


def test_divergence_in_the_first_epoch_leaves_the_first_weights():
    line = Line(0.5)
    with pytest.raises(DivergedError, match="update 2"):
        list(learn(line, lambda number: [torch.ones(1), torch.full((1,), math.inf)], None, plain()))
    assert line.weight.item() == 0.5


def test_divergence_without_validation_leaves_those_of_the_last_whole_epoch():
    line = Line()
    batches = {1: ones(1), 2: [torch.ones(1), torch.full((1,), math.nan)]}
    with pytest.raises(DivergedError, match="update 4"):
        list(learn(line, batches.__getitem__, None, plain(averaging=0.5)))
    assert line.weight.item() == pytest.approx(0.5 + (10 / 11) * 0.25)


class Root(nn.Module):
    """A finite loss whose gradient is not."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def loss(self, batch):
        return self.weight.sqrt().sum()


def test_a_gradient_that_is_not_finite_is_found_before_it_is_used():
    root = Root()
    with pytest.raises(DivergedError, match=r"the gradient became NaN or infinite at update 1"):
        list(learn(root, ones, None, plain(clip=1.0)))
    assert root.weight.item() == 0.0


def test_a_last_update_that_spoils_the_weights_is_found():
    line = Line(-3.0)
    with pytest.raises(DivergedError, match="a weight became NaN or infinite at update 1"):
        list(learn(line, lambda number: [torch.ones(1)], None, plain(learning_rate=3e38, max_epochs=1)))
    assert line.weight.item() == -3.0


def test_break_right_after_an_update_that_spoils_the_weights_leaves_sound_ones():
    line = Line(-3.0)
    for progress in learn(line, ones, None, plain(learning_rate=3e38, max_epochs=1)):
        assert progress.update == 1
        break
    assert line.weight.item() == -3.0


def test_a_validation_loss_that_is_not_finite_is_divergence():
    line = Line()
    with pytest.raises(
        DivergedError, match=r"the validation loss became NaN or infinite at update 4 \(epoch 2\)"
    ):
        list(learn(line, ones, scripted([3.0, math.nan]), plain()))
    assert line.weight.item() == 0.75


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes one second on whenever a loss is taken."""
    fake = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(elman.train.clock.time, "perf_counter", lambda: fake.now)
    return fake


class Slow(Line):
    """Every loss takes a second."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def loss(self, batch):
        self.clock.now += 1
        return super().loss(batch)


def test_rate_seconds_and_time_left(clock):
    told = list(learn(Slow(clock), ones, None, plain()))
    assert [p.seconds for p in told] == [1, 2, 3, 4]
    assert [p.rate for p in told] == [1, 1, 1, 1]
    assert [p.remaining for p in told] == [3, 2, 1, 0]


def test_max_minutes_ends_the_epoch_early_and_validates(clock):
    line = Slow(clock)
    told = list(learn(line, ones, scripted([3.0, 2.0]), plain(max_epochs=50, max_minutes=2.5 / 60)))
    assert [p.seconds for p in told] == [1, 2, 3]
    assert [p.remaining for p in told] == [1.5, 0.5, 0]
    assert (told[-1].validation, told[-1].best_epoch) == ({"loss": 2.0}, 2)
    assert line.weight.item() == 0.875


def test_a_wrong_setting_is_refused_before_anything_runs():
    with pytest.raises(UsageError, match="max_epochs must be at least 1"):
        learn(Line(), ones, None, LoopSettings(max_epochs=0))


def test_an_epoch_without_batches_is_refused():
    with pytest.raises(UsageError, match="epoch 1 has no batches") as error:
        list(learn(Line(), lambda number: [], None, plain()))
    assert error.value.code == "E181"


def test_a_validation_without_a_loss_is_refused():
    with pytest.raises(UsageError, match='no "loss"') as error:
        list(learn(Line(), ones, lambda module: {"accuracy": 1.0}, plain()))
    assert error.value.code == "E182"


def test_the_state_is_to_be_asked_for_before_going_on():
    told = []
    for progress in learn(Line(), ones, None, plain()):
        told.append(progress)
        assert progress.state().place.update == progress.update
    for progress in told:
        with pytest.raises(UsageError, match="only until it goes on"):
            progress.state()


class Reckoned(Line):
    """Finds its gradient itself, but for batches above 3."""

    def slopes(self):
        def find(batch):
            if batch > 3:
                return None
            error = self.weight.item() * batch - 1
            self.weight.grad = torch.tensor([[2 * error * batch]])
            self.asked += 1
            return types.SimpleNamespace(loss=error**2, rows={})

        self.asked = 0
        return find


@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_module_may_find_its_gradients_itself(clip):
    settings = LoopSettings(optimizer="sgd", learning_rate=0.1, schedule="constant", clip=clip, max_epochs=2)
    told = []
    for module in (Line(), Reckoned()):
        found = learn(module, lambda epoch: [1.0, 2.0, 5.0], None, settings)
        told.append([(p.update_loss, p.gradient_norm, module.weight.item()) for p in found])
    assert module.asked == 4
    for mine, plain in zip(*reversed(told), strict=True):
        assert mine == pytest.approx(plain, rel=1e-5)
