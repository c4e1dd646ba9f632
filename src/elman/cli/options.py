"""Settings dataclasses -> command-line options -> settings again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import Field
from typing import Any

from elman.settings import settings_of

ALIASES = {"random_state": "--seed"}
"""Settings that the command line also calls by another name."""


def add_settings(parser: argparse.ArgumentParser, title: str, kind: type, seen: set[str]) -> None:
    """Add an option for each setting of ``kind`` that is not in ``seen`` yet."""
    group = parser.add_argument_group(title)
    for item in settings_of(kind):
        if item.name not in seen:
            seen.add(item.name)
            _add(group, item)


def given_settings(arguments: argparse.Namespace, kind: type) -> dict[str, Any]:
    """Collect the settings that were given on the command line (the others keep their defaults)."""
    names = [item.name for item in settings_of(kind)]
    return {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}


def _add(group: Any, item: Field[Any]) -> None:
    option = "--" + item.name.replace("_", "-")
    names = [ALIASES[item.name], option] if item.name in ALIASES else [option]
    shown = (
        "none"
        if item.default is None
        else str(item.default).lower()
        if isinstance(item.default, bool)
        else item.default
    )
    common = {
        "dest": item.name,
        "default": argparse.SUPPRESS,
        "help": f"{item.metadata['sentence']} (default: {shown})",
    }
    common["help"] = common["help"].replace("%", "%%")
    if item.type == "bool":
        group.add_argument(*names, action=argparse.BooleanOptionalAction, **common)
        return
    choices = item.metadata["limits"].choices
    metavar = "{" + ",".join(choices) + "}" if choices else _metavar(str(item.type))
    group.add_argument(*names, type=_reader(str(item.type)), metavar=metavar, **common)


def _metavar(annotation: str) -> str:
    if "int" in annotation and "float" not in annotation:
        return "N"
    return "X" if "float" in annotation and "str" not in annotation else "NAME"


def _reader(annotation: str) -> Callable[[str], Any]:
    """Read an option's text as the field's type; nothing is rounded, nothing guessed."""
    kinds = [kind.strip() for kind in annotation.split("|")]

    def read(text: str) -> Any:
        if "None" in kinds and text.lower() == "none":
            return None
        for name, kind in (("int", int), ("float", float)):
            if name in kinds:
                try:
                    return kind(text)
                except ValueError:
                    continue
        if "str" in kinds:
            return text
        wanted = "a whole number" if "int" in kinds and "float" not in kinds else "a number"
        raise argparse.ArgumentTypeError(
            f"it must be {wanted}{' or none' if 'None' in kinds else ''}, not {text!r}"
        )

    return read
