"""torch's optimizers without what torch.compile has put around their methods.

The first call of such a method imports torch._dynamo, which takes a second, and every call costs some
microseconds more. Nothing here compiles an update.
"""

from __future__ import annotations

from inspect import unwrap
from typing import Any

import torch

_add_param_group = unwrap(torch.optim.Optimizer.add_param_group)


class Bare(torch.optim.Optimizer):
    """Put in front of an optimizer of torch's: the same methods as they were written."""

    bare_step: Any
    """The optimizer's own step."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As torch's."""
        _add_param_group(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Leave no gradient behind."""
        for weight in (weight for group in self.param_groups for weight in group["params"]):
            if set_to_none:
                weight.grad = None
            elif weight.grad is not None:
                weight.grad.zero_()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """As torch's, of an optimizer that is not differentiable."""
        self.bare_step(closure)


class Adam(Bare, torch.optim.Adam):
    """Kingma and Ba, *Adam*, 2015."""

    bare_step = unwrap(torch.optim.Adam.step)


class AdamW(Bare, torch.optim.AdamW):
    """Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019."""

    bare_step = unwrap(torch.optim.AdamW.step)


class SGD(Bare, torch.optim.SGD):
    """Steps against the gradient, with momentum."""

    bare_step = unwrap(torch.optim.SGD.step)
