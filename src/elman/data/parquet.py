"""Parquet, by pyarrow."""

from __future__ import annotations

import io

from elman.data.frames import columns_of
from elman.data.source import Parsed, Source
from elman.errors import DataError, missing_extra


def read_parquet(source: Source) -> Parsed:
    """Read a table; a list column gives a list in each row.

    Raises
    ------
    MissingExtraError
        E150 if pyarrow is not installed.
    DataError
        E206 if there are no rows, E220 if the file is damaged.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise missing_extra("pyarrow", "parquet", "reading a Parquet file") from None
    try:
        table = pq.read_table(io.BytesIO(source.read_bytes()))
    except (pa.ArrowException, OSError) as error:
        message = f"{source.name} is not a Parquet file, or it is damaged"
        raise DataError(message, code="E220", help="write or copy it again") from error
    return columns_of(table, source.name)
