"""``elman forecast``: the next values of each series of a file, with their intervals."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.numbers import Columns, Read, read
from elman.cli.output import say
from elman.cli.rows import add_output_arguments, check_output, write_rows
from elman.data.table import Table
from elman.errors import DataError, MissingExtraError, UsageError
from elman.models.forecasting import Form, check_horizon
from elman.models.model import Model
from elman.models.saving import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("data", metavar="DATA", help="a file with the columns that the model learnt from")
    parser.add_argument(
        "--horizon", type=int, metavar="N", help="steps ahead (default: as many as it learnt)"
    )
    parser.add_argument(
        "--future", metavar="FILE", help="the covariates of the steps ahead, in the same columns"
    )
    parser.add_argument("--coverage", type=float, metavar="P", help="add the ends of intervals, such as 0.9")
    parser.add_argument("--id", metavar="COL", help="column with the ids (default: as in training)")
    parser.add_argument("--time", metavar="COL", help="column with the order (default: as in training)")
    parser.add_argument(
        "--encoding", metavar="NAME", help="encoding of the files (default: UTF-8, or by its mark)"
    )
    parser.add_argument(
        "--picture", metavar="PNG", help="draw the last part and the forecast of the first series"
    )
    add_output_arguments(parser)
    add_cell_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    check_output(arguments)
    load_cells(arguments)
    model = load(arguments.model)
    if model.task != "forecast":
        message = f"this model learnt to {model.task}: it has no next values"
        raise UsageError(message, code="E133", help=f"elman predict {arguments.model} {arguments.data}")
    columns = Columns.of_model(model.training.get("columns", {}), arguments)
    found = read(Table.read(arguments.data, encoding=arguments.encoding), "forecast", columns, learning=False)
    horizon = check_horizon(Form.of(model), arguments.horizon)
    future = None if arguments.future is None else read_future(arguments, columns, found)
    rows = found.rows
    given: dict[str, Any] = {"covariates": rows.covariates, "future": future, "past": rows.past}
    said = np.reshape(model.predict(rows.sequences, horizon, **given), (len(rows.sequences), horizon, -1))
    ends = None
    if arguments.coverage is not None:
        found_ends = model.predict_interval(rows.sequences, horizon, coverage=arguments.coverage, **given)
        ends = np.reshape(found_ends, (*said.shape, 2))
    write_rows(arguments, answer_columns(columns, found, said, ends))
    if arguments.picture is not None:
        draw(model, found, said, ends, arguments)
    return 0


def read_future(arguments: argparse.Namespace, columns: Columns, found: Read) -> list[Any]:
    """The covariates of the steps ahead, in the order of the series."""
    if not columns.covariates:
        raise UsageError("this model learnt without covariates", code="E177", help="leave --future out")
    table = Table.read(arguments.future, encoding=arguments.encoding)
    only = Columns(
        "steps", [], None, columns.id, columns.time, columns.covariates, symbols=known_symbols(columns)
    )
    ahead = read(table, "forecast", only, learning=False, truth=False)
    parts = dict(zip(ahead.names, ahead.rows.covariates or [], strict=True))
    if columns.id is None:
        return list(parts.values())
    missing = next((name for name in found.names if name not in parts), None)
    if missing is not None:
        message = f"there are no covariates ahead for {missing}"
        raise DataError(message, code="E275", where=table.source, help="give rows for every series")
    return [parts[name] for name in found.names]


def known_symbols(columns: Columns) -> dict[str, list[str]]:
    """The columns of texts that are known ahead."""
    known = columns.covariates or []
    return {name: values for name, values in (columns.symbols or {}).items() if name in known}


def answer_columns(columns: Columns, found: Read, said: Any, ends: Any) -> dict[str, list[Any]]:
    """A row for each step ahead of each series."""
    series, horizon, width = said.shape
    answers: dict[str, list[Any]] = {}
    if columns.id is not None:
        table = found.table.column(columns.id)
        answers[columns.id] = [table[int(rows[0])] for rows in found.places for _ in range(horizon)]
    elif series > 1:
        answers["series"] = [row + 1 for row in range(series) for _ in range(horizon)]
    answers["step"] = [step + 1 for _ in range(series) for step in range(horizon)]
    names = ["forecast"] if width == 1 else [f"forecast_{n + 1}" for n in range(width)]
    for d, name in enumerate(names):
        answers[name] = said[:, :, d].ravel().tolist()
        if ends is not None:
            for side, word in enumerate(("lower", "upper")):
                answers[name.replace("forecast", word)] = ends[:, :, d, side].ravel().tolist()
    return answers


def draw(model: Model, found: Read, said: Any, ends: Any, arguments: argparse.Namespace) -> None:
    """Draw the first series' last part, its forecast and the band."""
    from elman.models.forecast_pictures import draw_forecast

    try:
        draw_forecast(
            found.rows.sequences[0],
            said[0],
            None if ends is None else ends[0],
            found.names[0],
            Path(arguments.picture),
        )
    except MissingExtraError as error:
        say(f"no picture: {error}")
        return
    say(f"written: {arguments.picture}")
