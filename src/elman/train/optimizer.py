"""The rule of the updates and the size of each, from the settings."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from elman.train.bare import SGD, Adam, AdamW
from elman.train.resting import RestingAdamW, rests
from elman.train.settings import LoopSettings
from elman.train.weights import Weights

Schedule = Callable[[float, float], float]
"""Share of the learning rate, from how much of the rise and of the fall is done (both 0 to 1)."""

BETA1 = 0.9
ONE_CYCLE_START = 1 / 25


def make_optimizer(module: nn.Module, settings: LoopSettings) -> torch.optim.Optimizer:
    """Build the optimizer of ``module``'s learnable parameters; biases and scales never decay.

    Embeddings have a decay of their own: the rare ones, met a few times only, would else be learnt by heart.
    """
    learnable = [weight for weight in module.parameters() if weight.requires_grad]
    embeddings = [part for part in module.modules() if isinstance(part, nn.Embedding)]
    tables = {id(part.weight) for part in embeddings}
    matrices = [w for w in learnable if w.ndim > 1 and id(w) not in tables]
    groups = [
        {"params": [w for w in learnable if id(w) in tables], "weight_decay": _table_decay(settings)},
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": [w for w in learnable if w.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    resting = [part for part in embeddings if rests(part)]
    if settings.optimizer == "adamw" and resting and not settings.averaging:  # an average reads all rows
        return RestingAdamW(groups, resting, lr=settings.learning_rate, betas=(BETA1, settings.beta2))
    return OPTIMIZERS[settings.optimizer](groups, settings)


def _table_decay(settings: LoopSettings) -> float:
    """Decay embeddings with adamw only: within the gradient of the others it would be far stronger."""
    return settings.embedding_decay if settings.optimizer == "adamw" else 0.0


def learning_rate(settings: LoopSettings, update: int, updates: int) -> float:
    """Size of update ``update``, from 1, of ``updates`` planned ones: never 0; later ones are as the last."""
    update, top = min(update, updates), max(1, math.ceil(settings.warm_up * updates))
    risen, fallen = min(1.0, update / top), max(0, update - top) / (updates - top + 1)
    return settings.learning_rate * SCHEDULES[settings.schedule](risen, fallen)


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
    betas = (BETA1, settings.beta2)
    return Adam(groups, lr=settings.learning_rate, betas=betas, fused=True)


def _adamw(groups: list[dict[str, object]], settings: LoopSettings) -> torch.optim.Optimizer:
    betas = (BETA1, settings.beta2)
    return AdamW(groups, lr=settings.learning_rate, betas=betas, fused=True)


def _sgd(groups: list[dict[str, object]], settings: LoopSettings) -> torch.optim.Optimizer:
    return SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, fused=True)


def _constant(risen: float, fallen: float) -> float:
    return 1.0


def _linear(risen: float, fallen: float) -> float:
    """Rise and fall in straight lines."""
    return risen if risen < 1 else 1 - fallen


def _cosine(risen: float, fallen: float) -> float:
    """Rise in a straight line, fall as half a cosine (Loshchilov and Hutter, *SGDR*, 2017)."""
    return risen if risen < 1 else _half_cosine(fallen)


def _onecycle(risen: float, fallen: float) -> float:
    """Rise from 1/25 and fall, both as half a cosine (Smith and Topin, *Super-Convergence*, 2018)."""
    if risen < 1:
        return 1 - (1 - ONE_CYCLE_START) * _half_cosine(risen)
    return _half_cosine(fallen)


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
