"""Counting reads in bounded memory: order and repetition of the events never change a count."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime


def hash64(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


class Distinct:
    """How many different strings: exact up to ``2 * size``, beyond that an estimate.

    It keeps the ``size`` smallest hashes: if the largest of those is the fraction f of the range,
    there are about (size - 1) / f. With 1,024 the standard error is 3 %.
    """

    __slots__ = ("_hashes", "_limit", "_size", "exact")

    def __init__(self, size: int = 1024) -> None:
        self._size, self._limit = size, 1 << 64
        self._hashes: set[int] = set()
        self.exact = True

    def add(self, hashed: int) -> None:
        if hashed >= self._limit:
            return
        self._hashes.add(hashed)
        if len(self._hashes) > 2 * self._size:
            self._shrink()

    def _shrink(self) -> None:
        kept = sorted(self._hashes)[: self._size]
        self._hashes, self._limit, self.exact = set(kept), kept[-1] + 1, False

    def count(self) -> int:
        if self.exact:
            return len(self._hashes)
        kept = sorted(self._hashes)[: self._size]
        return round((self._size - 1) * (1 << 64) / kept[-1])


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
        place = _place(self._table, hashed)
        if self._table[place] == hashed:
            return False
        if self._count >= self._limit:
            self.full = True
            return True
        self._table[place] = hashed
        self._count += 1
        if 2 * self._count > len(self._table):
            self._grow()
        return True

    def _grow(self) -> None:
        larger = array("Q", bytes(16 * len(self._table)))
        for hashed in self._table:
            if hashed:
                larger[_place(larger, hashed)] = hashed
        self._table = larger


def _place(table: array[int], hashed: int) -> int:
    """Where ``hashed`` stands, or the empty place where it would."""
    last = len(table) - 1  # a power of two less one
    place = hashed & last
    while table[place] not in (0, hashed):
        place = (place + 1) & last
    return place


@dataclass(slots=True)
class Person:
    """What one principal (with one session name) did in one store."""

    reads: int = 0
    bytes: int = 0
    told_bytes: int = 0
    """reads that came with a number of bytes"""
    denied: int = 0
    objects: Distinct = field(default_factory=Distinct)
    nameless: int = 0
    """reads without an object name"""
    first: datetime | None = None
    last: datetime | None = None
    anonymous: bool = False
    foreign: str | None = None
    """the account of the caller, when it is not the bucket's"""

    def at(self, when: datetime) -> None:
        if self.first is None or when < self.first:
            self.first = when
        if self.last is None or when > self.last:
            self.last = when


class People:
    """The principals of one store; past ``limit`` they share one entry, and past ``sessions`` the
    sessions of one role do."""

    OTHERS = "other principals"

    def __init__(self, limit: int = 1_000, sessions: int = 50) -> None:
        self._limit, self._sessions = limit, sessions
        self._people: dict[tuple[str, str], Person] = {}
        self._of_role: dict[str, int] = {}

    def get(self, principal: str, session: str) -> Person:
        place = (principal, session)
        known = self._people.get(place)
        if known is not None:
            return known
        if len(self._people) >= self._limit:
            place = (self.OTHERS, "")
        elif session:
            taken = self._of_role.get(principal, 0)
            if taken >= self._sessions:
                place = (principal, "other sessions")
            else:
                self._of_role[principal] = taken + 1
        return self._people.setdefault(place, Person())

    def __iter__(self) -> Iterator[tuple[str, str, Person]]:
        for (principal, session), person in sorted(self._people.items(), key=lambda item: item[0]):
            yield principal, session, person

    def __len__(self) -> int:
        return len(self._people)
