"""A table: named columns, and for every row the line that it came from."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

from elman.data.delimited import read_csv, read_delimited, read_tsv
from elman.data.frames import columns_of
from elman.data.jsonlines import read_jsonl
from elman.data.lines import read_folder, read_lines, text_lines
from elman.data.npz import read_npz
from elman.data.parquet import read_parquet
from elman.data.source import UNPACK, Blocks, Parsed, Source, unreadable
from elman.errors import DataError

PART = 8192
"""Rows of a part, unless they are long."""


@dataclass(frozen=True)
class Table:
    """Named columns of one length; texts stand there exactly as in the file.

    Attributes
    ----------
    columns
        Name to values.
    lines
        For each row its line in the file, counted from 1; for an object from memory its number, from 1.
    source
        What errors call the file.
    files
        For each row its file, if there are several.
    counted
        What ``lines`` counts: "line" or "row".
    lists
        Of a part of a file: the columns that hold a list anywhere in it.
    """

    columns: dict[str, list[Any]]
    lines: list[int]
    source: str
    files: list[str] | None = None
    counted: str = "line"
    lists: frozenset[str] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    @classmethod
    def read(cls, path: str | Path, *, encoding: str | None = None, delimiter: str | None = None) -> Self:
        """Read a file by its ending, or a folder of text files whose names are the labels.

        ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``, ``.npz``, ``.parquet`` and ``.txt`` are read, each also
        with ``.gz``, ``.bz2`` or ``.xz`` behind it; any other file if it looks like CSV.

        Parameters
        ----------
        path
            A file or a folder.
        encoding
            Of a text; None: by its byte order mark, else UTF-8.
        delimiter
            Of a CSV; None: found by looking.

        Raises
        ------
        UsageError
            E120 or E127, if ``encoding`` or ``delimiter`` cannot be meant.
        DataError
            E200 to E224: one sentence that names the file, the line and what to do; see ``elman.data.codes``.
        """
        ((table, _),) = cls.parts(path, None, encoding=encoding, delimiter=delimiter)
        return table

    @classmethod
    def parts(
        cls,
        path: str | Path,
        rows: int | None = PART,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
    ) -> Iterator[tuple[Self, float | None]]:
        """Read a file as ``read`` does, part after part, so that it may be larger than the memory.

        Put together the parts are what ``read`` gives. A folder comes whole; a ``.npz`` is in memory whole,
        as arrays.

        Parameters
        ----------
        rows
            Rows of a part at most; fewer if they are long. None: all in one.

        Yields
        ------
        tuple
            The next rows, and how much of the file has been read, from 0 to 1 (None: nobody knows).

        Raises
        ------
        UsageError, DataError
            As ``read``, when the part comes that is wrong.
        """
        path = Path(path)
        try:
            if path.is_dir():
                yield cls._read_folder(path, encoding), 1.0
                return
            if not path.exists():
                raise _no_such_file(path)
            again = path.is_file()
        except OSError as error:
            raise unreadable(str(path), error) from error
        source = Source(path, path.name, encoding, delimiter)
        counted = "row" if source.suffix in (".npz", ".parquet") else "line"
        whole = source.suffix in TWICE and not again
        for part in READERS.get(source.suffix, _read_unknown)(source, None if whole else rows):
            yield cls(part.columns, part.lines, source.name, None, counted, part.lists), part.share

    @classmethod
    def _read_folder(cls, folder: Path, encoding: str | None) -> Self:
        folder = folder.absolute()  # so that "." has a name
        found, files = read_folder(folder, encoding)
        return cls(found.columns, found.lines, f"{folder.name}/", files)

    @classmethod
    def from_frame(cls, frame: Any, source: str = "the table") -> Self:
        """Take a DataFrame of pandas or polars, an Arrow table, or a dict of columns."""
        found = columns_of(frame, source)
        return cls(found.columns, found.lines, source, counted="row")

    def column(self, name: str) -> list[Any]:
        """Return the values of a column.

        Raises
        ------
        DataError
            E201 if there is none of that name.
        """
        if name in self.columns:
            return self.columns[name]
        near = _nearest(name, self.columns)
        help_ = f"did you mean {near} ?" if near else "choose one of these columns"
        where = f"{self.source}, header: {', '.join(self.columns)}"
        raise DataError(f'column "{name}" is not in {self.source}', code="E201", where=where, help=help_)

    def holds_lists(self, name: str) -> bool:
        """Whether a value of a column is a list, here or in another part of the file."""
        values = self.column(name)
        if self.lists is not None:
            return name in self.lists
        return any(isinstance(value, (list, tuple, np.ndarray)) for value in values)

    def take(self, rows: Iterable[int]) -> Self:
        """Return the table of these rows (numbered from 0), in this order."""
        chosen = np.asarray(list(rows), dtype=np.int64).tolist()
        columns = {name: [values[row] for row in chosen] for name, values in self.columns.items()}
        files = self.files and [self.files[row] for row in chosen]
        lines = [self.lines[row] for row in chosen]
        return type(self)(columns, lines, self.source, files, self.counted, self.lists)

    def place(self, row: int, column: str | None = None) -> str:
        """Return where a row (numbered from 0) stands: ``names.csv, line 7, column name``."""
        file = self.files[row] if self.files else self.source
        return f"{file}, {self.counted} {self.lines[row]}" + (f", column {column}" if column else "")


def read_stream(stream: TextIO, column: str = "text", encoding: str | None = None) -> Table:
    """Read a text a line, from standard input say; an empty line is an empty text.

    Raises
    ------
    DataError
        E205, E207 or E208, as for a file.
    """
    ((table, _),) = stream_parts(stream, None, column, encoding)
    return table


def stream_parts(
    stream: TextIO, rows: int | None = PART, column: str = "text", encoding: str | None = None
) -> Iterator[tuple[Table, float | None]]:
    """Read as ``read_stream`` does, part after part, each with how much has been read."""
    data = getattr(stream, "buffer", None)
    blocks = Blocks(data or io.BytesIO(stream.read().encode("utf-8", "surrogateescape")), "stdin")
    for part in text_lines(blocks, "stdin", column, encoding, rows):
        yield Table(part.columns, part.lines, "stdin", lists=part.lists), part.share


def _read_unknown(source: Source, rows: int | None = None) -> Iterator[Parsed]:
    """Read a file with another ending, if it is a table that could be nothing else than CSV."""
    kinds = ", ".join(READERS)
    read = f"these are read: {kinds}, each also with {' '.join(UNPACK)}; and a folder of .txt files"
    return read_delimited(source, rows, None, read)


def _no_such_file(path: Path) -> DataError:
    folder = path.parent
    if not folder.is_dir():
        message = f"there is no file {path}, nor a folder {folder}"
        return DataError(message, code="E200", help="check the path")
    near = _nearest(path.name, [item.name for item in folder.iterdir()])
    help_ = f"did you mean {folder / near} ?" if near else "check the path"
    return DataError(f"there is no file {path}", code="E200", help=help_)


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that is most like ``name``, capitals aside."""
    folded = {each.casefold(): each for each in names}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    return folded[near[0]] if near else None


READERS: dict[str, Callable[[Source, int | None], Iterator[Parsed]]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".npz": read_npz,
    ".parquet": read_parquet,
    ".txt": read_lines,
}

TWICE = (".jsonl", ".ndjson")
"""Endings of what is read twice to come in parts, so not of a pipe."""
