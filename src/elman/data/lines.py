"""Plain text, one sequence a line: a file, a stream, or a folder of files whose names are the labels."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from elman.data.source import UNPACK, Blocks, Parsed, Source
from elman.data.text import decoded, parts, plain_lines
from elman.errors import DataError


def lines_of(text: str) -> list[str]:
    """Cut ``text`` at its line ends, whichever they are; each line otherwise stays as it stands."""
    return list(plain_lines([text]))


def read_lines(source: Source, rows: int | None = None) -> Iterator[Parsed]:
    """Read a text a line into the column ``text``; in parts of so many rows, or whole."""
    with source.opened() as blocks:
        yield from text_lines(blocks, source.name, "text", source.encoding, rows)


def text_lines(
    blocks: Blocks, name: str, column: str, encoding: str | None, rows: int | None
) -> Iterator[Parsed]:
    """Cut a text into lines, each a row of one column; an empty line is an empty text."""
    done = 0
    for texts in parts(plain_lines(decoded(blocks, name, encoding)), rows):
        yield Parsed({column: texts}, list(range(done + 1, done + len(texts) + 1)), frozenset(), blocks.share)
        done += len(texts)


def read_folder(folder: Path, encoding: str | None = None) -> tuple[Parsed, list[str]]:
    """Read every text file of ``folder`` into the columns ``text`` and ``label``.

    A file's name without its ending is the label; files come in the order of their names. Empty lines, hidden
    files and files of other kinds are left out.

    Returns
    -------
    tuple
        Columns and lines, and for each row the file that it comes from.

    Raises
    ------
    DataError
        E204 if there are no text files, E224 if two of them give the same label.
    """
    texts: list[str] = []
    labels: list[str] = []
    lines: list[int] = []
    files: list[str] = []
    for label, source in _labelled(folder, encoding).items():
        rows = [
            (line, text) for line, text in enumerate(lines_of(source.read_text()), start=1) if text.strip()
        ]
        lines.extend(line for line, _ in rows)
        texts.extend(text for _, text in rows)
        labels.extend([label] * len(rows))
        files.extend([source.name] * len(rows))
    return Parsed({"text": texts, "label": labels}, lines, frozenset()), files


def _labelled(folder: Path, encoding: str | None) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for path in sorted(folder.iterdir()):
        source = Source(path, f"{folder.name}/{path.name}", encoding)
        if source.suffix != ".txt" or path.name.startswith(".") or not path.is_file():
            continue
        label = _label(path)
        if label in found:
            message = f'{found[label].name} and {source.name} both give the label "{label}"'
            raise DataError(message, code="E224", help="rename one of them, or put them together")
        found[label] = source
    if not found:
        help_ = "it should hold a file for each label, such as Polish.txt, with a text on each line"
        raise DataError(f"there is no .txt file in the folder {folder.name}", code="E204", help=help_)
    return found


def _label(path: Path) -> str:
    stem = path.stem if path.suffix.lower() in UNPACK else path.name
    return unicodedata.normalize("NFC", Path(stem).stem)  # some file systems take letters apart
