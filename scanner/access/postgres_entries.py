"""Entries of PostgreSQL's server logs: what of them is wanted, when they were, what they say of the
server itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from zoneinfo import ZoneInfo

from detectors.records import dataclass
from scanner.access import gaps
from scanner.access.lines import LineNotes
from scanner.access.logbook import LogBook
from scanner.access.logfiles import damage
from scanner.factview import View
from scanner.text import plural, times


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries matter: the record has one of ``marks``, its message begins as ``start``."""

    marks: tuple[bytes, ...]
    start: re.Pattern[str]


_SERVER = r'parameter "|database system is ready to accept|starting PostgreSQL'
_SERVER_MARKS = (b'parameter "', b'parameter ""', b'parameter \\"', b"database system is ready")
OF_THE_SERVER = re.compile(_SERVER)
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


@dataclass(slots=True)
class Entry:
    """One message, not to be changed (to freeze it would cost more than to find its fields).
    ``session`` tells backends apart, as far as the log can. ``messages`` are all its readings.
    ``raised``: by a statement of the user, not by the server."""

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
    line: int = 0
    """of the file, where it begins"""

    @property
    def ambiguous(self) -> bool:
        return len(self.messages) > 1

    @property
    def event(self) -> str:
        """What tells the entry from all others, in whichever file; empty where nothing does."""
        if not self.number:
            return ""
        when = f" {int(self.when.timestamp())}" if self.pid_only else ""
        return f"{self.session} {self.number} {self.severity}{when}"


@dataclass(slots=True)
class LogNotes(LineNotes):
    nobody: int = 0
    """entries whose prefix does not tell the user"""


START, CHANGE = "server start", "server change"
"""what the server says of itself: starts, and settings changed in its files"""


def of_the_server(entry: Entry, book: LogBook, *settings: str) -> bool:
    """True when an entry is one of the server itself; that of a start, or of a change of one of
    ``settings``, is kept."""
    message = entry.messages[0]
    if entry.user is not None or entry.raised or not OF_THE_SERVER.match(message):
        return False
    if message.startswith("database system is ready to accept"):
        book.say(START, entry.when, "")
    elif any(f'parameter "{each}' in message for each in settings):
        book.say(CHANGE, entry.when, message[:200])
    return True


_SHOWN = 6
"""starts and changes that are written out, the latest ones"""


def server_said(view: View) -> Iterator[str]:
    starts = view.said(START)
    if starts:
        yield (
            f"the server was started {times(len(starts))} in the window, at"
            f" {_last([gaps.clock(when) for when, _ in starts])}: between its end and each of them"
            " nothing was read or logged"
        )
    changes = view.said(CHANGE)
    if changes:
        each = [f"{message} at {gaps.clock(when)}" for when, message in changes]
        yield f"{plural(len(changes), 'change')} of settings of the audit: {_last(each)}"


def _last(said: list[str]) -> str:
    more = len(said) - _SHOWN
    return (f"{plural(more, 'earlier one')}, " if more > 0 else "") + ", ".join(said[-_SHOWN:])


class Clock:
    """Turns times of the log into moments. ``zone`` is the server's ``log_timezone``; without it
    only abbreviations that mean one thing are understood."""

    def __init__(self, zone: ZoneInfo | None) -> None:
        self._zone = zone
        self._away: dict[str, timedelta] = {}
        """of a minute and a zone as written, how far it is ahead of UTC"""
        self.zones: set[str] = set()
        """abbreviations of time zones that could not be understood"""

    def moment(self, text: str) -> datetime | None:
        """``2026-03-01 10:00:00.123 CET`` in UTC."""
        if " " not in text and _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        stamp, _, name = text.rpartition(" ")
        try:
            local = datetime.fromisoformat(stamp)
        except ValueError:
            return None
        minute = f"{stamp[:_TO_THE_MINUTE]} {name}"
        away = self._away.get(minute)
        if away is None:
            when = self._placed(local, name)
            if when is None:
                return None
            if len(self._away) >= _MINUTES:
                self._away.clear()
            away = self._away[minute] = local.replace(tzinfo=UTC) - when
        return local.replace(tzinfo=UTC) - away

    def _placed(self, local: datetime, name: str) -> datetime | None:
        """``name``: of its time zone."""
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
            self.zones.add(name[:10])
            return None
        return local.replace(tzinfo=timezone(timedelta(hours=_ZONES[name]))).astimezone(UTC)

    def hours(self, written: Iterable[tuple[bytes, bytes]]) -> Iterator[datetime]:
        """The hours that a ``Reader`` has collected."""
        for hour, zone in written:
            when = self.moment(f"{hour.decode()}:00:00 {zone.decode()}")
            if when is not None:
                yield when


ZONE = "zone "


def log_damage(notes: LogNotes, view: View) -> Iterator[str]:
    """What was lost while reading, in sentences."""
    yield from damage(notes, "entries")
    zones = ", ".join(sorted(view.notes(ZONE))[:3])
    if zones:
        yield f"times of the zone {zones} could not be placed: give it with “zone”"
    if notes.nobody:
        yield (
            f"the prefix of {plural(notes.nobody, 'entry', 'entries')} does not name the role (%u)"
        )


_TO_THE_MINUTE, _MINUTES = len("2026-03-01 10:00"), 10_000
_EPOCH = re.compile(r"\d{9,11}(?:\.\d+)?")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")
_ZONES = {
    **{"UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3},
    **{"MSK": 3, "JST": 9, "EST": -5, "EDT": -4, "PST": -8, "PDT": -7, "MDT": -6},
}
