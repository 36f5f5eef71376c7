"""Counting reads in bounded memory: order and repetition of the events never change a count."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import field
from datetime import datetime

from detectors.records import dataclass
from scanner.known import name_hash


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

    def add_all(self, hashes: Iterable[int]) -> None:
        if self.exact:
            self._hashes.update(hashes)
            if len(self._hashes) > 2 * self._size:
                self._shrink()
        else:
            for hashed in hashes:
                self.add(hashed)

    def _shrink(self) -> None:
        kept = sorted(self._hashes)[: self._size]
        self._hashes, self._limit, self.exact = set(kept), kept[-1] + 1, False

    def count(self) -> int:
        if self.exact:
            return len(self._hashes)
        kept = sorted(self._hashes)[: self._size]
        return round((self._size - 1) * (1 << 64) / kept[-1])


class Exactly:
    """A number of different things that was counted elsewhere, in the place of a ``Distinct``."""

    __slots__ = ("_count",)
    exact = True

    def __init__(self, count: int) -> None:
        self._count = count

    def add(self, hashed: int) -> None:
        raise TypeError("counted already")

    def add_all(self, hashes: Iterable[int]) -> None:
        raise TypeError("counted already")

    def count(self) -> int:
        return self._count


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


class Sketch:
    """About how many different hashes, in 256 bytes: HyperLogLog, standard error 6.5 %, and nearly
    exact while there are few. Order and repetition change nothing."""

    __slots__ = ("_registers",)
    _BITS = 8

    def __init__(self) -> None:
        self._registers = bytearray(1 << self._BITS)

    def add(self, hashed: int) -> None:
        place = hashed & ((1 << self._BITS) - 1)
        rank = 65 - self._BITS - (hashed >> self._BITS).bit_length()
        if rank > self._registers[place]:
            self._registers[place] = rank

    def add_all(self, hashes: Iterable[int]) -> None:
        registers, bits = self._registers, self._BITS
        mask, most = (1 << bits) - 1, 65 - bits
        for hashed in hashes:
            place, rank = hashed & mask, most - (hashed >> bits).bit_length()
            if rank > registers[place]:
                registers[place] = rank

    def merge(self, other: Sketch) -> None:
        self._registers = bytearray(map(max, self._registers, other._registers))

    def count(self) -> int:
        size = 1 << self._BITS
        estimate = 0.7183 * size * size / sum(2.0**-rank for rank in self._registers)
        empty = self._registers.count(0)
        if empty and estimate <= 2.5 * size:
            estimate = size * math.log(size / empty)
        return round(estimate)


@dataclass(slots=True)
class Single:
    """Some reads of single records on one day. ``lines``: of the watch list."""

    reads: int = 0
    lines: set[int] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, reads: int, first: datetime, last: datetime, lines: Iterable[int] = ()) -> None:
        self.reads += reads
        self.lines.update(lines)
        self.first, self.last = earlier(self.first, first), later(self.last, last)


@dataclass(slots=True)
class Day:
    """What one principal did in one store on one day (UTC): all that the rules look at."""

    reads: int = 0
    rows: int = 0
    denied: int = 0
    lists: int = 0
    objects: Sketch = field(default_factory=Sketch)
    hours: dict[int, int] = field(default_factory=dict)
    """reads by hour of the day"""
    first: datetime | None = None
    last: datetime | None = None
    """of its reads"""
    refused: datetime | None = None
    listed: datetime | None = None
    """the first of each"""
    more: list[Sketch] = field(default_factory=list)
    """objects of other sessions, which are added when asked for"""
    different: int | None = None
    """how many different objects, where that is known"""
    same: int = 0
    """reads of one record in the seven days to this one: the most of any"""
    watched: Single | None = None
    """reads of subjects of the watch list that no ticket covers"""
    unticketed: Single | None = None
    """reads that no ticket covers, of who works by ticket"""
    person: bool = True
    """False for the reads of machines"""

    def distinct(self) -> int:
        """About how many different objects."""
        if self.different is not None:
            return self.different
        for each in self.more:
            self.objects.merge(each)
        self.more = []
        return self.objects.count()

    def add(self, other: Day) -> None:
        """Sessions of one principal together."""
        self.reads += other.reads
        self.rows += other.rows
        self.denied += other.denied
        self.lists += other.lists
        self.more = [*self.more, other.objects, *other.more]
        for hour, reads in other.hours.items():
            self.hours[hour] = self.hours.get(hour, 0) + reads
        self.first, self.last = earlier(self.first, other.first), later(self.last, other.last)
        self.refused = earlier(self.refused, other.refused)
        self.listed = earlier(self.listed, other.listed)


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return other if one is None else one if other is None else min(one, other)


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    return other if one is None else one if other is None else max(one, other)


@dataclass(slots=True)
class Person:
    """What one principal (with one session name) did in one store.

    The totals are those of the window. ``days`` reaches back before it: a day is judged by those
    before it.
    """

    reads: int = 0
    bytes: int = 0
    told_bytes: int = 0
    """reads that came with a number of bytes"""
    rows: int = 0
    told_rows: int = 0
    card_reads: int = 0
    """reads of what is known to hold card data"""
    denied: int = 0
    objects: Distinct | Exactly = field(default_factory=Distinct)
    nameless: int = 0
    """reads without an object name"""
    uncounted: int = 0
    """calls that may have been reads of this store: the source does not tell"""
    first: datetime | None = None
    last: datetime | None = None
    anonymous: bool = False
    foreign: str | None = None
    """the account of the caller, when it is not the bucket's"""
    judged: bool = False
    """whether ``foreign`` is settled"""
    mixed: bool = False
    """whether it stands for several principals"""
    days: dict[int, Day] = field(default_factory=dict)
    """by ``date.toordinal``"""

    def read(
        self,
        when: datetime,
        inside: bool,
        obj: int | str | None = None,
        sent: int | None = None,
        rows: int | None = None,
        card: bool = False,
    ) -> None:
        """A read at ``when`` (UTC). ``inside``: in the window, else in the time before it that is
        only history. ``obj`` is the name of what was read (or its ``name_hash``, and then it is not
        known by name), None when that is not told."""
        if isinstance(obj, str):
            obj = name_hash(obj)
        # called for every event: written out, for a call costs more than what it does
        number = when.toordinal()
        day = self.days.get(number)
        if day is None:
            day = self.days[number] = Day()
        day.reads += 1
        hour = when.hour
        if hour in day.hours:
            day.hours[hour] += 1
        else:
            day.hours[hour] = 1
        if day.first is None or when < day.first:
            day.first = when
        if day.last is None or when > day.last:
            day.last = when
        if rows is not None:
            day.rows += rows
        if obj is not None:
            day.objects.add(obj)
        if not inside:
            return
        if self.first is None or when < self.first:
            self.first = when
        if self.last is None or when > self.last:
            self.last = when
        self.reads += 1
        self.card_reads += card
        if obj is None:
            self.nameless += 1
        else:
            self.objects.add(obj)
        if sent is not None:
            self.told_bytes += 1
            self.bytes += sent
        if rows is not None:
            self.told_rows += 1
            self.rows += rows

    def touch(self, when: datetime, inside: bool, obj: int | str) -> None:
        """One more thing that a read already counted has read."""
        if isinstance(obj, str):
            obj = name_hash(obj)
        self.day(when).objects.add(obj)
        if inside:
            self.objects.add(obj)

    def refuse(self, when: datetime, inside: bool) -> None:
        """A call at ``when`` that was denied."""
        day = self.day(when)
        day.denied += 1
        day.refused = earlier(day.refused, when)
        if inside:
            self.at(when)
            self.denied += 1

    def list(self, when: datetime) -> None:
        """A listing: it tells names, not content, so it counts for the rules only."""
        day = self.day(when)
        day.lists += 1
        day.listed = earlier(day.listed, when)

    def ask(self, when: datetime, inside: bool, count: int = 1) -> None:
        """What may have been a read: the source does not tell."""
        if inside:
            self.at(when)
            self.uncounted += count

    def day(self, when: datetime) -> Day:
        number = when.toordinal()
        day = self.days.get(number)
        if day is None:
            day = self.days[number] = Day()
        return day

    def at(self, when: datetime) -> None:
        if self.first is None or when < self.first:
            self.first = when
        if self.last is None or when > self.last:
            self.last = when

    @property
    def showed(self) -> bool:
        """Whether it did anything in the window that a report shows."""
        return self.first is not None


