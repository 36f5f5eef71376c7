"""The folder in which Cardtrail keeps what is its own, and what may not be written there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from scanner.model import Store


def root() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "cardtrail"


def outside(stores: Sequence[Store], name: str) -> Path | None:
    """A folder of that name; None where it would lie inside a store, or be one."""
    folder = root() / name
    return None if store_around(folder / "any", stores) else folder


def store_around(path: Path, stores: Sequence[Store]) -> Store | None:
    """The store of files that ``path`` lies in."""
    parents = path.resolve().parents
    for store in stores:
        if store.kind == "files" and Path(unquote(urlsplit(store.uri).path)) in parents:
            return store
    return None
