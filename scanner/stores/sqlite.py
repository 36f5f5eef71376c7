"""A SQLite database as a store: ``sqlite:///path/file.db``. Each table is a unit.

Views are not units (they hold nothing), nor are virtual tables: the ordinary tables they keep
their content in are. Read from a copy, see ``scanner.sqlitefile``; the tables of one database
share one copy as long as the store is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from scanner import formats
from scanner.contracts import Chunk, Ignore, Limits, Member, Records, SealName, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Access, Fact, Outcome, Problem, Slice, Store, Unit
from scanner.sqlitefile import MAGIC, Database, Table
from scanner.stores.databasefile import DatabaseFile, path_of, uri_of
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


class OpenSqlite:
    """One database. ``Unit.key`` is the name of the table."""

    def __init__(self, store: Store, path: Path, seal_name: SealName) -> None:
        self._store, self._seal_name = store, seal_name
        self._file = DatabaseFile(store, path, seal_name, ("-wal", "-journal"))
        self._database: Database | None = None
        self._version: str | None = None
        try:
            self._source().file.close()
        except BaseException:
            self._file.close()
            raise

    def _source(self) -> Source:
        """The file, known to be a database. Raises ``Unreadable``."""
        source = self._file.source()
        head = source.file.read(4096)
        source.file.seek(0)
        if head.startswith(MAGIC) or not source.size:  # an empty file is an empty database
            return source
        source.file.close()
        if formats.looks_random(head):
            detail = "no SQLite header, and bytes as if at random: encrypted (SQLCipher?)"
            raise Unreadable(Reason.ENCRYPTED, detail)
        raise Unreadable(Reason.UNSUPPORTED, "it is no SQLite database: it has no SQLite header")

    def _opened(self) -> Database:
        """The copy; made anew when the database was written to since."""
        version = self._file.state()
        if self._database is not None and version == self._version:
            return self._database
        self._drop()
        source = self._source()
        with source.file:
            self._database = Database(source, Limits())
        self._version = version
        return self._database

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

    def facts(self) -> tuple[Fact, ...]:
        return self._file.facts()

    def access(self) -> Access:
        return self._file.access()

    def _drop(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def close(self) -> None:
        self._drop()
        self._file.close()


def _read(database: Database, table: Table, part: Slice) -> Iterator[Chunk | Member | Problem]:
    database.start_clock()
    return chunks(sqlite_rows(database, table), table.columns, keys=table.keys)
