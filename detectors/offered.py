"""What other packages offer as plug-ins, by entry point.

``importlib.metadata`` takes a fiftieth of a second to load and to ask, at every start, and nearly
always for nothing: so first a look whether any installed package names our groups at all.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

_OURS = "[cardtrail."


def offered(group: str) -> list[Any]:
    """The objects that entry points of ``group`` (``cardtrail.stores`` ...) name, by their name."""
    if not _any():
        return []
    from importlib.metadata import entry_points

    points = sorted(entry_points(group=group), key=lambda point: point.name)
    return [point.load() for point in points]


@cache
def _any() -> bool:
    return any(_OURS in text for folder in sys.path for text in _declarations(Path(folder)))


def _declarations(folder: Path) -> list[str]:
    if folder.is_file():
        return [_OURS]  # a zip or egg may hold anything: importlib.metadata knows
    found = []
    for file in [*folder.glob("*.dist-info/entry_points.txt"), *folder.glob("*.egg-info/entry_*")]:
        try:
            found.append(file.read_text("utf-8", "replace"))
        except OSError:
            found.append(_OURS)
    return found
