"""What a test needs of the machine that it runs on."""

from __future__ import annotations

import pytest

from elman.kernels.native import compiled

needs_kernels = pytest.mark.skipif(compiled.module is None, reason="no compiled kernels here")
