"""Bytes as text, block by block: decoded, cut into lines, and refused if they are no text."""

from __future__ import annotations

import codecs
import difflib
import encodings.aliases
import io
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

from elman.errors import DataError, UsageError

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

LONGEST_MARK = max(map(len, [*MARKS, *BINARIES]))

LETTERS = 1 << 22
"""Letters after which a part of a text ends, even if it has fewer rows than it may."""

_END = re.compile(r"\r\n|\r|\n")


def decode(data: bytes, name: str, encoding: str | None = None) -> str:
    """Return the text of a file's bytes, as ``decoded`` does."""
    return "".join(decoded([data], name, encoding))


def decoded(blocks: Iterable[bytes], name: str, encoding: str | None = None) -> Iterator[str]:
    """Yield the text of a file's bytes: by its byte order mark, else as UTF-8, unless the user knows better.

    A line end of two characters is never divided between two blocks.

    Raises
    ------
    UsageError
        E120 if the encoding is unknown.
    DataError
        E205 if there is nothing, E207 if a byte is not text, E208 if one is NUL, E209 if it is another
        kind of file.
    """
    begun, held = False, ""  # blank text is held: it may be all that there is
    for text in _texts(blocks, name, encoding):
        if begun:
            yield text
            continue
        held = (held + text).removeprefix("\ufeff")
        if held and not held.isspace():
            begun = True
            yield held
    if not begun:
        raise DataError(f"{name} is empty", code="E205", help="is it the right file?")


def lines(texts: Iterable[str]) -> Iterator[str]:
    """Cut a text that comes in blocks at its line ends, whichever they are; each line keeps its own."""
    held: list[str] = []
    for text in texts:
        found = list(io.StringIO(text, newline=""))
        rest = [found.pop()] if found and not found[-1].endswith(("\n", "\r")) else []
        if found and held:
            found[0] = "".join([*held, found[0]])
            held = []
        yield from found
        held += rest
    if held:
        yield "".join(held)


def plain_lines(texts: Iterable[str]) -> Iterator[str]:
    """Cut a text that comes in blocks into lines without their ends."""
    return (line.removesuffix("\n").removesuffix("\r") for line in lines(texts))


def parts(lines: Iterable[str], most: int | None) -> Iterator[list[str]]:
    """Put lines together, at most so many, and fewer if they are long; None: all at once."""
    part: list[str] = []
    letters = 0
    for line in lines:
        part.append(line)
        letters += len(line)
        if most is not None and (len(part) >= most or letters > LETTERS):
            yield part
            part, letters = [], 0
    if part:
        yield part


def line_of(text: str, offset: int) -> int:
    """Return the line, counted from 1, in which the character at ``offset`` stands."""
    return _ends(text[:offset]) + 1


def _ends(text: str) -> int:
    return text.count("\n") + (len(_END.findall(text)) - text.count("\n") if "\r" in text else 0)


def _texts(blocks: Iterable[bytes], name: str, encoding: str | None) -> Iterator[str]:
    """Decode block by block, and count the lines, so that what is wrong has its own."""
    blocks = iter(blocks)
    head = b""
    while len(head) < LONGEST_MARK and (block := next(blocks, b"")):
        head += block
    _refuse_binary(head, name)
    chosen, decoder = _decoder(head, encoding)
    line = 1
    for block, last in _with_end(head, blocks):
        state = decoder.getstate()
        try:
            text = decoder.decode(block, last)
        except UnicodeError as error:
            raise _undecodable(name, chosen, error, line, state[1]) from None
        if "\0" in text:
            where = f"{name}, line {line - 1 + line_of(text, text.index(chr(0)))}"
            help_ = "remove it; or is the file UTF-16? then --encoding utf-16"
            raise DataError(f"{name} holds a NUL byte", code="E208", where=where, help=help_)
        line += _ends(text)
        yield text


def _with_end(head: bytes, blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    yield head, False
    for block in blocks:
        yield block, False
    yield b"", True


def _decoder(head: bytes, encoding: str | None) -> tuple[str, io.IncrementalNewlineDecoder]:
    """Choose the encoding, and what decodes it block by block."""
    marked = next((found for mark, found in MARKS.items() if head.startswith(mark)), None)
    chosen = encoding or marked or "utf-8"
    try:
        with suppress(UnicodeError):
            b"0".decode(chosen)  # refuses what turns bytes into something else than text
        known = codecs.lookup(chosen).name
        if known in ("utf-16", "utf-32") and marked != known:  # without a mark they would be refused
            known += "-le" if sys.byteorder == "little" else "-be"
        return chosen, _newlines(known, "strict")
    except LookupError:
        raise _unknown_encoding(chosen) from None


def _newlines(encoding: str, errors: str) -> io.IncrementalNewlineDecoder:
    return io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors), translate=False)


def _refuse_binary(data: bytes, name: str) -> None:
    for start, what in BINARIES.items():
        if data.startswith(start):
            help_ = (
                "save the table as CSV" if "compressed" not in what else "unpack it, or let its name say so"
            )
            raise DataError(f"{name} is {what}, not a text file", code="E209", help=help_)


def _undecodable(name: str, encoding: str, error: UnicodeError, line: int, state: int) -> DataError:
    """Say which byte cannot be read; ``line`` is where its block begins, ``state`` that of the decoder."""
    message, where = f"{name} is not {_shown(encoding)}", name
    if isinstance(error, UnicodeDecodeError):
        before = _newlines(encoding, "replace")
        before.setstate((b"", state))
        line += _ends(before.decode(error.object[: error.start], True))
        message += f": byte 0x{error.object[error.start]:02X} in line {line} cannot be read"
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
