"""Rows as a result: CSV, TSV, JSON Lines or Parquet, to stdout, or to a file, whole or not at all."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from elman.cli.output import say
from elman.data.delimited import write_csv
from elman.data.parquet import check_pyarrow
from elman.errors import UsageError
from elman.files import check_writable, whole_file

Write = Callable[[Mapping[str, Sequence[Any]]], None]
"""Writes the next rows, given as columns."""

Opened = Callable[[BinaryIO], AbstractContextManager[Write]]
"""Makes of an open file what writes rows to it."""


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the rows go."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write here instead of stdout, whole or not at all: .csv, .tsv, .jsonl or .parquet",
    )
    parser.add_argument("--force", action="store_true", help="write over what is there")


def check_output(arguments: argparse.Namespace) -> None:
    """Refuse, before any work, a file that cannot be written, or that is there already."""
    if arguments.output is None:
        return
    path = Path(arguments.output)
    check_writable(path)
    if path.exists() and not arguments.force:
        raise UsageError(f"{path} exists already", code="E115", help="--force writes over it")
    if path.suffix.lower() == ".parquet":
        check_pyarrow("writing a Parquet file")


def write_rows(arguments: argparse.Namespace, columns: Mapping[str, Sequence[Any]]) -> None:
    """Print the rows of ``columns``, or write them to the file that was asked for."""
    with row_writer(arguments) as write:
        write(columns)


@contextmanager
def row_writer(arguments: argparse.Namespace) -> Iterator[Write]:
    """Open what the rows go to, and give what writes the next of them: in the format of the file's ending.

    With another ending, or on stdout, that is CSV, or JSON Lines with ``--json``.
    """
    otherwise = _json_lines if arguments.json else _csv
    if arguments.output is None:
        yield otherwise(sys.stdout)
        return
    opened: Opened = WRITERS.get(Path(arguments.output).suffix.lower()) or partial(_text, otherwise)
    with whole_file(arguments.output) as file, opened(file) as write:
        yield write
    say(f"written: {arguments.output}")


def write_json(stream: TextIO, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns as JSON Lines: an object for each row."""
    for row in zip(*columns.values(), strict=True):
        stream.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, default=str) + "\n")


def _json_lines(stream: TextIO) -> Write:
    return partial(write_json, stream)


def _csv(stream: TextIO) -> Write:
    return _delimited(stream, ",")


def _tsv(stream: TextIO) -> Write:
    return _delimited(stream, "\t")


def _delimited(stream: TextIO, delimiter: str) -> Write:
    """Write a header, and below it the rows of every call."""
    headers = iter([True])

    def write(columns: Mapping[str, Sequence[Any]]) -> None:
        write_csv(stream, columns, header=next(headers, False), delimiter=delimiter)

    return write


@contextmanager
def _text(kind: Callable[[TextIO], Write], file: BinaryIO) -> Iterator[Write]:
    stream = io.TextIOWrapper(file, "utf-8", newline="")
    try:
        yield kind(stream)
    finally:
        stream.detach()


@contextmanager
def _parquet(file: BinaryIO) -> Iterator[Write]:
    from elman.data.parquet_rows import ParquetRows

    with ParquetRows(file) as rows:
        yield rows.write


WRITERS: dict[str, Opened] = {
    ".csv": partial(_text, _csv),
    ".tsv": partial(_text, _tsv),
    ".jsonl": partial(_text, _json_lines),
    ".ndjson": partial(_text, _json_lines),
    ".parquet": _parquet,
}
"""How the rows are written, by the ending of the file."""
