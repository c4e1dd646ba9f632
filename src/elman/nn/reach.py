"""Whether the kernels can take torch's tensors as they are."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.kernels.native import compiled

transformed = torch._C._are_functorch_transforms_active
"""Whether ``torch.func`` is at work, whose tensors are not what they seem."""


def reached(*tensors: Tensor) -> bool:
    """Whether the kernels are there and reach these: float32 on the CPU, and no ``torch.func`` at work."""
    if compiled.module is None or compiled.off or transformed():
        return False
    return all(a.is_cpu and a.dtype == torch.float32 for a in tensors)
