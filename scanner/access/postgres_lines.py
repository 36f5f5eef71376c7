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
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from zoneinfo import ZoneInfo

import msgspec

from scanner.access.lines import LONGEST, LineNotes, lines
from scanner.contracts import Source

_WANTED = (b"AUDIT: ", b"permission denied for ")
_STAMP = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_CSV_START = re.compile(_STAMP + rb'(?:\.\d+)? [^,"]{1,40},(?:"(?!")|,)')
_CSV_SURE = re.compile(_STAMP + rb'(?:\.\d+)? [^,"]{1,40},"(?!")')
_HOUR = re.compile(
    rb'(?:\{"timestamp":")?(\d{4}-\d\d-\d\d \d\d):\d\d:\d\d(?:\.\d+)?'
    rb" ([A-Z]{1,6}|[+-]\d\d(?::?\d\d)?)"
)
_SEVERITY = r"(?:LOG|NOTICE|WARNING|INFO|ERROR|FATAL|DEBUG[1-5]?)"


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

    @property
    def ambiguous(self) -> bool:
        return len(self.messages) > 1


@dataclass(slots=True)
class LogNotes(LineNotes):
    zones: set[str] = field(default_factory=set)
    """abbreviations of time zones that could not be understood"""
    nobody: int = 0
    """entries whose prefix does not tell the user"""


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
) -> Iterator[Entry]:
    """The entries of one file that hold an audit or a refusal. ``hours`` collects the hours
    and time zones of all its entries, as written. Raises ``Unreadable`` if the source does."""
    plain = _Plain(prefix, clock, notes)
    for form, data in _records(lines(source, notes), notes):
        stamp = _HOUR.match(data)
        if stamp:
            hours.add((stamp[1], stamp[2]))
        if form is Form.PLAIN:
            yield from plain.take(data)
        elif any(each in data for each in _WANTED):
            yield from (_json if form is Form.JSON else _csv)(data, clock, notes)
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


def _csv(data: bytes, clock: Clock, notes: LogNotes) -> Iterator[Entry]:
    row = split_csv(data.decode("utf-8", "replace"))
    if row is None or len(row) < 23:
        notes.unparsed += 1
        return
    when = clock.moment(row[0])
    if when is None:
        notes.unparsed += 1
        return
    yield Entry(
        Form.CSV, when, row[1] or None, row[2] or None, row[5], (row[13],), bool(row[18] or row[19])
    )


