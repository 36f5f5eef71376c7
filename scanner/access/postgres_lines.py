"""PostgreSQL server logs in their three forms: from a file to entries that may concern an audit.

``csvlog`` and ``jsonlog`` say who, where and in which session in fields of their own. The plain
form (``stderr``) begins each entry with ``log_line_prefix``, which can be set to anything; what a
client chooses itself in it (``%a``, the application's name) can hold what looks like an entry. Then
all readings are given, and the entry is *ambiguous*.

An entry that PL/pgSQL raised carries a context or the statement that raised it. pgaudit writes
neither: so ``RAISE LOG 'AUDIT: ...'`` is told from an audit (not under ``log_error_verbosity =
terse``, which leaves both out).

A parallel worker does a part of the statement of the backend that leads it, and says again what
that one says, in no role's name: its entries are left out where the log tells what it is.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec

from scanner.access.lines import LONGEST, lines
from scanner.access.postgres_entries import (
    FAILURES,
    OF_THE_SERVER,
    STATEMENTS,
    Clock,
    Entry,
    Form,
    LogNotes,
    Wanted,
)
from scanner.access.postgres_prefix import FOLLOWS, SEVERITY, USUAL, Prefix
from scanner.contracts import Source

_STAMP = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_CSV_START = re.compile(_STAMP + rb'(?:\.\d+)? [^,"]{1,40},(?:"(?!")|,)')
_CSV_SURE = re.compile(_STAMP + rb'(?:\.\d+)? [^,"]{1,40},"(?!")')
_HOUR = re.compile(
    rb'(?:\{"timestamp":")?(\d{4}-\d\d-\d\d \d\d):\d\d:\d\d(?:\.\d+)?'
    rb" ([A-Z]{1,6}|[+-]\d\d(?::?\d\d)?)"
)


class Reader:
    """Reads the entries of one file that are wanted. ``cut`` is called with the line at hand where
    a record begins and all before it was given out but what is ``held``, ``ending`` with the one
    that the last record begins with, if that may go on."""

    def __init__(
        self,
        source: Source,
        prefix: Prefix | None,
        clock: Clock,
        notes: LogNotes,
        wanted: Wanted,
        cut: Callable[[bytes], None],
        ending: Callable[[bytes], None],
    ) -> None:
        self._source, self._clock, self.notes = source, clock, notes
        self._wanted, self._cut, self._ending = wanted, cut, ending
        self._plain = _Plain(prefix, clock, notes, wanted)
        self.hours: set[tuple[bytes, bytes]] = set()
        """the hours and time zones of all entries, as written"""

    def held(self) -> Iterator[Entry]:
        """What is held back, since more that belongs to it may come."""
        return self._plain.last()

    def entries(self) -> Iterator[Entry]:
        """Raises ``Unreadable`` if the source does."""
        wanted, notes = self._wanted, self.notes
        physical = lines(self._source, notes)
        for form, data in _records(physical, notes, self._cut, self._ending):
            stamp = _HOUR.match(data)
            if stamp:
                self.hours.add((stamp[1], stamp[2]))
            if form is Form.PLAIN:
                yield from self._plain.take(data)
            elif any(each in data for each in wanted.marks):
                entry = (_json if form is Form.JSON else _csv)(data, self._clock, notes)
                if entry is not None and _is_wanted(entry, wanted):
                    yield entry
            elif _is_torn(form, data):
                notes.lost(data)
        yield from self._plain.last()


def belongs(line: bytes) -> bool:
    """Whether what begins with a line may belong to an entry before it. It is written at once with
    that: after any other line comes nothing that does."""
    return _BELONGS.search(line, 0, _HEAD) is not None


# --- records --------------------------------------------------------------------------------------


def _records(
    physical: Iterator[bytes],
    notes: LogNotes,
    cut: Callable[[bytes], None],
    ending: Callable[[bytes], None],
) -> Iterator[tuple[Form, bytes]]:
    """Lines put together to records: a field of csvlog may hold line ends, and a plain entry goes
    on with a tab."""
    held: list[bytes] = []
    open_field = False  # what is held is csvlog and ends inside quotes
    length = began = 0
    samples = notes.samples
    for line in physical:
        here = samples.at
        if open_field:
            if _CSV_SURE.match(line) or length + len(line) > LONGEST:
                # a record begins, for inside a field its quotes would be doubled
                notes.lost(held[0], began)
                held, open_field = [], False
            else:
                held.append(line)
                length += len(line)
                if line.count(b'"') % 2:
                    samples.at = began
                    yield Form.CSV, b"\n".join(held)
                    held, open_field = [], False
                continue
        if line[:1] == b"\t" and held:
            length += len(line)
            if length < LONGEST:  # what is beyond is statement
                held.append(line[1:])
            continue
        if held:
            samples.at = began
            yield Form.PLAIN, b"\n".join(held)
            held = []
        samples.at = began = here
        cut(line)
        length = len(line)
        if line[:1] == b"{":
            yield Form.JSON, line
        elif not _CSV_START.match(line):
            held = [line]
        elif line.count(b'"') % 2:
            held, open_field = [line], True
        else:
            yield Form.CSV, line
    samples.at = began
    if open_field:
        notes.lost(held[0])
    elif held:
        ending(held[0])
        yield Form.PLAIN, b"\n".join(held)


_LEAST_COMMAS = 22
"""of a record of csvlog; newer servers have more"""
_WORKER = "parallel worker"


def split_csv(text: str, most: int = 100) -> list[str] | None:
    """The fields of one CSV record, at most the first ``most``; None when it is not one, as far as
    those."""
    if text[-1:] not in "\r\n":
        try:
            return next(csv.reader((text,), strict=True))[:most]
        except csv.Error:  # it ends early, or has what the library takes no field to have
            pass
    return split_slowly(text, most)


def split_slowly(text: str, most: int) -> list[str] | None:
    """``split_csv`` of any text whatever."""
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
        notes.lost(data)
        return None
    if row[23:24] == [_WORKER]:
        return None
    return Entry(
        Form.CSV,
        when,
        row[1] or None,
        row[2] or None,
        line=notes.samples.at,
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
        notes.lost(data)
        return None
    if texts.get("backend_type") == _WORKER:
        return None
    return Entry(
        Form.JSON,
        when,
        texts.get("user") or None,
        texts.get("dbname") or None,
        line=notes.samples.at,
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
        self,
        prefix: Prefix | None,
        clock: Clock,
        notes: LogNotes,
        wanted: Wanted,
    ) -> None:
        self._count = 0
        self._since: dict[str, int] = {}
        """of each that is held, how many entries came before it"""
        self._prefixes = [prefix] if prefix else [Prefix(text, guessed=True) for text in USUAL]
        self._clock, self._notes, self._wanted = clock, notes, wanted
        self._held: dict[str, Entry] = {}

    def take(self, data: bytes) -> Iterator[Entry]:
        wanted = any(each in data for each in self._wanted.marks)
        if not wanted and _HOUR.match(data) and b":  " not in data[:_HEAD]:
            self._notes.lost(data)  # torn within its prefix
            return
        if not wanted and not self._held:
            return
        text = data.decode("utf-8", "replace")
        found, prefix = self._match(text[:_HEAD])
        if found is None or prefix is None:
            # an audit whose prefix is another one, or a text that only speaks of one
            if wanted and _AN_AUDIT.search(text[:_HEAD]):
                self._notes.lost(data)
            return
        self._count += 1
        yield from self._long_held()
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
        if not wanted or groups.get("leader") or groups.get("backend") == _WORKER:
            return  # what follows it is of this one
        if severity in FAILURES and self._wanted is STATEMENTS:
            messages: tuple[str, ...] = (text[found.end() :],)
        else:
            messages = _readings(text, found, prefix, self._wanted)
        if messages:
            self._hold(backend, groups, messages, data)
        if len(self._held) > _MOST_HELD:
            yield from self.last()

    def _long_held(self) -> Iterator[Entry]:
        """What belongs to an entry is written with it: it does not come after so many others."""
        while self._held:
            oldest = next(iter(self._held))
            if self._count - self._since[oldest] < _BEYOND:
                return
            yield self._held.pop(oldest)

    def _hold(
        self,
        backend: str,
        groups: dict[str, str | None],
        messages: tuple[str, ...],
        data: bytes,
    ) -> None:
        when = self._clock.moment(groups.get("time") or "")
        if when is None:
            self._notes.lost(data)
            return
        user, database = groups.get("user"), groups.get("database")
        of_a_client = not OF_THE_SERVER.match(messages[0])
        self._notes.nobody += user is None and of_a_client
        whole = groups.get("session") is not None
        self._since[backend] = self._count
        self._held[backend] = Entry(
            Form.PLAIN,
            when,
            user or None,
            database or None,
            backend,
            messages,
            line=self._notes.samples.at,
            pid_only=not whole,
            severity=groups.get("severity") or "LOG",
            state=groups.get("state") or "",
            transaction=groups.get("transaction") or "",
            number=groups.get("number") or "",
        )

    def last(self) -> Iterator[Entry]:
        """What is still held."""
        held, self._held, self._since = self._held, {}, {}
        yield from held.values()

    def _match(self, text: str) -> tuple[re.Match[str] | None, Prefix | None]:
        for prefix in self._prefixes:
            found = prefix.pattern.match(text)
            if found:
                return found, prefix
        return None, None


_HEAD = 1000
"""characters of an entry that its prefix ends in; a client's name for itself has at most 63"""
_MOST_HELD, _BEYOND = 10_000, 2_000
_MARK = re.compile(rf"\b{SEVERITY}:  ")
_BELONGS = re.compile(rf"\b(?:{FOLLOWS}):  ".encode())
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
