"""What the tests of the compiled kernels share."""

from __future__ import annotations

import pytest

from elman import kernels
from elman.kernels.native import compiled


@pytest.fixture
def kept():
    """Fresh memory is NaN; the path and the threads are put back."""
    path = compiled.module.isa()
    compiled.module.set_poison(True)
    yield
    compiled.module.set_poison(False)
    kernels.use(path)
    compiled.wanted = ""
    kernels.set_threads(None)
