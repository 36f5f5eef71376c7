"""A hash of a PAN in one column, and the PAN's truncation in two others: first digits, last four.

PCI DSS 3.5.1 forbids that the two can be brought together. Proved like ``hashes`` does, by running
through the 100,000 numbers that fit, on one row; the number itself stays inside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from detectors.hashes import ALGORITHMS, MOST_MISSING, undo

_TRIES = 2
"""rows of a table that are run through; a fifth of a second each when nothing fits"""
_FIRST = re.compile(
    r"(?:card|pan|cc)?(?:bin|iin|first(?:6|8|six|eight)|prefix)(?:digits|no|number)?"
)
_LAST = re.compile(r"(?:card|pan|cc)?(?:last(?:4|four)|suffix|tail)(?:digits)?")
_DIGEST = re.compile(rb"(?:0x|\\x)?([0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})")


class Proof(NamedTuple):
    """Places of the columns that give the numbers of one row away together."""

    hashed: int
    first: int
    last: int
    algorithm: str


class SplitHash:
    """For one table. Falsy when its columns have no such names."""

    def __init__(self, names: Sequence[str]) -> None:
        plain = [re.sub(r"[\W_]+", "", name).casefold() for name in names]
        self._firsts = [i for i, name in enumerate(plain) if _FIRST.fullmatch(name)]
        self._lasts = [i for i, name in enumerate(plain) if _LAST.fullmatch(name)]
        self._left = _TRIES

    def __bool__(self) -> bool:
        return bool(self._firsts and self._lasts and self._left)

    def prove(self, cells: Sequence[bytes]) -> Proof | None:
        """What the cells of a row prove; None for nothing, or when enough rows were tried."""
        for first in self._firsts:
            for last in self._lasts:
                if max(first, last) >= len(cells):
                    continue
                begin, end = cells[first].strip(b" \"'"), cells[last].strip(b" \"'").zfill(4)
                if not (begin.isdigit() and end.isdigit() and len(end) == 4):
                    continue
                for place, cell in enumerate(cells):
                    digest = _DIGEST.fullmatch(cell.strip(b" \"'\r"))
                    if digest and self._left:
                        self._left -= 1
                        name = self._undone(begin.decode(), end.decode(), digest[1].decode())
                        if name:
                            return Proof(place, first, last, name)
        return None

    @staticmethod
    def _undone(first: str, last: str, digest: str) -> str | None:
        algorithm = ALGORITHMS[len(digest)]
        missing = (15 if first[:2] in ("34", "37") else 16) - len(first) - 4
        if not 0 < missing <= MOST_MISSING:
            return None
        return algorithm if undo(first, missing, last, digest, algorithm) else None
