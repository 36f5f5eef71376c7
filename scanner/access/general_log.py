"""Evidence from the general and the slow log of MySQL and MariaDB: who sent which statement.

Files, or the tables ``mysql.general_log`` and ``mysql.slow_log`` as the CSV files they are. What a
statement reads is read from its text (``scanner.statements``); what that does not tell is a read of
unknown tables. The general log is written before a statement runs, so refused and failed ones are
in it. The slow log has rows, and only what took longer than ``long_query_time``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from scanner import statements
from scanner.access import gaps, unitnames
from scanner.access.answer import Question
from scanner.access.lines import Repeats, lines
from scanner.access.logfiles import DATABASE_OPTIONS, Databases, LogFiles, damage, one_file, zone_of
from scanner.access.mysql_records import (
    BEFORE_IT_RAN,
    DENIED,
    Clock,
    Connections,
    Notes,
    Sent,
    general,
    may_raise,
    slow,
)
from scanner.access.readings import Extent, Readings, told
from scanner.contracts import EvidenceResult, Source
from scanner.model import Store

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
    ) -> None:
        self._source, self._asked = source, asked
        self._faults: list[str] = []
        self.notes = Notes()
        zone = zone_of(settings, self._faults)
        self._clock, self._zone = Clock(zone), zone.key if zone else None
        self._databases = Databases(stores, settings, "mysql://")
        self.uris = self._databases.uris
        self._logs = {
            (uri, table): Readings(asked, uri) for uri in self.uris() for table in (False, True)
        }
        """by store, what the plain log says and what the table does"""
        self._connections = Connections()
        self._repeats = Repeats()
        self._extent = Extent(asked)
        self._switches: list[tuple[datetime, str]] = []
        self._nobody = self._failed = 0

    def file(self, source: Source) -> None:
        here: dict[int, int] = {}
        with one_file(self.notes, Notes()) as own:
            physical = lines(source, own)
            if self._source == GENERAL:
                found = general(physical, self._clock, self._connections, own)
            else:
                found = slow(physical, self._clock, own)
            for sent in found:
                self._take(sent, here)
            self.notes.begun += own.begun

    def end(self) -> None:
        pass

    def _take(self, sent: Sent, here: dict[int, int]) -> None:
        inside = self._extent.saw(sent.when)
        identity = hash((sent.when, sent.connection, sent.user, sent.text))
        if inside is None or not self._repeats.is_new(identity, False, here):
            return
        who = sent.user or NOBODY
        lower = sent.text.lower()
        if inside and lower.lstrip().startswith("set") and any(n in lower for n in _SETTINGS):
            self._switches = sorted([*self._switches, (sent.when, who)])[:1_000]
        found = statements.reads(sent.text, "mysql")
        uri = self._databases.one(sent.database) if sent.database else None
        if sent.error in DENIED and uri is not None:
            self._logs[uri, sent.table].refuse(sent.when, who)
        if sent.error in BEFORE_IT_RAN and not may_raise(sent.text):
            return  # any other may have given rows before it failed
        self._failed += bool(sent.error) and bool(found) and inside
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
                self._nobody += sent.user is None

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        # a server that writes both says the same in each
        plain, table = self._logs[uri, False], self._logs[uri, True]
        both = (plain, table)
        twin, log = sorted(both, key=lambda each: (_all(each), len(each.people)))
        state = self._extent.state(
            _all(log),
            self._databases.doubt(uri),
            record="statement",
            nothing="a read of this database: either nobody read it or its statements are not"
            " logged",
            blind=_BLIND[self._source],
        )
        zone = self._zone or "UTC (give the server's with “zone”)"
        return told(
            self._source,
            log,
            state,
            [*self._faults, *damage(self.notes, "lines"), *self._doubts(log)],
            [f"times that do not tell their zone are taken to be of {zone}", *_twin(twin)],
            unparsed=self.notes.unparsed,
            other=self.notes.other,
            silent=(self._extent, "statement of any kind"),
        )

    def _doubts(self, log: Readings) -> Iterator[str]:
        yield from log.doubts()
        if self._failed:
            yield (
                f"{self._failed:,} statements failed while they ran and may have given something:"
                " they count as reads"
            )
        if self._nobody:
            yield (
                f"{self._nobody:,} statements are of connections whose beginning is not in the"
                " log: by whom is not known"
            )
        if self.notes.begun > 1:
            yield (
                f"the log begins {self.notes.begun:,} times (a start of the server, the log"
                " switched on, or a new file): what ran in between is not in it"
            )
        if self._switches:
            when, who = self._switches[0]
            yield (
                f"{len(self._switches):,} statements change settings of the log, the first at"
                f" {gaps.clock(when)} by {self._asked.seal_name(who)}"
            )
        if self._repeats.full:
            yield "more statements than repetitions can be told apart among"


def _all(log: Readings) -> int:
    return log.reads + log.hidden


def _twin(log: Readings) -> Iterator[str]:
    if _all(log):
        yield f"{_all(log):,} more in the other form of the log, taken to be the same ones"


EVIDENCE = (
    LogFiles(GENERAL, DATABASE_OPTIONS, partial(_Collector, GENERAL)),
    LogFiles(SLOW, DATABASE_OPTIONS, partial(_Collector, SLOW)),
)
