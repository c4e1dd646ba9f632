"""elman: learn a recurrent network from sequences, run it one step at a time, carry it anywhere.

The public names stand in the order in which data meets them. Importing elman is cheap: each name is
loaded when it is first used, and only learning needs torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman import cells, data, nn, ops
    from elman.errors import ElmanError
    from elman.models.estimators import SequenceClassifier, SequenceRegressor
    from elman.models.generator import SequenceGenerator
    from elman.models.model import Model
    from elman.models.number_estimators import SequenceForecaster, SequenceTagger
    from elman.models.saving import load

__version__ = "0.1.0"

__all__ = [
    "ElmanError",
    "Model",
    "SequenceClassifier",
    "SequenceForecaster",
    "SequenceGenerator",
    "SequenceRegressor",
    "SequenceTagger",
    "cells",
    "data",
    "load",
    "nn",
    "ops",
]

_HOMES = {
    "ElmanError": "elman.errors",
    "Model": "elman.models.model",
    "SequenceClassifier": "elman.models.estimators",
    "SequenceForecaster": "elman.models.number_estimators",
    "SequenceGenerator": "elman.models.generator",
    "SequenceRegressor": "elman.models.estimators",
    "SequenceTagger": "elman.models.number_estimators",
    "load": "elman.models.saving",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"elman.{name}")
    raise AttributeError(f"module 'elman' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
