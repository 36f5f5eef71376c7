"""How far CloudTrail files go as evidence for one store: complete if nothing speaks against it.

``complete`` takes all of: the trail's selectors, asked or given, cover the store's reads and
copies; logging was on and was not switched in the window, which the files can only show when they
hold management events too; there are records in every hour of the window; every file and record
could be read. Of a trail of several accounts and regions the hours are those of the account and the
region of the store: files of others say nothing of whether its own are there. An hour without a
record may have been a quiet one: CloudTrail writes nothing then, and only digests tell it from a
lost file. Each thing missing is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scanner.access import identity
from scanner.access.book import Book
from scanner.access.cloudtrail_files import Notes
from scanner.access.cloudtrail_records import Event, identity_of
from scanner.access.digests import Checked
from scanner.access.gaps import Gaps, Hours, clock, gaps
from scanner.access.selectors import BadSelectors, Recorded, recorded
from scanner.access.trail import Trail
from scanner.batch import Verb
from scanner.contracts import SealName
from scanner.factview import View
from scanner.model import Coverage, Evidence
from scanner.retention import Kept
from scanner.text import plural, seal_around_accounts

SOURCE = "cloudtrail-data-events"
_SWITCHES = frozenset(
    {
        "StopLogging",
        "StartLogging",
        "DeleteTrail",
        "UpdateTrail",
        "CreateTrail",
        "PutEventSelectors",
        "StopEventDataStoreIngestion",
        "UpdateEventDataStore",
        "DeleteEventDataStore",
    }
)


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
    origins: frozenset[str] = frozenset()
    """account and region of the files of its own account that it is in, ``Files.origins``"""

    @classmethod
    def of(cls, view: View, uri: str, prefix: str) -> Seen:
        touched = view.marked(TOUCHED, uri)
        return cls(
            touched.first,
            touched.last,
            view.marked(READING, uri).count > 0,
            view.nameless(uri) if prefix else 0,
            view.of_verb(uri, Verb.COPY),
            frozenset(view.names(_ORIGIN, uri, ever=True)),
        )


_ORIGIN = "of "


def origin(account: str, region: str) -> str:
    """The mark of records of one account and region, and of a store that is of these."""
    return f"{_ORIGIN}{_named(account, region)}"


def _named(account: str, region: str) -> str:
    return f"account {account} in {region}"


DATA, MANAGEMENT, TOUCHED, READING, SWITCH = "data", "management", "touched", "reading", "switch"
"""marks of a book: records of each sort; events of a store, and those that read"""


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

    def add(self, when: datetime, records: int = 1) -> None:
        self.records += records
        self.first = when if self.first is None else min(self.first, when)
        self.last = when if self.last is None else max(self.last, when)

    def __str__(self) -> str:
        if self.first is None or self.last is None:
            return ""
        return f"{plural(self.records, 'record')} from {clock(self.first)} to {clock(self.last)}"


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
    switches: set[Switch] = field(default_factory=set)
    hours: Hours = field(init=False)
    origins: dict[str, Hours] = field(default_factory=dict)
    """the same for each account and region, where they are several"""

    def __post_init__(self) -> None:
        self.hours = Hours(self.window)

    @classmethod
    def of(cls, view: View, unreadable: int, broke_off: str) -> Files:
        data, management = view.marked(DATA), view.marked(MANAGEMENT)
        made = cls(view.window, unreadable, broke_off, data.count, management.count)
        ends = (data.first, data.last, management.first, management.last)
        made.hours = Hours.known(view.window, view.hours((DATA, MANAGEMENT)), *ends)
        # ever: one may lack all files of the window
        names = view.names(_ORIGIN, "", ever=True)
        if len(names) > 1:
            origins = {name: set(view.hours((_ORIGIN + name,))) for name in names}
            # of files whose names do not tell, as of runs before this was looked at
            others = set(view.hours((DATA, MANAGEMENT))).difference(*origins.values())
            for name in sorted(names):
                made.origins[name] = Hours.known(view.window, origins[name] | others)
        for outside in (view.outside(DATA), view.outside(MANAGEMENT)):
            if outside.first and outside.last:
                made.outside.add(outside.first, outside.count)
                made.outside.add(outside.last, 0)
        for when, said in view.said(SWITCH):
            made.switches.add(Switch(when, *said.split("\n")))
        return made

    @property
    def first(self) -> datetime | None:
        return self.hours.first

    @property
    def last(self) -> datetime | None:
        return self.hours.last


def note_switch(book: Book, event: Event, when: datetime) -> None:
    """Keeps an event of CloudTrail itself; one that failed changed nothing."""
    if event.name not in _SWITCHES or event.error:
        return
    parameters = event.parameters
    name = (parameters.name or parameters.trail or "") if parameters else ""
    who = identity.caller(identity_of(event.identity))
    said = (
        str(event.name),
        name if isinstance(name, str) else "",
        who.principal if who else "an unknown caller",
    )
    book.say(SWITCH, when, "\n".join(each.replace("\n", " ") for each in said))


def judge(
    files: Files,
    notes: Notes,
    seen: Seen,
    bucket: str,
    prefix: str,
    trail: Trail | None,
    *,
    region: Any,
    seal_name: SealName,
    checked: Checked,
    kept: Kept,
    more: Sequence[str] = (),
) -> Evidence:
    """The evidence of one store; ``more`` are remarks to add."""
    told, causes = _selectors(trail, bucket, prefix, region)
    missing = _missing(files, trail, kept, checked, _origin_of(files, seen, region))
    causes += [*_damage(files, notes, seen), *checked.causes, *missing.limits]
    remarks = [*_remarks(files, notes, seen), *checked.remarks, *missing.remarks, *more]
    if not files.data + files.management:
        state = Coverage.NONE
        lead = "no CloudTrail record of the window was found"
        if files.outside.records:
            lead += f"; {files.outside} lie outside it"
    elif told is not None and not told.reads:
        state = Coverage.NONE
        lead = seal_around_accounts(told.gaps[0], seal_name)
    elif not files.data and told is None:  # selectors tell a quiet time from a trail without them
        state = Coverage.NONE
        lead = (
            f"{files.management:,} CloudTrail records, none of them a data event: reads of objects "
            "are not recorded here"
        )
    elif told is not None:
        causes = [
            *(seal_around_accounts(gap, seal_name) for gap in told.gaps),
            *causes,
            *_logging(files, trail, seal_name),
            *missing.quiet,
        ]
        state = Coverage.PARTIAL if causes else Coverage.COMPLETE
        lead = "the trail's selectors cover reads of this store" if told.whole else ""
    else:
        state, lead = _without_selectors(seen, trail)
        causes += [*_logging(files, trail, seal_name), *missing.quiet]
    parts = [part for part in (lead, *causes, *remarks) if part]
    return Evidence(
        source=SOURCE,
        coverage=state,
        start=files.first,
        end=files.last,
        detail="; ".join(parts),
        unparsed=notes.unparsed,
    )


def judge_other(
    files: Files,
    notes: Notes,
    seen: Seen,
    trail: Trail | None,
    *,
    asked: int,
    seal_name: SealName,
    checked: Checked,
    kept: Kept,
    more: Sequence[str] = (),
) -> Evidence:
    """The evidence of a database of which the trail tells calls of AWS: never all of its reads.
    ``asked`` of them may have been reads."""
    missing = _missing(files, trail, kept, checked)
    causes = [
        *(trail.causes if trail else ()),
        *_damage(files, notes, seen),
        *checked.causes,
        *missing.limits,
    ]
    if not files.data + files.management:
        state, lead = Coverage.NONE, "no CloudTrail record of the window was found"
    elif seen.first is None:
        state = Coverage.UNKNOWN
        lead = (
            "no call on the resources given for this store: either nobody made one or they are not"
            " recorded; the files do not tell which"
        )
    else:
        state = Coverage.PARTIAL
        lead = (
            "calls on the resources given for this store; what is read over a connection to the"
            " database shows in its own log only"
        )
        causes += [*_logging(files, trail, seal_name), *missing.quiet]
    if asked:
        causes.append(
            f"{plural(asked, 'call')} may have been reads: the trail hides the text of"
            " statements, and whoever fetched a secret could use it"
        )
    remarks = [*_remarks(files, notes, seen), *checked.remarks, *missing.remarks, *more]
    parts = [lead, *causes, *remarks]
    return Evidence(
        source=SOURCE,
        coverage=state,
        start=files.first,
        end=files.last,
        detail="; ".join(parts),
        unparsed=notes.unparsed,
    )


def _origin_of(files: Files, seen: Seen, region: Any) -> str | None:
    """Which of several accounts and regions a store is of, empty where the files are of one, None
    where that is not known: events of it tell, or its region where the account is the same."""
    if not files.origins:
        return ""
    fits = list(seen.origins)
    if not fits and len({name.partition(" in ")[0] for name in files.origins}) == 1:
        fits = [name for name in files.origins if name.endswith(f" in {region}")]
    return fits[0] if len(fits) == 1 else None


def _missing(
    files: Files, trail: Trail | None, kept: Kept, checked: Checked, origin: str | None = ""
) -> Gaps:
    if trail is not None:
        kept = Kept([*kept.limits, *trail.limits], [*kept.remarks, *trail.remarks])
    hours = files.origins[origin] if origin else files.hours
    for place, whole in checked.whole.items():
        if origin == _named(*place) or (origin == "" and len(checked.whole) == 1):
            hours.add(whole)
    missing = gaps(hours, kept, f"record of {origin or 'any kind'}", begins=True)
    if origin is None:
        missing.quiet.append(
            f"the files are of {len(files.origins):,} accounts and regions, and which of them the"
            " store is of is not known (give its “region”): hours that its own lack do not show"
        )
    return missing


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


def _damage(files: Files, notes: Notes, seen: Seen) -> list[str]:
    causes = []
    if files.broke_off:
        causes.append(f"the files could not all be listed ({files.broke_off})")
    if files.unreadable:
        causes.append(f"{plural(files.unreadable, 'file')} could not be read")
    if notes.broken:
        causes.append(f"{plural(notes.broken, 'file is', 'files are')} cut off or corrupt")
    if notes.unparsed:
        causes.append(f"{plural(notes.unparsed, 'record')} could not be understood")
    if notes.aggregated:
        causes.append(
            plural(
                notes.aggregated,
                "record is a five-minute summary, and was not added up",
                "records are five-minute summaries and were not added up",
            )
        )
    if notes.exported:
        causes.append(
            f"{plural(notes.exported, 'record was', 'records were')} put out by a query:"
            " what it left out is not here"
        )
    if seen.nameless:
        causes.append(
            f"{plural(seen.nameless, 'read does', 'reads do')} not name the object and may"
            " be outside the prefix"
        )
    return causes


def _logging(files: Files, trail: Trail | None, seal_name: SealName) -> Iterator[str]:
    """Switches of the trail within the window."""
    name = trail.name if trail else ""
    switches = [each for each in sorted(files.switches) if _same_trail(each.trail, name)]
    for each in switches[:5]:
        who = seal_around_accounts(each.who, seal_name)
        yield f"{each.name} at {clock(each.when)} by {who}"
    if len(switches) > 5:
        yield f"and {plural(len(switches) - 5, 'more change')} of the trail"
    if not files.management:
        yield "the files hold no management events, so a change of the trail would not show"


def _same_trail(one: str, other: str) -> bool:
    """Names and ARNs mixed; without a name, any trail."""
    return not one or not other or one.rpartition("/")[2] == other.rpartition("/")[2]


def _remarks(files: Files, notes: Notes, seen: Seen) -> Iterator[str]:
    if notes.files or notes.other:
        other = f", {plural(notes.other, 'other file')} passed over" if notes.other else ""
        yield f"{plural(notes.records, 'record')} in {plural(notes.files, 'file')}{other}"
    if seen.copies:
        yield f"the bytes of {plural(seen.copies, 'copy', 'copies')} are not told"
