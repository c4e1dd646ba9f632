"""Any module with ``.loss(batch)`` becomes a better one. Knows neither data nor nn.

Importing this package is cheap: only ``loop``, ``optimizer`` and ``averaging`` need torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman.train.checkpoint import Checkpoint
    from elman.train.loop import learn
    from elman.train.progress import Progress
    from elman.train.settings import LoopSettings

__all__ = ["Checkpoint", "LoopSettings", "Progress", "learn"]

_HOMES = {"Checkpoint": "checkpoint", "LoopSettings": "settings", "Progress": "progress", "learn": "loop"}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"elman.train.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'elman.train' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
