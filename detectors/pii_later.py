"""Presidio without its language engines, until one is asked for.

``import presidio_analyzer`` loads spaCy and pydantic, two thirds of its time and of its memory, for
what no recogniser of ours uses. Here the packages that do so stand empty while the rest is loaded,
and what was taken from them is fetched at first use.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_LATER = ("presidio_analyzer.nlp_engine", "presidio_analyzer.input_validation")


class _Later:
    """Stands for one name of a package."""

    def __init__(self, package: str, name: str) -> None:
        self._package, self._name = package, name

    def _real(self) -> Any:
        return getattr(importlib.import_module(self._package), self._name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what typing asks of an annotation
            raise AttributeError(name)
        return getattr(self._real(), name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._real()(*arguments, **named)

    def __instancecheck__(self, one: object) -> bool:
        return isinstance(one, self._real())


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Later(self.__name__, name)


def load() -> Any:
    """``presidio_analyzer.predefined_recognizers``."""
    wanted = "presidio_analyzer.predefined_recognizers"
    if "presidio_analyzer" in sys.modules:
        return importlib.import_module(wanted)
    sys.modules.update({name: _Empty(name) for name in _LATER})
    try:
        return importlib.import_module(wanted)
    finally:
        for name in _LATER:
            del sys.modules[name]
