"""Finds the plug-ins: a module constant in our own packages, an entry point in other people's.

Modules are imported when their registry is first asked for; each keeps its heavy imports inside
its functions, so this is cheap.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from scanner.contracts import EvidenceKind, Reader, Report, StoreKind


@cache
def stores() -> tuple[StoreKind, ...]:
    return tuple(_find("scanner.stores", "STORE", "cardtrail.stores"))


@cache
def readers() -> tuple[Reader, ...]:
    """In the order they are asked: the lowest ``priority`` first."""
    found = _find("scanner.readers", "READER", "cardtrail.readers")
    return tuple(sorted(found, key=lambda reader: reader.priority))


@cache
def evidence() -> tuple[EvidenceKind, ...]:
    return tuple(_find("scanner.access", "EVIDENCE", "cardtrail.evidence"))


@cache
def reports() -> tuple[Report, ...]:
    return tuple(_find("reports", "REPORT", "cardtrail.reports"))


def _find(package: str, constant: str, group: str) -> list[Any]:
    """Every ``constant`` of the modules of ``package``, then of the entry points of ``group``;
    by name, so the order is always the same."""
    parent = importlib.import_module(package)
    found: list[Any] = []
    for info in sorted(pkgutil.iter_modules(parent.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package}.{info.name}")
        if hasattr(module, constant):
            value = getattr(module, constant)
            found.extend(value if isinstance(value, tuple) else (value,))
    offered = sorted(entry_points(group=group), key=lambda point: point.name)
    found.extend(point.load() for point in offered)
    return found
