"""``elman train``: learn from a table, measure on rows that were held out, save."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.columns import choose_input, group_column, input_texts, label_column
from elman.cli.options import add_settings, given_settings
from elman.cli.output import say
from elman.cli.route import recognise, route
from elman.cli.run import Files, run_seeds, run_trial
from elman.cli.train_numbers import run_numbers
from elman.cli.train_sequences import SETTINGS, run_sequences
from elman.data.table import Table
from elman.errors import UsageError
from elman.models.settings import Settings
from elman.models.trial import Rows, Trial, hold_out
from elman.nn.settings import NetworkSettings
from elman.settings import check_settings, settings_of
from elman.train.settings import LoopSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: the files, then every setting."""
    parser.add_argument(
        "data", metavar="DATA", help="CSV, TSV, JSON Lines, Parquet, or a folder of text files"
    )
    parser.add_argument("--target", metavar="COL", help="column to answer (of a folder: label)")
    parser.add_argument(
        "--input",
        metavar="COL",
        nargs="+",
        action="extend",
        help="column to read, several for numbers (default: all the others)",
    )
    add_number_arguments(parser)
    parser.add_argument("--group", metavar="COL", help="rows of one group stay on one side of every split")
    parser.add_argument(
        "--split", choices=("random", "group"), help="how test rows are held out (default: random)"
    )
    parser.add_argument("--test", metavar="FILE", help="measure on this file instead of a held-out part")
    parser.add_argument(
        "--encoding", metavar="NAME", help="encoding of the file (default: UTF-8, or by its mark)"
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="learn N times, print mean ± deviation"
    )
    add_output_arguments(parser)
    add_every_setting(parser)


def add_number_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what says how a table of numbers is to be read."""
    parser.add_argument(
        "--task",
        choices=("classify", "regress", "tag", "forecast", "generate"),
        help="classify, regress: a label, a number for each sequence; tag: one at each step; forecast: the "
        "next values of a series; generate: the next symbols of a text (default: what the columns mean)",
    )
    parser.add_argument("--id", metavar="COL", help="rows are steps: those of one id are a sequence")
    parser.add_argument("--time", metavar="COL", help="rows are steps, in the order of this column")
    parser.add_argument("--condition", metavar="COL", help="what texts are written under (generate)")
    parser.add_argument(
        "--covariates",
        metavar="COL",
        nargs="+",
        action="extend",
        help="other numbers of each step, known ahead (forecast)",
    )
    parser.add_argument(
        "--past",
        metavar="COL",
        nargs="+",
        action="extend",
        help="such numbers that are not known ahead (forecast)",
    )
    parser.add_argument(
        "--period", type=int, metavar="N", help="steps of a season (forecast; default: found)"
    )
    parser.add_argument("--cut", metavar="TIME", help="steps from this time on are held out (tag, forecast)")
    parser.add_argument("--from", dest="start", metavar="MODEL", help="go on learning from this model")
    add_cell_argument(parser)


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the model goes; ``elman demo`` takes the same."""
    parser.add_argument(
        "-o", "--output", metavar="MODEL", help="where to save (default: ./<name of DATA>.safetensors)"
    )
    parser.add_argument("--force", action="store_true", help="write over what is there")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument(
        "--no-baselines", action="store_true", help="do not fit the baselines (they take a while)"
    )


