"""Tables as sequences of any kind: which columns are read, what is answered, and what task that is."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from elman.cli.columns import group_column, input_texts
from elman.cli.output import say
from elman.data.numeric import number_column, parse_number
from elman.data.sequences import is_missing, short
from elman.data.series import series_of
from elman.data.steps import step_rows
from elman.data.table import Table
from elman.errors import DataError, UsageError
from elman.models.model import Model

FEW_CLASSES = 20
"""Most different whole numbers that are taken for classes rather than numbers."""


@dataclass(frozen=True)
class Plan:
    """Which columns of a table are read, and how.

    Attributes
    ----------
    layout
        "rows": each row is a sequence; "steps": a row is a step of the sequence that ``id`` names.
    text, numbers
        The column of texts, and those of numbers or lists of them.
    symbols
        Of steps: columns of texts, each with its values in training; each is read as 0 or 1 for every value.
    """

    layout: str
    text: str | None
    numbers: list[str]
    symbols: dict[str, list[str]] = field(default_factory=dict)
    target: str | None = None
    id: str | None = None
    time: str | None = None
    condition: str | None = None

    @property
    def input(self) -> list[str]:
        """The columns that are read."""
        return [*([self.text] if self.text else []), *self.numbers, *self.symbols]

    def to_json(self) -> dict[str, Any]:
        """What the model remembers."""
        return {name: value for name, value in vars(self).items() if value not in (None, [], {})}

    @classmethod
    def of_model(cls, given: dict[str, Any]) -> Plan:
        """As in training."""
        return cls(**{"text": None, "numbers": [], **given})


@dataclass(frozen=True)
class Gathered:
    """The sequences of a table with what is to be answered, and the rows that each comes from."""

    table: Table
    plan: Plan
    inputs: list[Any]
    targets: list[Any] | None
    groups: list[Any] | None
    rows: list[Any]


def is_text(table: Table, name: str) -> bool:
    """Whether a column holds texts: at least half of its values are texts and no numbers.

    A few of them among numbers are mistakes, which are told when the numbers are read.
    """
    texts = _texts_among(table, name)
    there = sum(not is_missing(value) and value != "" for value in table.column(name))
    return bool(texts) and 2 * texts >= there


def _texts_among(table: Table, name: str) -> int:
    """How many values of a column are texts that are no numbers."""
    values = (value for value in table.column(name) if isinstance(value, str) and value.strip())
    return sum(not _is_number(value) for value in values)


def _is_number(text: str) -> bool:
    try:
        parse_number(text)
    except DataError as error:
        return error.code == "E272"  # too large is a number all the same
    return True


def make_plan(table: Table, arguments: argparse.Namespace) -> Plan:
    """Find the columns to read."""
    inputs, target = input_columns(table, arguments), arguments.target
    condition = getattr(arguments, "condition", None)
    texts = [name for name in inputs if not table.holds_lists(name) and is_text(table, name)]
    numbers = [name for name in inputs if name not in texts]
    if arguments.id is not None or arguments.time is not None:
        symbols = {name: sorted({str(value) for value in table.column(name)}) for name in texts}
        return Plan("steps", None, numbers, symbols, target, arguments.id, arguments.time, condition)
    if not texts and _one_text(table, inputs, arguments):
        texts, numbers = inputs, []
        say(f"{inputs[0]} is read as a text, though half of its values or more are numbers")
    _check_row(table, texts, numbers)
    return Plan("rows", texts[0] if texts else None, numbers, {}, target, condition=condition)


def input_columns(table: Table, arguments: argparse.Namespace) -> list[str]:
    """The columns that were asked for, or all that have no other part; ``DataError`` if one is not there."""
    condition = getattr(arguments, "condition", None)
    named = (arguments.id, arguments.time, arguments.target, arguments.group, condition)
    for name in [*(arguments.input or []), *filter(None, named)]:
        table.column(name)
    inputs = arguments.input or [name for name in table.columns if name not in named]
    if arguments.target in inputs:
        where = f"{table.source}, column {arguments.target}"
        message = f"the target {arguments.target} is an input too, and so equal to the input in every row"
        raise DataError(message, code="E244", where=where, help="choose another --target or --input")
    if not inputs:
        message = f"{table.source} has no column but the target {arguments.target}"
        raise UsageError(message, code="E112", help="add a column to learn from")
    return list(inputs)


def _one_text(table: Table, inputs: list[str], arguments: argparse.Namespace) -> bool:
    """Whether the only column is read as texts: one number is no sequence, but its digits are.

    That is meant if some values can be no numbers, or if a unit of texts was asked for.
    """
    if len(inputs) != 1 or table.holds_lists(inputs[0]):
        return False
    return hasattr(arguments, "unit") or _texts_among(table, inputs[0]) > 0


def _check_row(table: Table, texts: list[str], numbers: list[str]) -> None:
    """A row is a sequence: a text with numbers beside it, a list alone, or at least two numbers."""
    lists = [name for name in numbers if table.holds_lists(name)]
    if len(texts) > 1:
        message = f"a text is read from one column, and these are texts: {', '.join(texts)}"
        raise UsageError(message, code="E112", help=f"--input {texts[0]}")
    if not texts and not lists and len(numbers) == 1:
        where = table.place(0, numbers[0]) if len(table) else table.source
        message = "the input is one number, not a text or a sequence"
        help_ = "--unit character reads its digits as a text; of steps in rows, name the order with --time"
        raise DataError(message, code="E241", where=where, help=help_)
    if lists and len(texts) + len(numbers) > 1:
        message = f"the column {lists[0]} holds whole sequences, so it stands alone"
        raise UsageError(message, code="E112", help=f"--input {lists[0]}")


def gather(table: Table, plan: Plan, task: str, *, truth: bool = True, groups: Any = None) -> Gathered:
    """Read the sequences and, if ``truth``, what is to be answered; each wrong thing with its line."""
    if plan.layout == "steps":
        return _steps(table, plan, task, truth)
    rows = list(range(len(table)))
    targets = _row_targets(table, plan, task) if truth and plan.target else None
    inputs = _rows(table, plan, learning=truth)
    if targets is not None and task == "tag":
        _check_lengths(table, plan, inputs, targets)
    return Gathered(table, plan, inputs, targets, groups, rows)


def _rows(table: Table, plan: Plan, *, learning: bool) -> list[Any]:
    numbers = (
        np.stack([number_column(table, name) for name in plan.numbers], axis=1)
        if _plain(table, plan)
        else None
    )
    if plan.text is not None:
        texts = input_texts(table, plan.text, learning=learning)
        return texts if numbers is None else list(zip(texts, numbers, strict=True))
    if numbers is not None:
        return [row[~_after_end(row)][:, None] for row in numbers]
    name = plan.numbers[0]
    found = series_of(table.column(name), lambda row: table.place(row, name))
    empty = next((row for row, values in enumerate(found) if not len(values)), None) if learning else None
    if empty is not None:
        raise DataError(
            "the sequence is empty", code="E284", where=table.place(empty, name), help="leave the row out"
        )
    return found


def _plain(table: Table, plan: Plan) -> bool:
    return bool(plan.numbers) and not any(table.holds_lists(name) for name in plan.numbers)


def _after_end(row: Any) -> Any:
    """Where a row of numbers has ended: missing numbers that no other follows."""
    there = np.flatnonzero(~np.isnan(row))
    return np.arange(len(row)) > (there[-1] if len(there) else 0)


def _row_targets(table: Table, plan: Plan, task: str) -> list[Any]:
    name = plan.target or ""
    values = table.column(name)
    for row, value in enumerate(values):
        if is_missing(value) or (isinstance(value, str) and not value.strip()):
            message = "the target is missing"
            raise DataError(
                message, code="E243", where=table.place(row, name), help="fill it in, or leave the row out"
            )
    if task == "regress":
        numbers: list[Any] = number_column(table, name).tolist()
        return numbers
    if task == "classify" and isinstance(values[0] if values else "", float):
        return [int(value) if float(value).is_integer() else value for value in values]
    return list(values)


def _check_lengths(table: Table, plan: Plan, inputs: list[Any], targets: list[Any]) -> None:
    for row, (value, tags) in enumerate(zip(inputs, targets, strict=True)):
        steps = len(value[0]) if isinstance(value, tuple) else len(value)
        if not hasattr(tags, "__len__") or len(tags) != steps:
            there = f"{len(tags):,} labels" if hasattr(tags, "__len__") else short(tags)
            message = f"there are {there} for a sequence of {steps:,} steps"
            where = table.place(row, plan.target or "")
            raise DataError(message, code="E275", where=where, help="give a label for every step")


def _steps(table: Table, plan: Plan, task: str, truth: bool) -> Gathered:
    groups = step_rows(table, plan.id, plan.time)
    columns = [number_column(table, name) for name in plan.numbers]
    for name, known in plan.symbols.items():
        values = [str(value) for value in table.column(name)]
        columns += [np.array([value == one for value in values], float) for one in known]
    numbers = np.stack(columns, axis=1)
    inputs = [numbers[rows] for rows in groups.values()]
    targets = _step_targets(table, plan, task, groups) if truth and plan.target else None
    return Gathered(table, plan, inputs, targets, None, list(groups.values()))


def _step_targets(table: Table, plan: Plan, task: str, groups: dict[Any, Any]) -> list[Any]:
    name = plan.target or ""
    values = table.column(name) if task in ("classify", "tag") else number_column(table, name).tolist()
    for row, value in enumerate(values):
        if is_missing(value) or (isinstance(value, str) and not value.strip()):
            message = "the target is missing"
            raise DataError(
                message, code="E243", where=table.place(row, name), help="fill it in, or leave the row out"
            )
    if task == "tag":
        return [[values[row] for row in rows] for rows in groups.values()]
    for key, rows in groups.items():
        for row in rows:
            if values[row] != values[rows[0]]:
                message = f"the target of the sequence {short(key)} changes from {short(values[rows[0]])}"
                help_ = "a sequence has one answer; --task tag says one at every step"
                raise DataError(message, code="E248", where=table.place(row, name), help=help_)
    return [values[rows[0]] for rows in groups.values()]


def infer_task(table: Table, plan: Plan, condition: str | None) -> tuple[str, str]:
    """Say which task the columns mean, and why."""
    if condition is not None:
        return "generate", "there is a condition to write under"
    if plan.target is None:
        if plan.layout == "steps" or plan.text is None:
            return "forecast", "no target is named, so the next values are"
        return "generate", "there are texts and no target"
    values = [value for value in table.column(plan.target) if not is_missing(value)]
    if plan.layout == "steps":
        return _infer_steps(table, plan, values)
    if table.holds_lists(plan.target):
        return "tag", f"{plan.target} holds a list for each row"
    if is_text(table, plan.target):
        if plan.text is not None and _alike(table, plan):
            return "tag", f"{plan.target} is as long as {plan.text} in every row"
        return "classify", f"{plan.target} holds texts"
    return _infer_numbers(values, plan.target, "regress", "classify")


def _infer_steps(table: Table, plan: Plan, values: list[Any]) -> tuple[str, str]:
    target, groups = plan.target or "", step_rows(table, plan.id, plan.time)
    column = table.column(target)
    if len(groups) > 1 and all(column[row] == column[rows[0]] for rows in groups.values() for row in rows):
        if is_text(table, target):
            return "classify", f"{target} is one text for each {plan.id}"
        return _infer_numbers(values, target, "regress", "classify")
    return "tag", f"{target} changes from step to step"


def _infer_numbers(values: list[Any], target: str, many: str, few: str) -> tuple[str, str]:
    numbers = [parse_number(value) if isinstance(value, str) else float(value) for value in values]
    different = len(set(numbers))
    if all(number.is_integer() for number in numbers) and different <= min(
        FEW_CLASSES, max(2, len(numbers) // 5)
    ):
        return few, f"{target} holds {different} different whole numbers"
    return many, f"{target} holds {different:,} different numbers"


def _alike(table: Table, plan: Plan) -> bool:
    pairs = zip(table.column(plan.text or ""), table.column(plan.target or ""), strict=True)
    different, same = set(), True
    for text, tags in pairs:
        same = same and isinstance(text, str) and isinstance(tags, str) and len(text) == len(tags)
        different.add(tags)
    return same and len(different) > 2 * FEW_CLASSES


def groups_of(table: Table, arguments: argparse.Namespace) -> list[Any] | None:
    """The column that says which rows belong together."""
    return group_column(table, arguments.group, arguments.split)


def plan_of(model: Model, arguments: argparse.Namespace) -> Plan:
    """The columns of training, or those that were asked for."""
    given = {k: v for k, v in model.training.get("columns", {}).items() if k != "input"}
    for name in ("target", "id", "time"):
        if getattr(arguments, name, None):
            given[name] = getattr(arguments, name)
    plan = Plan.of_model(given) if given else Plan("rows", None, [])
    asked = getattr(arguments, "input", None)
    if asked and plan.text is not None and not plan.numbers:
        return replace(plan, text=asked[0])
    return replace(plan, numbers=asked) if asked else plan