def _json(data: bytes, clock: Clock, notes: LogNotes) -> Iterator[Entry]:
    try:
        found = msgspec.json.decode(data.decode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        notes.unparsed += 1
        return
    if not isinstance(found, dict):
        notes.unparsed += 1
        return
    stamp, message = found.get("timestamp"), found.get("message")
    when = clock.moment(stamp) if isinstance(stamp, str) else None
    if when is None or not isinstance(message, str):
        notes.unparsed += 1
        return
    user, database = found.get("user"), found.get("dbname")
    yield Entry(
        Form.JSON,
        when,
        user if isinstance(user, str) else None,
        database if isinstance(database, str) else None,
        str(found.get("session_id") or found.get("pid") or ""),
        (message,),
        "context" in found or "statement" in found,
    )


# --- the plain form -------------------------------------------------------------------------------

_TIME = r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?:[A-Z]{1,6}|[+-]\d\d(?::?\d\d)?))"
# identifiers have at most 63 bytes
_NAME = r".{0,63}?"
_PLAIN_NAME = r"[^\s@]{0,63}?"
_ESCAPES = {
    **{"m": _TIME, "t": _TIME, "n": r"(?P<time>\d{9,11}\.\d+)", "p": r"(?P<pid>\d+)"},
    **{"c": r"(?P<session>[0-9a-f]+\.[0-9a-f]+)", "u": rf"(?P<user>{_NAME})"},
    **{"d": rf"(?P<database>{_NAME})", "a": _NAME, "h": r"\S*", "r": r"\S*", "b": r"[a-z ]*"},
    **{"l": r"\d+", "x": r"\d+", "v": r"\S*", "i": r"[A-Za-z ]*", "e": r"\w{5}"},
    **{"Q": r"-?\d+", "P": r"\d*", "s": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", "q": "", "%": "%"},
}
_USUAL = (
    "%m [%p] %q%u@%d ",  # Debian
    "%t:%r:%u@%d:[%p]:",  # Amazon RDS
    "%m [%p]: [%l-1] db=%d,user=%u ",  # Cloud SQL
    "%t-%c-",  # Azure
    "%m [%p] ",  # as delivered
    "%t [%p] ",
)


class Prefix:
    """A ``log_line_prefix`` that can be read back. Raises ``ValueError`` for an unknown escape.
    ``guessed``: nobody said it is this one, so names with blanks are not believed."""

    def __init__(self, text: str, guessed: bool = False) -> None:
        pattern, place = "", 0
        seen: set[str] = set()
        for escape in re.finditer(r"%(-?\d*)(.)", text):
            pattern += re.escape(text[place : escape.start()])
            place = escape.end()
            letter = escape[2]
            if letter not in _ESCAPES:
                raise ValueError(f"%{letter}")
            part = _ESCAPES[letter].replace(_NAME, _PLAIN_NAME if guessed else _NAME)
            if part.startswith("(?P<") and part in seen:
                part = re.sub(r"\?P<\w+>", "?:", part)
            seen.add(part)
            pattern += f" *{part} *" if escape[1] else part
        pattern += re.escape(text[place:])
        self.forgeable = "%a" in text
        """True when a client chooses part of it"""
        self.pattern = re.compile(rf"{pattern}(?P<severity>{_SEVERITY}|CONTEXT|STATEMENT):  ")


class _Plain:
    """Entries of the plain form. One is held back until the next of its backend: a CONTEXT or a
    STATEMENT that belongs to it would come then."""

    def __init__(self, prefix: Prefix | None, clock: Clock, notes: LogNotes) -> None:
        self._prefixes = [prefix] if prefix else [Prefix(text, guessed=True) for text in _USUAL]
        self._clock, self._notes = clock, notes
        self._held: dict[str, Entry] = {}

    def take(self, data: bytes) -> Iterator[Entry]:
        wanted = any(each in data for each in _WANTED)
        if not wanted and not (self._held and (b"CONTEXT:  " in data or b"STATEMENT:  " in data)):
            return
        text = data.decode("utf-8", "replace")
        found, prefix = self._match(text[:_HEAD])
        if found is None or prefix is None:
            # an audit whose prefix is another one, or a text that only speaks of one
            self._notes.unparsed += _AN_AUDIT.search(text[:_HEAD]) is not None
            return
        groups = found.groupdict()
        backend = groups.get("session") or groups.get("pid") or ""
        before = self._held.pop(backend, None)
        follows = found["severity"] in ("CONTEXT", "STATEMENT")
        if before is not None:
            yield replace(before, raised=True) if follows else before
        if follows:
            return
        messages = _readings(text, found, prefix)
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
        self._notes.nobody += user is None
        whole = groups.get("session") is not None
        self._held[backend] = Entry(
            Form.PLAIN, when, user or None, database or None, backend, messages, pid_only=not whole
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
_MARK = re.compile(rf"\b{_SEVERITY}:  ")
_AN_AUDIT = re.compile(rf"\b{_SEVERITY}:  AUDIT: (?:SESSION|OBJECT),")


def _readings(text: str, found: re.Match[str], prefix: Prefix) -> tuple[str, ...]:
    """The messages an entry may be, the plainest first; none if none of them is wanted."""
    starts = [found.end()]
    if prefix.forgeable:
        starts += [
            mark.end()
            for mark in _MARK.finditer(text, 0, _HEAD)
            if mark.end() > found.end() and mark.start() - found.end() < _HEAD
        ]
    wanted = [text[start:] for start in starts if text.startswith(_WANTED_TEXT, start)]
    if len(starts) > 1 and len(wanted) == 1:
        return (wanted[0], "")  # the other reading is something else
    return tuple(wanted)


_WANTED_TEXT = tuple(each.decode() for each in _WANTED)
