"""Torch's own threads for the kernels, so that they never wait for a processor on which torch's workers spin.

After every operation that torch shares out, the workers of its OpenMP (GNU's libgomp) wait for the next one
awake, for milliseconds. A second set of threads beside them would get half of each processor.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import torch

NAMES = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


def lend_threads(module: Any) -> bool:
    """Hand the compiled ``module`` the threads of the libgomp that torch has loaded; False if it has none."""
    if not torch.backends.openmp.is_available():  # type: ignore[no-untyped-call]
        return False
    for path in _candidates():
        try:
            library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
            found = [getattr(library, name) for name in NAMES]
        except (OSError, AttributeError):
            continue
        module.lend_threads(*(ctypes.cast(function, ctypes.c_void_p).value for function in found))
        return True
    return False


def _candidates() -> list[str]:
    """Where torch's packages keep their libgomp; last the system's, for a torch that was built against it."""
    if not hasattr(os, "RTLD_NOLOAD"):
        return []
    root = Path(torch.__file__).parent
    kept = [*root.glob("lib/libgomp*.so*"), *root.parent.glob("torch.libs/libgomp*.so*")]
    return [*map(str, sorted(kept)), "libgomp.so.1"]
