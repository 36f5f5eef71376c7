from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner import registry
from scanner.contracts import OpenStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a database under test lies, with nothing beside it."""
    (tmp_path / "db").mkdir()
    return tmp_path / "db"


@pytest.fixture
def opened(server: Any, request: pytest.FixtureRequest) -> Iterator[OpenStore]:
    """The ``DATABASE`` of the module on its server."""
    target = server.target(request.module.DATABASE)
    kind = registry.stores()[target.partition(":")[0]]
    store = kind.connect(kind.resolve(target, {}), str)
    yield store
    store.close()
