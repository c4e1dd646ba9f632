"""Plain text, one sequence a line: a file, a stream, or a folder of files whose names are the labels."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

from elman.data.source import UNPACK, Parsed, Source
from elman.errors import DataError


def lines_of(text: str) -> list[str]:
    """Cut ``text`` at its line ends, whichever they are; each line otherwise stays as it stands."""
    return [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]


def read_lines(source: Source) -> Parsed:
    """Read a text a line into the column ``text``; an empty line is an empty text."""
    texts = lines_of(source.read_text())
    return {"text": texts}, list(range(1, len(texts) + 1))


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
    return ({"text": texts, "label": labels}, lines), files


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
