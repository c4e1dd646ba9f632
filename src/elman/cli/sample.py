"""``elman sample``: write a built-in sample as a file, and say how to learn from it."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

from elman.cli.output import print_json, say
from elman.data.delimited import write_csv
from elman.data.library import LIBRARY, Sample
from elman.data.table import Table
from elman.errors import UsageError
from elman.files import check_writable, write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help=f"one of {', '.join(LIBRARY)}; none: list them"
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", default=".", help="where to write (default: here)"
    )
    parser.add_argument("--force", action="store_true", help="write over what is there")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.name is None:
        list_samples(arguments.json)
        return 0
    if arguments.name not in LIBRARY:
        message = f'there is no sample "{arguments.name}"'
        raise UsageError(message, code="E119", help=f"one of {', '.join(LIBRARY)}")
    sample = LIBRARY[arguments.name]
    paths = write(arguments.name, sample, Path(arguments.output), force=arguments.force)
    command = command_of(sample, paths)
    if arguments.json:
        print_json({"files": [str(path) for path in paths.values()], "command": command, **about(sample)})
        return 0
    for path in paths.values():
        say(f"written: {path}")
    say(f"source: {sample.source}; licence: {sample.licence}")
    print(command)
    return 0


def list_samples(as_json: bool) -> None:
    """Say which samples there are."""
    if as_json:
        print_json({"samples": {name: about(sample) for name, sample in LIBRARY.items()}})
        return
    for name, sample in LIBRARY.items():
        print(f"{name:<18}{sample.task:<10}{sample.sentence}")


def about(sample: Sample) -> dict[str, str]:
    """What a program asks of a sample."""
    return {name: getattr(sample, name) for name in ("task", "sentence", "source", "licence", "options")}


def command_of(sample: Sample, paths: dict[str, Path]) -> str:
    """The command that learns from it."""
    test = f" --test {paths['test']}" if "test" in paths else ""
    return f"elman train {paths['train']} {sample.options}{test}"


def write(name: str, sample: Sample, folder: Path, *, force: bool) -> dict[str, Path]:
    """Write the tables, lists as JSON Lines and all else as CSV: the file of each part."""
    tables = sample.load()
    paths = {}
    for part, table in tables.items():
        lists = any(isinstance(values[0], list) for values in table.columns.values())
        stem = name if part == "train" else f"{name}-{part}"
        paths[part] = folder / f"{stem}.{'jsonl' if lists else 'csv'}"
        check_writable(paths[part])
        if paths[part].exists() and not force:
            raise UsageError(f"{paths[part]} exists already", code="E115", help="--force writes over it")
    for part, table in tables.items():
        write_whole(paths[part], as_text(table, paths[part].suffix).encode())
    return paths


def as_text(table: Table, suffix: str) -> str:
    """A table as a file's text."""
    stream = io.StringIO()
    if suffix == ".csv":
        write_csv(stream, table.columns)
        return stream.getvalue()
    for row in zip(*table.columns.values(), strict=True):
        stream.write(json.dumps(dict(zip(table.columns, row, strict=True)), ensure_ascii=False) + "\n")
    return stream.getvalue()
