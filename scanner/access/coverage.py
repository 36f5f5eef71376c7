"""How far CloudTrail files go as evidence for one store: complete if nothing speaks against it.

``complete`` takes all of: the trail's selectors, asked or given, cover the store's reads and
copies; logging was on and was not switched in the window, which the files can only show when they
hold management events too; there are records in every hour of the window; every file and record
could be read. An hour without a record may have been a quiet one: CloudTrail writes nothing then,
and nothing tells it from a lost file. Each thing missing is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from scanner.access import identity
from scanner.access.cloudtrail_files import Event, Notes
from scanner.access.selectors import BadSelectors, Recorded, recorded
from scanner.access.trail import Trail
from scanner.contracts import SealName
from scanner.model import Coverage, Evidence
from scanner.text import seal_around_accounts

SOURCE = "cloudtrail-data-events"
_HOUR = timedelta(hours=1)
_SWITCHES = frozenset(
    {
        "StopLogging",
        "StartLogging",
        "DeleteTrail",
        "UpdateTrail",
        "CreateTrail",
        "PutEventSelectors",
    }
)
_MOST_SWITCHES = 1_000


@dataclass(slots=True)
class Seen:
    """What the events said of one store."""

    first: datetime | None = None
    last: datetime | None = None
    reading: bool = False
    """some event was a read, a HEAD or a listing, denied ones too"""
    nameless: int = 0
    """reads without an object name, counted although they may be outside the store's prefix"""
    copies: int = 0

    def event(self, when: datetime, reading: bool) -> None:
        self.first = when if self.first is None else min(self.first, when)
        self.last = when if self.last is None else max(self.last, when)
        self.reading = self.reading or reading


@dataclass(frozen=True, slots=True, order=True)
class Switch:
    """A change of a trail that the files themselves show."""

    when: datetime
    name: str
    trail: str
    who: str


@dataclass(slots=True)
class Span:
    """Number and reach of some records."""

    records: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, when: datetime) -> None:
        self.records += 1
        self.first = when if self.first is None else min(self.first, when)
        self.last = when if self.last is None else max(self.last, when)

    def __str__(self) -> str:
        if self.first is None or self.last is None:
            return ""
        return f"{self.records:,} records from {_when(self.first)} to {_when(self.last)}"


@dataclass(slots=True)
class Files:
    """What the files said as a whole, within the window."""

    window: tuple[datetime, datetime]
    unreadable: int = 0
    broke_off: str = ""
    data: int = 0
    management: int = 0
    outside: Span = field(default_factory=Span)
    """of the records before and after the window"""
    first: datetime | None = None
    last: datetime | None = None
    switches: set[Switch] = field(default_factory=set)
    _hours: set[datetime] = field(default_factory=set)

    def saw(self, when: datetime, data: bool) -> None:
        self.first = when if self.first is None else min(self.first, when)
        self.last = when if self.last is None else max(self.last, when)
        if data:
            self.data += 1
        else:
            self.management += 1
        self._hours.add(when.replace(minute=0, second=0, microsecond=0))

    def control(self, event: Event, when: datetime) -> None:
        """An event of CloudTrail itself; one that failed changed nothing."""
        if event.name not in _SWITCHES or event.error or len(self.switches) >= _MOST_SWITCHES:
            return
        parameters = event.parameters if isinstance(event.parameters, dict) else {}
        name = parameters.get("name") or parameters.get("trailName") or ""
        who = identity.caller(event.identity)
        self.switches.add(
            Switch(
                when,
                str(event.name),
                name if isinstance(name, str) else "",
                who.principal if who else "an unknown caller",
            )
        )

    def silent_hours(self) -> list[datetime]:
        """The hours of the window without any record. The last hour before its end does not count:
        delivery takes time."""
        start, end = self.window
        hour = start.replace(minute=0, second=0, microsecond=0)
        if hour < start:
            hour += _HOUR
        silent = []
        while hour + 2 * _HOUR <= end:
            if hour not in self._hours:
                silent.append(hour)
            hour += _HOUR
        return silent


