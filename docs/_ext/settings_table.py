"""Two directives, so that an option is written once, in the code.

``{settings-table} elman.nn.settings.NetworkSettings`` lists the settings of a dataclass.
``{arguments-table} train`` lists what else ``elman train`` takes, read from its parser.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import Field
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from elman.cli import options, parser
from elman.models.settings import Settings
from elman.settings import Limits, settings_of

ALL_SETTINGS = {item.name for item in settings_of(Settings)}


class TableDirective(SphinxDirective):
    """A table whose rows come from the code."""

    required_arguments = 1
    headings: ClassVar[tuple[str, ...]] = ()

    def rows(self) -> list[tuple[str, ...]]:
        """Give the cells, as MyST text."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Write the table as MyST and let Sphinx parse it."""
        rule = tuple("---" for _ in self.headings)
        lines = [as_line(row) for row in (self.headings, rule, *self.rows())]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, source=self.env.docname), 0, node)
        return node.children


class SettingsTable(TableDirective):
    """The settings of a dataclass: option, values, default, sentence."""

    headings = ("option", "value", "default", "what it says")

    def rows(self) -> list[tuple[str, ...]]:
        """Give a row for each setting."""
        module, _, name = self.arguments[0].rpartition(".")
        kind = getattr(importlib.import_module(module), name)
        known = set().union(*(vars(base).get("__annotations__", {}) for base in kind.__mro__[1:]))
        own = [item for item in settings_of(kind) if item.name not in known]
        return [
            (option_of(item), values_of(item), f"`{shown(item.default)}`", item.metadata["sentence"])
            for item in own
        ]


class ArgumentsTable(TableDirective):
    """The arguments of a command that are no settings."""

    headings = ("argument", "what it does")

    def rows(self) -> list[tuple[str, ...]]:
        """Give a row for each argument, in the order of ``--help``."""
        command = parser.command_parser(self.arguments[0])
        importlib.import_module(f"elman.cli.{self.arguments[0]}").add_arguments(command)
        own = [action for action in command._actions if action.dest not in ALL_SETTINGS]
        return [(argument_of(action), str(action.help)) for action in own]


def option_of(item: Field[Any]) -> str:
    """Name a setting as the command line does."""
    option = "--" + item.name.replace("_", "-")
    if item.name in options.ALIASES:
        return f"`{options.ALIASES[item.name]}`, `{option}`"
    return f"`{option}`, `--no-{option[2:]}`" if item.type == "bool" else f"`{option}`"


def values_of(item: Field[Any]) -> str:
    """Say what a setting may be: its choices, or its type and bounds."""
    limits: Limits = item.metadata["limits"]
    if limits.choices:
        return ", ".join(f"`{choice}`" for choice in limits.choices)
    words = {"int": "whole number", "float": "number", "bool": "switch", "str": "text"}
    kinds = [words[kind] for kind in str(item.type).replace(" ", "").split("|") if kind in words]
    return " ".join([" or ".join(kinds), limits._range()]).strip()


def argument_of(action: argparse.Action) -> str:
    """Write an argument as ``--help`` does."""
    value = action.metavar if isinstance(action.metavar, str) else ""
    if not value and action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(f"`{name} {value}`".replace(" `", "`") for name in action.option_strings)


def shown(default: Any) -> str:
    """Write a default as one would type it."""
    return "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def as_line(cells: tuple[str, ...]) -> str:
    """Write a row of a MyST table."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "\\<") for cell in cells) + " |"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("settings-table", SettingsTable)
    app.add_directive("arguments-table", ArgumentsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
