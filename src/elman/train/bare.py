"""torch's optimizers without what torch.compile has put around their methods.

The first call of such a method imports torch._dynamo, which takes a second, and every call costs some
microseconds more. Nothing here compiles an update.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from types import MethodType
from typing import Any, cast

import torch


class Bare(torch.optim.Optimizer):
    """Put in front of an optimizer of torch's: the same methods as they were written."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As torch's."""
        _bare(super().add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """As torch's."""
        _bare(super().zero_grad)(self, set_to_none)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """As torch's, of an optimizer that is not differentiable."""
        _bare(super().step)(self, closure)


class Adam(Bare, torch.optim.Adam):
    """Kingma and Ba, *Adam*, 2015."""


class AdamW(Bare, torch.optim.AdamW):
    """Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019."""


class SGD(Bare, torch.optim.SGD):
    """Steps against the gradient, with momentum."""


def _bare(method: Callable[..., Any]) -> Callable[..., Any]:
    function: Callable[..., Any] = unwrap(cast(MethodType, method).__func__)
    return function
