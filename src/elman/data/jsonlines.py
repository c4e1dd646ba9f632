"""JSON Lines: an object on every line, its keys the columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from elman.data.sequences import is_broken
from elman.data.source import Blocks, Parsed, Source, check_names
from elman.data.text import parts, plain_lines
from elman.errors import DataError

AHEAD = 8192
"""Lines that are looked at together for the names of the columns."""


def read_jsonl(source: Source, rows: int | None = None) -> Iterator[Parsed]:
    """Read a table; a key that an object lacks is None there. Empty lines are left out.

    In parts of so many rows the file is read twice, as its last line may bring a new column.

    Raises
    ------
    DataError
        E206 and E216 to E219 and E223, with the line.
    """
    names, lists = ({}, None) if rows is None else _names(source)
    with source.opened() as blocks:
        for part in _objects(source, blocks, rows):
            columns: dict[str, list[Any]] = {name: [] for name in names}
            for row, values in enumerate(part.values()):
                _append(columns, row, values)
            _check_columns(columns, source)
            yield Parsed(columns, list(part), lists, blocks.share)


def _names(source: Source) -> tuple[dict[str, None], frozenset[str]]:
    """Every column of the file, in the order of their first coming, and those that hold a list."""
    names: dict[str, None] = {}
    lists: set[str] = set()
    with source.opened() as blocks:
        for part in _objects(source, blocks, AHEAD):
            for values in part.values():
                names.update(dict.fromkeys(values))
                lists.update(name for name, value in values.items() if isinstance(value, list))
    _check_columns(names, source)
    return names, frozenset(lists)


def _objects(source: Source, blocks: Blocks, rows: int | None) -> Iterator[dict[int, dict[str, Any]]]:
    """The objects, in parts of so many lines, each by its line."""
    line = 0
    for part in parts(plain_lines(source.decoded(blocks)), rows):
        found = {
            at: _object(content, source.place(at))
            for at, content in enumerate(part, start=line + 1)
            if content.strip()
        }
        line += len(part)
        if found:
            yield found


def _check_columns(columns: Iterable[str], source: Source) -> None:
    names = list(columns)
    if not names:
        raise DataError(f"{source.name} has no columns", code="E206", help='a line is like {"name": "Rossi"}')
    check_names(names, source.name)


def _append(columns: dict[str, list[Any]], rows: int, values: dict[str, Any]) -> None:
    for name in values:
        if name not in columns:
            columns[name] = [None] * rows
    for name, column in columns.items():
        column.append(values.get(name))


def _object(content: str, where: str) -> dict[str, Any]:
    try:
        value = _DECODER.decode(content)
    except _RefusedError as error:
        raise DataError(error.message, code=error.code, where=where, help=error.help) from None
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "it is nested too deeply or holds too long a number").lower()
        column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        help_ = "each line must be one object"
        raise DataError(
            f"the line is not JSON: {reason}", code="E216", where=where + column, help=help_
        ) from None
    if not isinstance(value, dict):
        message = f"the line holds {_KINDS[type(value)]}, not an object"
        raise DataError(message, code="E217", where=where, help='write it like {"name": "Rossi"}')
    if "\\u" in content and _has_half_a_character(value):
        message = "the line holds half a character (a lone surrogate)"
        raise DataError(message, code="E223", where=where, help="write the whole character")
    return value


_KINDS = {
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


class _RefusedError(ValueError):
    def __init__(self, message: str, code: str, help_: str) -> None:
        super().__init__(message)
        self.message, self.code, self.help = message, code, help_


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise _RefusedError(f'the key "{double}" stands twice', "E218", "keep one of them")
    return values


def _no_constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is no JSON number", "E219", "write null for a missing number")


def _has_half_a_character(value: Any) -> bool:
    if isinstance(value, str):
        return is_broken(value)
    if isinstance(value, dict):
        return any(map(_has_half_a_character, [*value, *value.values()]))
    return isinstance(value, list) and any(map(_has_half_a_character, value))


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