class People:
    """The principals of one store. Past ``limit`` they share one; past ``sessions`` in all, or
    ``of_one`` of one role, sessions share the entry of their role."""

    OTHERS = "other principals"
    _EXACT = 1_000
    """the first so many count their objects exactly up to 2,048, the others up to 256"""

    def __init__(
        self,
        limit: int = 2_000,
        sessions: int = 1_000,
        of_one: int = 50,
    ) -> None:
        self._limit, self._most, self._of_one = limit, sessions, of_one
        self._people: dict[tuple[str, str], Person] = {}
        self._sessions: dict[str, int] = {}
        """of each principal"""
        self._all = 0

    def get(self, principal: str, session: str) -> Person:
        place = (principal, session)
        known = self._people.get(place)
        if known is not None:
            return known
        taken = self._sessions.get(principal)
        if taken is None and len(self._sessions) >= self._limit:
            place = (self.OTHERS, "")
        elif session and (self._all >= self._most or (taken or 0) >= self._of_one):
            place = (principal, "other sessions")
        if place[0] == principal:
            new = session != "" and place == (principal, session)
            self._sessions[principal] = (taken or 0) + new
            self._all += new
        known = self._people.get(place)
        if known is None:
            size = 1024 if len(self._people) < self._EXACT else 128
            known = Person(objects=Distinct(size), mixed=place[0] == self.OTHERS)
            self._people[place] = known
        return known

    def __iter__(self) -> Iterator[tuple[str, str, Person]]:
        for (principal, session), person in sorted(self._people.items(), key=lambda item: item[0]):
            yield principal, session, person

    def __len__(self) -> int:
        return len(self._people)
