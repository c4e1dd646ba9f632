"""What the demos of the exact systems have in common: few settings, and how they tell what they wrote."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elman.cli.options import ALIASES, given_settings
from elman.cli.output import print_json, say
from elman.errors import MissingExtraError, UsageError
from elman.models.settings import Settings


def taken(
    arguments: argparse.Namespace, name: str, names: tuple[str, ...], *, resumes: bool = False
) -> dict[str, Any]:
    """Collect the settings that were given; ``UsageError`` if one is not among those that a demo takes."""
    given = given_settings(arguments, Settings)
    others = [option(key) for key in given if key not in names] + ["--resume"] * (
        arguments.resume and not resumes
    )
    if others:
        raise UsageError(
            f"elman demo {name} does not take {others[0]}: the system is learnt exactly as it is given",
            code="E290",
            help=f"it takes {', '.join(option(key) for key in names)}",
        )
    return given


def option(setting: str) -> str:
    """Name a setting as the command line does."""
    return ALIASES.get(setting, "--" + setting.replace("_", "-"))


def drawn(draw: Callable[[Path], None], path: Path) -> list[Path]:
    """Draw a picture; without matplotlib say what would add it."""
    try:
        draw(path)
    except MissingExtraError as error:
        say(f"no picture: {error}")
        return []
    return [path]


def tell(model: Path, pictures: list[Path], losses: list[float], as_json: bool) -> None:
    """Say where the model and the pictures lie, and what to do with them."""
    if as_json:
        places = {"model": str(model), "pictures": [str(path) for path in pictures]}
        print_json({"losses": losses, **places})
        return
    for path in (model, *pictures):
        say(f"written: {path}")
    say(f"what is in it: elman info {model}")
