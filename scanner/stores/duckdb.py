"""A DuckDB database as a store: ``duckdb:///path/file.duckdb``. Each table is a unit.

Views are no units (they hold nothing); what the schema itself holds is one, ``(definitions)``.
Read from a copy, see ``scanner.duckfile``; the tables share one as long as the store is open. A
slice of a table is a range of its row numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from scanner import duckfile
from scanner.contracts import Chunk, Ignore, Limits, Member, Records, SealName, Source
from scanner.duckfile import BESIDE, DEFINITIONS, Database, Table
from scanner.duckrows import Rows, of_texts
from scanner.errors import Reason, Unreadable
from scanner.model import Outcome, Problem, Slice, Store, Unit
from scanner.stores.databasefile import OpenDatabaseFile, path_of, uri_of

_SCHEME = "duckdb://"


class DuckDb:
    kind = "duckdb"
    options: Mapping[str, type] = {}

    def claims(self, target: str) -> bool:
        return target.startswith(_SCHEME)

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        return Store(uri=uri_of(target, _SCHEME), kind=self.kind, options=dict(options))

    def connect(self, store: Store, seal_name: SealName) -> OpenDuckDb:
        return OpenDuckDb(store, path_of(store.uri, _SCHEME), seal_name)


STORE = DuckDb()


class OpenDuckDb(OpenDatabaseFile[Database]):
    """One database. ``Unit.key`` is ``Table.key`` or ``DEFINITIONS``."""

    product, beside = "DuckDB", BESIDE

    def _begins(self, head: bytes, size: int | None) -> bool:
        return duckfile.is_database(head)

    def _copy(self, source: Source) -> Database:
        return Database(source, Limits())

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        database = self._opened()
        cells = sum(_cells(table) for table in database.tables)
        for table in database.tables:
            if not ignore(table.key, False):
                # how the bytes of the file are shared out among tables is not told: by cells
                size = (self._file.size or 0) * _cells(table) // max(1, cells)
                yield self._unit(table.key, size)
        if not ignore(DEFINITIONS, False):
            yield self._unit(DEFINITIONS, None)

    def _unit(self, key: str, size: int | None) -> Unit:
        return Unit(self._store.uri, key, self._seal_name(key), size, self._version)

    def open(self, unit: Unit) -> Source | Records:
        database = self._opened()
        if unit.key == DEFINITIONS:
            return Records(lambda part: of_texts(database.definitions()))
        for table in database.tables:
            if table.key == unit.key:
                read = partial(_read, database, table, unit.size or 0)
                return Records(read, sliceable=bool(unit.size))
        raise Unreadable(Reason.VANISHED, "the table was listed, and is gone")


def _cells(table: Table) -> int:
    return table.rows * max(1, len(table.columns))


def _read(
    database: Database, table: Table, size: int, part: Slice
) -> Iterator[Chunk | Member | Problem]:
    first, end = 0, table.rows
    if size:  # a share of the rows, the same for the end of a slice and the start of the next
        first = table.rows * min(part.start, size) // size
        end = table.rows if part.end is None else table.rows * min(part.end, size) // size
    return Rows(database.connection, table.source, table.columns, "rowid").chunks(first, end)
