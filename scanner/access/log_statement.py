"""Evidence from PostgreSQL's own log of statements (``log_statement = all``): who named what.

A statement is logged before it runs, so the error that may follow decides whether it was a read.
Its text is read by ``scanner.statements``; what a text does not tell (a function, a procedure, one
that does not parse) is a read of unknown relations and stays one. Nothing of a statement is kept.
Statements of ``log_min_duration_statement`` are read as well: those are the slow ones only.

What it cannot tell is said with every answer: the tables under a view, what a function reads, rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from datetime import datetime

from detectors.records import dataclass
from scanner import statements
from scanner.access import gaps, unitnames
from scanner.access.lines import Repeats
from scanner.access.logfiles import LogFiles
from scanner.access.postgres_lines import FAILURES, STATEMENTS, Entry
from scanner.access.postgres_logs import NOBODY, OPTIONS, PostgresLogs
from scanner.access.readings import Readings
from scanner.contracts import EvidenceResult

SOURCE = "log-statement"
_BLIND = (
    "a statement names neither the tables under a view nor what a function reads, and tells no"
    " rows; roles and databases may have a log_statement of their own"
)
_STATEMENT = re.compile(
    r"(?:duration: [\d.]+ ms  )?(?:statement|execute (?P<fetch>fetch from )?[^:]*): (?P<text>.*)",
    re.DOTALL,
)
_BEFORE_IT_RAN = ("0A", "25", "26", "28", "34", "3D", "3F", "42")
"""classes of SQLSTATE of statements that failed before they could give anything"""
_BEFORE_IT_RAN_WORDS = re.compile(
    r"permission denied|syntax error|current transaction is aborted|missing FROM-clause"
    r"|must be owner|.{0,300} does not exist"
)
_FAILS_WHILE_IT_RUNS = re.compile(
    r"\b(?:to_)?reg(?:class|proc|procedure|oper|operator|type|role|namespace|config|dictionary|"
    r"collation)\b|\b(?:set_config|nextval|setval|currval|lastval)\b",
    re.IGNORECASE,
)
"""what can raise such an error for a row, after others were given out"""
_MOST_OPEN = 20_000
_MOST_EARLY = 10_000


@dataclass(slots=True)
class _Open:
    """A statement that may still turn out to have failed."""

    when: datetime
    role: str
    text: int
    """a hash of it"""
    transaction: str
    number: str
    sure: bool
    """an error that says so came before anything was given out"""
    reads: list[tuple[tuple[str, ...], bool]]
    """the names of each of its reads, and whether there may be more"""
    subjects: tuple[int, ...] = ()


@dataclass(slots=True)
class _Log:
    """What the entries of one form say of one database."""

    readings: Readings
    repeats: Repeats = field(default_factory=Repeats)
    open: dict[str, _Open] = field(default_factory=dict)
    """by session, its latest statement"""
    early: dict[tuple[str, int, int], None] = field(default_factory=dict)
    """by session, number and text, errors that were seen before their statement: files come in any
    order"""
    statements: int = 0
    failed: int = 0
    forged: int = 0
    ambiguous: int = 0
    paths: int = 0
    switches: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.statements

    def settle(self, session: str) -> None:
        statement = self.open.pop(session, None)
        if statement is not None:
            subjects = statement.subjects
            for names, hidden in statement.reads:
                self.readings.read(
                    *(statement.when, statement.role, names), hidden=hidden, subjects=subjects
                )
                subjects = ()


class _Collector(PostgresLogs[_Log]):
    source, wanted, records = SOURCE, STATEMENTS, "statements"

    def new_log(self, readings: Readings) -> _Log:
        return _Log(readings)

    def end(self) -> None:
        super().end()
        for logs in self._logs.values():
            for log in logs.values():
                for session in list(log.open):
                    log.settle(session)

    def take(self, entry: Entry, here: dict[int, int]) -> None:
        if self._server.take(entry, "log_", "shared_preload_libraries"):
            return
        failed = entry.severity in FAILURES
        inside = self._extent.saw(entry.when, counts=not failed)
        place = self._databases.one(entry.database)
        if inside is None or place is None:
            return
        log = self._log(place, entry.form)
        if not log.repeats.is_new(*_identity(entry), here):
            return
        if failed:
            self._fail(log, entry)
        elif entry.raised:
            log.forged += inside
        else:
            log.ambiguous += entry.ambiguous and inside
            for message in filter(None, entry.messages):
                self._state(log, entry, message, inside)

    def _state(self, log: _Log, entry: Entry, message: str, inside: bool) -> None:
        """A statement that is about to run."""
        found = _STATEMENT.match(message)
        if found is None or found["fetch"]:
            return
        role, text = entry.user or NOBODY, found["text"]
        log.statements += inside
        log.settle(entry.session)
        lower = text.lower()
        if inside and "log_statement" in lower and len(log.switches) < 1_000:
            log.switches.append((entry.when, role))
        log.paths += inside and "search_path" in lower
        reads = list(_reads(text, entry.detail))
        hashed = hash(text)
        if not reads:
            return
        # what is run by the protocol is logged when all that can refuse it has let it through
        sure = (
            message.startswith("statement: ")
            and len(reads) == 1
            and not reads[0][1]
            and _FAILS_WHILE_IT_RUNS.search(text) is None
        )
        if sure and (entry.session, _number(entry.number) + 1, hashed) in log.early:
            return
        log.open[entry.session] = _Open(
            *(entry.when, role, hashed, entry.transaction, entry.number, sure, reads),
            self._asked.subjects(text, "postgres", entry.detail),
        )
        if len(log.open) > _MOST_OPEN:
            log.settle(next(iter(log.open)))

    def _fail(self, log: _Log, entry: Entry) -> None:
        """An error: of the statement before it, if it follows at once with the same text. Only one
        that surely came before any row was given out undoes a read: a client can raise any error
        for the last row."""
        message = entry.messages[0]
        if entry.state == "42501" or message.startswith("permission denied for"):
            log.readings.refuse(entry.when, entry.user or NOBODY)
        if entry.state:
            nothing = entry.state.startswith(_BEFORE_IT_RAN)
        else:
            nothing = _BEFORE_IT_RAN_WORDS.match(message) is not None
        nothing = nothing and not entry.context
        hashed, number = hash(entry.statement), _number(entry.number)
        before = log.open.get(entry.session)
        its = (
            before is not None
            and (not entry.statement or before.text == hashed)
            and before.transaction == entry.transaction
            and (not number or number == _number(before.number) + 1)
        )
        if its and before is not None:
            if nothing and before.sure:
                del log.open[entry.session]
            else:
                log.failed += bool(self._asked.place(entry.when))
        elif nothing and number and entry.statement:
            log.early[entry.session, number, hashed] = None
            if len(log.early) > _MOST_EARLY:
                del log.early[next(iter(log.early))]
        log.settle(entry.session)

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        form, log = self._fullest(uri)
        state = self._extent.state(
            log.readings.reads + log.readings.hidden,
            self._databases.doubt(uri),
            record="statement",
            nothing="a read of this database: either nobody read it or log_statement is not all",
            blind=_BLIND,
        )
        return self._told(uri, form, state, self._doubts(log))

    def _doubts(self, log: _Log) -> Iterator[str]:
        yield from log.readings.doubts()
        if log.failed:
            yield (
                f"{log.failed:,} statements failed while they ran and may have given something:"
                " they count as reads"
            )
        if log.forged:
            yield (
                f"{log.forged:,} entries look like statements but were raised by one of a client:"
                " forged, not counted"
            )
        if log.ambiguous:
            yield (
                f"{log.ambiguous:,} entries can be read in two ways, for the prefix holds what a"
                " client calls itself (%a): every read they may be is counted"
            )
        if log.paths:
            yield (
                f"{log.paths:,} statements speak of search_path: a name without a schema is taken"
                " to be of public"
            )
        if log.switches:
            when, role = min(log.switches)
            yield (
                f"{len(log.switches):,} statements speak of log_statement itself, the first at"
                f" {gaps.clock(when)} by {self._asked.seal_name(role)}"
            )
        if log.repeats.full:
            yield "more entries than repetitions can be told apart among"


def _identity(entry: Entry) -> tuple[int, bool]:
    """What makes the entry itself, and whether that is unique."""
    if entry.number and not entry.pid_only:
        return hash((entry.session, entry.number, entry.severity)), True
    return hash((entry.when, entry.session, entry.user, entry.messages)), False


def _number(text: str) -> int:
    """Of a line within its session, 0 where it is not told."""
    return int(text) if text.isdecimal() else 0


def _reads(text: str, detail: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Names and doubt of each read of a statement. ``detail`` tells what ``EXECUTE`` runs."""
    for read in statements.reads(text, "postgres"):
        if read.prepares:
            continue
        told = [read]
        if read.executes and detail.startswith("prepare: "):
            told = list(statements.reads(detail.removeprefix("prepare: "), "postgres"))
        for each in told:
            names = tuple(
                sorted(
                    unitnames.postgres(parts)
                    for parts in each.relations
                    if not unitnames.of_postgres_itself(parts)
                )
            )
            if names or each.hidden:
                yield names, each.hidden


EVIDENCE = LogFiles(SOURCE, OPTIONS, _Collector)
