"""DuckDB as an engine over files that may be hostile: its own databases, and Parquet.

A database is copied with its ``.wal`` (see ``scanner.settledcopy``): opened where it lies DuckDB
would lock out whoever writes to it. The copy is attached read-only beside an empty database in
memory, so no view or macro of the file is ever called by a name used here. No extension is loaded,
nothing beyond the file can be reached, memory is limited and nothing spills to a disk.
Hardening: https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from detectors.records import dataclass
from scanner import sqlnames
from scanner.contracts import Limits, Source
from scanner.errors import Reason, Unreadable
from scanner.scratch import Scratch
from scanner.settledcopy import needed, settled_copy
from scanner.sqlnames import quoted

if TYPE_CHECKING:
    import duckdb

MAGIC = b"DUCK"
MAGIC_AT = 8
BESIDE = (".wal",)
DEFINITIONS = "(definitions)"
"""the unit of what the schema itself holds: statements, comments, values of enums"""
_USUAL = "main"
_UNKNOWN_SIZE = 1 << 30
_HELD = 1_000
MEMORY = "512MiB"
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": MEMORY,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "preserve_insertion_order": True,
}


@dataclass(frozen=True, slots=True)
class Column:
    """``kind`` as DuckDB spells the type: ``DECIMAL(18,2)``, ``STRUCT(a VARCHAR)[]`` ..."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` is one more than the highest rowid; places in the table go up to it."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    rows: int

    @property
    def key(self) -> str:
        return sqlnames.key(None if self.schema == _USUAL else self.schema, self.name)

    @property
    def source(self) -> str:
        """In SQL."""
        return f"file.{quoted(self.schema)}.{quoted(self.name)}"


def is_database(head: bytes) -> bool:
    return head[MAGIC_AT : MAGIC_AT + 4] == MAGIC


def connect() -> duckdb.DuckDBPyConnection:
    """An empty database in memory. Raises ``Unreadable`` when DuckDB is not installed."""
    try:
        import duckdb
    except ModuleNotFoundError:
        detail = "expected the package duckdb: pip install duckdb"
        raise Unreadable(Reason.DRIVER, detail) from None
    return duckdb.connect(":memory:", config=_SETTINGS)


def shut(connection: duckdb.DuckDBPyConnection, but_for: str | None = None) -> None:
    """From here on nothing outside can be reached, except the one file."""
    if but_for is not None:
        path = but_for.replace("'", "''")
        connection.execute(f"SET allowed_paths = ['{path}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def descriptor(source: Source) -> int:
    """A descriptor the engine can open by its name under ``/proc``: of the file itself where it is
    one, else of a copy that has no name any more. Raises ``Unreadable``."""
    if source.seekable:
        try:
            return os.dup(source.file.fileno())
        except (OSError, AttributeError):
            pass
    with Scratch(source.size or _UNKNOWN_SIZE) as scratch:
        scratch.write("0", source.file)
        return os.open(scratch.path / "0", os.O_RDONLY | os.O_CLOEXEC)


def ask(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """All rows of a short answer. Raises ``Unreadable``."""
    import duckdb

    try:
        return connection.execute(query).fetchall()
    except (duckdb.Error, MemoryError, UnicodeDecodeError) as error:
        raise unreadable(error) from None


def stream(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a long answer, a few held at a time. Raises ``Unreadable``, also after some."""
    import duckdb

    try:
        connection.execute(query)
        while found := connection.fetchmany(_HELD):
            yield from found
    except (duckdb.Error, MemoryError, UnicodeDecodeError) as error:
        raise unreadable(error) from None


class Database:
    """A copy of a database, open. Raises ``Unreadable`` when there is no database in it."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self.connection = connect()
        self.limits = limits
        try:
            with Scratch(needed(source, BESIDE)) as scratch:
                path = settled_copy(source, scratch, BESIDE, grows=".wal")
                source.check = lambda: None  # what was copied is one state
                self._run(f"ATTACH '{path}' AS file (READ_ONLY)")
            shut(self.connection)
            self.tables = tuple(self._tables())
        except BaseException:
            self.connection.close()
            raise

    def _run(self, query: str) -> list[tuple[Any, ...]]:
        return ask(self.connection, query)

    def _tables(self) -> list[Table]:
        """All of them in the order of their names. A column that is computed when it is read is
        left out: what it is computed from is read."""
        columns: dict[tuple[str, str], list[Column]] = {}
        for schema, table, name, kind in self._run(
            "SELECT c.schema_name, c.table_name, c.column_name, c.data_type"
            " FROM duckdb_columns() c JOIN information_schema.columns i"
            " ON i.table_catalog = c.database_name AND i.table_schema = c.schema_name"
            " AND i.table_name = c.table_name AND i.column_name = c.column_name"
            " WHERE c.database_name = 'file' AND NOT c.internal AND i.is_generated <> 'ALWAYS'"
            " ORDER BY c.schema_name, c.table_name, c.column_index"
        ):
            columns.setdefault((schema, table), []).append(Column(name, kind))
        listed = self._run(
            "SELECT schema_name, table_name FROM duckdb_tables()"
            " WHERE database_name = 'file' AND NOT internal ORDER BY 1, 2"
        )
        found = []
        for schema, name in listed:
            table = Table(schema, name, tuple(columns.get((schema, name), ())), 0)
            ((last,),) = self._run(f"SELECT max(rowid) FROM {table.source}")  # noqa: S608 - quoted
            found.append(replace(table, rows=0 if last is None else last + 1))
        return found

    def definitions(self) -> list[tuple[str, str]]:
        """What is kept in the schema, with its sort. Raises ``Unreadable``."""
        queries = (
            ("table", "sql", "tables"),
            ("view", "sql", "views"),
            ("index", "sql", "indexes"),
            ("macro", "macro_definition", "functions"),
            ("comment", "comment", "tables"),
            ("comment", "comment", "columns"),
            ("comment", "comment", "views"),
            ("values of a type", "CAST(labels AS VARCHAR)", "types"),
        )
        found: list[tuple[str, str]] = []
        for sort, column, function in queries:
            query = f"SELECT DISTINCT {column} AS text FROM duckdb_{function}()"  # noqa: S608 - ours
            rows = self._run(f"{query} WHERE database_name = 'file' AND text IS NOT NULL")
            found += sorted((sort, text) for (text,) in rows)
        return found

    def close(self) -> None:
        self.connection.close()


def unreadable(error: Exception) -> Unreadable:
    """By the sort of the error: its text may quote values."""
    kind, text = type(error).__name__, str(error)
    if kind in ("OutOfMemoryException", "MemoryError"):
        return Unreadable(Reason.BUDGET_MEMORY, f"reading it needs more than {MEMORY} of memory")
    if "ncrypt" in text:
        return Unreadable(Reason.ENCRYPTED, "encrypted, and no key is given")
    if "version number" in text:
        return Unreadable(Reason.UNSUPPORTED, "written by a DuckDB this one cannot read")
    if "extension" in text:
        return Unreadable(Reason.UNSUPPORTED, "it needs an extension of DuckDB: none is loaded")
    if kind == "InterruptException":
        return Unreadable(Reason.BUDGET_TIME, "reading it took too long")
    return Unreadable(Reason.CORRUPT, f"damaged, or not as DuckDB expects it ({kind})")
