"""Finds the plug-ins: a module constant in our own packages, an entry point in other people's.

Lazily: a scan of a folder never loads the module for MySQL. Plug-ins are asked for one after the
other, in the order of their module names, and what was loaded stays.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Generic, TypeVar

from detectors.offered import offered
from scanner.contracts import EvidenceKind, Reader, Report, StoreKind

T = TypeVar("T")


class Found(Mapping[str, T], Generic[T]):
    """Plug-ins of one sort by their name. Iterating over ``values`` loads no more than is taken; a
    plug-in that begins with the name of its module is found without the others."""

    def __init__(self, package: str, constant: str, group: str, name: str) -> None:
        self._package, self._constant, self._group = package, constant, group
        self._name = name
        self._loaded: list[T] = []
        self._more = self._load()

    def __getitem__(self, key: str) -> T:
        for plugin in self.likely(key):
            if getattr(plugin, self._name) == key:
                return plugin
        for plugin in self._each():
            if getattr(plugin, self._name) == key:
                return plugin
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        try:
            self[str(key)]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return (getattr(plugin, self._name) for plugin in self._each())

    def __len__(self) -> int:
        return sum(1 for _ in self._each())

    def likely(self, name: str) -> Iterator[T]:
        """Plug-ins of modules that ``name`` begins with: of ``postgres`` for ``postgresql://``."""
        for module in self._modules():
            if name.startswith(module):
                yield from self._in_module(module)

    def _each(self) -> Iterator[T]:
        yield from self._loaded
        for plugin in self._more:
            self._loaded.append(plugin)
            yield plugin

    def _load(self) -> Iterator[T]:
        for module in self._modules():
            yield from self._in_module(module)
        yield from offered(self._group)

    def _modules(self) -> list[str]:
        parent = importlib.import_module(self._package)
        names = (info.name for info in pkgutil.iter_modules(parent.__path__))
        return sorted(name for name in names if not name.startswith("_"))  # but compiled helpers

    def _in_module(self, module: str) -> tuple[T, ...]:
        name = f"{self._package}.{module}"
        if not _declares(name, self._constant):
            return ()
        value = getattr(importlib.import_module(name), self._constant)
        return value if isinstance(value, tuple) else (value,)


def _declares(module: str, constant: str) -> bool:
    """Whether the source of a module has the constant, so that helpers beside plug-ins are not
    loaded. A module without source is taken to have it."""
    spec = find_spec(module)
    if spec is None:
        return False
    get_source = getattr(spec.loader, "get_source", None)
    source = None if get_source is None else get_source(module)
    return source is None or f"\n{constant} = " in source or f"\n{constant}: " in source


@cache
def stores() -> Found[StoreKind]:
    return Found("scanner.stores", "STORE", "cardtrail.stores", "kind")


@cache
def readers() -> tuple[Reader, ...]:
    """In the order they are asked: the lowest ``priority`` first."""
    found: Found[Reader] = Found("scanner.readers", "READER", "cardtrail.readers", "name")
    return tuple(sorted(found.values(), key=lambda reader: reader.priority))


@cache
def evidence() -> Found[EvidenceKind]:
    return Found("scanner.access", "EVIDENCE", "cardtrail.evidence", "kind")


@cache
def reports() -> Found[Report]:
    return Found("reports", "REPORT", "cardtrail.reports", "name")
