"""Parquet read, by pyarrow."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from elman.data.frames import columns_of
from elman.data.source import Parsed, Source
from elman.errors import DataError, missing_extra

BUFFER = 1 << 20
"""Bytes of a column that are read at a time."""


def read_parquet(source: Source, rows: int | None = None) -> Iterator[Parsed]:
    """Read a table, in parts of so many rows, or whole; a list column gives a list in each row.

    Raises
    ------
    MissingExtraError
        E150 if pyarrow is not installed.
    DataError
        E206 if there are no rows, E220 if the file is damaged.
    """
    check_pyarrow("reading a Parquet file")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with source.opened() as blocks:  # says why, if that is not allowed
            unpacked = io.BytesIO(b"".join(blocks)) if source.is_packed else source.path
        with pq.ParquetFile(unpacked, buffer_size=BUFFER) as file:
            yield from _parts(file, source.name, rows)
    except (pa.ArrowException, OSError) as error:
        message = f"{source.name} is not a Parquet file, or it is damaged"
        raise DataError(message, code="E220", help="write or copy it again") from error


def check_pyarrow(purpose: str) -> None:
    """Raise ``MissingExtraError`` if pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise missing_extra("pyarrow", "parquet", purpose) from None


def _parts(file: Any, name: str, rows: int | None) -> Iterator[Parsed]:
    import pyarrow as pa

    schema, done, total = file.schema_arrow, 0, file.metadata.num_rows
    lists = frozenset(field.name for field in schema if pa.types.is_nested(field.type))
    tables = (
        (file.read(),)
        if rows is None or not total
        else (pa.Table.from_batches([batch], schema) for batch in file.iter_batches(rows))
    )
    for table in tables:
        columns, lines, _, _ = columns_of(table, name)
        yield Parsed(columns, [line + done for line in lines], lists, (done + len(lines)) / total)
        done += len(lines)
