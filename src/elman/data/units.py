"""What one step of a text reads: a character, a byte or a word."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Protocol

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
BEGIN, END = "\ufdd0", "\ufdd1"
"""Marks of where a text begins and ends: code points that Unicode keeps for such use and no text holds."""


class Unit(Protocol):
    """A way to cut a text into symbols; a symbol is a str, so is a group of them."""

    glue: str
    """What stands between the symbols of a group, and of a text that is joined again."""

    def cut(self, text: str) -> Sequence[str]:
        """Cut a text (already NFC) into its symbols."""

    def join(self, symbols: Sequence[str]) -> str:
        """Make a text of symbols."""

    def shown(self, symbol: str) -> str:
        """Return a symbol as a message names it."""

    def is_symbol(self, entry: str) -> bool:
        """Whether ``cut`` could give ``entry``."""


class Character:
    """A Unicode code point."""

    glue = ""

    def cut(self, text: str) -> Sequence[str]:
        """Cut a text into code points."""
        return text

    def join(self, symbols: Sequence[str]) -> str:
        """Make a text of code points."""
        return "".join(symbols)

    def shown(self, symbol: str) -> str:
        """Return the character itself, or its number if it cannot be printed."""
        return symbol if symbol.isprintable() else f"U+{ord(symbol):04X}"

    def is_symbol(self, entry: str) -> bool:
        """Whether ``entry`` is one code point."""
        return len(entry) == 1


class Byte:
    """A byte of the UTF-8 form, kept as the character with its number."""

    glue = ""

    def cut(self, text: str) -> Sequence[str]:
        """Cut a text into bytes."""
        return text.encode("utf-8", "surrogatepass").decode("latin-1")

    def join(self, symbols: Sequence[str]) -> str:
        """Make a text of bytes; what is not UTF-8 becomes U+FFFD."""
        data = b"".join(s.encode("utf-8" if s == UNKNOWN else "latin-1") for s in symbols)
        return data.decode("utf-8", "replace")

    def shown(self, symbol: str) -> str:
        """Return the byte's number."""
        return f"0x{ord(symbol):02X}"

    def is_symbol(self, entry: str) -> bool:
        """Whether ``entry`` is one byte."""
        return len(entry) == 1 and entry <= "\xff"


class Word:
    """A run without white space; each punctuation mark or symbol (Unicode's P and S) is a word of its own."""

    glue = " "

    def cut(self, text: str) -> Sequence[str]:
        """Cut a text into words."""
        if text.replace(" ", "").isalnum():  # nothing to break: the usual case, and quick
            return text.split()
        return "".join(f" {c} " if unicodedata.category(c)[0] in "PS" else c for c in text).split()

    def join(self, symbols: Sequence[str]) -> str:
        """Make a text of words, with a blank between them."""
        return " ".join(symbols)

    def shown(self, symbol: str) -> str:
        """Return the word itself."""
        return symbol

    def is_symbol(self, entry: str) -> bool:
        """Whether ``entry`` is one word."""
        return self.cut(entry) == [entry]


UNITS: dict[str, Unit] = {"character": Character(), "byte": Byte(), "word": Word()}
