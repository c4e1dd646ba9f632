"""Text with a header and cells between delimiters: CSV, TSV and the like."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from elman.data.source import Parsed, Source, check_names, line_of
from elman.errors import DataError, UsageError

DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 100  # rows that are looked at to find the delimiter,
SAMPLE_LETTERS = 1 << 22  # and letters at most


def read_csv(source: Source) -> Parsed:
    """Read a table whose delimiter is found by looking."""
    text = source.read_text()
    return parse(
        text, source, (find_delimiter(text) or ",") if source.delimiter is None else source.delimiter
    )


def read_tsv(source: Source) -> Parsed:
    """Read a table whose cells stand between tabs."""
    return parse(source.read_text(), source, "\t" if source.delimiter is None else source.delimiter)


def find_delimiter(text: str) -> str | None:
    """Return the delimiter on which the header and most of the first rows agree; None for one column.

    Delimiters within quotes do not count. Of two that do equally well the one with more columns is taken,
    then the first of ``, ; tab |``.
    """
    votes = {delimiter: _agreement(text[:SAMPLE_LETTERS], delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: votes[delimiter])
    return best if votes[best] > (0, 1) else None


def parse(text: str, source: Source, delimiter: str) -> Parsed:
    """Cut ``text`` into columns; lines with nothing in them are left out.

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
    rows, lines = _rows(text, source, delimiter)
    names = [name.strip() for name in rows[0]]
    check_names(names, f"{source.name}, header, line {lines[0]}")
    _check_widths(rows, lines, source)
    if len(rows) == 1:
        raise DataError(f"{source.name} has a header, but no rows", code="E206", help="is it the right file?")
    columns = zip(*itertools.islice(rows, 1, None), strict=True)
    return {name: list(cells) for name, cells in zip(names, columns, strict=True)}, lines[1:]


def write_csv(stream: TextIO, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns below a header, so that ``read_csv`` reads the same again; None is an empty cell."""
    writer = csv.writer(_Lines(stream))
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


class _Lines:
    """Ends rows with a line feed; told to end them so itself, csv would leave a carriage return unquoted."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, row: str) -> None:
        self.stream.write(row.removesuffix("\r\n") + "\n")


def _rows(text: str, source: Source, delimiter: str) -> tuple[list[list[str]], list[int]]:
    rows, lines, line = [], [], 1
    with _reader(text, delimiter) as reader:
        try:
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(line)
                line = reader.line_num + 1
        except csv.Error as error:
            raise _broken_quotes(text, source, delimiter, (line, reader.line_num), error) from None
    return rows, lines


@contextmanager
def _reader(text: str, delimiter: str) -> Iterator[Any]:
    """Read rows strictly and with cells of any size; csv keeps that limit for the whole process."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    finally:
        csv.field_size_limit(limit)


def _agreement(text: str, delimiter: str) -> tuple[int, int]:
    """Return how many of the first rows are as wide as the header, and how wide; (0, 1) for one column."""
    widths: list[int] = []
    with _reader(text, delimiter) as reader, suppress(csv.Error):  # told later, with its line
        for row in itertools.islice(reader, SAMPLE):
            widths.extend([len(row)] if row else [])
    if not widths or widths[0] == 1:
        return 0, 1
    return widths.count(widths[0]), widths[0]


def _check_widths(rows: list[list[str]], lines: list[int], source: Source) -> None:
    width = len(rows[0])
    if set(map(len, rows)) == {width}:
        return
    row, line = next((row, line) for row, line in zip(rows, lines, strict=True) if len(row) != width)
    message = f"the row has {_cells(len(row))}, but the header has {width}"
    help_ = "put a cell that holds the delimiter in quotes, or fill in what is missing"
    raise DataError(message, code="E210", where=source.place(line), help=help_)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _broken_quotes(
    text: str, source: Source, delimiter: str, lines: tuple[int, int], error: csv.Error
) -> DataError:
    first, last = lines
    if "unexpected end" in str(error):
        where = source.place(_opening_line(text, delimiter))
        help_ = 'close it; a quote inside a quoted cell is written twice: ""'
        return DataError("a quote is opened here and never closed", code="E211", where=where, help=help_)
    help_ = f'a quote inside a quoted cell is written twice: ""; this row begins in line {first}'
    message = "a quoted cell goes on behind its closing quote"
    return DataError(message, code="E215", where=source.place(last), help=help_)


def _opening_line(text: str, delimiter: str) -> int:
    """Return the line of the one quote that is never closed: where no whole cell fits any more."""
    quoted, plain = r'"[^"]*(?:""[^"]*)*"', rf'[^"{re.escape(delimiter)}\r\n][^{re.escape(delimiter)}\r\n]*'
    cell = re.compile(rf"(?:{quoted}|{plain})?(?:{re.escape(delimiter)}|\r\n|\r|\n)")
    offset = 0
    while found := cell.match(text, offset):
        offset = found.end()
    return line_of(text, offset)
