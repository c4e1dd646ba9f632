"""The compiled part, if this machine could build it; without it the NumPy twins do the arithmetic."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from elman.errors import UsageError

ABI = 11
"""The version of the boundary between Python and C++; a module of another one is left alone."""

TWIN = "numpy"
"""What ``ELMAN_ISA`` says to have the plain twins do the arithmetic."""


class SlowKernelsWarning(RuntimeWarning):
    """The plain NumPy twins are in use because the compiled module is not there."""


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


class Compiled:
    """Whether the kernels do the arithmetic, and which instruction set they use."""

    def __init__(self, module: Any, missing: str) -> None:
        self.module = module
        self.missing = missing
        self.wanted = os.environ.get("ELMAN_ISA", "").lower()
        self.off = self.wanted == TWIN
        self._warned = False

    def __call__(self, *arrays: Any) -> bool:
        """Tell whether these arrays can go to the kernels: all of them float32."""
        if self.module is None or self.off:
            self._warn()
            return False
        if self.wanted and self.wanted not in self.names():
            use(self.wanted)
        return all(array.dtype == np.float32 for array in arrays)

    def names(self) -> list[str]:
        """Every path that can be chosen here, the fastest first; the last is the twins'."""
        return [*(self.module.isas() if self.module else []), TWIN]

    @property
    def path(self) -> str:
        """The path in use."""
        return TWIN if self.module is None or self.off else str(self.module.isa())

    def _warn(self) -> None:
        if self._warned or self.off:
            return
        self._warned = True
        message = f"elman runs on plain NumPy, many times slower than its kernels: {self.missing}"
        warnings.warn(message, SlowKernelsWarning, stacklevel=4)


def use(name: str) -> None:
    """Choose the arithmetic for the whole process: an instruction set, or ``"numpy"`` for the plain twins.

    The environment variable ``ELMAN_ISA`` chooses at the start.
    """
    if name not in compiled.names():
        known = ", ".join(compiled.names())
        raise UsageError(f'"{name}" is no arithmetic of this machine', code="E128", help=f"one of {known}")
    compiled.off, compiled.wanted = name == TWIN, name
    if not compiled.off:
        compiled.module.choose(name)


@contextmanager
def chosen_for_now(name: str, count: int | None = None) -> Iterator[None]:
    """Choose the arithmetic, and threads if ``count`` says how many, until the end; then all is as before."""
    before = (compiled.off, compiled.wanted, chosen[0])
    try:
        use(name)
        set_threads(chosen[0] if count is None else count)
        yield
    finally:
        compiled.off, compiled.wanted, chosen[0] = before
        if compiled.module:
            compiled.module.choose("" if compiled.wanted == TWIN else compiled.wanted)


def threads() -> int:
    """How many threads a kernel may use: ``set_threads``, else ELMAN_THREADS, else every processor.

    OMP_NUM_THREADS is respected, because programs that run many processes at once set it.
    """
    if chosen[0]:
        return chosen[0]
    for name in ("ELMAN_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdecimal():
            return max(1, int(os.environ[name]))
    return available()


def available() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def set_threads(count: int | None) -> None:
    """Let kernels use ``count`` threads; None: what the environment says. It changes the speed alone."""
    if count is not None and (isinstance(count, bool) or not hasattr(count, "__index__") or count < 1):
        raise UsageError(f"threads must be a whole number of at least 1, not {count!r}", code="E110")
    chosen[0] = count


def info() -> dict[str, Any]:
    """Which arithmetic is in use and why, what the processor can do, and the versions.

    Returns
    -------
    ``path`` ("avx512", "avx2", "neon", "scalar", "numpy"), ``paths`` (all of this machine), ``reason``,
    ``native`` (whether the compiled module is there), ``threads``, ``cpu`` ({feature: bool}; empty without
    the module), ``machine``, ``versions``.
    """
    module = compiled.module
    chosen = f"ELMAN_ISA={compiled.wanted}" if compiled.wanted else "the best that this processor has"
    return {
        "path": compiled.path,
        "paths": compiled.names(),
        "reason": compiled.missing or chosen,
        "native": module is not None,
        "threads": threads(),
        "cpu": module.cpu_features() if module else {},
        "machine": platform.machine(),
        "versions": {"numpy": np.__version__, "native": module.version if module else None},
    }


NATIVE, MISSING = load()
compiled = Compiled(NATIVE, MISSING)
chosen: list[int | None] = [None]
"""The threads that ``set_threads`` chose for the kernels, whoever calls them."""
