"""A setting is written once: a dataclass field with its sentence and its limits.

From it come the constructor argument, the command-line option and the line in the docs.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import Field, dataclass, field, fields
from typing import Any

from elman.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """What a setting's value may be: one of ``choices``, or a number within bounds."""

    choices: tuple[str, ...] = ()
    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf

    def complaint(self, value: Any) -> str:
        """Say in a few words what ``value`` should have been; empty if it is fine."""
        if self.choices:
            return "" if value in self.choices else f"one of {', '.join(self.choices)}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return "" if self.least <= value <= self.most and value > self.above else self._range()
        return ""

    def _range(self) -> str:
        low = f"above {self.above:g}" if self.above > -math.inf else f"at least {self.least:g}"
        bounds = [low] if max(self.least, self.above) > -math.inf else []
        if self.most < math.inf:
            bounds.append(f"at most {self.most:g}")
        return " and ".join(bounds)


def setting(default: Any, sentence: str, **limits: Any) -> Any:
    """Declare a setting: ``hidden_size: int = setting(128, "Units in each layer.", least=1)``."""
    return field(default=default, metadata={"sentence": sentence, "limits": Limits(**limits)})


def settings_of(kind: type) -> list[Field[Any]]:
    """The settings of a dataclass, in the order in which they were written."""
    return [item for item in fields(kind) if "sentence" in item.metadata]


def check_settings(values: Any) -> None:
    """Raise ``UsageError`` with one sentence if a setting of ``values`` is of a wrong type or size."""
    for item in settings_of(type(values)):
        _check_one(item, getattr(values, item.name))


def _check_one(item: Field[Any], value: Any) -> None:
    expected = str(item.type)
    if not _fits(value, expected):
        raise UsageError(
            f"{item.name} must be {_plain(expected)}, not {value!r}", code="E110", help=_sentence(item)
        )
    complaint = item.metadata["limits"].complaint(value)
    if complaint:
        near = difflib.get_close_matches(str(value), item.metadata["limits"].choices, n=1)
        hint = f"did you mean {near[0]} ?" if near else _sentence(item)
        raise UsageError(f"{item.name} must be {complaint}, not {value!r}", code="E111", help=hint)


def _sentence(item: Field[Any]) -> str:
    return f"{item.name}: {item.metadata['sentence']}"


_KINDS = ("bool", "int", "float", "str", "None")


def _fits(value: Any, expected: str) -> bool:
    """Whether ``value`` is of one of the types in an annotation such as ``"float | None"``."""
    names = {name.strip() for name in expected.split("|")}
    if not names <= set(_KINDS):  # something richer: its user checks it
        return True
    if value is None:
        return "None" in names
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return "bool" in names
    if hasattr(value, "__index__"):
        return bool({"int", "float"} & names)
    if hasattr(value, "__float__"):
        return "float" in names and math.isfinite(value)
    return isinstance(value, str) and "str" in names


def _plain(expected: str) -> str:
    words = {"int": "a whole number", "float": "a finite number", "str": "a text", "bool": "true or false"}
    names = [name.strip() for name in expected.split("|")]
    return " or ".join(words.get(name, name) for name in names)
