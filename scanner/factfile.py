# ruff: noqa: S608 - the name is one of ours
"""The DuckDB file that facts of reads lie in: opened, attached, and filled with columns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scanner.errors import LedgerError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PATIENCE = 5.0
"""seconds to wait for a worker of a killed scan that still has the file open"""


def put(db: DuckDBPyConnection, name: str, columns: Mapping[str, Any]) -> None:
    """Makes a temporary table of numpy arrays."""
    db.register("given_columns", dict(columns))
    db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM given_columns")
    db.unregister("given_columns")


def connect(path: Path | None, read_only: bool) -> DuckDBPyConnection:
    import duckdb

    config: dict[str, Any] = {
        "threads": len(os.sched_getaffinity(0)) if path else 1,
        "memory_limit": "400MB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    return _patiently(
        path, lambda: duckdb.connect(str(path or ":memory:"), read_only=read_only, config=config)
    )


def attach(db: DuckDBPyConnection, path: Path) -> None:
    quoted = str(path).replace("'", "''")
    _patiently(path, lambda: db.execute(f"ATTACH '{quoted}' AS below (READ_ONLY)"))
    db.execute(f"SET threads = {len(os.sched_getaffinity(0))}")


T = TypeVar("T")


def _patiently(path: Path | None, open_it: Callable[[], T]) -> T:
    """Waits for a worker of a killed scan to end. Raises ``LedgerError``."""
    import duckdb

    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return open_it()
        except duckdb.Error as error:
            locked = "lock" in str(error).lower()
            if locked and time.monotonic() < until:
                time.sleep(0.1)
                continue
            if locked:
                said = "another cardtrail is using it; wait for that scan to end"
            elif "valid DuckDB" in str(error):
                said = "expected the facts of a Cardtrail ledger, found another file"
            else:
                said = "it cannot be opened; name a place you can write to with --ledger"
            raise LedgerError(f"facts {path}: {said}") from None


def storable(values: Sequence[Any]) -> Sequence[Any]:
    try:
        "".join(values).encode()
    except (TypeError, UnicodeEncodeError):  # not texts only, or such
        return [_text(value) for value in values]
    return values


def _text(value: Any) -> Any:
    """Texts of file names need not be Unicode."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def fill(db: DuckDBPyConnection, statement: str, columns: Mapping[str, Sequence[Any]]) -> None:
    """``statement`` over ``columns`` of numbers or texts: row by row would take a millisecond
    each."""
    import numpy as np

    table = {
        name: np.array(list(values), "i8")
        if len(values) and isinstance(values[0], int)
        else np.array(storable(values), object)
        for name, values in columns.items()
    }
    put(db, "given", table)
    db.execute(f"{statement} FROM given")


def insert(
    db: DuckDBPyConnection, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    if rows:
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        fill(db, f"INSERT INTO {table} SELECT {', '.join(names)}", columns)
