"""Rows as a result: CSV or JSON Lines, to stdout, or to a file, whole or not at all."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from elman.cli.output import say
from elman.data.delimited import write_csv
from elman.errors import UsageError
from elman.files import check_writable, write_whole


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the rows go."""
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write here instead of stdout, whole or not at all"
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


def write_rows(arguments: argparse.Namespace, columns: Mapping[str, Sequence[Any]]) -> None:
    """Print the rows of ``columns``, or write them to the file that was asked for."""
    stream = io.StringIO() if arguments.output else sys.stdout
    (write_json if arguments.json else write_csv)(stream, columns)
    if isinstance(stream, io.StringIO):
        write_whole(arguments.output, stream.getvalue().encode())
        say(f"written: {arguments.output}")


def write_json(stream: TextIO, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns as JSON Lines: an object for each row."""
    for row in zip(*columns.values(), strict=True):
        stream.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, default=str) + "\n")
