"""PostgreSQL server logs in their three forms: from a file to entries that may concern an audit.

``csvlog`` and ``jsonlog`` say who, where and in which session in fields of their own. The plain
form (``stderr``) begins each entry with ``log_line_prefix``, which can be set to anything; what a
client chooses itself in it (``%a``, the application's name) can hold what looks like an entry. Then
all readings are given, and the entry is *ambiguous*.

An entry that PL/pgSQL raised carries a context or the statement that raised it. pgaudit writes
neither: so ``RAISE LOG 'AUDIT: ...'`` is told from an audit (not under ``log_error_verbosity =
terse``, which leaves both out).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from zoneinfo import ZoneInfo

import msgspec

from detectors.records import dataclass
from scanner.access import gaps
from scanner.access.lines import LONGEST, LineNotes, lines
from scanner.access.logfiles import damage
from scanner.access.postgres_prefix import FOLLOWS, SEVERITY, USUAL, Prefix
from scanner.contracts import SealName, Source

_STAMP = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_CSV_START = re.compile(_STAMP + rb'(?:\.\d+)? [^,"]{1,40},(?:"(?!")|,)')
_CSV_SURE = re.compile(_STAMP + rb'(?:\.\d+)? [^,"]{1,40},"(?!")')
_HOUR = re.compile(
    rb'(?:\{"timestamp":")?(\d{4}-\d\d-\d\d \d\d):\d\d:\d\d(?:\.\d+)?'
    rb" ([A-Z]{1,6}|[+-]\d\d(?::?\d\d)?)"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries matter: the record has one of ``marks``, its message begins as ``start``."""

    marks: tuple[bytes, ...]
    start: re.Pattern[str]


_SERVER = r'parameter "|database system is ready to accept|starting PostgreSQL'
_SERVER_MARKS = (b'parameter "', b'parameter ""', b'parameter \\"', b"database system is ready")
AUDITS = Wanted(
    (b"AUDIT: ", b"permission denied for ", *_SERVER_MARKS),
    re.compile(rf"AUDIT: |permission denied for |{_SERVER}"),
)
STATEMENTS = Wanted(
    (b"statement: ", b"execute ", b"ERROR", b"FATAL", *_SERVER_MARKS),
    re.compile(rf"(?:duration: [\d.]+ ms  )?(?:statement: |execute )|ERROR|{_SERVER}"),
)
"""An error is wanted whatever its message: see ``_is_wanted``."""
FAILURES = frozenset({"ERROR", "FATAL", "PANIC"})


