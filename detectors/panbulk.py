"""Card numbers of a column that is settled: tested all at once, over arrays.

A column is settled for numbers of one length once ``JUDGED`` of them were judged one by one and
nearly all alike. From then on a cell of it counts by the exact test: digits and nothing else, of
an issued prefix and length, with a good check digit, and no published test number. It gets the
middle one of the probabilities that were given, and the evidence of its field as every number.
Whatever else stands in the column is judged by itself; and so is everything in a window where
numbers with a bad check digit are many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from detectors import pii_grid
from detectors.base import Bulk, Hints, Match, State
from detectors.pii_grid import Grid
from detectors.runs import Bytes, Places, issued
from detectors.testpans import TEST_PANS

JUDGED = 200
_MOST_JUDGED = 4 * JUDGED
_ALIKE = 0.95
_LENGTHS = range(14, 20)
"""shorter numbers have several meanings, and are judged one by one"""
_PLACES = 64
"""columns and lengths that are told apart"""


class Settled:
    """What one scan has learnt of the columns it went through."""

    def __init__(self) -> None:
        self._judged: dict[tuple[str, int], list[Match]] = {}
        self._stands: dict[tuple[str, int], Match] = {}
        """for a settled column and length: the match that stands for each of its numbers"""

    def __bool__(self) -> bool:
        return bool(self._stands)

    def learn(self, matches: Iterable[Match], hints: Hints) -> None:
        """From numbers that were judged one by one."""
        for match in matches:
            if match.entity != "CREDIT_CARD" or match.layout != "plain":
                continue
            name = hints.field_name(match.start)
            length = match.end - match.start
            if name is None or length not in _LENGTHS:
                continue
            place = (name, length)
            if place not in self._judged and len(self._judged) >= _PLACES:
                continue
            judged = self._judged.setdefault(place, [])
            if len(judged) < _MOST_JUDGED and place not in self._stands:
                judged.append(match)
                if len(judged) % JUDGED == 0:
                    self._settle(place, judged)

    def _settle(self, place: tuple[str, int], judged: list[Match]) -> None:
        field, alike = Counter(m.field for m in judged).most_common(1)[0]
        clear = sum(m.state is State.CLEAR for m in judged)
        if field and min(alike, clear) >= _ALIKE * len(judged):
            score = sorted(m.score for m in judged)[len(judged) // 2]
            why = (
                f"one of many in its column: {len(judged)} of this length were judged one by one,"
                " the rest by issuer, length and check digit",
            )
            self._stands[place] = replace(
                judged[0], state=State.CLEAR, score=score, field=field, why=why, brands=()
            )

    def bulk(self, data: bytes, array: Bytes, lo: int, hi: int, hints: Hints) -> list[Bulk]:
        """The numbers of settled columns that begin in ``lo`` .. ``hi``."""
        if not self._stands:
            return []
        grid = pii_grid.of(data, lo, hi, hints)
        if grid is None:
            return []
        found = []
        for (name, length), match in self._stands.items():
            for column, here in enumerate(grid.names):
                if here == name:
                    starts = _cards(grid, column, array, length)
                    starts = starts[(starts >= lo) & (starts < hi)]
                    if len(starts):
                        ends = starts + length
                        first = replace(match, start=int(starts[0]), end=int(ends[0]))
                        found.append(Bulk(first, starts, ends, column=name))
        return found


def _cards(grid: Grid, column: int, array: Bytes, length: int) -> Places:
    """Starts of the cells of a column that are card numbers of this length by the exact test; none
    where too few of the numbers pass."""
    starts = grid.edges[:, column]
    starts = starts[grid.edges[:, column + 1] - 1 - starts == length]
    digits = array[starts[:, None] + np.arange(length)] - np.uint8(48)
    whole = (digits <= 9).all(axis=1)
    starts, digits = starts[whole], digits[whole]
    known = issued(_number(digits[:, :6]), np.full(len(digits), length, np.int64))
    starts, digits = starts[known], digits[known]
    values = _DOUBLED.take(digits[:, -2::-2]).sum(axis=1) + digits[:, ::-2].sum(axis=1)
    good = values % 10 == 0
    if np.count_nonzero(good) < _ALIKE * len(good):
        good = np.zeros(len(good), np.bool_)
    good = good & ~np.isin(_number(digits), _tests(length))
    cards: Places = starts[good]
    return cards


_DOUBLED = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9], np.uint8)


def _number(digits: NDArray[np.uint8]) -> Places:
    """Rows of up to nineteen digits as numbers, which wrap alike for alike digits."""
    powers = 10 ** np.arange(digits.shape[1] - 1, -1, -1, dtype=np.uint64)
    number: Places = (digits * powers).sum(axis=1, dtype=np.uint64).view(np.int64)
    return number


@cache
def _tests(length: int) -> Places:
    """The published test numbers of a length."""
    tests = np.array([int(pan) for pan in TEST_PANS if len(pan) == length], np.uint64)
    number: Places = tests.view(np.int64)
    return number
