"""Fact stores in memory as databases of one engine.

An engine of DuckDB takes 20 ms to start and as long to fill with empty tables, and hundreds of
tests open one or several. Each gets a database of its own all the same; files are opened as ever.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from scanner import facts

_connect, _attach = facts.connect, facts.attach
_NUMBERS = count(1)


@cache
def _engine() -> Any:
    return _connect(None, False)


class _InMemory:
    """A connection to a new database of the engine, which goes when it is closed."""

    def __init__(self) -> None:
        self._name = f"memory{next(_NUMBERS)}"
        _engine().execute(f"ATTACH ':memory:' AS {self._name}")
        self._db = _engine().cursor()
        self._db.execute(f"USE {self._name}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def close(self) -> None:
        self._db.close()
        _engine().execute(f"DETACH DATABASE IF EXISTS {self._name}")

    def attach(self, path: Path) -> None:
        """What looks through to a file needs an engine of its own: its name is the same in all."""
        self.close()
        self._db = _connect(None, False)
        _attach(self._db, path)


def connect(path: Path | None, read_only: bool) -> Any:
    return _connect(path, read_only) if path else _InMemory()


def attach(db: Any, path: Path) -> None:
    if isinstance(db, _InMemory):
        db.attach(path)
    else:
        _attach(db, path)


def use(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(facts, "connect", connect)
    patch.setattr(facts, "attach", attach)
