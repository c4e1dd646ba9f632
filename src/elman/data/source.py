"""A file as bytes, block by block: unpacked, and refused if it cannot be read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from elman.data.text import decoded
from elman.errors import DataError

BLOCK = 1 << 20


class Parsed(NamedTuple):
    """A table, or some of its rows.

    Attributes
    ----------
    columns
        Name to values.
    lines
        The line (or row), counted from 1, at which each row begins.
    lists
        The columns that hold a list anywhere in the file; None: nobody has looked.
    share
        How much of the file has been read at the end of these rows, from 0 to 1; None: nobody knows.
    """

    columns: dict[str, list[Any]]
    lines: list[int]
    lists: frozenset[str] | None = None
    share: float | None = None


UNPACK: dict[str, Callable[[BinaryIO], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


class Blocks:
    """The bytes of an open file, unpacked, block by block.

    Parameters
    ----------
    file
        Where the bytes come from.
    name
        What errors call it.
    unpack
        What unpacks them; None if they are not compressed.
    """

    def __init__(self, file: BinaryIO, name: str, unpack: Callable[[BinaryIO], Any] | None = None) -> None:
        self._file, self._name, self._packed = file, name, unpack is not None
        self._bytes = file if unpack is None else unpack(file)

    def __iter__(self) -> Iterator[bytes]:
        """Read a block after another; ``DataError`` E202 or E214 if one cannot be read."""
        while block := self._read():
            yield block

    @property
    def share(self) -> float | None:
        """How much of the file has been read, from 0 to 1; None if it has no size, as a pipe."""
        try:
            status = os.fstat(self._file.fileno())
            return self._file.tell() / status.st_size if stat.S_ISREG(status.st_mode) else None
        except (OSError, ZeroDivisionError):
            return None

    def _read(self) -> bytes:
        try:
            return bytes(self._bytes.read(BLOCK))
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            if not self._packed:
                raise (unreadable(self._name, error) if isinstance(error, OSError) else error) from error
            reason = "cut short" if "end" in str(error).lower() else "damaged"
            message = f"{self._name} is {reason}: it cannot be unpacked"
            raise DataError(message, code="E214", help="copy or compress it again") from error


@dataclass(frozen=True)
class Source:
    """A file that is to be read, and how.

    Attributes
    ----------
    path
        Where it lies.
    name
        What errors call it.
    encoding, delimiter
        What the user said; None to find out.
    """

    path: Path
    name: str
    encoding: str | None = None
    delimiter: str | None = None

    @property
    def suffix(self) -> str:
        """The ending that tells the format, in small letters, that of a compression left out."""
        ending = self.path.suffix.lower()
        return Path(self.path.stem).suffix.lower() if ending in UNPACK else ending

    @property
    def is_packed(self) -> bool:
        """Whether the file is compressed."""
        return self.path.suffix.lower() in UNPACK

    @contextmanager
    def opened(self) -> Iterator[Blocks]:
        """Open the file, unpacked if its name says that it is compressed."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise unreadable(self.name, error) from error
        with file:
            yield Blocks(file, self.name, UNPACK.get(self.path.suffix.lower()))

    def read_bytes(self) -> bytes:
        """Read the whole file."""
        with self.opened() as blocks:
            return b"".join(blocks)

    def read_text(self) -> str:
        """Read the whole file as text."""
        with self.opened() as blocks:
            return "".join(self.decoded(blocks))

    def decoded(self, blocks: Blocks) -> Iterator[str]:
        """Yield the text of the file's bytes, block by block."""
        return decoded(blocks, self.name, self.encoding)

    def place(self, line: int) -> str:
        """Return where ``line`` is."""
        return f"{self.name}, line {line}"


def unreadable(name: str, error: OSError) -> DataError:
    """Turn an operating system's error on reading into one clear sentence."""
    reason = (error.strerror or str(error)).lower()
    return DataError(f"cannot read {name}: {reason}", code="E202", help="check the path and its permissions")


def check_names(names: Sequence[Any], where: str) -> None:
    """Raise ``DataError`` unless the columns have names (E213), each its own (E212)."""
    for place, name in enumerate(names, start=1):
        if not isinstance(name, str) or not name:
            help_ = "name it; or is it a row number? then write the table without (pandas: index=False)"
            raise DataError(f"column {place} has no name", code="E213", where=where, help=help_)
        first = names.index(name) + 1
        if first < place:
            message = f'columns {first} and {place} are both called "{name}"'
            raise DataError(message, code="E212", where=where, help="rename one of them")
