"""SQLite databases, read from a private copy; shared by the store and the reader.

A database is never opened where it lies: SQLite would write ``-shm``, roll back a journal or move
the WAL into it, and with ``immutable=1`` it misses the rows in the WAL. So the database, its
``-wal`` and its ``-journal`` are copied to scratch, opened there, and unlinked at once.

The file may be hostile. No schema code runs: only ``SELECT`` of plain columns of plain tables is
authorised, no function, no view, no trigger, no virtual table; sizes and time are limited. Format:
https://www.sqlite.org/fileformat2.html; hardening: https://www.sqlite.org/security.html.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from detectors.records import dataclass
from scanner.contracts import KeyColumn, Limits, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Problem
from scanner.scratch import Scratch
from scanner.settledcopy import needed, settled_copy
from scanner.sqlnames import quoted

MAGIC = b"SQLite format 3\0"
_JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_BESIDE = ("-journal", "-wal")
_ROW = 64 << 20
_VALUE = 8 << 20
_VALUE_AT_LEAST = 64 << 10
"""A row with a larger value is read value by value, see ``tablerows``."""
_SMALL = 1 << 14
"""of rows that are held by the hundred"""
_STEPS = 20_000
"""Virtual machine steps between looks at the clock"""


FAULTS = (sqlite3.Error, MemoryError, UnicodeDecodeError)
"""What reading a hostile or damaged database raises; ``unreadable`` says what it means. The last
comes from the error message, when it quotes the damage."""


@dataclass(frozen=True, slots=True)
class Table:
    """``columns`` as they are spelled; ``rowid`` is a name for it that no column hides, None
    for a table without one."""

    name: str
    columns: tuple[str, ...]
    rowid: str | None
    keys: tuple[KeyColumn, ...] = ()
    """the primary key of a table without rowid"""


class Database:
    """A copy of a database, open. ``problem`` is what can be said against all of it.

    Raises ``Unreadable`` when there is no database in it.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        self._limits = limits
        self.start_clock()
        with Scratch(needed(source, _BESIDE)) as scratch:
            path = _copy(source, scratch)
            source.check = lambda: None  # what was copied is one state, whatever comes after
            self._connection = sqlite3.connect(
                f"file:{path}?mode=rw", uri=True, isolation_level=None, cached_statements=8
            )
            try:
                self._harden()
                self.problem = self._truncated(path)
                self._connection.set_authorizer(_authorize)
                self.tables = tuple(self._tables())
            except FAULTS as error:
                self._connection.close()
                raise unreadable(error) from None

    def _harden(self) -> None:
        connection = self._connection
        connection.text_factory = bytes
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_progress_handler(self._late, _STEPS)
        for pragma in (
            "locking_mode = EXCLUSIVE",  # with it the WAL needs no -shm
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "mmap_size = 0",
            "cache_size = -8192",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # recovers the copy
        connection.execute("PRAGMA query_only = ON")

    def _truncated(self, path: Path) -> Problem | None:
        """SQLite takes what is missing at the end of a file for zeros. What lies in a WAL is not
        in the file yet, so then nothing can be said."""
        wal = Path(f"{path}-wal")
        pages, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "page_size")
        )
        if path.stat().st_size >= pages * size or (wal.exists() and wal.stat().st_size):
            return None
        return Problem(Reason.TRUNCATED, "the database file ends before its last page")

    def _tables(self) -> Iterator[Table]:
        """Every b-tree of rows, the schema and SQLite's own tables too, since statistics and
        defaults hold values. A virtual table is read through the ordinary ones it is made of."""
        execute = self._connection.execute
        yield Table("sqlite_master", ("type", "name", "tbl_name", "rootpage", "sql"), "rowid")
        listed = execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name"
        )
        for (raw,) in listed.fetchall():
            name = _text(raw)
            try:
                info = execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
            except (*FAULTS, ValueError):  # ValueError: a name that SQL cannot spell
                info = []
            # hidden 2: computed when read, from columns that are read anyway
            columns = tuple(_text(row[1]) for row in info if row[6] != 2)
            rowid = self._rowid(name, columns)
            # row[5]: place in the primary key, from 1
            key = sorted((row[5], _text(row[1]), _text(row[2])) for row in info if row[5])
            keys = (
                ()
                if rowid
                else tuple(
                    KeyColumn(columns.index(column), "INT" in kind.upper())
                    for _, column, kind in key
                )
            )
            yield Table(name, columns, rowid, keys)

    def _rowid(self, name: str, columns: tuple[str, ...]) -> str | None:
        taken = {column.lower() for column in columns}
        for alias in ("rowid", "_rowid_", "oid"):
            if alias not in taken:
                try:
                    self._connection.execute(_select(alias, name, "LIMIT 0"))
                except (*FAULTS, ValueError):
                    return None
                return alias
        return None

    def rows(
        self, table: Table, after: int | None = None, *, small: bool = False
    ) -> sqlite3.Cursor:
        """All rows, in the order of the b-tree, no index used; the first value is the rowid or
        None. ``after`` a rowid. ``small``: such as can be held by the hundred, a larger one is a
        fault. Raises ``FAULTS``, or ``ValueError`` for a name that SQL cannot spell."""
        most = max(_VALUE_AT_LEAST, min(_VALUE, _ROW // max(1, len(table.columns))))
        most = _SMALL if small else most
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)
        columns = ", ".join(quoted(column) for column in table.columns)
        return self._connection.execute(
            _select(f"{table.rowid or 'NULL'}, {columns}", table.name, _beyond(table, after))
        )

    def next_rowid(self, table: Table, after: int | None) -> int | None:
        """Raises ``FAULTS``."""
        sql = _select(str(table.rowid), table.name, f"{_beyond(table, after)} LIMIT 1")
        row = self._connection.execute(sql).fetchone()
        return None if row is None else int(row[0])

    def value(self, table: Table, column: str, rowid: int) -> object:
        """One value, None when it is too large, or NULL. Raises ``FAULTS``."""
        sql = _select(quoted(column), table.name, f"WHERE {table.rowid} = {rowid:d}")
        row = self._connection.execute(sql).fetchone()
        return None if row is None else row[0]

    def stream(self, table: Table, column: str, rowid: int) -> sqlite3.Blob:
        """One text or blob as a stream, however long. Raises ``FAULTS``."""
        return self._connection.blobopen(table.name, column, rowid, readonly=True)

    def start_clock(self) -> None:
        """The time of one unit begins."""
        self._deadline = time.monotonic() + self._limits.seconds

    def _late(self) -> int:
        return time.monotonic() > self._deadline

    def close(self) -> None:
        self._connection.close()


def _select(what: str, table: str, rest: str) -> str:
    return " ".join(("SELECT", what, "FROM", quoted(table), rest))


def _beyond(table: Table, after: int | None) -> str:
    hint = "" if table.name == "sqlite_master" else "NOT INDEXED"
    return hint if after is None else f"{hint} WHERE {table.rowid} > {after:d}"


def unreadable(error: Exception) -> Unreadable:
    """What an error of SQLite means; its own words can hold content and stay here."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_INTERRUPT"):
        return Unreadable(Reason.BUDGET_TIME, "reading it took too long")
    if name.startswith("SQLITE_TOOBIG"):
        return Unreadable(Reason.BUDGET_MEMORY, "it has a value that is too large to hold")
    if isinstance(error, MemoryError):
        return Unreadable(Reason.BUDGET_MEMORY, "reading it needs too much memory")
    if name.startswith("SQLITE_NOTADB"):
        return Unreadable(Reason.CORRUPT, "it begins like a SQLite database and is none")
    if name.startswith("SQLITE_FULL"):
        return Unreadable(Reason.SCRATCH_FULL, "the scratch folder is full")
    return Unreadable(Reason.CORRUPT, f"the database is damaged ({name or 'SQLite'})")


_ALLOWED = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ))


def _authorize(
    action: int, first: str | None, second: str | None, base: str | None, inner: str | None
) -> int:
    if inner is not None:  # from a view or a trigger
        return sqlite3.SQLITE_DENY
    if action in _ALLOWED or (action == sqlite3.SQLITE_PRAGMA and first == "table_xinfo"):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


# --- the copy -----------------------------------------------------------------------------------


def _copy(source: Source, scratch: Scratch) -> Path:
    path = settled_copy(source, scratch, _BESIDE, grows="-wal")
    _detach_journal(Path(f"{path}-journal"))
    return path


def _detach_journal(journal: Path) -> None:
    """A journal may name a *super-journal* (of a commit over several databases), any path at all,
    which SQLite would look at and might delete. As SQLite does: where that file is gone, the
    commit is done and the journal stale. Else it is to be rolled back, without the name."""
    try:
        with journal.open("r+b") as file:
            total = file.seek(0, 2)
            if total < 16:
                return
            file.seek(total - 16)
            tail = file.read(16)
            if tail[8:] != _JOURNAL_MAGIC:
                return
            length = int.from_bytes(tail[:4], "big")
            file.seek(max(0, total - 16 - length))
            name = file.read(min(length, 4096))
            file.seek(total - 8)
            file.write(bytes(8))
    except FileNotFoundError:
        return
    try:
        stale = not Path(name.decode("utf-8", "surrogateescape")).exists()
    except (OSError, ValueError):
        stale = True
    if name and stale:
        journal.unlink()


def _text(raw: object) -> str:
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else str(raw)
