"""Ids met before, in bounded memory: what repeats an event counts once."""

from __future__ import annotations

from array import array


class Seen:
    """The ids of events counted so far, at 16 to 32 bytes each, up to ``limit`` (128 MiB).

    A table with open addressing: a set of Python's would take six times the memory.
    """

    __slots__ = ("_count", "_limit", "_table", "full")

    def __init__(self, limit: int = 8_000_000) -> None:
        self._limit, self._count = limit, 0
        self._table = array("Q", bytes(8 * 1024))
        self.full = False
        """True once an id had to be let go, so that a repetition may count twice"""

    def first_time(self, hashed: int) -> bool:
        hashed = hashed or 1  # 0 is an empty place
        table = self._table
        last = len(table) - 1
        place = hashed & last
        while there := table[place]:  # as in _place, which would be a call for each event
            if there == hashed:
                return False
            place = (place + 1) & last
        if self._count >= self._limit:
            self.full = True
            return True
        table[place] = hashed
        self._count += 1
        if 2 * self._count > last:
            self._grow()
        return True

    def _grow(self) -> None:
        larger = array("Q", bytes(16 * len(self._table)))
        for hashed in self._table:
            if hashed:
                larger[_place(larger, hashed)] = hashed
        self._table = larger

    def __contains__(self, hashed: int) -> bool:
        hashed = hashed or 1
        return self._table[_place(self._table, hashed)] == hashed


def _place(table: array[int], hashed: int) -> int:
    """Where ``hashed`` stands, or the empty place where it would."""
    last = len(table) - 1  # a power of two less one
    place = hashed & last
    while table[place] not in (0, hashed):
        place = (place + 1) & last
    return place
