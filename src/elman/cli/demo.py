"""``elman demo``: learn a built-in example, measure it honestly, and show what it can do."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from elman.cli.demos import names_exact
from elman.cli.demos.names import names
from elman.cli.demos.sine import sine
from elman.cli.demos.sine_to_cosine import sine_to_cosine
from elman.cli.options import add_settings
from elman.errors import UsageError
from elman.files import output_error
from elman.models.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: which demo, where to, and every setting."""
    parser.add_argument("name", metavar="NAME", nargs="?", default="names", help=f"one of {', '.join(DEMOS)}")
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", default="demo", help="where to write (default: ./demo)"
    )
    parser.add_argument(
        "--no-baselines", action="store_true", help="do not fit the baselines (they take a while)"
    )
    parser.add_argument(
        "--updates",
        type=int,
        metavar="N",
        help="names learnt one after another (names-from-scratch, names-stacked; default: 5000)",
    )
    parser.add_argument(
        "--no-window", action="store_true", help="open no window while it learns (sine-to-cosine)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    add_settings(parser, "settings", Settings, set())


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.name not in DEMOS:
        raise UsageError(
            f'there is no demo "{arguments.name}"', code="E119", help=f"one of {', '.join(DEMOS)}"
        )
    if arguments.updates is not None and arguments.name not in names_exact.SYSTEMS:
        raise UsageError(
            f"elman demo {arguments.name} does not take --updates",
            code="E290",
            help=f"{' and '.join(names_exact.SYSTEMS)} do",
        )
    folder = Path(arguments.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return DEMOS[arguments.name](arguments, folder)


DEMOS: dict[str, Callable[[argparse.Namespace, Path], int]] = {
    "names": names,
    **{name: partial(names_exact.learn_names, name) for name in names_exact.SYSTEMS},
    "sine": sine,
    "sine-to-cosine": sine_to_cosine,
}
