"""What one principal did in one store on one day: all that the rules look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from datetime import datetime

from detectors.records import dataclass


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
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)


@dataclass(slots=True)
class Day:
    """A day in UTC."""

    reads: int = 0
    rows: int = 0
    denied: int = 0
    lists: int = 0
    objects: int = 0
    """how many different ones"""
    hours: dict[int, int] = field(default_factory=dict)
    """reads by hour of the day"""
    first: datetime | None = None
    last: datetime | None = None
    """of its reads"""
    refused: datetime | None = None
    listed: datetime | None = None
    """the first of each"""
    same: int = 0
    """reads of one record in the seven days to this one: the most of any"""
    watched: Single | None = None
    """reads of subjects of the watch list that no ticket covers"""
    unticketed: Single | None = None
    """reads that no ticket covers, of who works by ticket"""
    person: bool = True
    """False for the reads of machines"""

    def add_rolled(
        self,
        reads: int,
        rows: int,
        denied: int,
        lists: int,
        objects: int,
        first: datetime | None,
        last: datetime | None,
    ) -> None:
        """What is kept of events that became a sum of their day; of different objects the most that
        one such sum counts."""
        self.reads += reads
        self.rows += rows
        self.denied += denied
        self.lists += lists
        self.objects = max(self.objects, objects)
        if first and last:
            self.first = min(self.first or first, first)
            self.last = max(self.last or last, last)
