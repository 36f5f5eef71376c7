"""A SQLite database as a store: ``sqlite:///path/file.db``. Each table is a unit.

Views are not units (they hold nothing), nor are virtual tables: the ordinary tables they keep
their content in are. Read from a copy, see ``scanner.sqlitefile``; the tables of one database
share one copy as long as the store is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from scanner.contracts import Chunk, Ignore, Limits, Member, Records, SealName, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Outcome, Problem, Slice, Store, Unit
from scanner.sqlitefile import MAGIC, Database, Table
from scanner.stores.databasefile import OpenDatabaseFile, path_of, uri_of
from scanner.stores.files import spell
from scanner.tablerows import chunks, sqlite_rows

_SCHEME = "sqlite://"


class Sqlite:
    kind = "sqlite"
    options: Mapping[str, type] = {}

    def claims(self, target: str) -> bool:
        return target.startswith(_SCHEME)

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        return Store(uri=uri_of(target, _SCHEME), kind=self.kind, options=dict(options))

    def connect(self, store: Store, seal_name: SealName) -> OpenSqlite:
        return OpenSqlite(store, path_of(store.uri, _SCHEME), seal_name)


STORE = Sqlite()


class OpenSqlite(OpenDatabaseFile[Database]):
    """One database. ``Unit.key`` is the name of the table."""

    product, beside, encrypted = "SQLite", ("-wal", "-journal"), ": encrypted (SQLCipher?)"

    def _begins(self, head: bytes, size: int | None) -> bool:
        return head.startswith(MAGIC) or not size  # an empty file is an empty database

    def _copy(self, source: Source) -> Database:
        return Database(source, Limits())

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        database = self._opened()
        for table in database.tables:
            if not ignore(table.name, False):
                name = self._seal_name(spell(table.name))
                yield Unit(self._store.uri, table.name, name, None, self._version)

    def open(self, unit: Unit) -> Source | Records:
        database = self._opened()
        for table in database.tables:
            if table.name == unit.key:
                return Records(partial(_read, database, table), check=lambda: database.problem)
        raise Unreadable(Reason.VANISHED, "the table was listed, and is gone")


def _read(database: Database, table: Table, part: Slice) -> Iterator[Chunk | Member | Problem]:
    database.start_clock()
    return chunks(sqlite_rows(database, table), table.columns, keys=table.keys)
