"""Evidence from pgaudit: which role read which table of a PostgreSQL database.

pgaudit writes a line for each relation of a statement, in ``SESSION`` audits for the statements of
a role and in ``OBJECT`` audits for relations that were chosen, so one statement may have four
lines: they are one read. A view and the table under it are two relations of one read. Statements
hold literals; nothing of a statement is kept.

What it cannot tell is said with every answer: what a SECURITY DEFINER function reads; the table of
a statement where ``pgaudit.log_relation`` is off (``log_rows``: of a cursor or COPY).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from detectors.records import dataclass
from scanner.access import gaps, tally, unitnames
from scanner.access.answer import Question
from scanner.access.logfiles import LogFiles
from scanner.access.postgres_lines import AUDITS, Entry, split_csv
from scanner.access.postgres_logs import NOBODY, OPTIONS, PostgresLogs
from scanner.access.readings import Readings
from scanner.contracts import EvidenceResult
from scanner.known import name_hash
from scanner.model import Store

SOURCE = "pgaudit"
_64_BITS = (1 << 64) - 1
_WHOLE_RECORD = (
    "pgaudit has recorded every statement that read, unless a superuser hid one; copies of the"
    " server's files and backups are no statements"
)
_SYSTEM = ("pg_catalog.", "information_schema.", "pg_toast.")
_PARAMETERS, _QUOTE = 6, "'"
_AS_OWNER = re.compile(r"\bsecurity\s+definer\b", re.IGNORECASE)
_RETURNING = re.compile(r"\breturning\b", re.IGNORECASE)
_WHOLE = frozenset({"COPY", "DECLARE CURSOR"})
_BLIND = (
    "pgaudit does not name what a SECURITY DEFINER function reads, and its settings can leave out"
    " roles and statements"
)


@dataclass(frozen=True, slots=True)
class Audit:
    """What one line of pgaudit says, without the statement. ``relation`` is spelt as the store of
    PostgreSQL spells its units, None where it is not told; ``rows`` None likewise."""

    kind: str
    statement: int
    part: int
    group: str
    command: str
    relation: str | None
    rows: int | None
    settings: bool
    """the statement speaks of pgaudit's own settings"""
    returns: bool = False
    """it changes rows and gives them back"""


def audit(message: str) -> Audit | None:
    """Reads ``AUDIT: OBJECT,1,1,READ,SELECT,TABLE,public.cards,"...",<not logged>[,rows]``."""
    text = message.removeprefix("AUDIT: ")
    head = split_csv(text, 7)
    if text == message or head is None or len(head) < 7:
        return None
    kind, statement, part, group, command, _, named = head
    numbers = (statement + part).isascii() and statement.isdigit() and part.isdigit()
    if kind not in ("SESSION", "OBJECT") or not numbers or len(statement + part) > 30:
        return None
    whole = split_csv(text, 10)
    last = whole[9] if whole is not None and len(whole) == 10 else ""
    rows = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else None
    said = whole[7] if whole is not None and len(whole) > 7 else text
    return Audit(
        kind,
        int(statement),
        int(part),
        group,
        command,
        _relation(named),
        rows,
        "pgaudit." in said.lower() and _changes(command, said.lower()),
        group == "WRITE" and command != "INSERT" and _RETURNING.search(said) is not None,
    )


def _changes(command: str, text: str) -> bool:
    """Whether a statement that speaks of settings can change them; every scan asks for them."""
    return "set_config" in text if command == "SELECT" else command != "SHOW"


_IDENTIFIER = re.compile(r'(?:"((?:[^"]|"")*)"|([^."]+))(?:\.|$)')


def _relation(named: str) -> str | None:
    """``"My Schema"."T"`` as the store spells it: ``My Schema.T``; without ``public``."""
    parts = [quoted.replace('""', '"') or plain for quoted, plain in _IDENTIFIER.findall(named)]
    return unitnames.postgres(parts) if parts else None


