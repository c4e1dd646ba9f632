"""Put elman's layers in the place of torch.nn's inside somebody's model."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from elman.nn.layers import GRU, LSTM, RNN
from elman.nn.steps import GRUCell, LSTMCell, RNNCell


class LeftAlone(UserWarning):
    """Modules that ``replace`` did not swap, each with its reason."""


def replace(module: nn.Module) -> nn.Module:
    """Swap every recurrent module of torch.nn in ``module`` for elman's, which computes the same, faster.

    The weights are the same ``Parameter`` objects, so an optimizer goes on; a module that stands in several
    places is swapped once. Subclasses, modules with hooks or parametrizations and LSTMs with a projection are
    left as they are, and listed in a ``LeftAlone`` warning.

    Returns
    -------
    torch.nn.Module
        ``module``, changed in place; if it is itself one of torch's recurrent modules, the new one.
    """
    made: dict[int, nn.Module] = {}
    left: dict[str, str] = {}
    for name, part in list(module.named_modules(remove_duplicate=False)):
        if not isinstance(part, (nn.RNNBase, nn.RNNCellBase)):
            continue
        reason = "" if id(part) in made else _reason(part)
        if reason:
            left[name or "the module itself"] = reason
            continue
        if id(part) not in made:
            made[id(part)] = _swap(part)
        if name:
            _put(module, name, made[id(part)])
    if left:
        listed = "; ".join(f"{name} ({reason})" for name, reason in left.items())
        warnings.warn(f"elman.nn.replace left alone: {listed}", LeftAlone, stacklevel=2)
    return made.get(id(module), module)


def _reason(part: nn.Module) -> str:
    if type(part) not in SWAPS:
        return f"it is a {type(part).__name__}, which may do more than torch's own"
    if parametrize.is_parametrized(part):
        return "its weights are parametrized"
    if any(getattr(part, hooks) for hooks in HOOKS):
        return "it has hooks"
    if getattr(part, "proj_size", 0):
        return "it has a projection, which is torch's own here too"
    return ""


def _swap(part: Any) -> nn.Module:
    """An elman module with the very parameters, mode and settings of ``part``."""
    kind = SWAPS[type(part)]
    options: dict[str, Any] = {"bias": part.bias, "device": "meta"}
    if isinstance(part, nn.RNNBase):
        options |= {"num_layers": part.num_layers, "batch_first": part.batch_first, "dropout": part.dropout,
                    "bidirectional": part.bidirectional}  # fmt: skip
    if hasattr(part, "nonlinearity"):
        options["nonlinearity"] = part.nonlinearity
    ours: nn.Module = kind(part.input_size, part.hidden_size, **options)
    for name, weight in part.named_parameters():
        ours.register_parameter(name, weight)
    ours.train(part.training)
    return ours


def _put(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(module.get_submodule(parent), own, part)


SWAPS: dict[type[nn.Module], Any] = {
    nn.RNN: RNN, nn.LSTM: LSTM, nn.GRU: GRU,
    nn.RNNCell: RNNCell, nn.LSTMCell: LSTMCell, nn.GRUCell: GRUCell,
}  # fmt: skip
HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
)  # fmt: skip
