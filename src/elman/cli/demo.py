"""``elman demo``: learn a built-in example, measure it honestly, and show what it can do."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from elman.cli.options import add_settings, given_settings
from elman.cli.output import say
from elman.cli.run import Files, run_trial
from elman.cli.train import describe_rows
from elman.data.samples import load_names
from elman.data.sequences import as_labels
from elman.errors import UsageError
from elman.files import output_error
from elman.models.saving import load
from elman.models.settings import Settings
from elman.models.trial import Rows, Trial, hold_out

SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: which demo, where to, and every setting."""
    parser.add_argument("name", metavar="NAME", nargs="?", default="names", help=f"one of {', '.join(DEMOS)}")
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", default="demo", help="where to write (default: ./demo)"
    )
    parser.add_argument(
        "--no-baselines", action="store_true", help="do not fit the baselines (they take a while)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    add_settings(parser, "settings", Settings, set())


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.name not in DEMOS:
        raise UsageError(
            f'there is no demo "{arguments.name}"', code="E119", help=f"one of {', '.join(DEMOS)}"
        )
    folder = Path(arguments.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return DEMOS[arguments.name](arguments, folder)


def names(arguments: argparse.Namespace, folder: Path) -> int:
    """Tell the origin of a name: surnames of 18 origins in their own scripts."""
    settings = given_settings(arguments, Settings)
    seed = settings.pop("random_state", None) or 0
    table = load_names()
    rows = Rows.of(table.column("name"), as_labels(table.column("origin")))
    about = {"source": table.source, "columns": {"input": "name", "target": "origin"}, "seed": seed}
    say(describe_rows(rows, about))
    trial = Trial(*hold_out(rows, seed), seed, settings, about)
    files = Files(folder / "names.safetensors", arguments.resume, arguments.json, not arguments.no_baselines)
    code = run_trial(trial, files)
    if code == 0 and not arguments.json:
        show_answers(trial.test, files.model)
    return code


def show_answers(rows: Rows, path: Path) -> None:
    """Let the saved model answer a few held-out rows, drawn at random."""
    drawn = np.random.default_rng(0).permutation(len(rows.texts))[:SHOWN]
    chosen, truths = [rows.texts[row] for row in drawn], rows.labels[drawn].tolist()
    model = load(path)
    print("\nnames that it never saw:")
    for text, truth, shares in zip(chosen, truths, model.predict_proba(chosen), strict=True):
        best = shares.argmax()
        answer = str(model.classes_[best])
        mark = "✓" if answer == truth else f"✗ ({truth})"
        print(f"  {text:<20}{answer:<12}{shares[best]:>5.0%}  {mark}")
    print(f'\nyours: elman predict {path} --text "Your Name"')


DEMOS: dict[str, Callable[[argparse.Namespace, Path], int]] = {"names": names}
