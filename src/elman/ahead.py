"""The checksum of a sealed file, which a thread can reckon while the rest of elman is still being imported.

Nothing here needs NumPy, whose import takes about as long as the checksum of a large model.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LARGE, HUGE = 4 << 20, 1 << 29
"""Bytes of a file that is worth a thread, and of one that is not read before it is wanted."""

NUMPY_TYPES = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
"""safetensors' names of types, and NumPy's, which the checksum covers."""

MOST_HEADER_BYTES = 1 << 20
SUFFIX = ".safetensors"
Identity = tuple[int, int, int, int]
Told = tuple[str, str, list[int], Any]
"""A tensor's name, type, shape and bytes."""


class Head:
    """A file that is being read and reckoned in a thread."""

    def __init__(self, path: str, key: str, ascii_: bool) -> None:
        self.identity: Identity | None = None
        self.data: bytes | None = None
        self.checksum: str | None = None
        self._read = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(path, key, ascii_), daemon=True)
        self._thread.start()

    def _run(self, path: str, key: str, ascii_: bool) -> None:
        try:
            with Path(path).open("rb") as file:
                found = os.fstat(file.fileno())
                start, header = _start(file.read(8 + MOST_HEADER_BYTES), found.st_size)
                file.seek(0)
                self.identity, self.data = _identity(found), file.read(found.st_size)
            self._read.set()
            manifest = json.loads(header["__metadata__"][key])
            del manifest["sha256"]
            self.checksum = checksum(manifest, tensors_in(header, memoryview(self.data)[start:]), ascii_)
        except Exception:  # what is wrong with a file, its reader says
            self.checksum = None
        finally:
            self._read.set()

    def bytes_of(self, found: os.stat_result) -> bytes | None:
        """What was read, if the file is still the one that was."""
        self._read.wait()
        return self.data if self.identity == _identity(found) else None

    def result(self) -> str | None:
        """The checksum, once it is there; None if there is none."""
        self._thread.join()
        return self.checksum


_head: list[Head] = []


def begin(paths: Iterable[str], key: str, *, ascii: bool = False) -> None:  # noqa: A002
    """Begin with the first of these that looks like a large sealed file; most words of a command do not."""
    for path in paths:
        if _looks_sealed(path):
            _head[:] = [Head(path, key, ascii)]
            return


def bytes_of(found: os.stat_result) -> bytes | None:
    """The bytes of the file that ``begin`` chose, if it is this one."""
    return _head[0].bytes_of(found) if _head else None


def is_begun(data: bytes) -> bool:
    """Whether the checksum of these very bytes is on its way."""
    return bool(_head) and _head[0].data is data


def checksum_of(data: bytes) -> str | None:
    """The checksum of bytes that ``bytes_of`` gave; None if it was not reckoned. It is forgotten then."""
    return _head.pop().result() if is_begun(data) else None


def checksum(manifest: Any, tensors: Iterable[Told], ascii: bool) -> str:  # noqa: A002
    """SHA-256 of the manifest (without its own), then each tensor's name, type, shape and bytes, by name."""
    digest = hashlib.sha256(canonical(manifest, ascii).encode())
    for name, kind, shape, data in sorted(tensors, key=lambda told: told[0]):
        digest.update(canonical([name, kind, shape], ascii).encode())
        digest.update(data)
    return digest.hexdigest()


def tensors_in(header: Mapping[str, Any], data: memoryview) -> list[Told]:
    """What safetensors' header tells of the tensors, whose bytes are ``data``."""
    entries = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
    return [
        (name, NUMPY_TYPES[entry["dtype"]], entry["shape"], data[slice(*entry["data_offsets"])])
        for name, entry in entries
    ]


def canonical(value: Any, ascii: bool) -> str:  # noqa: A002
    """JSON in the one way that is hashed and written."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=ascii, allow_nan=False)


def _looks_sealed(path: str) -> bool:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and LARGE <= found.st_size <= HUGE and path.endswith(SUFFIX)


def _start(data: bytes, total: int) -> tuple[int, dict[str, Any]]:
    """Where the tensors begin, and the header before them, which must tell of as many bytes as there are."""
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise ValueError("no header")
    header: dict[str, Any] = json.loads(data[8:start])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if max(ends) != total - start:
        raise ValueError("not as long as its header tells")
    return start, header


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
