"""A table of steps in parts that end where a sequence ends."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from elman.data.table import Table


def is_contiguous(tables: Iterable[Table], name: str) -> bool:
    """Whether the rows of each sequence stand together: no id comes back after another one.

    Eight bytes are kept for each sequence; two ids with one hash are taken for one that comes back.
    """
    hashes = array("q")
    before: object = hashes  # equal to no id
    for table in tables:
        for value in table.column(name):
            if type(value).__hash__ is None:
                return False
            if value != before:
                hashes.append(hash(value))
            before = value
    return len(np.unique(np.asarray(hashes))) == len(hashes)


def whole_sequences(
    parts: Iterable[tuple[Table, float | None]], name: str
) -> Iterator[tuple[Table, float | None]]:
    """Cut a table anew, so that no sequence is divided between two parts; its last rows wait for the next."""
    held: list[Table] = []
    share: float | None = None
    for table, share in parts:
        ids = table.column(name)
        last = next((row for row in range(len(ids) - 1, -1, -1) if ids[row] != ids[-1]), -1) + 1
        goes_on = bool(held) and ids[0] == held[-1].column(name)[-1]
        if not last and (goes_on or not held):
            held.append(table)
            continue
        yield joined([*held, table.take(range(last))] if last else held), share
        held = [table.take(range(last, len(ids)))]
    if held:
        yield joined(held), share


def joined(tables: list[Table]) -> Table:
    """Put the rows of several parts of a file together."""
    first = tables[0]
    columns = {name: [value for table in tables for value in table.columns[name]] for name in first.columns}
    lines = [line for table in tables for line in table.lines]
    return Table(columns, lines, first.source, None, first.counted, first.lists)
