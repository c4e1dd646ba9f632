"""``elman train`` for numbers: tag every step, or forecast a series."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

from elman.cli.numbers import Columns, Read, choose, cuts_at, notes, read
from elman.cli.options import ALIASES, given_settings
from elman.cli.output import print_json, say
from elman.cli.report import print_errors
from elman.cli.run import INTERRUPTED, Files, clock, learn, name_of
from elman.data.table import Table
from elman.errors import DataError, MissingExtraError, UsageError
from elman.models.model import Model
from elman.models.number_trial import (
    Fold,
    NumberScores,
    at_cuts,
    everything,
    hold_out,
    is_copy,
    learning,
    make_estimator,
    measure,
)
from elman.models.saving import load
from elman.models.settings import (
    ForecastSettings,
    NumberSettings,
    RegressSettings,
    Settings,
    TagSettings,
    WriteSettings,
)
from elman.settings import check_settings, settings_of

SETTINGS: dict[str, type[NumberSettings]] = {"tag": TagSettings, "forecast": ForecastSettings}


def run_numbers(arguments: argparse.Namespace, task: str, stem: str, table: Table) -> int:
    """Learn, measure on what was held out, save, draw, print; the exit code."""
    settings = settings_for(arguments, task)
    seed = settings.pop("random_state", None) or 0
    check_settings(SETTINGS[task](**settings))
    files = Files.choose(arguments, stem)
    found = read(table, task, choose(table, task, arguments), learning=True)
    for line in notes(found):
        say(line)
    check_period(found, arguments)
    fold = choose_fold(found, seed, arguments)
    start = time.monotonic()
    origin = None if arguments.start is None else load(arguments.start)
    estimator = make_estimator(task, settings, seed)
    model, stopped = learn(estimator, learning(estimator, fold.learnt, files.checkpoint, origin), files)
    columns = found.columns.to_json()
    model = dataclasses.replace(
        model, training={**model.training, "source": table.source, "columns": columns, "seed": seed}
    )
    model.save(files.model)
    if stopped:
        say(f"stopped: the best network so far is in {files.model}; the same command and --resume goes on")
        return INTERRUPTED
    scores = measure(model, fold, arguments.period)
    counts = {"by": fold.by, "train_steps": fold.learnt.steps, "test_steps": scores.steps}
    model = dataclasses.replace(model, training={**model.training, "split": counts}, scores=scores.to_json())
    model.save(files.model)
    names = found.names if arguments.test is None and fold.by == "time" else held_names(fold)
    tell(model, scores, counts, draw(model, scores, names, files.model), files, start)
    return 0


def settings_for(arguments: argparse.Namespace, task: str) -> dict[str, Any]:
    """Collect the settings that were given; refuse those that the task does not know."""
    known = {item.name for item in settings_of(SETTINGS[task])}
    for kind in (Settings, RegressSettings, WriteSettings, TagSettings, ForecastSettings):
        for name in given_settings(arguments, kind):
            if name not in known:
                option = ALIASES.get(name, "--" + name.replace("_", "-"))
                message = f"{option} has no meaning for --task {task}: it is about texts and labels"
                raise UsageError(message, code="E139", help="leave it out")
    if arguments.seeds > 1 or arguments.group or arguments.split:
        message = f"--seeds, --group and --split are not there yet for --task {task} of numbers"
        raise UsageError(message, code="E139", help="leave it out")
    return given_settings(arguments, SETTINGS[task])


def check_period(found: Read, arguments: argparse.Namespace) -> None:
    """Refuse a period that no series has twice."""
    period = arguments.period
    longest = max(map(len, found.rows.sequences), default=0)
    if period is None:
        return
    if period < 2:
        raise UsageError(f"--period must be at least 2, not {period}", code="E111", help="--period 12")
    if 2 * period > longest:
        message = f"the period of {period} is longer than half of the longest series, {longest:,} steps"
        raise DataError(
            message, code="E286", where=found.table.source, help="give a shorter one, or longer series"
        )


def choose_fold(found: Read, seed: int, arguments: argparse.Namespace) -> Fold:
    """Hold out what the command line says: a file, the steps from a time on, or a fifth."""
    if arguments.test is not None:
        return with_test(found, arguments)
    if arguments.cut is not None:
        return at_cuts(found.rows, cuts_at(found, arguments.cut))
    return hold_out(found.rows, seed)


def with_test(found: Read, arguments: argparse.Namespace) -> Fold:
    """Learn from all of DATA, measure on the test file."""
    table = Table.read(arguments.test, encoding=arguments.encoding)
    test = read(table, found.rows.task, found.columns, learning=True)
    return Fold(found.rows, test.rows, everything(test.rows), "file")


def held_names(fold: Fold) -> list[str]:
    """Count the sequences that are measured."""
    return [f"held-out sequence {row + 1}" for row in range(len(fold.measured.sequences))]


def draw(model: Model, scores: NumberScores, names: list[str], path: Path) -> list[Path]:
    """Draw the pictures beside the model; without matplotlib say what would add them."""
    from elman.models.number_pictures import draw_held_out
    from elman.models.pictures import draw_history

    held, history = (path.with_name(f"{path.stem}-{kind}.png") for kind in ("held-out", "learning"))
    try:
        draw_held_out(scores, names, held)
        draw_history(model.training["history"], history)
    except MissingExtraError as error:
        say(f"no pictures: {error}")
        return []
    return [held, history]


def tell(
    model: Model,
    scores: NumberScores,
    counts: dict[str, Any],
    pictures: list[Path],
    files: Files,
    start: float,
) -> None:
    """Print the result."""
    if files.as_json:
        places = {"model": str(files.model), "pictures": [str(path) for path in pictures]}
        print_json({**scores.to_json(), "split": counts, **places})
        return
    print_errors(scores, name_of(model))
    if model.task == "forecast" and is_copy(scores):
        say("warning: the forecast says little more than the last value")
    for path in (files.model, *pictures):
        say(f"written: {path}")
    say(f"learnt, measured and drawn in {clock(time.monotonic() - start)}")


def evaluate_numbers(model: Model, arguments: argparse.Namespace) -> int:
    """Score a saved model on every step of a file."""
    columns = Columns.of_model(model.training.get("columns", {}), arguments)
    table = Table.read(arguments.data, encoding=arguments.encoding)
    found = read(table, model.task, columns, learning=True)
    learnt = found.rows
    if arguments.train is not None:
        known = Table.read(arguments.train, encoding=arguments.encoding)
        learnt = read(known, model.task, columns, learning=True).rows
    for line in notes(found):
        say(line)
    scores = measure(model, Fold(learnt, found.rows, everything(found.rows), "file"))
    if arguments.train is None:  # its mean would be that of the truth itself
        scores.baselines.pop("mean of training")
    if arguments.json:
        counts = {"by": "file", "test_steps": scores.steps}
        print_json({**scores.to_json(), "split": counts, "model": arguments.model, "pictures": []})
    else:
        print_errors(scores, name_of(model))
        if arguments.train is None:
            say("--train FILE adds the mean of training as a baseline")
    return 0
