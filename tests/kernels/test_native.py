"""The compiled module: what it says, and what is said without it."""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from elman import kernels
from elman.kernels import native


def test_info_names_the_path_and_why():
    told = kernels.info()
    assert told["native"] == (native.NATIVE is not None)
    assert told["paths"][-1] == "numpy"
    assert told["path"] in told["paths"]
    assert told["threads"] == kernels.threads() >= 1
    assert told["versions"]["numpy"] == np.__version__
    if native.NATIVE is None:
        assert told["reason"].startswith("the compiled module is not there")


def test_without_the_module_the_reason_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "elman.kernels._native", None)  # importing it now fails
    module, reason = native.load()
    assert module is None
    assert reason.startswith("the compiled module is not there (")


def test_a_module_of_another_boundary_is_left_alone(monkeypatch):
    other = ModuleType("elman.kernels._native")
    other.abi = native.ABI + 1
    wanted = f"the compiled module has boundary {other.abi}, not {native.ABI}: install elman again"
    monkeypatch.setitem(sys.modules, "elman.kernels._native", other)
    assert native.load() == (None, wanted)


COMPILER = next(filter(shutil.which, ("c++", "g++", "clang++", "cl")), None)


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here, so no compiled module")
def test_the_processors_features_are_told():
    features = kernels.info()["cpu"]
    assert list(features) == ["avx2", "fma", "avx512f", "neon"]
    assert all(type(found) is bool for found in features.values())
    if sys.platform == "linux" and kernels.info()["machine"] == "x86_64":
        flags = Path("/proc/cpuinfo").read_text().split()
        for name in ("avx2", "fma", "avx512f"):
            assert features[name] == (name in flags)
        assert not features["neon"]
    assert kernels.info()["versions"]["native"] == version("elman")
