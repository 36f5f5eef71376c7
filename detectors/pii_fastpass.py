"""The fast pass: one Hyperscan database over a buffer says which places are worth a look.

Hyperscan was chosen by measurement: all shapes and words of a detector together run at several
hundred MB/s on logs, where Presidio's patterns run at 0.05. It reports ends only, and every end;
whoever asks looks at the place itself and decides there.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from detectors import kept
from detectors.records import dataclass

BITS = 12
"""of a hit, for its target"""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A pattern in Hyperscan's syntax, over bytes. ``target``, of ``BITS``, is handed back with
    each hit."""

    pattern: bytes
    target: int
    caseless: bool = False


class FastPass:
    """Compiled anchors; one per process and detector, since compiling takes a third of a second
    where the compiled form was not kept (``kept``)."""

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        # the package brings no types, and is loaded at first need only
        hyperscan: Any = importlib.import_module("hyperscan")
        self._database = kept.database(
            [anchor.pattern for anchor in anchors],
            [hyperscan.HS_FLAG_CASELESS if anchor.caseless else 0 for anchor in anchors],
        )
        self._scratch = hyperscan.Scratch(self._database)
        self._targets = [anchor.target for anchor in anchors]

    def hits(self, data: bytes) -> list[int]:
        """``end << BITS | target`` of every anchor in ``data``, in order, each once."""
        found: list[int] = []
        targets = self._targets

        def note(number: int, start: int, end: int, flags: int, context: object) -> None:
            found.append(end << BITS | targets[number])

        self._database.scan(data, match_event_handler=note, scratch=self._scratch)
        once = list(dict.fromkeys(found))  # nearly in order already, which a set would undo
        once.sort()
        return once


def split(hit: int) -> tuple[int, int]:
    """End and target."""
    return hit >> BITS, hit & (1 << BITS) - 1