def judge(
    files: Files,
    notes: Notes,
    seen: Seen,
    bucket: str,
    prefix: str,
    trail: Trail | None,
    *,
    repeated: bool,
    region: Any,
    seal_name: SealName,
    more: Sequence[str] = (),
) -> Evidence:
    """The evidence of one store; ``more`` are remarks to add."""
    told, causes = _selectors(trail, bucket, prefix, region)
    causes += _damage(files, notes, seen, repeated)
    remarks = [*_remarks(files, notes, seen), *more]
    if not files.data + files.management:
        state = Coverage.NONE
        lead = "no CloudTrail record of the window was found"
        if files.outside.records:
            lead += f"; {files.outside} lie outside it"
    elif told is not None and not told.reads:
        state = Coverage.NONE
        lead = told.gaps[0]
    elif not files.data:
        state = Coverage.NONE
        lead = (
            f"{files.management:,} CloudTrail records, none of them a data event: reads of objects "
            "are not recorded here"
        )
    elif told is not None:
        causes = [*told.gaps, *causes, *_logging(files, trail, seal_name), *_silence(files)]
        state = Coverage.PARTIAL if causes else Coverage.COMPLETE
        lead = "the trail's selectors cover reads of this store" if told.whole else ""
    else:
        state, lead = _without_selectors(seen, trail)
        if state is Coverage.PARTIAL:
            causes += [*_logging(files, trail, seal_name), *_silence(files)]
    parts = [part for part in (lead, *causes, *remarks) if part]
    return Evidence(
        source=SOURCE,
        coverage=state,
        start=files.first,
        end=files.last,
        detail="; ".join(parts),
        unparsed=notes.unparsed,
    )


def _selectors(
    trail: Trail | None, bucket: str, prefix: str, region: Any
) -> tuple[Recorded | None, list[str]]:
    if trail is None:
        return None, []
    causes = list(trail.causes)
    if trail.region and trail.region != region:
        causes.append(f"the trail records the region {trail.region} only")
    if trail.selectors is None:
        return None, causes
    try:
        return recorded(trail.selectors, bucket, prefix), causes
    except BadSelectors as error:
        return None, [*causes, f"the trail's selectors could not be understood ({error})"]


def _without_selectors(seen: Seen, trail: Trail | None) -> tuple[Coverage, str]:
    ask = "" if trail else " (give the trail, or its selectors, to know)"
    if seen.first is None:
        lead = (
            "no data event names this store: either nobody touched it or it is not recorded; the "
            f"files alone do not tell which{ask}"
        )
        return Coverage.UNKNOWN, lead
    if not seen.reading:
        lead = f"the data events of this store are writes only; reads may not be recorded{ask}"
        return Coverage.UNKNOWN, lead
    lead = f"reads of this store are recorded; whether all of them, the files do not tell{ask}"
    return Coverage.PARTIAL, lead


def _damage(files: Files, notes: Notes, seen: Seen, repeated: bool) -> list[str]:
    causes = []
    if files.broke_off:
        causes.append(f"the files could not all be listed ({files.broke_off})")
    if files.unreadable:
        causes.append(f"{files.unreadable:,} files could not be read")
    if notes.broken:
        causes.append(f"{notes.broken:,} files are cut off or corrupt")
    if notes.unparsed:
        causes.append(f"{notes.unparsed:,} records could not be understood")
    if notes.aggregated:
        causes.append(
            f"{notes.aggregated:,} records are five-minute summaries and were not added up"
        )
    if seen.nameless:
        causes.append(
            f"{seen.nameless:,} reads do not name the object and may be outside the prefix"
        )
    if repeated:
        causes.append("more events than repetitions can be told apart among")
    return causes


def _logging(files: Files, trail: Trail | None, seal_name: SealName) -> Iterator[str]:
    """Switches of the trail within the window."""
    name = trail.name if trail else ""
    switches = [each for each in sorted(files.switches) if _same_trail(each.trail, name)]
    for each in switches[:5]:
        who = seal_around_accounts(each.who, seal_name)
        yield f"{each.name} at {_when(each.when)} by {who}"
    if len(switches) > 5:
        yield f"and {len(switches) - 5:,} more changes of the trail"
    if not files.management:
        yield "the files hold no management events, so a change of the trail would not show"


def _same_trail(one: str, other: str) -> bool:
    """Names and ARNs mixed; without a name, any trail."""
    return not one or not other or one.rpartition("/")[2] == other.rpartition("/")[2]


def _silence(files: Files) -> Iterator[str]:
    silent = files.silent_hours()
    if not silent:
        return
    spans: list[tuple[datetime, datetime]] = []
    for hour in silent:
        if spans and spans[-1][1] == hour:
            spans[-1] = (spans[-1][0], hour + _HOUR)
        else:
            spans.append((hour, hour + _HOUR))
    spans.sort(key=lambda span: span[0] - span[1])
    shown = ", ".join(f"{_when(a)} to {_when(b)}" for a, b in sorted(spans[:3]))
    more = f" and {len(spans) - 3:,} more" if len(spans) > 3 else ""
    yield (
        f"no record of any kind in {len(silent):,} hours of the window ({shown}{more}): quiet "
        "hours or missing files"
    )


def _remarks(files: Files, notes: Notes, seen: Seen) -> Iterator[str]:
    if notes.files or notes.other:
        other = f", {notes.other:,} other files passed over" if notes.other else ""
        yield f"{notes.records:,} records in {notes.files:,} files{other}"
    if seen.copies:
        yield f"the bytes of {seen.copies:,} copies are not told"


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
