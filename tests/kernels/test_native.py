"""The compiled module: what it says, and what is said without it."""

import sys
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


@pytest.mark.skipif(native.NATIVE is None, reason=f"no compiled module here: {native.MISSING}")
def test_the_processors_features_are_told():
    features = kernels.info()["cpu"]
    assert list(features) == ["avx2", "fma", "avx512f", "neon"]
    assert all(type(found) is bool for found in features.values())
    if sys.platform == "linux" and kernels.info()["machine"] == "x86_64":
        flags = open("/proc/cpuinfo").read().split()  # noqa: PTH123, SIM115
        assert {name: name in flags for name in ("avx2", "fma", "avx512f")} == {
            name: features[name] for name in ("avx2", "fma", "avx512f")
        }
    if features["avx512f"]:
        assert features["avx2"]
    assert kernels.info()["versions"]["native"] == "0.1.0"
