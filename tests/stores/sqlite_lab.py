"""A SQLite store opened for a test, and databases for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from scanner.contracts import Chunk, Member, Records
from scanner.model import Problem, Slice, Unit
from scanner.stores.sqlite import STORE, OpenSqlite

WHOLE = Slice(0, 0, None)


def opened(path: Path) -> OpenSqlite:
    return STORE.connect(STORE.resolve(f"sqlite://{path}", {}), str)


def units(store: OpenSqlite) -> list[Unit]:
    return [unit for unit in store.units(lambda name, is_folder: False) if isinstance(unit, Unit)]


def items(store: OpenSqlite, table: str) -> Iterator[Chunk | Member | Problem]:
    unit = next(unit for unit in units(store) if unit.key == table)
    records = store.open(unit)
    assert isinstance(records, Records)
    return records.chunks(WHOLE)


def text(store: OpenSqlite, table: str) -> bytes:
    out = b""
    for item in items(store, table):
        assert isinstance(item, Chunk), vars(item) if isinstance(item, Problem) else item
        out += bytes(item.data[item.lo : item.hi])
    return out


def state(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in folder.iterdir()
    }


def make(path: Path, *statements: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    return connection