@dataclass(slots=True)
class Unnamed:
    """Statements of one role that do not name what they read."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, when: datetime) -> None:
        self.count += 1
        self.first, self.last = tally.earlier(self.first, when), tally.later(self.last, when)


@dataclass(slots=True)
class _Log:
    """What the entries of one form say of one database."""

    readings: Readings
    ids: tally.Seen = field(default_factory=tally.Seen)
    audits: int = 0
    by_object: bool = False
    """there are OBJECT audits: reads of the relations they are set for name them"""
    unnamed: dict[tuple[str, bool], Unnamed] = field(default_factory=dict)
    """by role, statements that nowhere name what they read; True: COPY and cursors"""
    forged: int = 0
    ambiguous: int = 0
    as_owner: int = 0
    """definitions of functions that run by the right of their owner"""
    switches: list[tuple[datetime, str]] = field(default_factory=list)

    def new(self, *what: object) -> bool:
        return self.ids.first_time(hash(what) & _64_BITS)

    @property
    def size(self) -> int:
        return self.audits

    def knows(self, *what: object) -> bool:
        return (hash(what) & _64_BITS) in self.ids


class _Collector(PostgresLogs[_Log]):
    source, wanted, records = SOURCE, AUDITS, "audits"

    def __init__(
        self, stores: Sequence[Store], asked: Question, settings: Mapping[str, Any]
    ) -> None:
        super().__init__(stores, asked, settings)
        self._ages: dict[str, tuple[int, Audit, datetime]] = {}
        self._elsewhere: set[tuple[datetime, str]] = set()
        """changes of pgaudit's settings made in another database"""

    def new_log(self, readings: Readings) -> _Log:
        return _Log(readings)

    def take(self, entry: Entry, here: dict[int, int]) -> None:
        if self._server.take(entry, "pgaudit.", "log_", "shared_preload_libraries"):
            return
        inside = self._extent.saw(entry.when)
        if inside is None:
            return
        place = self._databases.one(entry.database)
        if place is None:
            self._of_another(entry, inside)
            return
        log = self._log(place, entry.form)
        if not log.new("entry", entry.when, entry.session, entry.messages, entry.user):
            return
        role = entry.user or NOBODY
        if any(each.startswith("AUDIT: ") for each in entry.messages):
            if entry.raised:
                log.forged += bool(inside)
                return
            log.audits += inside
            log.ambiguous += entry.ambiguous and inside
            for message in filter(None, entry.messages):
                self._audit(place, log, entry, role, message, inside)
        elif any(each.startswith("permission denied") for each in entry.messages):
            log.readings.refuse(entry.when, role)

    def _of_another(self, entry: Entry, inside: bool) -> None:
        """Of another database: roles and settings are those of the whole server."""
        if not inside or entry.raised or len(self._elsewhere) >= 1_000:
            return
        for message in entry.messages:
            if "pgaudit." in message and (found := audit(message)) and found.settings:
                self._elsewhere.add((entry.when, entry.user or NOBODY))

    def _audit(
        self, uri: str, log: _Log, entry: Entry, role: str, message: str, inside: bool
    ) -> None:
        found = audit(message)
        if found is None:
            self.notes.unparsed += 1
            return
        when = entry.when
        if inside:
            log.readings.saw(when)
            log.by_object = log.by_object or found.kind == "OBJECT"
            if found.settings and len(log.switches) < 1_000:
                log.switches.append((when, role))
            log.as_owner += found.group == "DDL" and _AS_OWNER.search(message) is not None
        relation = found.relation
        system = relation is not None and relation.startswith(_SYSTEM)
        reading = found.group == "READ" or (found.returns and relation is not None)
        if not reading or found.command == "PREPARE" or system:
            return
        session = self._session(entry, found)
        statement = (session, found.statement)
        if relation is None:
            whole = found.command in _WHOLE
            new = log.new("unnamed", whole, statement)
            if inside and new and not log.knows("named", statement):
                log.unnamed.setdefault((role, whole), Unnamed()).add(when)
            return
        if log.new("named", statement) and inside:
            for whole in (False, True):
                if log.knows("unnamed", whole, statement):
                    log.unnamed[role, whole].count -= 1
        self._read(uri, log, entry, role, message, found, relation, session, inside)

    def _read(
        self,
        uri: str,
        log: _Log,
        entry: Entry,
        role: str,
        message: str,
        found: Audit,
        relation: str,
        session: object,
        inside: bool,
    ) -> None:
        person = log.readings.people.get(role, "")
        known = self._asked.known.get(uri)
        card = bool(
            known
            and known.cards
            and name_hash(self._asked.seal_name(relation)) in known.cards
            and log.new("card", session, found.statement, found.part)
        )
        if log.new("read", session, found.statement, found.part):
            rows = None if entry.ambiguous else found.rows
            person.read(entry.when, inside, relation, rows=rows, card=card)
            person.about(entry.when, self._subjects(message))
        else:
            person.touch(entry.when, inside, relation)
            person.card_reads += card and inside

    def _subjects(self, message: str) -> tuple[int, ...]:
        """Of the statement and its parameters (``pgaudit.log_parameter``), where they are told."""
        whole = split_csv(message, 10) if self._asked.lookout else None
        if whole is None or len(whole) < 8:
            return ()
        values = split_csv(whole[8], _PARAMETERS) if len(whole) > 8 else None
        told = values if values and whole[8] not in ("<none>", "<not logged>") else []
        parameters = ", ".join(
            f"$1 = '{each.replace(_QUOTE, _QUOTE * 2)}'" for each in told[:_PARAMETERS]
        )
        return self._asked.subjects(whole[7], "postgres", parameters)

    def _session(self, entry: Entry, found: Audit) -> object:
        """What tells this backend from others. A process id is used again: a statement number that
        goes back, or comes again later, is another backend's."""
        if not entry.pid_only:
            return entry.session
        age, last, when = self._ages.get(entry.session, (0, found, entry.when))
        same = (found.statement, found.part) == (last.statement, last.part)
        apart = abs((entry.when - when).total_seconds())
        if found.statement < last.statement or (same and apart > 2):
            age += 1
        self._ages[entry.session] = (age, found, entry.when)
        return entry.session, age

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        form, log = self._fullest(uri)
        known = self._asked.known.get(uri)
        audit = known.audits.get(SOURCE) if known else None
        sure = audit is not None and audit.since is not None
        for (role, whole), unnamed in log.unnamed.items():
            if unnamed.count and (whole or not (log.by_object or sure)):
                person = log.readings.people.get(role, "")
                assert unnamed.first is not None and unnamed.last is not None  # as it has some
                person.ask(unnamed.first, True)
                person.ask(unnamed.last, True, unnamed.count - 1)
        state = self._extent.state(
            log.audits,
            self._databases.doubt(uri),
            record="audit",
            nothing="of this database: either nobody touched it or it is not audited",
            blind=_BLIND,
        )
        return self._told(uri, form, state, self._doubts(log, sure), _WHOLE_RECORD)

    def _doubts(self, log: _Log, sure: bool) -> Iterator[str]:
        """``sure``: relations are named, and no function hides any. A SELECT without one then
        reads none."""
        if log.forged:
            yield (
                f"{log.forged:,} entries look like audits but were raised by a statement of a"
                " client: forged, not counted"
            )
        if log.ambiguous:
            yield (
                f"{log.ambiguous:,} entries can be read in two ways, for the prefix holds what a"
                " client calls itself (%a): every read they may be is counted"
            )
        unnamed = sum(each.count for (_, whole), each in log.unnamed.items() if not whole)
        unnamed = 0 if sure else unnamed
        if unnamed and log.by_object:
            yield (
                f"{unnamed:,} SELECTs do not name what they read; of what object auditing is set"
                " for they can have read only through a SECURITY DEFINER function"
            )
        elif unnamed:
            yield (
                f"{unnamed:,} SELECTs do not name what they read (pgaudit.log_relation is off):"
                " they are not among the reads counted"
            )
        copies = sum(each.count for (_, whole), each in log.unnamed.items() if whole)
        if copies:
            yield (
                f"{copies:,} COPYs and cursors do not name what they read (pgaudit.log_rows is on,"
                " or log_relation off): they are not among the reads counted"
            )
        if log.as_owner:
            yield (
                f"{log.as_owner:,} functions that run by the right of their owner were made or"
                " changed: what they read is not named"
            )
        switches = [*log.switches, *self._elsewhere]
        if switches:
            when, role = min(switches)
            yield (
                f"{len(switches):,} statements speak of pgaudit's own settings, the first at"
                f" {gaps.clock(when)} by {self._asked.seal_name(role)}"
            )
        if log.ids.full:
            yield "more entries than repetitions can be told apart among"


EVIDENCE = LogFiles(SOURCE, OPTIONS, _Collector)
