"""``elman stream``: answer each line of stdin as it comes; the state is kept between them."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.output import say
from elman.cli.stream_lines import RESET, CsvLines, Given, JsonLines, decoded
from elman.data.prompt import is_end
from elman.errors import ElmanError, UsageError
from elman.files import check_writable
from elman.models.model import Model
from elman.models.saving import load
from elman.models.stream import PrefixStreamWarning, Step, Stream, check_causal
from elman.models.stream_reading import symbols_of, text_codec
from elman.models.stream_state import load as load_state
from elman.models.stream_state import save as save_state

FORMATS = ("text", "jsonl", "csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="text: a text a line, answered symbol by symbol; jsonl, csv: a step a line "
        "(default: text if the model reads texts alone, else jsonl)",
    )
    parser.add_argument(
        "--state", metavar="FILE", help="keep the state here, and go on from it if it is there"
    )
    parser.add_argument(
        "--skip-answered",
        action="store_true",
        help="stdin begins anew: leave out as many lines as FILE says were answered",
    )
    parser.add_argument(
        "--top", type=int, default=3, metavar="N", help="labels with their probabilities (default: 3; 0: all)"
    )
    parser.add_argument("--condition", metavar="VALUE", help="to generate: what the text is like")
    parser.add_argument(
        "--read-unknown", action="store_true", help="read unknown symbols as such, instead of refusing them"
    )
    add_cell_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.skip_answered and arguments.state is None:
        raise UsageError("--skip-answered needs a state file", code="E139", help="--state FILE")
    load_cells(arguments)
    model = load(arguments.model)
    answering = Answering(model, arguments)
    answered = answering.resume() if arguments.state is not None else 0
    skip = answered if arguments.skip_answered else 0
    for n, line in enumerate(lines()):
        if n == 0 and answering.take_header(line):
            continue
        if skip:
            skip -= 1
            continue
        answering.answer(line)
    return 0


def lines() -> Iterator[bytes]:
    """The lines of stdin, each as soon as it is there."""
    return iter(sys.stdin.buffer.readline, b"")


class Answering:
    """A stream, what its lines say, and how its answers are written."""

    def __init__(self, model: Model, arguments: argparse.Namespace) -> None:
        plain_text = text_codec(model) is not None and model.inputs.kind != "mixed"
        self._format = arguments.format or ("text" if plain_text else "jsonl")
        if self._format == "text" and not plain_text:
            message = "this model does not read texts alone"
            raise UsageError(message, code="E139", help="--format jsonl, or csv")
        self._model, self._top, self._path = model, arguments.top, arguments.state
        self._csv_out = self._format == "csv" and not arguments.json
        self._stream = _stream(model, arguments)
        self._lines = CsvLines(model) if self._format == "csv" else JsonLines(model)
        self._count = 0

    def resume(self) -> int:
        """Go on from the state file, if it is there, with its last answer; give the lines answered so far."""
        check_causal(self._model, "a state file")
        check_writable(self._path)
        if not Path(self._path).exists():
            return 0
        note = load_state(self._stream, self._path)
        self._count = int(note.get("lines", 0))  # a state that Python saved has no lines
        if isinstance(self._lines, CsvLines):
            self._lines.columns = note.get("columns")
        say(f"going on after line {self._count} of {self._path}")
        _print(note.get("answer", ""))
        return self._count

    def take_header(self, line: bytes) -> bool:
        """Whether a first line names the columns; it is answered by the names of the answers' columns."""
        try:
            if not isinstance(self._lines, CsvLines) or not self._lines.take_header(decoded(line)):
                return False
        except ElmanError:
            return False
        if self._csv_out:
            _print(_csv_row(["line", "step", *self._columns(), "error"]))
        return True

    def answer(self, line: bytes) -> None:
        """Answer a line: the state file first, then stdout."""
        given = self._given(line)
        self._count += 1
        written = "".join(self._written(row) for row in self._rows(given))
        if self._path is not None:
            columns = self._lines.columns if isinstance(self._lines, CsvLines) else None
            note = {"lines": self._count, "answer": written, "columns": columns}
            save_state(self._stream, self._path, note)
        _print(written)

    def _given(self, line: bytes) -> Any:
        """What a line says: a step, a text, a header, a new beginning, or what is wrong with it."""
        try:
            text = decoded(line)
            return text if self._format == "text" else self._lines.read(text)
        except ElmanError as error:
            return error

    def _rows(self, given: Any) -> Iterator[dict[str, Any]]:
        """The answers to a line, one or, of a text, one for each symbol."""
        if isinstance(given, ElmanError):
            yield {"error": given}
        elif given is RESET:
            self._stream.reset()
            yield {"step": 0, "reset": True}
        elif isinstance(given, Given):
            yield self._row(given)
        else:
            self._stream.reset()
            for symbol in symbols_of(self._model, given):
                yield {"symbol": symbol, **self._row(Given(symbol))}

    def _row(self, given: Given) -> dict[str, Any]:
        try:
            said = self._stream.step(given.value, **_beside(given))
        except ElmanError as error:
            return {"error": error}
        return {"step": self._stream.steps, **self._said(said)}

    def _said(self, said: Step) -> dict[str, Any]:
        if said.probabilities is None:
            ahead = {} if said.ahead is None else {"ahead": _numbers(said.ahead)}
            return {"prediction": _numbers(said.value), **ahead}
        order = np.argsort(-said.probabilities, kind="stable")
        best = order[: self._top] if self._top > 0 else order
        shares = {_shown(self._model.classes_[k]): _short(said.probabilities[k]) for k in best}
        label = "" if isinstance(said.label, str) and is_end(said.label) else said.label
        return {
            "prediction": label,
            "probability": _short(said.probabilities[order[0]]),
            "probabilities": shares,
        }

    def _written(self, row: dict[str, Any]) -> str:
        error = row.get("error")
        if not self._csv_out:
            if error is not None:
                row = {**row, "error": {"code": error.code, "message": error.message, "help": error.help}}
            return json.dumps({"line": self._count, **row}, ensure_ascii=False, allow_nan=False) + "\n"
        cells = {**row, **dict(zip(self._columns(), _flat(row), strict=False))}
        told = "" if error is None else f"{error.code}: {error.message}"
        names = ["step", *self._columns()]
        return _csv_row([self._count, *(cells.get(name, "") for name in names), told])

    def _columns(self) -> list[str]:
        """The columns of an answer in CSV."""
        if self._stream.answers_labels:
            return ["prediction", "probability"]
        width = self._stream.width
        return ["prediction"] if width == 1 else [f"prediction_{n + 1}" for n in range(width)]


