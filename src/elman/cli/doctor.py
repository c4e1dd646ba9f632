"""``elman doctor``: what elman runs on here, and what is missing."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from typing import Any

from elman import __version__, kernels
from elman.cli.output import print_json

LIBRARIES = {
    "numpy": "",
    "safetensors": "",
    "rich": "",
    "torch": "train",
    "scikit-learn": "train",
    "faker": "demo",
    "matplotlib": "plot",
    "pyarrow": "parquet",
    "onnx": "export",
    "onnxruntime": "export",
}
"""What elman can use, and the extra that adds it (none: always there)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no arguments: there is nothing to choose."""


def run(arguments: argparse.Namespace) -> int:
    """Run the command; 1 if something that is always needed is missing."""
    versions = {name: _version(name) for name in LIBRARIES}
    facts: dict[str, Any] = {
        "elman": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "kernels": kernels.info(),
        "libraries": versions,
    }
    broken = [name for name, extra in LIBRARIES.items() if not extra and versions[name] is None]
    if arguments.json:
        print_json(facts)
    else:
        _print(facts)
    return 1 if broken else 0


def _print(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        if not isinstance(value, dict):
            print(f"{name + ':':<14}{value}")
    for name, value in facts["kernels"].items():
        print(f"{'kernels':<8}{name + ':':<14}{value if value not in (None, '') else '-'}")
    for name, version in facts["libraries"].items():
        missing = f'not installed; pip install "elman[{LIBRARIES[name]}]" adds it'
        print(f"{name + ':':<14}{version or missing}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