class Form(Enum):
    """Of a log. A server may write several at once, which say the same."""

    CSV = "csv"
    JSON = "json"
    PLAIN = "plain text"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. ``session`` tells backends apart, as far as the log can. ``messages`` are all
    its readings. ``raised``: by a statement of the user, not by the server."""

    form: Form
    when: datetime
    user: str | None
    database: str | None
    session: str
    messages: tuple[str, ...]
    raised: bool = False
    pid_only: bool = False
    """``session`` is a process id, which another backend may have had before"""
    severity: str = "LOG"
    state: str = ""
    """SQLSTATE, where the log tells it"""
    detail: str = ""
    statement: str = ""
    """what raised it"""
    context: bool = False
    """it came out of a function"""
    transaction: str = ""
    number: str = ""
    """of the line within its session"""

    @property
    def ambiguous(self) -> bool:
        return len(self.messages) > 1


@dataclass(slots=True)
class LogNotes(LineNotes):
    zones: set[str] = field(default_factory=set)
    """abbreviations of time zones that could not be understood"""
    nobody: int = 0
    """entries whose prefix does not tell the user"""


@dataclass(slots=True)
class ServerSaid:
    """What the server said of itself: starts, and settings that were changed in its files."""

    starts: list[datetime] = field(default_factory=list)
    changes: list[tuple[datetime, str]] = field(default_factory=list)
    """of settings of the audit, with the message"""

    def take(self, entry: Entry, *settings: str) -> bool:
        """True when the entry is one of the server itself."""
        of_a_client = entry.user is not None or entry.raised
        if of_a_client or not _OF_THE_SERVER.match(entry.messages[0]):
            return False
        message = entry.messages[0]
        if message.startswith("database system is ready to accept"):
            self.starts.append(entry.when)
        elif any(each in message for each in settings) and len(self.changes) < 1_000:
            self.changes.append((entry.when, message[:200]))
        return True

    def sentences(self, window: tuple[datetime, datetime], seal: SealName) -> Iterator[str]:
        starts = sorted({each for each in self.starts if window[0] <= each <= window[1]})
        if starts:
            yield (
                f"the server was started {len(starts):,} times in the window, the first time at"
                f" {gaps.clock(starts[0])}: between its end and that nothing was read or logged"
            )
        changes = sorted({each for each in self.changes if window[0] <= each[0] <= window[1]})
        if changes:
            when, message = changes[0]
            yield (
                f"{len(changes):,} changes of settings of the audit, the first at"
                f" {gaps.clock(when)}: {seal(message)}"
            )


class Clock:
    """Turns times of the log into moments. ``zone`` is the server's ``log_timezone``; without it
    only abbreviations that mean one thing are understood."""

    def __init__(self, zone: ZoneInfo | None, notes: LogNotes) -> None:
        self._zone, self._notes = zone, notes

    def moment(self, text: str) -> datetime | None:
        """``2026-03-01 10:00:00.123 CET`` in UTC."""
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        stamp, _, name = text.rpartition(" ")
        try:
            local = datetime.fromisoformat(stamp)
        except ValueError:
            return None
        offset = _OFFSET.fullmatch(name)
        if offset:
            away = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
            return (local - (-away if offset[1] == "-" else away)).replace(tzinfo=UTC)
        if self._zone is not None:
            # of the two moments that an hour set back has, the one of this name
            both = [local.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1)]
            meant = next((each for each in both if each.tzname() == name), None)
            if meant is not None:
                return meant.astimezone(UTC)
        if name not in _ZONES:
            self._notes.zones.add(name[:10])
            return None
        return local.replace(tzinfo=timezone(timedelta(hours=_ZONES[name]))).astimezone(UTC)

    def hours(self, written: Iterable[tuple[bytes, bytes]]) -> Iterator[datetime]:
        """The hours that ``entries`` has collected."""
        for hour, zone in written:
            when = self.moment(f"{hour.decode()}:00:00 {zone.decode()}")
            if when is not None:
                yield when


def log_damage(notes: LogNotes, seal: SealName) -> Iterator[str]:
    """What was lost while reading, in sentences."""
    yield from damage(notes, "entries")
    if notes.zones:
        zones = seal(", ".join(sorted(notes.zones)[:3]))
        yield f"times of the zone {zones} could not be placed: give it with “zone”"
    if notes.nobody:
        yield f"the prefix of {notes.nobody:,} entries does not name the role (%u)"


_EPOCH = re.compile(r"\d{9,11}(?:\.\d+)?")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")
_ZONES = {
    **{"UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3},
    **{"MSK": 3, "JST": 9, "EST": -5, "EDT": -4, "PST": -8, "PDT": -7, "MDT": -6},
}


def entries(
    source: Source,
    prefix: Prefix | None,
    clock: Clock,
    notes: LogNotes,
    hours: set[tuple[bytes, bytes]],
    wanted: Wanted = AUDITS,
) -> Iterator[Entry]:
    """The entries of one file that are wanted. ``hours`` collects the hours and time zones of all
    its entries, as written. Raises ``Unreadable`` if the source does."""
    plain = _Plain(prefix, clock, notes, wanted)
    for form, data in _records(lines(source, notes), notes):
        stamp = _HOUR.match(data)
        if stamp:
            hours.add((stamp[1], stamp[2]))
        if form is Form.PLAIN:
            yield from plain.take(data)
        elif any(each in data for each in wanted.marks):
            entry = (_json if form is Form.JSON else _csv)(data, clock, notes)
            if entry is not None and _is_wanted(entry, wanted):
                yield entry
        else:
            notes.unparsed += _is_torn(form, data)
    yield from plain.last()


# --- records --------------------------------------------------------------------------------------


def _records(physical: Iterator[bytes], notes: LogNotes) -> Iterator[tuple[Form, bytes]]:
    """Lines put together to records: a field of csvlog may hold line ends, and a plain entry goes
    on with a tab."""
    held: list[bytes] = []
    open_field = False  # what is held is csvlog and ends inside quotes
    length = 0
    for line in physical:
        if open_field:
            if _CSV_SURE.match(line) or length + len(line) > LONGEST:
                # a record begins, for inside a field its quotes would be doubled
                notes.unparsed += 1
                held, open_field = [], False
            else:
                held.append(line)
                length += len(line)
                if line.count(b'"') % 2:
                    yield Form.CSV, b"\n".join(held)
                    held, open_field = [], False
                continue
        if line[:1] == b"\t" and held:
            length += len(line)
            if length < LONGEST:  # what is beyond is statement
                held.append(line[1:])
            continue
        if held:
            yield Form.PLAIN, b"\n".join(held)
            held = []
        length = len(line)
        if line[:1] == b"{":
            yield Form.JSON, line
        elif not _CSV_START.match(line):
            held = [line]
        elif line.count(b'"') % 2:
            held, open_field = [line], True
        else:
            yield Form.CSV, line
    if open_field:
        notes.unparsed += 1
    elif held:
        yield Form.PLAIN, b"\n".join(held)


_LEAST_COMMAS = 22
"""of a record of csvlog; newer servers have more"""


def split_csv(text: str, most: int = 100) -> list[str] | None:
    """The fields of one CSV record, at most the first ``most``; None when it is not one."""
    fields: list[str] = []
    place, end = 0, len(text)
    while True:
        if place < end and text[place] == '"':
            close = place + 1
            while True:
                close = text.find('"', close)
                if close < 0:
                    return None
                if text[close + 1 : close + 2] != '"':
                    break
                close += 2
            fields.append(text[place + 1 : close].replace('""', '"'))
            place = close + 1
        else:
            comma = text.find(",", place)
            stop = end if comma < 0 else comma
            fields.append(text[place:stop])
            place = stop
        if place == end or len(fields) == most:
            return fields
        if text[place] != ",":
            return None
        place += 1


def _is_torn(form: Form, data: bytes) -> bool:
    """Whether a record ends before its end. What it was is not known, then: it may be a wanted
    one. Asked of those that do not look wanted and are not taken apart, so it must be cheap."""
    return not data.endswith(b"}") if form is Form.JSON else data.count(b",") < _LEAST_COMMAS


def _is_wanted(entry: Entry, wanted: Wanted) -> bool:
    failed = entry.severity in FAILURES and wanted is STATEMENTS
    return failed or any(wanted.start.match(each) for each in entry.messages)


def _csv(data: bytes, clock: Clock, notes: LogNotes) -> Entry | None:
    row = split_csv(data.decode("utf-8", "replace"))
    when = None if row is None or len(row) <= _LEAST_COMMAS else clock.moment(row[0])
    if row is None or when is None:
        notes.unparsed += 1
        return None
    return Entry(
        Form.CSV,
        when,
        row[1] or None,
        row[2] or None,
        session=row[5],
        messages=(row[13],),
        raised=bool(row[18] or row[19]),
        severity=row[11],
        state=row[12],
        detail=row[14],
        statement=row[19],
        context=bool(row[18]),
        transaction=row[9],
        number=row[6],
    )


def _json(data: bytes, clock: Clock, notes: LogNotes) -> Entry | None:
    try:
        found = msgspec.json.decode(data.decode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        found = None
    texts = {}
    if isinstance(found, dict):
        texts = {name: value for name, value in found.items() if isinstance(value, str)}
    when = clock.moment(texts["timestamp"]) if "timestamp" in texts else None
    if when is None or "message" not in texts or not isinstance(found, dict):
        notes.unparsed += 1
        return None
    return Entry(
        Form.JSON,
        when,
        texts.get("user") or None,
        texts.get("dbname") or None,
        session=str(found.get("session_id") or found.get("pid") or ""),
        messages=(texts["message"],),
        raised="context" in found or "statement" in found,
        severity=texts.get("error_severity", "LOG"),
        state=texts.get("state_code", ""),
        detail=texts.get("detail", ""),
        statement=texts.get("statement", ""),
        context="context" in found,
        transaction=texts.get("vxid", ""),
        number=str(found.get("line_num", "")),
    )


# --- the plain form -------------------------------------------------------------------------------


class _Plain:
    """Entries of the plain form. One is held back until the next of its backend: a CONTEXT or a
    STATEMENT that belongs to it would come then."""

    def __init__(
        self, prefix: Prefix | None, clock: Clock, notes: LogNotes, wanted: Wanted
    ) -> None:
        self._prefixes = [prefix] if prefix else [Prefix(text, guessed=True) for text in USUAL]
        self._clock, self._notes, self._wanted = clock, notes, wanted
        self._held: dict[str, Entry] = {}

    def take(self, data: bytes) -> Iterator[Entry]:
        wanted = any(each in data for each in self._wanted.marks)
        if not wanted and _HOUR.match(data) and b":  " not in data[:_HEAD]:
            self._notes.unparsed += 1  # torn within its prefix
            return
        if not wanted and not self._held:
            return
        text = data.decode("utf-8", "replace")
        found, prefix = self._match(text[:_HEAD])
        if found is None or prefix is None:
            # an audit whose prefix is another one, or a text that only speaks of one
            self._notes.unparsed += wanted and _AN_AUDIT.search(text[:_HEAD]) is not None
            return
        groups = found.groupdict()
        backend = groups.get("session") or groups.get("pid") or ""
        before = self._held.pop(backend, None)
        severity = found["severity"]
        if severity in FOLLOWS.split("|"):
            if before is None:
                return
            rest = text[found.end() :]
            if severity == "STATEMENT":  # the last of them
                yield replace(before, raised=True, statement=rest)
            elif severity == "CONTEXT":
                self._held[backend] = replace(before, raised=True, context=True)
            else:
                detail = rest if severity == "DETAIL" else before.detail
                self._held[backend] = replace(before, detail=detail)
            return
        if before is not None:
            yield before
        if not wanted:
            return  # what follows it is of this one
        if severity in FAILURES and self._wanted is STATEMENTS:
            messages: tuple[str, ...] = (text[found.end() :],)
        else:
            messages = _readings(text, found, prefix, self._wanted)
        if messages:
            self._hold(backend, groups, messages)
        if len(self._held) > _MOST_HELD:
            yield from self.last()

    def _hold(self, backend: str, groups: dict[str, str | None], messages: tuple[str, ...]) -> None:
        when = self._clock.moment(groups.get("time") or "")
        if when is None:
            self._notes.unparsed += 1
            return
        user, database = groups.get("user"), groups.get("database")
        of_a_client = not _OF_THE_SERVER.match(messages[0])
        self._notes.nobody += user is None and of_a_client
        whole = groups.get("session") is not None
        self._held[backend] = Entry(
            Form.PLAIN,
            when,
            user or None,
            database or None,
            backend,
            messages,
            pid_only=not whole,
            severity=groups.get("severity") or "LOG",
            state=groups.get("state") or "",
            transaction=groups.get("transaction") or "",
            number=groups.get("number") or "",
        )

    def last(self) -> Iterator[Entry]:
        """What is still held at the end of a file."""
        held, self._held = self._held, {}
        yield from held.values()

    def _match(self, text: str) -> tuple[re.Match[str] | None, Prefix | None]:
        for prefix in self._prefixes:
            found = prefix.pattern.match(text)
            if found:
                return found, prefix
        return None, None


_HEAD = 1000
"""characters of an entry that its prefix ends in; a client's name for itself has at most 63"""
_MOST_HELD = 10_000
_OF_THE_SERVER = re.compile(_SERVER)
_MARK = re.compile(rf"\b{SEVERITY}:  ")
_AN_AUDIT = re.compile(
    rf"\b{SEVERITY}:  (?:AUDIT: (?:SESSION|OBJECT),|(?:duration: [\d.]+ ms  )?statement: )"
)


def _readings(text: str, found: re.Match[str], prefix: Prefix, wanted: Wanted) -> tuple[str, ...]:
    """The messages an entry may be, the plainest first; none if none of them is wanted."""
    starts = [found.end()]
    if prefix.forgeable:
        starts += [
            mark.end()
            for mark in _MARK.finditer(text, 0, _HEAD)
            if mark.end() > found.end() and mark.start() - found.end() < _HEAD
        ]
    messages = [text[start:] for start in starts if wanted.start.match(text, start)]
    if len(starts) > 1 and len(messages) == 1:
        return (messages[0], "")  # the other reading is something else
    return tuple(messages)
