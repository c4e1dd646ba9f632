"""A file as bytes and as text: unpacked, decoded, and refused if it is neither."""

from __future__ import annotations

import bz2
import codecs
import difflib
import encodings.aliases
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.errors import DataError, UsageError

Parsed = tuple[dict[str, list[Any]], list[int]]
"""Columns, and the line (or row), counted from 1, at which each row begins."""

UNPACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}

MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

BINARIES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF89a": "a GIF picture",
    b"%PDF-": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"\x1f\x8b": "compressed by gzip",
    b"BZh91AY&SY": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"PAR1\x15": "a Parquet file",
    b"\x93NUMPY": "a NumPy array",
    b"SQLite format 3": "an SQLite database",
    b"\x7fELF": "a program",
}


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

    def read_bytes(self) -> bytes:
        """Read the whole file, unpacked if its name says that it is compressed."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise unreadable(self.name, error) from error
        if not self.is_packed:
            return data
        try:
            return UNPACK[self.path.suffix.lower()](data)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            reason = "cut short" if "end" in str(error).lower() else "damaged"
            message = f"{self.name} is {reason}: it cannot be unpacked"
            raise DataError(message, code="E214", help="copy or compress it again") from error

    def read_text(self) -> str:
        """Read the whole file as text."""
        return decode(self.read_bytes(), self.name, self.encoding)

    def place(self, line: int) -> str:
        """Return where ``line`` is."""
        return f"{self.name}, line {line}"


def decode(data: bytes, name: str, encoding: str | None = None) -> str:
    """Return the text of a file's bytes: by its byte order mark, else as UTF-8, unless the user knows better.

    Raises
    ------
    UsageError
        E120 if the encoding is unknown.
    DataError
        E205 if there is nothing, E207 if a byte is not text, E208 if one is NUL, E209 if it is another
        kind of file.
    """
    _refuse_binary(data, name)
    marked = next((found for mark, found in MARKS.items() if data.startswith(mark)), None)
    chosen = encoding or marked or "utf-8"
    try:
        text = data.decode(chosen).removeprefix("\ufeff")
    except UnicodeError as error:
        raise _undecodable(data, name, chosen, error) from None
    except LookupError:
        raise _unknown_encoding(chosen) from None
    if "\0" in text:
        where = f"{name}, line {line_of(text, text.index(chr(0)))}"
        help_ = "remove it; or is the file UTF-16? then --encoding utf-16"
        raise DataError(f"{name} holds a NUL byte", code="E208", where=where, help=help_)
    if not text or text.isspace():
        raise DataError(f"{name} is empty", code="E205", help="is it the right file?")
    return text


def unreadable(name: str, error: OSError) -> DataError:
    """Turn an operating system's error on reading into one clear sentence."""
    reason = (error.strerror or str(error)).lower()
    return DataError(f"cannot read {name}: {reason}", code="E202", help="check the path and its permissions")


def line_of(text: str, offset: int) -> int:
    """Return the line, counted from 1, in which the character at ``offset`` stands."""
    return len(re.findall(r"\r\n|\r|\n", text[:offset])) + 1


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


def _refuse_binary(data: bytes, name: str) -> None:
    for start, what in BINARIES.items():
        if data.startswith(start):
            help_ = (
                "save the table as CSV" if "compressed" not in what else "unpack it, or let its name say so"
            )
            raise DataError(f"{name} is {what}, not a text file", code="E209", help=help_)


def _undecodable(data: bytes, name: str, encoding: str, error: UnicodeError) -> DataError:
    message, where = f"{name} is not {_shown(encoding)}", name
    if isinstance(error, UnicodeDecodeError):
        line = line_of(data[: error.start].decode(encoding, "replace"), error.start)
        message += f": byte 0x{data[error.start]:02X} in line {line} cannot be read"
        where = f"{name}, line {line}"
    help_ = f"tried {_shown(encoding)}; name the file's own encoding, such as --encoding cp1252"
    return DataError(message, code="E207", where=where, help=help_)


def _unknown_encoding(encoding: str) -> UsageError:
    known = {*encodings.aliases.aliases, *encodings.aliases.aliases.values()}
    near = difflib.get_close_matches(encoding.lower().replace("-", "_"), sorted(known), n=1)
    help_ = f"did you mean {near[0]} ?" if near else "utf-8, utf-16, latin-1 and cp1252 are usual"
    return UsageError(f'there is no encoding "{encoding}"', code="E120", help=help_)


def _shown(encoding: str) -> str:
    return encoding.upper().removesuffix("-SIG").replace("_", "-")
