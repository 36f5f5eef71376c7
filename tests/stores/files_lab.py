"""A files store opened for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scanner.contracts import Source
from scanner.model import Outcome, Unit
from scanner.stores.files import STORE, OpenFiles

ROOT = Path(__file__).resolve().parents[2]


def opened(path: Path | str, seal: Callable[[str], str] = lambda name: name) -> OpenFiles:
    return STORE.connect(STORE.resolve(str(path), {}), seal)


def listed(path: Path) -> tuple[list[Unit], list[Outcome]]:
    store = opened(path)
    items = list(store.units(lambda name, is_folder: False))
    store.close()
    units = [item for item in items if isinstance(item, Unit)]
    return units, [item for item in items if isinstance(item, Outcome)]


def one(path: Path) -> tuple[OpenFiles, Source]:
    store = opened(path)
    unit = next(iter(store.units(lambda name, is_folder: False)))
    assert isinstance(unit, Unit)
    source = store.open(unit)
    assert isinstance(source, Source)
    return store, source
