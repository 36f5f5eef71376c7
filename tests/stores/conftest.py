from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a database under test lies, with nothing beside it."""
    (tmp_path / "db").mkdir()
    return tmp_path / "db"
