"""Which way a table is learnt: texts with labels, tables of numbers, or sequences of any kind."""

from __future__ import annotations

import argparse

from elman.cli.gather import Plan, infer_task, is_text, make_plan
from elman.cli.output import say
from elman.data.table import Table
from elman.errors import UsageError

KNOWN = {"id": "unique_id", "time": "ds", "target": "y"}
"""Names of columns that say by themselves what they are."""

Way = tuple[str, str, Plan | None]
"""("texts" | "numbers" | "sequences", task, columns)."""


def recognise(table: Table, arguments: argparse.Namespace) -> None:
    """Take ``unique_id``, ``ds`` and ``y`` for id, time and target where nothing else is said."""
    if any(getattr(arguments, name) is not None for name in KNOWN) or not set(KNOWN.values()) <= set(
        table.columns
    ):
        return
    for name, column in KNOWN.items():
        setattr(arguments, name, column)
    if arguments.task is None:
        arguments.task = "forecast"
    say("columns: unique_id is the id, ds the time, y the target; --id, --time and --target choose others")


def route(table: Table, arguments: argparse.Namespace) -> Way:
    """Choose, and say what was inferred."""
    stepwise = arguments.id is not None or arguments.time is not None
    task = arguments.task
    if arguments.target is None and task in ("classify", "tag"):
        _check(arguments, task)
        return ("texts" if task == "classify" else "numbers"), task, None  # which ask for the target
    if task == "forecast" or (task is None and stepwise and arguments.target is None):
        if task is None:
            _say("forecast", "rows are steps and no target is named")
        _check(arguments, "forecast")
        return "numbers", "forecast", None
    if task is None and not stepwise and arguments.target is None and arguments.condition is None:
        return "texts", "classify", None  # asks for the target, or takes a folder's
    plan = make_plan(table, arguments)
    if task is None:
        task, reason = infer_task(table, plan, arguments.condition)
        if task != "classify" or stepwise or plan.numbers:
            _say(task, reason)
    _check(arguments, task)
    if task == "tag" and _of_numbers(table, arguments):
        return "numbers", task, plan
    plain = plan.layout == "rows" and plan.text is not None and not plan.numbers
    if task == "classify" and plain and arguments.start is None:
        return "texts", task, plan
    return "sequences", task, plan


def _say(task: str, reason: str) -> None:
    say(f"task: {task}, since {reason}; --task chooses another")


def _of_numbers(table: Table, arguments: argparse.Namespace) -> bool:
    """Whether a tagger's targets are numbers: neither texts nor lists of texts, and not named labels."""
    answers = getattr(arguments, "answers", "auto")
    if answers == "labels":
        return False
    if table.holds_lists(arguments.target):
        first = next((v for v in table.column(arguments.target) if v is not None and len(v)), [0.0])
        return not isinstance(first[0], (str, bool))
    stepwise = arguments.id is not None or arguments.time is not None
    return stepwise and not is_text(table, arguments.target)


def _check(arguments: argparse.Namespace, task: str) -> None:
    for option, value, fits in (
        ("--condition", arguments.condition, ("generate",)),
        ("--covariates", arguments.covariates, ("forecast",)),
        ("--past", arguments.past, ("forecast",)),
        ("--period", arguments.period, ("forecast",)),
        ("--cut", arguments.cut, ("tag", "forecast")),
    ):
        if value is not None and task not in fits:
            message = f"{option} has no meaning for --task {task}"
            raise UsageError(message, code="E139", help=f"it is for {' and '.join(fits)}")
    if arguments.target is None and task == "regress":
        raise UsageError("--task regress needs a target", code="E112", help="--target COL names it")
