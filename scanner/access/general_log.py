"""Evidence from the general and the slow log of MySQL and MariaDB: who sent which statement.

Files, or the tables ``mysql.general_log`` and ``mysql.slow_log`` as the CSV files they are. What a
statement reads is read from its text (``scanner.statements``); what that does not tell is a read of
unknown tables. The general log is written before a statement runs, so refused and failed ones are
in it. The slow log has rows, and only what took longer than ``long_query_time``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from scanner import statements
from scanner.access import gaps, unitnames
from scanner.access.answer import Question
from scanner.access.lines import lines
from scanner.access.logbook import LogBook
from scanner.access.logfiles import DATABASE_OPTIONS, Databases, LogFiles, damage, zone_of
from scanner.access.mysql_records import (
    BEFORE_IT_RAN,
    DENIED,
    Clock,
    Connections,
    Notes,
    Sent,
    SlowState,
    general,
    may_raise,
    slow,
)
from scanner.access.readings import Extent, Readings, Said, told
from scanner.contracts import EvidenceResult, Source
from scanner.model import Store
from scanner.text import plural

GENERAL, SLOW = "general-log", "slow-log"
NOBODY = "an account the log does not name"
_BLIND = {
    GENERAL: (
        "the general log is written before a statement runs: refused and failed ones count as"
        " reads; it names neither the tables under a view nor what a routine reads, tells no rows,"
        " and in a plain file the text of a statement can look like an entry"
    ),
    SLOW: (
        "the slow log has only statements that took longer than long_query_time or that its"
        " settings choose, and refused ones with them; it names neither the tables under a view"
        " nor what a routine reads, and in a plain file a statement can look like an entry"
    ),
}
_SETTINGS = ("general_log", "sql_log_off", "slow_query_log", "long_query_time", "log_output")


class _Collector:
    def __init__(
        self,
        source: str,
        stores: Sequence[Store],
        asked: Question,
        settings: Mapping[str, Any],
        book: LogBook,
    ) -> None:
        self._source, self._asked, self._book = source, asked, book
        self._faults: list[str] = []
        zone = zone_of(settings, self._faults)
        self._clock, self._zone = Clock(zone), zone.key if zone else None
        self._databases = Databases(stores, settings, "mysql://")
        self.uris = self._databases.uris
        self._logs = {
            (uri, table): Readings(book, uri, "table" if table else "plain")
            for uri in self.uris()
            for table in (False, True)
        }
        """by store, what the plain log says and what the table does"""
        self._extent = Extent(asked, book)

    def file(self, source: Source) -> None:
        book = self._book
        with book.notes(Notes()) as own:
            physical = lines(source, own)
            if self._source == GENERAL:
                connections = Connections.of(book.state) if book.state else Connections()
                connections.earlier = book.state_at
                book.save = partial(connections.state, self._asked.seal_name)
                found = general(physical, self._clock, connections, own, self._cut, book.ending)
            else:
                at_hand = SlowState.of(book.state) if book.state else SlowState()
                book.save = partial(at_hand.state, self._asked.seal_name)
                found = slow(physical, self._clock, at_hand, own, self._cut, book.ending)
            for sent in found:
                self._take(sent)

    def _cut(self) -> None:
        if self._book.due:
            self._book.cut()

    def opened(self, ever: bool) -> None:
        pass

    def end(self) -> None:
        pass

    def _take(self, sent: Sent) -> None:
        self._extent.saw(sent.when)
        who, book = sent.user or NOBODY, self._book
        lower = sent.text.lower()
        if lower.lstrip().startswith("set") and any(n in lower for n in _SETTINGS):
            book.noted("settings", sent.when, who=who)
        found = statements.reads(sent.text, "mysql")
        uri = self._databases.one(sent.database) if sent.database else None
        if sent.error in DENIED and uri is not None:
            self._logs[uri, sent.table].refuse(sent.when, who)
        if sent.error in BEFORE_IT_RAN and not may_raise(sent.text):
            return  # any other may have given rows before it failed
        if sent.error and found:
            book.noted("failed", sent.when)
        for read in found:
            if not read.executes and not read.prepares:  # what is executed is an entry of its own
                self._read(sent, who, read, sent.rows if len(found) == 1 else None)

    def _read(self, sent: Sent, who: str, read: statements.Read, rows: int | None) -> None:
        tables: dict[str | None, list[str]] = {}
        for parts in read.relations:
            database = parts[-2] if len(parts) > 1 else sent.database
            tables.setdefault(database, []).append(unitnames.mysql(parts[-1]))
        if read.hidden:
            tables.setdefault(sent.database, [])
        for database, names in tables.items():
            if database is None:  # it is of some database of the server
                for uri in self.uris():
                    self._logs[uri, sent.table].read(sent.when, who, (), hidden=True)
                continue
            uri_of = self._databases.one(database)
            if uri_of is not None:
                hidden = read.hidden and database == sent.database
                log = self._logs[uri_of, sent.table]
                log.read(
                    *(sent.when, who, sorted(names)),
                    rows=rows,
                    hidden=hidden,
                    subjects=self._asked.subjects(sent.text, "mysql"),
                )
                if sent.user is None:
                    self._book.noted("nobody", sent.when)

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        # a server that writes both says the same in each
        both = [Said(self._logs[uri, table], self._asked) for table in (False, True)]
        twin, said = sorted(both, key=lambda each: (_all(each), len(each.acts.ranked(uri))))
        notes = self._book.line_notes(said.record, Notes())
        state = self._extent.state(
            _all(said),
            self._databases.doubt(uri),
            record="statement",
            nothing="a read of this database: either nobody read it or its statements are not"
            " logged",
            blind=_BLIND[self._source],
        )
        zone = self._zone or "UTC (give the server's with “zone”)"
        return told(
            self._source,
            said,
            state,
            [*self._faults, *damage(notes, "lines"), *_doubts(said, notes)],
            [f"times that do not tell their zone are taken to be of {zone}", *_twin(twin)],
            unparsed=notes.unparsed,
            other=notes.other,
            silent=(self._extent, "statement of any kind"),
        )


def _doubts(said: Said, notes: Notes) -> Iterator[str]:
    yield from said.doubts()
    if failed := said.record.noted("failed")[0]:
        yield (
            f"{plural(failed, 'statement')} failed on the way and may have given something: counted"
            " as reads"
        )
    if nobody := said.record.noted("nobody")[0]:
        yield (
            f"{plural(nobody, 'statement is', 'statements are')} of connections whose"
            " beginning is not in the log: by whom is not known"
        )
    if notes.begun > 1:
        yield (
            f"the log begins {notes.begun:,} times (a start of the server, the log switched on, or"
            " a new file): what ran in between is not in it"
        )
    switches, when, who = said.record.noted("settings")
    if when is not None:
        yield (
            f"{plural(switches, 'statement changes', 'statements change')} settings of the"
            f" log, the first at {gaps.clock(when)} by {who}"
        )


def _all(said: Said) -> int:
    return said.reads + said.hidden


def _twin(said: Said) -> Iterator[str]:
    if _all(said):
        yield f"{_all(said):,} more in the other form of the log, taken to be the same ones"


EVIDENCE = (
    LogFiles(GENERAL, DATABASE_OPTIONS, partial(_Collector, GENERAL)),
    LogFiles(SLOW, DATABASE_OPTIONS, partial(_Collector, SLOW)),
)
