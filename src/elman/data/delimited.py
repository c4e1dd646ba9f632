"""Text with a header and cells between delimiters: CSV, TSV and the like."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from elman.data.source import Blocks, Parsed, Source, check_names
from elman.data.text import LETTERS, line_of, lines
from elman.errors import DataError, UsageError

DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 100  # rows that are looked at to find the delimiter,
SAMPLE_LETTERS = 1 << 22  # and letters at most


def read_csv(source: Source, rows: int | None = None) -> Iterator[Parsed]:
    """Read a table whose delimiter is found by looking; in parts of so many rows, or whole."""
    yield from read_delimited(source, rows, ",")


def read_tsv(source: Source, rows: int | None = None) -> Iterator[Parsed]:
    """Read a table whose cells stand between tabs; in parts of so many rows, or whole."""
    with source.opened() as blocks:
        delimiter = "\t" if source.delimiter is None else source.delimiter
        yield from parse(source.decoded(blocks), source, delimiter, rows, blocks)


def read_delimited(
    source: Source, rows: int | None, default: str | None, otherwise: str = ""
) -> Iterator[Parsed]:
    """Read a table whose delimiter is found by looking, else ``default``; if that is None, E203."""
    with source.opened() as blocks:
        texts = source.decoded(blocks)
        head = _head(texts)
        delimiter = source.delimiter
        if delimiter is None:
            delimiter = find_delimiter("".join(head)) or default
        if delimiter is None:
            raise DataError(f"{source.name} is of a kind that is not read", code="E203", help=otherwise)
        yield from parse(itertools.chain(head, texts), source, delimiter, rows, blocks)


def _head(texts: Iterator[str]) -> list[str]:
    """The first blocks: as much as is looked at to find the delimiter."""
    head: list[str] = []
    letters = 0
    while letters < SAMPLE_LETTERS and (text := next(texts, "")):
        head.append(text)
        letters += len(text)
    return head


def find_delimiter(text: str) -> str | None:
    """Return the delimiter on which the header and most of the first rows agree; None for one column.

    Delimiters within quotes do not count. Of two that do equally well the one with more columns is taken,
    then the first of ``, ; tab |``.
    """
    votes = {delimiter: _agreement(text[:SAMPLE_LETTERS], delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: votes[delimiter])
    return best if votes[best] > (0, 1) else None


def parse(
    texts: Iterable[str],
    source: Source,
    delimiter: str,
    most: int | None = None,
    blocks: Blocks | None = None,
) -> Iterator[Parsed]:
    """Cut a text that comes in blocks into columns; lines with nothing in them are left out.

    Parameters
    ----------
    most
        Rows of a part at most; None: all rows in one.
    blocks
        What the text comes from, to say how much of it has been read.

    Raises
    ------
    UsageError
        E127 if the delimiter is not one character.
    DataError
        E206 and E210 to E215, with the line.
    """
    if len(delimiter) != 1 or delimiter in '\r\n"':
        help_ = "a comma, a semicolon, a tab"
        raise UsageError(f"the delimiter must be one character, not {delimiter!r}", code="E127", help=help_)
    cells = _Cells(lines(texts), source, delimiter)
    (header,), (line,) = cells.take(1)
    names = [name.strip() for name in header]
    check_names(names, f"{source.name}, header, line {line}")
    rows, at = cells.take(most)
    if not rows:
        raise DataError(f"{source.name} has a header, but no rows", code="E206", help="is it the right file?")
    while rows:
        _check_widths(rows, at, len(names), source)
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        yield Parsed(columns, at, frozenset(), None if blocks is None else blocks.share)
        rows, at = cells.take(most)


def write_csv(
    stream: TextIO, columns: Mapping[str, Sequence[Any]], *, header: bool = True, delimiter: str = ","
) -> None:
    """Write columns below a header, so that ``read_csv`` reads the same again; None is an empty cell.

    Without ``header`` they go on below rows that stand there already.
    """
    writer = csv.writer(_Lines(stream), delimiter=delimiter)
    if header:
        writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


class _Lines:
    """Ends rows with a line feed; told to end them so itself, csv would leave a carriage return unquoted."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, row: str) -> None:
        self.stream.write(row.removesuffix("\r\n") + "\n")


class _Cells:
    """Rows of cells, one after another; the lines of a row are kept until it is whole: it may be wrong."""

    def __init__(self, lines: Iterator[str], source: Source, delimiter: str) -> None:
        self._source, self._delimiter = source, delimiter
        self._kept: list[str] = []
        self._letters = 0
        self._reader = csv.reader(self._keep(lines), delimiter=delimiter, strict=True)

    def take(self, most: int | None) -> tuple[list[list[str]], list[int]]:
        """Read the next rows and the line of each: so many, fewer if they are long, none at the end."""
        rows: list[list[str]] = []
        at: list[int] = []
        self._letters, line = 0, self._reader.line_num + 1
        with _cells_of_any_size():
            try:
                for row in self._reader:
                    self._kept.clear()
                    if row:
                        rows.append(row)
                        at.append(line)
                    line = self._reader.line_num + 1
                    if most is not None and rows and (len(rows) >= most or self._letters > LETTERS):
                        break
            except csv.Error as error:
                raise self._broken(line, error) from None
        return rows, at

    def _keep(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self._kept.append(line)
            self._letters += len(line)
            yield line

    def _broken(self, line: int, error: csv.Error) -> DataError:
        if "unexpected end" in str(error):
            where = self._source.place(line - 1 + _opening_line("".join(self._kept), self._delimiter))
            help_ = 'close it; a quote inside a quoted cell is written twice: ""'
            return DataError("a quote is opened here and never closed", code="E211", where=where, help=help_)
        where = self._source.place(self._reader.line_num)
        help_ = f'a quote inside a quoted cell is written twice: ""; this row begins in line {line}'
        message = "a quoted cell goes on behind its closing quote"
        return DataError(message, code="E215", where=where, help=help_)


@contextmanager
def _cells_of_any_size() -> Iterator[None]:
    """Take cells of any size; csv keeps that limit for the whole process."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _agreement(text: str, delimiter: str) -> tuple[int, int]:
    """Return how many of the first rows are as wide as the header, and how wide; (0, 1) for one column."""
    widths: list[int] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    with _cells_of_any_size(), suppress(csv.Error):  # told later, with its line
        for row in itertools.islice(reader, SAMPLE):
            widths.extend([len(row)] if row else [])
    if not widths or widths[0] == 1:
        return 0, 1
    return widths.count(widths[0]), widths[0]


def _check_widths(rows: list[list[str]], lines: list[int], width: int, source: Source) -> None:
    if set(map(len, rows)) == {width}:
        return
    row, line = next((row, line) for row, line in zip(rows, lines, strict=True) if len(row) != width)
    message = f"the row has {_cells(len(row))}, but the header has {width}"
    help_ = "put a cell that holds the delimiter in quotes, or fill in what is missing"
    raise DataError(message, code="E210", where=source.place(line), help=help_)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _opening_line(text: str, delimiter: str) -> int:
    """Return the line of the one quote that is never closed: where no whole cell fits any more."""
    quoted, plain = r'"[^"]*(?:""[^"]*)*"', rf'[^"{re.escape(delimiter)}\r\n][^{re.escape(delimiter)}\r\n]*'
    cell = re.compile(rf"(?:{quoted}|{plain})?(?:{re.escape(delimiter)}|\r\n|\r|\n)")
    offset = 0
    while found := cell.match(text, offset):
        offset = found.end()
    return line_of(text, offset)
