"""Plain reads, which are nearly all that a trail holds, gathered so that many are counted at once.

One caller, one bucket, one day make a group. An event is plain when nothing of it needs a second
look: whatever is odd about it, it goes the slow way, event by event.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any, TypeAlias

from scanner.access import identity
from scanner.access.answer import Question
from scanner.access.cloudtrail_files import Event

READS = frozenset({"GetObject", "SelectObjectContent", "GetObjectTorrent"})
HELD = 50_000
"""events that are held before they are counted, some 10 MB"""
_BYTES = 1 << 40
"""of one read; S3's largest object has less"""
_HOUR = len("2026-03-01T00")
_SECONDS = {f":{m:02}:{s:02}Z": 60 * m + s for m in range(60) for s in range(60)}


@dataclass(slots=True)
class Group:
    """Reads of one caller in one bucket on one day, an event a place in each list.

    ``inside`` is what ``Question.place`` says of all of them, ``owner`` the account of the bucket
    as ``PlainReads`` was told to ask for it.
    """

    who: identity.Caller
    bucket: str
    inside: bool | None
    owner: Any
    keys: list[str] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    """hashes of the events' ids"""
    moments: list[int] = field(default_factory=list)
    """seconds since 1970"""
    sent: list[Any] = field(default_factory=list)
    """bytes, int or float, None where they are not told"""

    def __len__(self) -> int:
        return len(self.keys)

    def ends(self) -> tuple[datetime, datetime]:
        """The first and the last time."""
        first, last = min(self.moments), max(self.moments)
        return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)

    def hours(self) -> dict[int, int]:
        """Number of reads by hour of the day."""
        found: dict[int, int] = {}
        for moment in self.moments:
            hour = moment // 3600 % 24
            found[hour] = found.get(hour, 0) + 1
        return found

    def chosen(self, wanted: list[bool]) -> Group:
        columns = (self.keys, self.ids, self.moments, self.sent)
        rest: Any = (list(compress(column, wanted)) for column in columns)
        return Group(self.who, self.bucket, self.inside, self.owner, *rest)


_Day: TypeAlias = dict[tuple[bytes, str], Group]
"""its groups, by caller and bucket"""


@dataclass(frozen=True, slots=True)
class _Hour:
    start: int
    """seconds since 1970"""
    inside: bool | None
    day: _Day


@contextmanager
def garbage_uncollected() -> Iterator[None]:
    """Python looks for cycles whenever many things were made. Here there are none, and hundreds of
    thousands of things to look at."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class PlainReads:
    """Gathers plain reads of ``buckets`` and hands them to ``count`` now and then, and the hours of
    the window that they are of.

    ``owner(event, bucket)`` is asked once for each group.
    """

    def __init__(
        self,
        asked: Question,
        buckets: Iterable[str],
        callers: identity.Callers,
        owner: Callable[[Event, str], Any],
        count: Callable[[list[Group], list[datetime]], None],
    ) -> None:
        self._asked, self._buckets, self._callers = asked, frozenset(buckets), callers
        self._owner, self._count = owner, count
        self._hours: dict[str, _Hour | None] = {}
        """None for what lies partly in the window, or is no hour"""
        self._days: dict[tuple[str, bool | None], _Day] = {}
        self._held = 0

    def sift(self, found: Iterable[Event]) -> Iterator[Event]:
        """Takes the plain reads out of ``found`` and gives the rest."""
        # run for every event: names are local, and what seldom fails is asked last
        buckets, hours, second_of = self._buckets, self._hours, _SECONDS.get
        for event in found:
            parameters, time = event.parameters, event.event_time
            if (
                event.name in READS
                and event.category == "Data"
                and not event.error
                and parameters is not None
                and type(bucket := parameters.bucket) is str
                and bucket in buckets
                and type(key := parameters.key) is str
                and type(event_id := event.shared_event_id or event.event_id) is str
                and event.source == "s3.amazonaws.com"
                and type(time) is str
                and (second := second_of(time[_HOUR:])) is not None
            ):
                additional = event.additional
                sent = additional.sent if additional is not None else None
                try:
                    hour = hours[time[:_HOUR]]
                except KeyError:
                    hour = self._look_up(time[:_HOUR])
                if hour is not None and (
                    sent is None
                    or ((type(sent) is float or type(sent) is int) and 0 <= sent < _BYTES)
                ):
                    caller = bytes(event.identity)
                    group = hour.day.get((caller, bucket))
                    if group is None:
                        group = self._group(hour, caller, bucket, event)
                    if group is not None:
                        group.keys.append(key)
                        group.ids.append(hash(event_id))
                        group.moments.append(hour.start + second)
                        group.sent.append(sent)
                        self._held += 1
                        if self._held >= HELD:
                            self.flush()
                        continue
            yield event

    def flush(self) -> None:
        """Hands over what is held."""
        groups = [group for day in self._days.values() for group in day.values()]
        starts = (hour.start for hour in self._hours.values() if hour and hour.inside)
        hours = [datetime.fromtimestamp(start, UTC) for start in starts]
        self._hours.clear()
        self._days.clear()
        self._held = 0
        if groups:
            self._count(groups, hours)

    def _group(self, hour: _Hour, caller: bytes, bucket: str, event: Event) -> Group | None:
        who = self._callers.of(caller)
        if who is None:
            return None
        group = Group(who, bucket, hour.inside, self._owner(event, bucket))
        hour.day[caller, bucket] = group
        return group

    def _look_up(self, name: str) -> _Hour | None:
        """Notes an hour, ``2026-03-01T00``, and how it lies."""
        found = None
        try:
            first = datetime.strptime(name, "%Y-%m-%dT%H").replace(tzinfo=UTC)
            last = first + timedelta(minutes=59, seconds=59)
        except (ValueError, OverflowError):
            pass
        else:
            inside = self._asked.place(first)
            if self._asked.place(last) is inside and name.isascii() and len(name) == _HOUR:
                day = self._days.setdefault((name[:10], inside), {})
                found = _Hour(int(first.timestamp()), inside, day)
        if len(self._hours) < HELD:
            self._hours[name] = found
        return found