def _stream(model: Model, arguments: argparse.Namespace) -> Stream:
    """A stream of the model; that it is slow is said as other things are."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", PrefixStreamWarning)
        unknown = "read" if arguments.read_unknown else "refuse"
        stream = model.stream(condition=arguments.condition, unknown=unknown)
    for warning in found:
        say(str(warning.message))
    return stream


def _beside(given: Given) -> dict[str, Any]:
    return {name: getattr(given, name) for name in ("covariates", "past") if getattr(given, name) is not None}


def _flat(row: dict[str, Any]) -> list[Any]:
    """The cells of an answer."""
    if "probability" in row:
        return [row["prediction"], row["probability"]]
    said = row.get("prediction", [])
    cells = said if isinstance(said, list) else [said]
    return ["NaN" if cell is None else cell for cell in cells]


def _numbers(values: Any) -> Any:
    """Numbers as JSON has them; null where there is none."""
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    return (
        [_numbers(value) for value in values.tolist()]
        if isinstance(values, np.ndarray)
        else [_numbers(value) for value in values]
    )


def _short(share: np.float32) -> float:
    """The shortest number that is this float32 and no other."""
    return float(str(share))


def _shown(label: Any) -> str:
    return "" if isinstance(label, str) and is_end(label) else str(label)


def _csv_row(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