def add_every_setting(parser: argparse.ArgumentParser) -> None:
    """Declare the settings of all tasks, each of them once."""
    seen: set[str] = set()
    add_settings(parser, "the network", NetworkSettings, seen)
    add_settings(parser, "learning", LoopSettings, seen)
    add_settings(parser, "rows and members", Settings, seen)
    for task, kind in SETTINGS.items():
        add_settings(parser, f"--task {task}", kind, seen)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    load_cells(arguments)
    table = Table.read(arguments.data, encoding=arguments.encoding)
    recognise(table, arguments)
    way, task, plan = route(table, arguments)
    if way == "numbers":
        return run_numbers(arguments, task, stem_of(arguments.data), table)
    if way == "sequences" and plan is not None:
        return run_sequences(arguments, table, plan, task, stem_of(arguments.data))
    settings = text_settings(arguments)
    seed = settings.pop("random_state", None) or 0
    check_settings(Settings(**settings))
    check_seeds(arguments)
    files = Files.choose(arguments, stem=stem_of(arguments.data))
    rows, about = read_rows(arguments, table)
    say(describe_rows(rows, about))
    if arguments.seeds > 1:
        seeds = range(seed, seed + arguments.seeds)
        return run_seeds([make_trial(arguments, rows, about, settings, s) for s in seeds], files)
    return run_trial(make_trial(arguments, rows, about, settings, seed), files)


def text_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Collect the settings that were given; refuse those that are about other tasks."""
    known = {item.name for item in settings_of(Settings)}
    for kind in SETTINGS.values():
        for name in given_settings(arguments, kind):
            if name not in known:
                message = (
                    f"--{name.replace('_', '-')} has no meaning for --task classify: it is about numbers"
                )
                raise UsageError(message, code="E139", help="leave it out")
    return given_settings(arguments, Settings)


def check_seeds(arguments: argparse.Namespace) -> None:
    """Refuse what several runs in a row cannot do."""
    if arguments.seeds < 1:
        raise UsageError(f"--seeds must be at least 1, not {arguments.seeds}", code="E111", help="--seeds 5")
    if arguments.seeds > 1 and arguments.resume:
        raise UsageError(
            "--resume goes on with one run, not with several", code="E117", help="leave out --seeds"
        )


def read_rows(arguments: argparse.Namespace, table: Table) -> tuple[Rows, dict[str, Any]]:
    """Check every row, before any learning."""
    target = arguments.target or ("label" if Path(arguments.data).is_dir() else None)
    if target is None:
        raise UsageError(
            f"which column of {table.source} is the target? it could be {', '.join(table.columns)}",
            code="E112",
            help=f"--target {list(table.columns)[-1]}",
        )
    table.column(target)
    if arguments.input and len(arguments.input) > 1:
        message = "a text is read from one column, and --input names several"
        raise UsageError(message, code="E112", help="--task tag reads several columns of numbers")
    column = choose_input(table, arguments.input[0] if arguments.input else None, besides=target)
    labels = label_column(table, target, column)
    texts = input_texts(table, column, learning=True)
    groups = group_column(table, arguments.group, arguments.split)
    about = {"source": table.source, "columns": {"input": column, "target": target}}
    return Rows.of(texts, labels, groups), about


def make_trial(
    arguments: argparse.Namespace, rows: Rows, about: dict[str, Any], settings: dict[str, Any], seed: int
) -> Trial:
    """Hold rows out, or take the test file's."""
    if arguments.test is None:
        learn, test = hold_out(rows, seed)
    else:
        learn, test = rows, read_test(arguments, about["columns"])
    return Trial(learn, test, seed, settings, {**about, "seed": seed})


def read_test(arguments: argparse.Namespace, columns: dict[str, str]) -> Rows:
    """Read the rows of ``--test FILE``: the same columns as DATA."""
    table = Table.read(arguments.test, encoding=arguments.encoding)
    texts = input_texts(table, columns["input"], learning=False)
    return Rows.of(texts, label_column(table, columns["target"], columns["input"]))


def stem_of(data: str) -> str:
    """Name a file's model: ``names.csv.gz`` -> ``names``."""
    return Path(data).name.split(".")[0] or "model"


def describe_rows(rows: Rows, about: dict[str, Any]) -> str:
    """Say in a line what was read."""
    classes, inputs = len(set(rows.labels.tolist())), len(set(rows.groups))
    columns = about["columns"]
    return (
        f"{about['source']}: {len(rows.texts):,} rows, {columns['input']} -> {columns['target']}, "
        f"{classes} classes, {inputs:,} different inputs"
    )
