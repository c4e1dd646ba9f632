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
    assert told["path"] == "numpy"
    assert told["native"] == (native.NATIVE is not None)
    assert told["versions"]["numpy"] == np.__version__
    missing = "the compiled module is not there"
    expected = "this version has no compiled arithmetic yet" if native.NATIVE else missing
    assert told["reason"].startswith(expected)


def test_without_the_module_the_reason_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "elman.kernels._native", None)  # importing it now fails
    module, reason = native.load()
    assert module is None
    assert reason.startswith("the compiled module is not there (")


def test_a_module_of_another_boundary_is_left_alone(monkeypatch):
    other = ModuleType("elman.kernels._native")
    other.abi = native.ABI + 1
    monkeypatch.setitem(sys.modules, "elman.kernels._native", other)
    assert native.load() == (None, "the compiled module has boundary 2, not 1: install elman again")


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
