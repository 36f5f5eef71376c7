"""A SQLite database as a store: ``sqlite:///path/file.db``. Each table is a unit.

Views are not units (they hold nothing), nor are virtual tables: the ordinary tables they keep
their content in are. Read from a copy, see ``scanner.sqlitefile``; the tables of one database
share one copy as long as the store is open.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from scanner import formats
from scanner.contracts import Chunk, Ignore, Limits, Member, Records, SealName, Source
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Access, Fact, Outcome, Problem, Slice, Store, Unit
from scanner.sqlitefile import MAGIC, Database, Table
from scanner.stores.filefacts import Modes, access, facts
from scanner.stores.files import OpenFiles, spell, version_of
from scanner.tablerows import chunks, sqlite_rows

_SCHEME = "sqlite://"


class Sqlite:
    kind = "sqlite"
    options: Mapping[str, type] = {}

    def claims(self, target: str) -> bool:
        return target.startswith(_SCHEME)

    def resolve(self, target: str, options: Mapping[str, Any]) -> Store:
        path = path_of(target)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise UsageError(f"{target}: expected a database file, found something else")
        except OSError:
            pass  # whether it exists is for the scan to say: one must not cost the others
        uri = f"{_SCHEME}{quote(os.fsencode(path), safe='/')}"
        return Store(uri=uri, kind=self.kind, options=dict(options))

    def connect(self, store: Store, seal_name: SealName) -> OpenSqlite:
        return OpenSqlite(store, path_of(store.uri), seal_name)


STORE = Sqlite()


def path_of(target: str) -> Path:
    """``sqlite:///var/a.db`` is absolute. Where there is no such file it may also be meant as
    SQLAlchemy means it, relative to here; ``sqlite:////var/a.db`` is absolute to everyone.

    Raises ``UsageError``.
    """
    raw = re.sub(r"[?#].*", "", target.removeprefix(_SCHEME))
    name = os.fsdecode(unquote_to_bytes(raw))
    if not name.startswith(("/", "./", "../")) or not name.strip("/") or "\0" in name:
        raise UsageError(f"{target}: expected sqlite:///path/file.db")
    here = name[1:] if name.startswith("/") and not name.startswith("//") else ""
    path = Path(f"/{name.lstrip('/')}") if name.startswith("/") else Path(name)
    if here and not os.path.lexists(path) and os.path.lexists(here):
        path = Path(here)
    return path.resolve() if ".." in path.parts else Path.cwd() / path


class OpenSqlite:
    """One database. ``Unit.key`` is the name of the table."""

    def __init__(self, store: Store, path: Path, seal_name: SealName) -> None:
        self._store, self._path, self._seal_name = store, path, seal_name
        self._file = OpenFiles(store, path, seal_name)
        self._database: Database | None = None
        self._version: str | None = None
        try:
            self._source().file.close()
        except BaseException:
            self._file.close()
            raise

    def _source(self) -> Source:
        """The file, known to be a database. Raises ``Unreadable``."""
        source = self._file.open_target()
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
        version = self._state()
        if self._database is not None and version == self._version:
            return self._database
        self._drop()
        source = self._source()
        with source.file:
            self._database = Database(source, Limits())
        self._version = version
        return self._database

    def _state(self) -> str:
        """Versions of all the files the database consists of."""
        base = os.path.realpath(self._path)
        parts = []
        for suffix in ("", "-wal", "-journal"):
            try:
                parts.append(version_of(Path(base + suffix).stat()))
            except OSError:
                parts.append("")
        return "/".join(parts).rstrip("/")

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
        return facts(self._modes(), self._file.device)

    def access(self) -> Access:
        return access(self._modes())

    def _modes(self) -> Modes:
        """The database and the files beside it that hold its rows."""
        modes = Modes(self._path)
        base = os.path.realpath(self._path)
        for suffix in ("", "-wal", "-journal"):
            try:
                modes.file("", Path(base + suffix).stat())
            except OSError as error:
                if not suffix:
                    modes.broken = error.strerror
        return modes

    def _drop(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def close(self) -> None:
        self._drop()
        self._file.close()


def _read(database: Database, table: Table, part: Slice) -> Iterator[Chunk | Member | Problem]:
    database.start_clock()
    return chunks(sqlite_rows(database, table), table.columns)
