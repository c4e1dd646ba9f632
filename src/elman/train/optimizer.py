"""The rule of the updates and the size of each, from the settings."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from elman.train.settings import LoopSettings
from elman.train.weights import Weights

Schedule = Callable[[int, int], float]
WARM_UP = 0.05
ONE_CYCLE_WARM_UP = 0.3
ONE_CYCLE_START = 1 / 25


def make_optimizer(module: nn.Module, settings: LoopSettings) -> torch.optim.Optimizer:
    """Build the optimizer of ``module``'s learnable parameters; matrices decay, biases and scales do not."""
    learnable = [weight for weight in module.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in learnable if w.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [w for w in learnable if w.ndim <= 1], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[settings.optimizer]([group for group in groups if group["params"]], settings)


def learning_rate(settings: LoopSettings, update: int, updates: int) -> float:
    """Size of update number ``update``, from 1, of ``updates`` planned ones; later ones are as the last."""
    return settings.learning_rate * SCHEDULES[settings.schedule](min(update, updates), updates)


def optimizer_tensors(optimizer: torch.optim.Optimizer, module: nn.Module) -> Weights:
    """What the optimizer remembers, as ``kind/parameter name``."""
    names = _names(optimizer, module)
    remembered = optimizer.state_dict()["state"]
    return {
        f"{kind}/{names[number]}": value
        for number, kinds in remembered.items()
        for kind, value in kinds.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: torch.optim.Optimizer, module: nn.Module, tensors: Weights) -> None:
    """Give back what ``optimizer_tensors`` took; ``KeyError`` for a parameter that is not there."""
    numbers = {name: number for number, name in enumerate(_names(optimizer, module))}
    remembered: dict[int, Weights] = {}
    for key, value in tensors.items():
        kind, _, name = key.partition("/")
        remembered.setdefault(numbers[name], {})[kind] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": remembered})


def _names(optimizer: torch.optim.Optimizer, module: nn.Module) -> list[str]:
    """Names of the parameters in the optimizer's own order."""
    names = {id(weight): name for name, weight in module.named_parameters()}
    return [names[id(weight)] for group in optimizer.param_groups for weight in group["params"]]


def _adam(groups: list[dict[str, object]], settings: LoopSettings) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=settings.learning_rate, fused=True)


def _adamw(groups: list[dict[str, object]], settings: LoopSettings) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def _sgd(groups: list[dict[str, object]], settings: LoopSettings) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, fused=True)


def _constant(update: int, updates: int) -> float:
    return 1.0


def _linear(update: int, updates: int) -> float:
    """Rise over the first twentieth of the updates, then fall in a straight line."""
    risen, fallen = _phases(update, updates, WARM_UP)
    return risen if risen < 1 else 1 - fallen


def _cosine(update: int, updates: int) -> float:
    """Rise over the first twentieth, then fall as half a cosine (Loshchilov and Hutter, *SGDR*, 2017)."""
    risen, fallen = _phases(update, updates, WARM_UP)
    return risen if risen < 1 else _half_cosine(fallen)


def _onecycle(update: int, updates: int) -> float:
    """Rise from 1/25 over three tenths, then fall; both as half a cosine (Smith and Topin, 2018)."""
    risen, fallen = _phases(update, updates, ONE_CYCLE_WARM_UP)
    if risen < 1:
        return 1 - (1 - ONE_CYCLE_START) * _half_cosine(risen)
    return _half_cosine(fallen)


def _phases(update: int, updates: int, warm_up: float) -> tuple[float, float]:
    """How much of the rise and of the fall is done; the last update is never of size 0."""
    top = max(1, math.ceil(warm_up * updates))
    return min(1.0, update / top), max(0, update - top) / (updates - top + 1)


def _half_cosine(done: float) -> float:
    """Fall from 1 to 0 as ``done`` rises from 0 to 1."""
    return (1 + math.cos(math.pi * done)) / 2


OPTIMIZERS = {"adam": _adam, "adamw": _adamw, "sgd": _sgd}
SCHEDULES: dict[str, Schedule] = {
    "constant": _constant,
    "linear": _linear,
    "cosine": _cosine,
    "onecycle": _onecycle,
}
