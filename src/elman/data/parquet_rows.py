"""Parquet written part after part, by pyarrow."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Self

from elman.data.parquet import check_pyarrow
from elman.errors import DataError

GROUP = 1 << 17
"""Rows that are written together, as a row group."""


class ParquetRows:
    """Writes rows to an open file, which can be read and written anywhere.

    A column has the type that all its values have in common, whichever part they come in: if a later part
    widens it (a fraction among whole numbers, a value after none), what is written already is written anew.
    """

    def __init__(self, file: BinaryIO) -> None:
        check_pyarrow("writing a Parquet file")
        self._file = file
        self._writer: Any = None
        self._schema: Any = None
        self._held: list[Any] = []

    def write(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Take the next rows; ``DataError`` E227 if a column's values are of several kinds."""
        import pyarrow as pa

        self._held.append(pa.table({name: _array(name, values) for name, values in columns.items()}))
        if sum(map(len, self._held)) >= GROUP:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is left, unless something went wrong, and the end of the file."""
        if kind is None and self._held:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        held, self._held = self._held, []
        schema = _common([*([self._schema] if self._schema else []), *(table.schema for table in held)])
        if schema != self._schema:
            self._begin(schema)
        self._writer.write_table(pa.concat_tables([_cast(table, schema) for table in held]))

    def _begin(self, schema: Any) -> None:
        """Begin with these types; rows that are written already are written once more."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            self._writer, self._schema = pq.ParquetWriter(self._file, schema), schema
            return
        self._writer.close()
        with tempfile.TemporaryFile() as before:
            self._file.seek(0)
            shutil.copyfileobj(self._file, before)
            self._file.seek(0)
            self._file.truncate()
            self._writer, self._schema = pq.ParquetWriter(self._file, schema), schema
            for batch in pq.ParquetFile(before).iter_batches(GROUP):
                self._writer.write_table(_cast(pa.Table.from_batches([batch]), schema))


def _array(name: str, values: Sequence[Any]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError) as error:
        raise _mixed(name) from error


def _common(schemas: list[Any]) -> Any:
    """The types that hold the values of all these."""
    import pyarrow as pa

    fields = []
    for name in schemas[0].names:
        alone = [pa.schema([schema.field(name)]) for schema in schemas]
        try:
            fields.append(pa.unify_schemas(alone, promote_options="permissive").field(0))
        except pa.ArrowException as error:
            raise _mixed(name) from error
    return pa.schema(fields)


def _cast(table: Any, schema: Any) -> Any:
    import pyarrow as pa

    columns = []
    for field in schema:
        try:
            columns.append(table.column(field.name).cast(field.type))
        except pa.ArrowException as error:
            raise _mixed(field.name) from error
    return pa.table(columns, schema=schema)


def _mixed(name: str) -> DataError:
    message = f"the column {name} holds values of several kinds, which Parquet does not put in one column"
    return DataError(message, code="E227", help="write .jsonl or .csv instead, or leave the column out")
