"""Evidence from PostgreSQL's own log of statements (``log_statement = all``): who named what.

A statement is logged before it runs, so the error that may follow decides whether it was a read.
Its text is read by ``scanner.statements``; what a text does not tell (a function, a procedure, one
that does not parse) is a read of unknown relations and stays one. Nothing of a statement is kept.
Statements of ``log_min_duration_statement`` are read as well: those are the slow ones only.

What it cannot tell is said with every answer: the tables under a view, what a function reads, rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from detectors.records import dataclass
from scanner import statements
from scanner.access import gaps, unitnames
from scanner.access.answer import Question
from scanner.access.logbook import LogBook
from scanner.access.logfiles import LogFiles
from scanner.access.postgres_entries import FAILURES, STATEMENTS, Entry, Form, of_the_server
from scanner.access.postgres_logs import NOBODY, OPTIONS, PostgresLogs, ambiguous
from scanner.access.readings import Readings, Said
from scanner.contracts import EvidenceResult
from scanner.model import Store
from scanner.text import plural, seal_around_accounts

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
_ASKS = re.compile(r"(?!.*set_config)[\s(]*(?:select|show|with)\b", re.DOTALL)
"""every scan asks how the server is set"""
_MOST_OPEN = 20_000
_UNDONE, _EARLY = "undone", "error before its statement"
"""of a statement that surely gave nothing; ``_EARLY``: whose error is in a file that was read first
or in another step"""


@dataclass(slots=True)
class _Open:
    """A statement that may still turn out to have failed."""

    when: datetime
    role: str
    text: int
    """a keyed hash of it"""
    transaction: str
    number: str
    sure: bool
    """an error that says so came before anything was given out"""
    reads: list[tuple[tuple[str, ...], bool]]
    """the names of each of its reads, and whether there may be more"""
    subjects: tuple[int, ...] = ()
    event: str = ""
    loose: bool = False
    """an error may still come"""

    def known_as(self, what: str) -> str:
        """The event under which ``what`` would be known of it."""
        return f"{self.event} {self.text} {what}" if what == _EARLY else f"{self.event} {what}"


_Where: TypeAlias = tuple[str, Form, str]
"""store, form and session"""


class _Collector(PostgresLogs):
    source, wanted, records = SOURCE, STATEMENTS, "statements"

    def __init__(
        self,
        stores: Sequence[Store],
        asked: Question,
        settings: Mapping[str, Any],
        book: LogBook,
    ) -> None:
        super().__init__(stores, asked, settings, book)
        self._open: dict[_Where, _Open] = {}
        """the latest statement of each session, of the file at hand"""
        self._left: dict[tuple[_Where, int], _Open] = {}
        """what was open at the end of files before, also by its number"""
        book.save = self._state_of_open

    def _state_of_open(self) -> list[Any]:
        seal = self._asked.seal_name
        return [
            (
                *(uri, form.value, session, each.when.timestamp()),
                *(seal_around_accounts(each.role, seal), each.text, each.transaction),
                *(each.number, each.sure, each.subjects, each.event),
                [([seal(name) for name in names], hidden) for names, hidden in each.reads],
            )
            for (uri, form, session), each in self._open.items()
        ]

    def begin(self) -> None:
        self._open = {}
        for uri, form, session, when, *about, subjects, event, reads in self._book.state or ():
            if (uri, Form(form)) in self._logs:
                told = [(tuple(names), hidden) for names, hidden in reads]
                began = datetime.fromtimestamp(when, UTC)
                self._open[uri, Form(form), session] = _Open(
                    *(began, *about, told, tuple(subjects), event)
                )

    def ended(self) -> None:
        for where, statement in list(self._open.items()):
            loose = statement.loose = self._book.may_go_on(statement.when)
            if loose:
                self._book.loosen()
            if statement.event:
                self._left[where, _number(statement.number)] = statement
            else:
                self._settle(where, statement, loose=loose)
        self._open = {}

    def end(self) -> None:
        for (uri, form), log in self._logs.items():
            left = [(w, each) for (w, _), each in self._left.items() if w[:2] == (uri, form)]
            known = {
                what: log.acts.happened(uri, [(each.known_as(what), each.when) for _, each in left])
                for what in ("read 0", _UNDONE, _EARLY)
            }
            for (where, statement), *settled, failed in zip(left, *known.values(), strict=True):
                if failed and statement.sure:
                    self._undo(where, statement)
                elif not any(settled):
                    self._settle(where, statement, loose=statement.loose)
        self._left = {}

    def take(self, entry: Entry) -> None:
        book = self._book
        if of_the_server(entry, book, "log_", "shared_preload_libraries"):
            return
        failed = entry.severity in FAILURES
        self._extent.saw(entry.when, counts=not failed)
        uri = self._databases.one(entry.database)
        if uri is None:
            return
        log, event = self._logs[uri, entry.form], entry.event
        if failed:
            self._fail(log, entry)
        elif entry.raised:
            log.acts.noted("forged", entry.when, uri, event=event)
        else:
            if entry.ambiguous:
                log.acts.noted("ambiguous", entry.when, uri, event=event)
            for message in filter(None, entry.messages):
                self._state(log, entry, message)

    def _state(self, log: Readings, entry: Entry, message: str) -> None:
        """A statement that is about to run."""
        found = _STATEMENT.match(message)
        if found is None or found["fetch"]:
            return
        role, text, when = entry.user or NOBODY, found["text"], entry.when
        where, event, acts = (log.uri, entry.form, entry.session), entry.event, log.acts
        acts.noted(self.records, when, log.uri, event=event)
        if (before := self._open.pop(where, None)) is not None:
            self._settle(where, before)
        lower = text.lower()
        if "log_statement" in lower and _ASKS.match(lower) is None:
            acts.noted("settings", when, log.uri, role, event)
        if "search_path" in lower:
            acts.noted("search_path", when, log.uri, event=event)
        reads = list(_reads(text, entry.detail))
        if not reads:
            return
        hashed = self._book.keyed(text)
        # what is run by the protocol is logged when all that can refuse it has let it through
        sure = (
            message.startswith("statement: ")
            and len(reads) == 1
            and not reads[0][1]
            and _FAILS_WHILE_IT_RUNS.search(text) is None
        )
        statement = _Open(
            *(when, role, hashed, entry.transaction, entry.number, sure, reads),
            self._asked.subjects(text, "postgres", entry.detail),
            event,
        )
        self._open[where] = statement
        if len(self._open) > _MOST_OPEN:
            oldest = next(iter(self._open))
            self._settle(oldest, self._open.pop(oldest))

    def _settle(self, where: _Where, statement: _Open, *, loose: bool = False) -> None:
        subjects = statement.subjects
        log = self._logs[where[:2]]
        for number, (names, hidden) in enumerate(statement.reads):
            log.read(
                *(statement.when, statement.role, names),
                hidden=hidden,
                subjects=subjects,
                event=statement.event and f"{statement.event} read {number}",
                loose=loose,
            )
            subjects = ()

    def _undo(self, where: _Where, statement: _Open) -> None:
        """It surely gave nothing; where another file has a part of it, that is known."""
        if statement.event:
            acts = self._logs[where[:2]].acts
            acts.noted(_UNDONE, statement.when, where[0], event=statement.event)

    def _fail(self, log: Readings, entry: Entry) -> None:
        """An error: of the statement before it, if it follows at once with the same text. Only one
        that surely came before any row was given out undoes a read: a client can raise any error
        for the last row."""
        message = entry.messages[0]
        if entry.state == "42501" or message.startswith("permission denied for"):
            log.refuse(entry.when, entry.user or NOBODY, event=entry.event)
        if entry.state:
            nothing = entry.state.startswith(_BEFORE_IT_RAN)
        else:
            nothing = _BEFORE_IT_RAN_WORDS.match(message) is not None
        nothing = nothing and not entry.context
        hashed, number = self._book.keyed(entry.statement), _number(entry.number)
        where = log.uri, entry.form, entry.session
        before = self._open.get(where)
        if before is None:
            before = self._left.get((where, number - 1))
        its = (
            before is not None
            and (not entry.statement or before.text == hashed)
            and before.transaction == entry.transaction
            and (not number or number == _number(before.number) + 1)
        )
        if its and before is not None:
            if nothing and before.sure:
                self._open.pop(where, None)
                self._left.pop((where, number - 1), None)
                self._undo(where, before)
            else:
                log.acts.noted("failed", entry.when, log.uri, event=entry.event)
        elif nothing and number and entry.statement:
            its_event = f"{entry.session} {number - 1} LOG"
            log.acts.noted(_EARLY, entry.when, log.uri, event=f"{its_event} {hashed}")
        if (before := self._open.pop(where, None)) is not None:
            self._settle(where, before)

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        said = self._fullest(uri)
        state = self._extent.state(
            said.reads + said.hidden,
            self._databases.doubt(uri),
            record="statement",
            nothing="a read of this database: either nobody read it or log_statement is not all",
            blind=_BLIND,
        )
        return self._told(uri, said, state, _doubts(said))


def _doubts(said: Said) -> Iterator[str]:
    yield from said.doubts()
    if failed := said.noted("failed"):
        yield (
            f"{plural(failed, 'statement')} failed on the way and may have given something: counted"
            " as reads"
        )
    if forged := said.noted("forged"):
        looks = plural(
            forged, "entry looks like a statement but was", "entries look like statements but were"
        )
        yield f"{looks} raised by one of a client: forged, not counted"
    yield from ambiguous(said)
    if paths := said.noted("search_path"):
        yield (
            f"{plural(paths, 'statement speaks', 'statements speak')} of search_path: a name"
            " without a schema is taken to be of public"
        )
    switches, when, role = said.acts.noted("settings", said.readings.uri)
    if when is not None:
        yield (
            f"{plural(switches, 'statement speaks', 'statements speak')} of log_statement"
            f" itself, the first at {gaps.clock(when)} by {role}"
        )


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
