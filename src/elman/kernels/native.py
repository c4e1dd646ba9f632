"""The compiled part, if this machine could build it; without it the NumPy twins do the arithmetic."""

from __future__ import annotations

import platform
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

ABI = 1
"""The version of the boundary between Python and C++; a module of another one is left alone."""


def load() -> tuple[ModuleType | None, str]:
    """Import the compiled module; give it, or None and the reason."""
    try:
        native = import_module("elman.kernels._native")
    except ImportError as error:
        return None, f"the compiled module is not there ({error})"
    found = getattr(native, "abi", None)
    if found != ABI:
        return None, f"the compiled module has boundary {found}, not {ABI}: install elman again"
    return native, ""


def info() -> dict[str, Any]:
    """Which arithmetic is in use and why, what the processor can do, and the versions.

    Returns
    -------
    ``path`` ("numpy"), ``reason``, ``native`` (whether the compiled module is there), ``cpu``
    ({feature: bool}; empty without the module), ``machine``, ``versions``.
    """
    return {
        "path": "numpy",
        "reason": MISSING or "this version has no compiled arithmetic yet",
        "native": NATIVE is not None,
        "cpu": NATIVE.cpu_features() if NATIVE else {},
        "machine": platform.machine(),
        "versions": {"numpy": np.__version__, "native": NATIVE.version if NATIVE else None},
    }


NATIVE, MISSING = load()
