"""Who looks at single records without a reason: the watch list and the tickets, sealed at once.

    [snooping]
    watch = "watch.txt"          # a subject a line: a number of a customer, the name of an object
    tickets = "tickets.csv"      # principal, subject, from, to

Subjects are what must not be known to be watched, so none of them goes further than ``read``: here
they become numbers under the key of the ledger, and a report tells the line of the list. A subject
is met in the name of an object (whole, or a part between slashes with or without its ending), and
in a statement as a value something is equal to.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from detectors.records import dataclass
from scanner.errors import ConfigError
from scanner.text import plural
from scanner.whoread import SESSION, SOURCE

Number: TypeAlias = Callable[[str], int]
"""The number of a subject under the key, never 0."""

_MOST = 1_000_000
_LONGEST = 1_000
_BETWEEN = re.compile(r"[/\\?&=;#]+")


@dataclass(frozen=True, slots=True)
class Ticket:
    """``principal`` (with ``*`` for any text) may read ``subject`` (None: anything) from ``start``
    to ``end``, in seconds since 1970."""

    principal: str
    subject: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Snooping:
    """What single reads are held against. ``subjects``: lines of the watch list by number;
    ``tickets`` by principal, None: none are kept; ``by_ticket`` and ``machines`` are patterns of
    principals."""

    subjects: Mapping[int, int] = field(default_factory=dict)
    tickets: Mapping[str, Sequence[Ticket]] | None = None
    by_ticket: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()

    def named(self) -> frozenset[int]:
        """The numbers of all subjects that anything is said of."""
        tickets = (each for some in (self.tickets or {}).values() for each in some)
        return frozenset(self.subjects) | {each.subject for each in tickets if each.subject}

    def works_by_ticket(self, principal: str, session: str) -> bool:
        """Who is named so, and whoever has a ticket of its own."""
        if self.tickets is None:
            return False
        own = any(name in self.tickets for name in _names(principal, session))
        return own or _among(principal, session, self.by_ticket)

    def is_machine(self, principal: str, session: str) -> bool:
        return _among(principal, session, self.machines)

    def has_ticket(
        self, principal: str, session: str, subjects: frozenset[int] | None, first: int, last: int
    ) -> bool:
        """Whether a ticket reaches into ``first`` to ``last``. ``subjects``: the numbers of what
        was read, None where that is not told."""
        return any(
            ticket.start <= last
            and first <= ticket.end
            and (ticket.subject is None or subjects is None or ticket.subject in subjects)
            for ticket in self._of(principal, session)
        )

    def _of(self, principal: str, session: str) -> Iterator[Ticket]:
        tickets = self.tickets or {}
        for name in _names(principal, session):
            yield from tickets.get(name, ())
        for pattern in filter(_has_stars, tickets):
            if _among(principal, session, (pattern,)):
                yield from tickets[pattern]


@dataclass(frozen=True, slots=True)
class Lookout:
    """Where reads are seen: what to hold them against, and how subjects become numbers."""

    against: Snooping
    number: Number


def _names(principal: str, session: str) -> Sequence[str]:
    """Of a session its own name, and that of the source identity behind it."""
    name, _, source = session.partition(SOURCE)
    of_session = (f"{principal}{SESSION}{name}", name) if name else ()
    return (principal, *of_session, *((source,) if source else ()))


def _among(principal: str, session: str, patterns: Sequence[str]) -> bool:
    names = _names(principal, session)
    return any(_fits(name, pattern) for pattern in patterns for name in names)


def _has_stars(pattern: str) -> bool:
    return "*" in pattern


def _fits(name: str, pattern: str) -> bool:
    """Only ``*`` is special."""
    parts = map(re.escape, pattern.split("*"))
    return re.fullmatch(".*".join(parts), name, re.DOTALL) is not None


def numbering(fingerprint: Callable[[str], bytes], seal_name: Callable[[str], str]) -> Number:
    """Capitals and the form of letters make no difference; a card number is sealed like one in a
    name, so that it meets those."""

    def number(subject: str) -> int:
        plain = unicodedata.normalize("NFC", seal_name(subject.strip())).casefold()
        return int.from_bytes(fingerprint(f"subject {plain}")[:8], "big") or 1

    return number


def forms(name: str) -> Iterator[str]:
    """What a subject may be called in the name of an object."""
    yield name
    for piece in _BETWEEN.split(name):
        if not piece:
            continue
        yield piece
        if "." in piece:
            yield piece.rpartition(".")[0]
            yield piece.partition(".")[0]


# --- the files ------------------------------------------------------------------------------------


def read_watch(path: Path, number: Number) -> dict[int, int]:
    """Raises ``ConfigError``; no message repeats what stands in the file."""
    found: dict[int, int] = {}
    for line, text in enumerate(_text(path, "a subject a line").splitlines(), 1):
        subject = text.strip()
        if not subject or subject.startswith("# "):
            continue
        if len(subject) > _LONGEST:
            raise ConfigError(
                str(path), f"line {line}", f"a subject of at most {_LONGEST:,} characters"
            )
        found.setdefault(number(subject), line)
        if len(found) > _MOST:
            raise ConfigError(str(path), "", f"at most {_MOST:,} subjects")
    if not found:
        raise ConfigError(str(path), "", "a subject a line", "none")
    return found


def read_tickets(
    path: Path, number: Number, seal_principal: Callable[[str], str]
) -> dict[str, list[Ticket]]:
    """By principal. Raises ``ConfigError``; no message repeats what stands in the file."""
    text = _text(path, "a CSV file")
    rows = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        names = [name.strip().casefold() for name in next(rows, [])]
        places = [
            next((names.index(each) for each in names if each in wanted), -1) for wanted in _COLUMNS
        ]
        if -1 in places:
            expected = "a first line with the columns principal, subject (or object), from, to"
            raise ConfigError(str(path), "line 1", expected)
        count = 0
        tickets: dict[str, list[Ticket]] = {}
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            where = f"line {rows.line_num}"
            if len(row) != len(names):
                raise ConfigError(str(path), where, plural(len(names), "cell"), f"{len(row)}")
            cells = [row[place].strip() for place in places]
            ticket = _ticket(cells, str(path), where, number, seal_principal)
            tickets.setdefault(ticket.principal, []).append(ticket)
            count += 1
            if count > _MOST:
                raise ConfigError(str(path), where, f"at most {_MOST:,} tickets")
    except csv.Error:
        raise ConfigError(str(path), f"line {rows.line_num}", "CSV") from None
    return tickets


_COLUMNS = (("principal",), ("subject", "object"), ("from",), ("to",))


def _ticket(
    cells: Sequence[str],
    file: str,
    where: str,
    number: Number,
    seal_principal: Callable[[str], str],
) -> Ticket:
    principal, subject, start, end = cells
    if not principal or not subject:
        raise ConfigError(file, where, "a principal and a subject (* for any)", "an empty cell")
    times = [_moment(each, file, where) for each in (start, end)]
    if len(end) <= len("2026-03-01"):
        times[1] += 86_399  # a day is meant to its end
    if times[1] < times[0]:
        raise ConfigError(file, where, "“to” not before “from”")
    what = None if subject == "*" else number(subject)
    return Ticket(seal_principal(principal), what, times[0], times[1])


def _moment(text: str, file: str, where: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        expected = "a date or time in from and to (2026-03-01, 2026-03-01T10:00+01:00)"
        raise ConfigError(file, where, expected) from None
    return int((when.replace(tzinfo=UTC) if when.tzinfo is None else when).timestamp())


def _text(path: Path, expected: str) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(str(path), "", f"{expected}, in UTF-8", "other bytes") from None
    except OSError as error:
        raise ConfigError(str(path), "", expected, error.strerror or "") from None
