"""What DuckDB reads: its own databases, each table a member, and Parquet files, by row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from scanner import duckfile
from scanner.contracts import Chunk, Limits, Member, Source
from scanner.duckfile import DEFINITIONS, Column, Database, ask
from scanner.duckrows import Rows, of_texts
from scanner.errors import Unreadable
from scanner.model import Problem, Slice

if TYPE_CHECKING:
    import duckdb

_ROW = "file_row_number"
_METADATA = "(metadata)"


class DuckDb:
    name = "duckdb"
    sliceable = False
    priority = 50

    def claims(self, head: bytes, name: str) -> bool:
        return duckfile.is_database(head)

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        with closing(Database(source, limits)) as database:
            for table in database.tables:
                rows = Rows(
                    database.connection, table.source, table.columns, "rowid", member=table.key
                )
                try:
                    yield from rows.chunks(0, table.rows)
                except Unreadable as fault:
                    yield Problem(fault.reason, fault.detail, table.key)
            yield from of_texts(database.definitions(), DEFINITIONS)


class Parquet:
    name = "parquet"
    sliceable = False
    priority = 50

    def claims(self, head: bytes, name: str) -> bool:
        return head.startswith(b"PAR1")

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        descriptor = duckfile.descriptor(source)
        try:
            with closing(duckfile.connect()) as connection:
                path = f"/proc/self/fd/{descriptor}"
                duckfile.shut(connection, path)
                yield from _parquet(connection, path)
        finally:
            os.close(descriptor)


READER = (DuckDb(), Parquet())


def _parquet(
    connection: duckdb.DuckDBPyConnection, path: str
) -> Iterator[Chunk | Member | Problem]:
    """Raises ``Unreadable``."""
    options = "hive_partitioning = false"
    every = f"SELECT * FROM read_parquet('{path}', {options})"  # noqa: S608 - a path of ours
    described = ask(connection, f"DESCRIBE {every}")
    columns = [Column(row[0], row[1]) for row in described]
    number: str | None = None
    if _ROW not in {column.name.lower() for column in columns}:
        number, options = _ROW, f"{options}, {_ROW} = true"
    ((total,),) = ask(connection, f"SELECT sum(num_rows) FROM parquet_file_metadata('{path}')")  # noqa: S608
    rows = Rows(connection, f"read_parquet('{path}', {options})", columns, number)
    yield from rows.chunks(0, int(total) if number else None)
    kept = ask(connection, f"SELECT key, value FROM parquet_kv_metadata('{path}')")  # noqa: S608
    texts = [(key.decode("utf-8", "replace"), value) for key, value in kept if value]
    yield from of_texts(texts, _METADATA)
