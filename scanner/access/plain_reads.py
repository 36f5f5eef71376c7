"""Plain reads, which are nearly all that a trail holds, gathered so that many are counted at once.

One caller and one bucket make a group. An event is plain when nothing of it needs a second
look: whatever is odd about it, it goes the slow way, event by event.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, datetime
from itertools import compress
from typing import Any

from detectors.records import dataclass
from scanner.access import identity
from scanner.access.cloudtrail_records import Event

READS = frozenset({"GetObject", "SelectObjectContent", "GetObjectTorrent"})
HELD = 50_000
"""events that are held before they are counted, some 10 MB"""
_BYTES = 1 << 40
"""of one read; S3's largest object has less"""
_HOUR = len("2026-03-01T00")
_SECONDS = {f":{m:02}:{s:02}Z": 60 * m + s for m in range(60) for s in range(60)}


@dataclass(slots=True)
class Group:
    """Reads of one caller in one bucket, an event a place in each list. ``owner`` is the account of
    the bucket as ``PlainReads`` was told to ask for it."""

    who: identity.Caller
    bucket: str
    owner: Any
    keys: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)
    """seconds since 1970"""
    sent: list[int] = field(default_factory=list)
    """bytes, -1 where they are not told"""

    def of(self, wanted: list[bool]) -> Group:
        columns = (self.keys, self.ids, self.moments, self.sent)
        rest: Any = (list(compress(column, wanted)) for column in columns)
        return Group(self.who, self.bucket, self.owner, *rest)


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
    """Gathers plain reads of ``buckets`` and hands them to ``count``, at the latest when they are
    ``HELD``. ``owner(event, bucket)`` is asked once for each group."""

    def __init__(
        self,
        buckets: Iterable[str],
        callers: identity.Callers,
        owner: Callable[[Event, str], Any],
        count: Callable[[list[Group]], None],
    ) -> None:
        self._buckets, self._callers = frozenset(buckets), callers
        self._owner, self._count = owner, count
        self._hours: dict[str, int | None] = {}
        """the start of each, in seconds since 1970; None for what is no hour"""
        self._groups: dict[tuple[bytes, str], Group] = {}
        self._held = 0

    def sift(self, found: Iterable[Event]) -> Iterator[Event]:
        """Takes the plain reads out of ``found`` and gives the rest."""
        # run for every event: names are local, and what seldom fails is asked last
        buckets, hours, groups, second_of = (
            *(self._buckets, self._hours, self._groups),
            _SECONDS.get,
        )
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
                    start = hours[time[:_HOUR]]
                except KeyError:
                    start = self._look_up(time[:_HOUR])
                if start is not None and (
                    sent is None
                    or ((type(sent) is float or type(sent) is int) and 0 <= sent < _BYTES)
                ):
                    caller = bytes(event.identity)
                    group = groups.get((caller, bucket))
                    if group is None:
                        group = self._group(caller, bucket, event)
                    if group is not None:
                        group.keys.append(key)
                        group.ids.append(event_id)
                        group.moments.append(start + second)
                        group.sent.append(-1 if sent is None else int(sent))
                        self._held += 1
                        if self._held >= HELD:
                            self.flush()
                        continue
            yield event

    def flush(self) -> None:
        """Hands over what is held."""
        groups = list(self._groups.values())
        self._groups.clear()
        self._held = 0
        if groups:
            self._count(groups)

    def _group(self, caller: bytes, bucket: str, event: Event) -> Group | None:
        who = self._callers.of(caller)
        if who is None:
            return None
        group = Group(who, bucket, self._owner(event, bucket))
        self._groups[caller, bucket] = group
        return group

    def _look_up(self, name: str) -> int | None:
        """Notes an hour, ``2026-03-01T00``."""
        start = None
        try:
            first = datetime.strptime(name, "%Y-%m-%dT%H").replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
        else:
            if name.isascii() and len(name) == _HOUR:
                start = int(first.timestamp())
        if len(self._hours) >= HELD:
            self._hours.clear()
        self._hours[name] = start
        return start
