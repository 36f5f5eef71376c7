"""How many values are distinct, in bounded memory, added up in any order.

Adaptive sampling: of 64-bit fingerprints those whose last ``level`` bits are zero are kept, each
standing for ``2 ** level``. While they fit, the level is 0 and the count exact. The level
that a set ends with depends on the set alone, not on the order or the pieces it came in.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import msgspec

from scanner.prints import distinct

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

EXACT = 1 << 17
"""distinct values told exactly; beyond, to about a third of a per cent"""
ROUGH = 1 << 11
"""the same where a rough number will do: two per cent"""


class Sketch(msgspec.Struct, frozen=True):
    """``prints`` is a packed, sorted array of distinct 64-bit fingerprints."""

    most: int = EXACT
    level: int = 0
    prints: bytes = b""

    @property
    def count(self) -> int:
        return (len(self.prints) // 8) << self.level

    @property
    def exact(self) -> bool:
        return self.level == 0

    def add(self, other: Sketch) -> Sketch:
        """The union. Both have the same ``most``, or the smaller holds for both."""
        level, most = max(self.level, other.level), min(self.most, other.most)
        return _sketch(self.prints + other.prints, level, most)


class Counting:
    """A sketch in the making."""

    __slots__ = ("_level", "_most", "_prints", "_settled")

    def __init__(self, most: int) -> None:
        self._most, self._level, self._settled = most, 0, 0
        self._prints = array("Q")

    def add(self, print_: int) -> None:
        if print_ & ((1 << self._level) - 1):
            return
        self._prints.append(print_)
        if len(self._prints) >= 2 * max(self._most, self._settled):
            self._settle()

    def add_all(self, prints: npt.NDArray[np.uint64]) -> None:
        self._prints.frombytes(_at(prints, self._level).tobytes())
        if len(self._prints) >= 2 * max(self._most, self._settled):
            self._settle()

    def _settle(self) -> None:
        done = self.done()
        self._level, self._prints = done.level, array("Q", done.prints)
        self._settled = len(self._prints)

    def done(self) -> Sketch:
        return _sketch(self._prints.tobytes(), self._level, self._most)


def _sketch(packed: bytes, level: int, most: int) -> Sketch:
    prints = distinct(packed)
    if level == 0 and len(prints) <= 8 * most:
        return Sketch(most, 0, prints)
    import numpy as np

    kept = _at(np.frombuffer(prints, "<u8"), level)
    while len(kept) > most:
        level += 1
        kept = _at(kept, level)
    return Sketch(most, level, kept.tobytes())


def _at(prints: npt.NDArray[np.uint64], level: int) -> npt.NDArray[np.uint64]:
    import numpy as np

    return prints[(prints & np.uint64((1 << level) - 1)) == 0] if level else prints
