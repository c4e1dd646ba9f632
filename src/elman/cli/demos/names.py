"""``elman demo names``: tell the origin of a name, measured honestly."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from elman.cli.options import given_settings
from elman.cli.output import say
from elman.cli.run import Files, run_trial
from elman.cli.train import describe_rows
from elman.data.samples import load_names
from elman.data.sequences import as_labels
from elman.models.saving import load
from elman.models.settings import Settings
from elman.models.trial import Rows, Trial, hold_out

SHOWN = 10


def names(arguments: argparse.Namespace, folder: Path) -> int:
    """Tell the origin of a name: surnames of 18 origins in their own scripts."""
    trial = names_trial(given_settings(arguments, Settings))
    files = Files(folder / "names.safetensors", arguments.resume, arguments.json, not arguments.no_baselines)
    code = run_trial(trial, files)
    if code == 0 and not arguments.json:
        show_answers(trial.test, files.model)
    return code


def names_trial(settings: dict[str, Any]) -> Trial:
    """Hold out a part of the built-in names, and say how many there are; the seed is among the settings."""
    seed = settings.pop("random_state", None) or 0
    table = load_names()
    rows = Rows.of(table.column("name"), as_labels(table.column("origin")))
    about = {"source": table.source, "columns": {"input": "name", "target": "origin"}, "seed": seed}
    say(describe_rows(rows, about))
    return Trial(*hold_out(rows, seed), seed, settings, about)


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
