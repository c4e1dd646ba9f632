"""``elman train`` for sequences of any kind: classify, regress, tag with labels, generate."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

from elman.cli.gather import Plan, gather, groups_of, plan_of
from elman.cli.options import ALIASES, given_settings
from elman.cli.output import print_json, say
from elman.cli.report import print_scores
from elman.cli.run import INTERRUPTED, Files, clock, learn, name_of
from elman.data.table import Table
from elman.errors import MissingExtraError, UsageError
from elman.models.model import Model
from elman.models.saving import load
from elman.models.sequence_trial import Cases, Found, hold_out, learning, make_estimator, measure
from elman.models.sequence_trial import of as cases_of
from elman.models.settings import (
    FitSettings,
    ForecastSettings,
    NumberSettings,
    RegressSettings,
    Settings,
    TagSettings,
    WriteSettings,
)
from elman.settings import check_settings, settings_of

SETTINGS: dict[str, type[FitSettings]] = {
    "classify": Settings,
    "regress": RegressSettings,
    "tag": TagSettings,
    "generate": WriteSettings,
    "forecast": ForecastSettings,
}
KINDS = (Settings, NumberSettings, *SETTINGS.values())


def run_sequences(arguments: argparse.Namespace, table: Table, plan: Plan, task: str, stem: str) -> int:
    """Learn, measure on what was held out, save, draw, print; the exit code."""
    settings = settings_of_task(arguments, task)
    seed = settings.pop("random_state", None) or 0
    check_settings(SETTINGS[task](**settings))
    files = Files.choose(arguments, stem)
    cases = read_cases(table, plan, task, arguments)
    say(describe(table, plan, cases))
    if arguments.test is None:
        learnt, test = hold_out(cases, seed)
    else:
        learnt = cases
        test = read_cases(Table.read(arguments.test, encoding=arguments.encoding), plan, task, arguments)
    start = time.monotonic()
    origin = None if arguments.start is None else load(arguments.start)
    estimator = make_estimator(task, settings, seed)
    model, stopped = learn(estimator, learning(estimator, learnt, files.checkpoint, origin), files)
    columns = {**plan.to_json(), "input": plan.input}
    about = {"source": table.source, "columns": columns, "seed": seed}
    model = dataclasses.replace(model, training={**model.training, **about})
    model.save(files.model)
    if stopped:
        say(f"stopped: the best network so far is in {files.model}; the same command and --resume goes on")
        return INTERRUPTED
    say("measuring on the held-out rows" + (", beside the baselines" if files.baselines else ""))
    found = measure(model, learnt if files.baselines else None, test)
    split = {"train": len(learnt.inputs), "test": found.rows, "leaked": found.leaked}
    model = dataclasses.replace(model, training={**model.training, "split": split}, scores=found.to_json())
    model.save(files.model)
    tell(model, found, split, draw(model, found, test, files.model), files, start)
    return 0


def read_cases(table: Table, plan: Plan, task: str, arguments: argparse.Namespace) -> Cases:
    """Read and check every row, before any learning."""
    if task == "generate" and plan.text is None:
        message = f"{table.source} has no column of texts to learn to write from"
        raise UsageError(message, code="E112", help="--input COL names it")
    found = gather(table, plan, task, groups=groups_of(table, arguments))
    targets = found.targets
    if task == "generate":
        targets = None if plan.condition is None else [str(value) for value in table.column(plan.condition)]
    return cases_of(task, found.inputs, targets, found.groups)


def settings_of_task(arguments: argparse.Namespace, task: str) -> dict[str, Any]:
    """Collect the settings that were given; refuse those that the task does not know."""
    known = {item.name for item in settings_of(SETTINGS[task])}
    for kind in KINDS:
        for name in given_settings(arguments, kind):
            if name not in known:
                option = ALIASES.get(name, "--" + name.replace("_", "-"))
                message = f"{option} has no meaning for --task {task}"
                raise UsageError(message, code="E139", help="leave it out")
    if arguments.seeds > 1:
        message = f"--seeds is there for texts and labels only, not yet for --task {task}"
        raise UsageError(message, code="E139", help="leave it out")
    return given_settings(arguments, SETTINGS[task])


def describe(table: Table, plan: Plan, cases: Cases) -> str:
    """Say in a line what was read."""
    reads = ", ".join(plan.input[:6]) + (" …" if len(plan.input) > 6 else "")
    said = {"generate": "the next symbol"}.get(cases.task, plan.target)
    what = "1 sequence" if len(cases.inputs) == 1 else f"{len(cases.inputs):,} sequences"
    return f"{table.source}: {what}, {reads} -> {said} ({cases.task})"


def draw(model: Model, found: Found, test: Cases, path: Path) -> list[Path]:
    """Draw the pictures beside the model; without matplotlib say what would add them."""
    from elman.models.pictures import draw_history
    from elman.models.sequence_pictures import PICTURES

    history, answers = (path.with_name(f"{path.stem}-{kind}.png") for kind in ("learning", "answers"))
    try:
        draw_history(model.training["history"], history)
        if test.task not in PICTURES:
            return [history]
        PICTURES[test.task](found, test, answers)
    except MissingExtraError as error:
        say(f"no pictures: {error}")
        return []
    return [answers, history]


def tell(
    model: Model, found: Found, split: dict[str, int], pictures: list[Path], files: Files, start: float
) -> None:
    """Print the result."""
    if files.as_json:
        places = {"model": str(files.model), "pictures": [str(path) for path in pictures]}
        print_json({**found.to_json(), "split": split, **places})
        return
    print_scores(found.scores, found.baselines, f"{found.rows:,} held-out sequences", name_of(model))
    if found.leaked:
        say(f"warning: {found.leaked:,} of {found.rows:,} sequences stand in training too (leaked)")
    if model.task == "generate":
        print("\nwritten by it:")
        for text in model.generate(8, seed=0):
            print(f"  {text}")
    for path in (files.model, *pictures):
        say(f"written: {path}")
    say(f"learnt, measured and drawn in {clock(time.monotonic() - start)}")


def evaluate_sequences(model: Model, arguments: argparse.Namespace) -> int:
    """Score a saved model on every row of a file."""
    plan = plan_of(model, arguments)
    arguments.group = arguments.split = None
    test = read_cases(Table.read(arguments.data, encoding=arguments.encoding), plan, model.task, arguments)
    learnt = None
    if arguments.train is not None:
        known = Table.read(arguments.train, encoding=arguments.encoding)
        learnt = read_cases(known, plan, model.task, arguments)
    found = measure(model, learnt, test)
    if arguments.json:
        split = {"test": found.rows, "leaked": found.leaked if learnt else None}
        print_json({**found.to_json(), "split": split, "model": arguments.model, "pictures": []})
        return 0
    print_scores(found.scores, found.baselines, f"{found.rows:,} sequences", name_of(model))
    if learnt is None:
        say("--train FILE adds the fitted baselines and the count of leaked rows")
    return 0
