"""NumPy's .npz: each array is a column, its first axis the rows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from elman.data.source import Parsed, Source
from elman.errors import DataError


def read_npz(source: Source, rows: int | None = None) -> Iterator[Parsed]:
    """Read arrays (B,), (B, T) or (B, T, D) as columns; the last two hold a sequence in each row.

    The arrays are in memory whole; what Python makes of them comes in parts of so many rows, or whole.

    Raises
    ------
    DataError
        E226 if the file is damaged or holds objects (nothing is unpickled), E221 if arrays differ in their
        first axis, E206 if there are no rows.
    """
    import zipfile  # only here, as it is slow to import

    try:
        with np.load(io.BytesIO(source.read_bytes()), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        message = f"{source.name} is not a .npz file of plain arrays, or it is damaged"
        raise DataError(message, code="E226", help="write it with numpy.savez, without objects") from error
    lengths = {name: array.shape[0] if array.ndim else -1 for name, array in found.items()}
    if len(set(lengths.values())) > 1 or -1 in lengths.values():
        told = ", ".join(f"{name} {found[name].shape}" for name in found)
        message = f"the arrays of {source.name} differ in how many rows they have: {told}"
        raise DataError(message, code="E221", help="give every array one entry for each row")
    count = next(iter(lengths.values()), 0)
    if not count:
        raise DataError(f"{source.name} has no rows", code="E206", help="write some")
    lists = frozenset(name for name, array in found.items() if array.ndim > 1)
    for first in range(0, count, rows or count):
        last = min(first + (rows or count), count)
        columns: dict[str, list[Any]] = {name: array[first:last].tolist() for name, array in found.items()}
        yield Parsed(columns, list(range(first + 1, last + 1)), lists, last / count)
