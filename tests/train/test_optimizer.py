import math

import pytest
import torch
from torch import nn

from elman.train.optimizer import (
    OPTIMIZERS,
    SCHEDULES,
    learning_rate,
    load_optimizer,
    make_optimizer,
    optimizer_tensors,
)
from elman.train.settings import LoopSettings

from .toy import epochs, same_bits, toy
from .toy import weights as weights_of


def rates(schedule, updates, warm_up=0.0, largest=1.0):
    settings = LoopSettings(schedule=schedule, learning_rate=largest, warm_up=warm_up)
    return [learning_rate(settings, update, updates) for update in range(1, updates + 1)]


def test_constant_is_constant():
    assert rates("constant", 5, 0.5, 0.25) == [0.25] * 5


def test_linear_rises_and_falls_in_a_line():
    assert rates("linear", 40, 0.05) == pytest.approx([1 / 2, 1] + [1 - step / 39 for step in range(1, 39)])
    assert rates("linear", 4) == [1, 3 / 4, 2 / 4, 1 / 4]


def test_cosine_rises_in_a_line_and_falls_as_half_a_cosine():
    expected = [1 / 2, 1] + [(1 + math.cos(math.pi * step / 39)) / 2 for step in range(1, 39)]
    assert rates("cosine", 40, 0.05) == pytest.approx(expected)


def test_onecycle_rises_from_a_twenty_fifth_as_half_a_cosine():
    rising = [1 - (24 / 25) * (1 + math.cos(math.pi * step / 3)) / 2 for step in (1, 2)]
    falling = [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    assert rates("onecycle", 10, 0.3) == pytest.approx([*rising, *falling])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("updates", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("warm_up", [0.0, 0.1, 0.3, 1.0])
def test_every_rate_is_above_zero_and_the_largest_is_the_setting(schedule, updates, warm_up):
    found = rates(schedule, updates, warm_up, 0.5)
    assert min(found) > 0
    assert max(found) == 0.5
    settings = LoopSettings(schedule=schedule, learning_rate=0.5, warm_up=warm_up)
    assert learning_rate(settings, updates + 3, updates) == found[-1]


def one_step(weight, gradient, **settings):
    """Weights after one update of size 0.1, in double precision."""
    module = nn.Module()
    module.weight = nn.Parameter(torch.tensor([[weight]], dtype=torch.float64))
    module.bias = nn.Parameter(torch.tensor([weight], dtype=torch.float64))
    module.weight.grad, module.bias.grad = (
        torch.full((1, 1), gradient).double(),
        torch.tensor([gradient]).double(),
    )
    make_optimizer(module, LoopSettings(learning_rate=0.1, **settings)).step()
    return module.weight.item(), module.bias.item()


def test_sgd_by_hand_pulls_matrices_alone_towards_zero():
    assert one_step(2.0, 3.0, optimizer="sgd", weight_decay=0.5) == pytest.approx(
        (2 - 0.1 * (3 + 0.5 * 2), 2 - 0.3)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_plain_sgd_is_the_rate_times_the_gradient_taken_away_to_the_last_bit(dtype):
    generator = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn(33, 31, generator=generator, dtype=dtype)  # noqa: E731
    module, settings = nn.Module(), LoopSettings(learning_rate=0.005, optimizer="sgd", momentum=0.0)
    module.embedding = nn.Embedding(33, 31, dtype=dtype)
    module.weight = nn.Parameter(draw())
    before, optimizer = weights_of(module), make_optimizer(module, settings)
    for weight in module.parameters():
        weight.grad = draw()
    optimizer.step()
    for name, weight in module.named_parameters():
        assert torch.equal(weight, before[name].add_(weight.grad, alpha=-0.005))
    assert optimizer_tensors(optimizer, module) == {}


def test_adamw_by_hand_decays_beside_the_step():
    assert one_step(2.0, 3.0, optimizer="adamw", weight_decay=0.5) == pytest.approx(
        (2 * (1 - 0.05) - 0.1, 2 - 0.1)
    )


def test_adam_by_hand_decays_inside_the_gradient():
    assert one_step(2.0, -3.0, optimizer="adam", weight_decay=2.0) == pytest.approx((2 - 0.1, 2 + 0.1))


def test_beta2_says_how_slowly_past_gradients_are_forgotten():
    module = nn.Module()
    module.bias = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = make_optimizer(module, LoopSettings(optimizer="adam", learning_rate=0.1, beta2=0.5))
    for gradient in (1.0, 3.0):
        module.bias.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    mean, square = (0.9 * 0.1 + 0.1 * 3) / (1 - 0.81), (0.5 * 0.5 + 0.5 * 9) / (1 - 0.25)
    assert module.bias.item() == pytest.approx(-0.1 - 0.1 * mean / math.sqrt(square))


def test_momentum_repeats_the_last_step():
    module = nn.Module()
    module.bias = nn.Parameter(torch.zeros(1))
    optimizer = make_optimizer(module, LoopSettings(optimizer="sgd", learning_rate=0.1, momentum=0.5))
    for _ in range(2):
        module.bias.grad = torch.ones(1)
        optimizer.step()
    assert module.bias.item() == pytest.approx(-0.1 - 0.1 * 1.5)


def test_frozen_weights_are_left_alone():
    module = toy()
    module.embedding.weight.requires_grad_(False)
    optimizer = make_optimizer(module, LoopSettings(weight_decay=0.01))
    learnt = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert learnt == {id(weight) for weight in module.parameters()} - {id(module.embedding.weight)}
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]


def test_embeddings_have_a_decay_of_their_own():
    module = toy()
    optimizer = make_optimizer(module, LoopSettings(weight_decay=0.25, embedding_decay=0.5))
    decay = {id(w): group["weight_decay"] for group in optimizer.param_groups for w in group["params"]}
    found = {name: decay[id(weight)] for name, weight in module.named_parameters()}
    matrices = {"layer.weight_ih_l0", "layer.weight_hh_l0", "head.weight"}
    expected = dict.fromkeys(found, 0.0) | dict.fromkeys(matrices, 0.25) | {"embedding.weight": 0.5}
    assert found == expected


def step(module, optimizer, batch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        optimizer.zero_grad()
        module.loss(batch).backward()
        optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_fresh_optimizer_goes_on_with_what_the_old_one_remembered(name):
    settings, batches = LoopSettings(optimizer=name), epochs(1)
    one = toy()
    first = make_optimizer(one, settings)
    step(one, first, batches[0])
    other = toy()
    other.load_state_dict(one.state_dict())
    second = make_optimizer(other, settings)
    remembered = {key: value.clone() for key, value in optimizer_tensors(first, one).items()}
    load_optimizer(second, other, remembered)
    for module, optimizer in ((one, first), (other, second)):
        step(module, optimizer, batches[1])
    assert same_bits(one.state_dict(), other.state_dict())
    assert same_bits(optimizer_tensors(first, one), optimizer_tensors(second, other))


def test_what_is_remembered_carries_the_parameters_names():
    module = toy()
    optimizer = make_optimizer(module, LoopSettings(optimizer="sgd"))
    step(module, optimizer, epochs(1)[0])
    found = optimizer_tensors(optimizer, module)
    assert found.keys() == {f"momentum_buffer/{name}" for name, _ in module.named_parameters()}
    with pytest.raises(KeyError, match=r"head\.scale"):
        load_optimizer(optimizer, module, {"momentum_buffer/head.scale": torch.zeros(1)})
