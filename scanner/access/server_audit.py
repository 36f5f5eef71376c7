"""Evidence from MariaDB's server_audit: which account read which table of a database.

The plugin writes a READ line for each table a statement opens, and a QUERY line with the outcome
when it ends; connection and query id join them. A definer's routine has its READ lines under the
definer's name: the reader is who sent the query. Statements hold literals; nothing of one is kept.

Nothing in a line is escaped but the statement. A user name of a refused connection may hold line
ends, and with them whole made-up lines: those are told by the torn line before and the rest after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from detectors.records import dataclass
from scanner.access import gaps, tally, unitnames
from scanner.access.answer import Question
from scanner.access.lines import LineNotes, lines
from scanner.access.logfiles import DATABASE_OPTIONS, Databases, LogFiles, damage, one_file, zone_of
from scanner.access.mysql_records import ASKS, BEFORE_IT_RAN, DENIED, may_raise
from scanner.access.readings import Extent, Readings, Whole, told
from scanner.contracts import EvidenceResult, Source
from scanner.model import Store

SOURCE = "server-audit"
_64_BITS = (1 << 64) - 1
_START = re.compile(r"\d{8} \d\d:\d\d:\d\d,[^,]*,")
_LINE = re.compile(
    r"(?P<time>\d{8} \d\d:\d\d:\d\d),(?P<server>[^,]*),(?P<user>.{0,256}),(?P<host>[^,]{0,256}),"
    r"(?P<connection>\d{1,20}),(?P<query>\d{1,20}),(?:"
    r"(?P<event>READ|WRITE),(?P<database>[^,]*),(?P<table>.*),"
    r"|QUERY\w*,(?P<current>[^,]*),'(?P<text>.*)',(?P<outcome>\d+)"
    r"|(?P<other>[A-Z_]+),.*)",
    re.DOTALL,
)
_SETTINGS = re.compile(
    r"(?!\s*(?:show|select|desc|explain)).*(?:server_audit|query_cache)", re.DOTALL
)
_LOCKS = re.compile(r"\s*lock\s+tables?\b")
_GIVES_BACK = re.compile(r"\s*delete\b.*\breturning\b", re.IGNORECASE | re.DOTALL)
"""INSERT and REPLACE give back what they were given"""
_WHOLE = (
    "server_audit has recorded every table that a statement opened, unless somebody with the right"
    " SUPER hid one; it tells no rows, and copies of the server's files are no statements"
)
_CUT_OFF = 900
"""characters of a text from which on the plugin may have cut it (server_audit_query_log_limit)"""
_TAIL = re.compile(
    r".*,\d{1,20},0,(?:FAILED_CONNECT|CONNECT|DISCONNECT|CHANGEUSER),[^,]*,[^,]*,\d+", re.DOTALL
)
"""how the line ends in which a user name does"""
_LONGEST_NAME = 1_024
"""characters; a user name has at most 128"""
_MOST_OPEN = 50_000
_BLIND = (
    "server_audit tells no rows, no reads of tables locked before, and nothing of accounts that"
    " server_audit_excl_users names"
)


@dataclass(slots=True)
class _Statement:
    """A statement whose outcome is not known yet."""

    query: str
    user: str
    when: datetime
    tables: list[tuple[str, str]] = field(default_factory=list)
    changed: list[tuple[str, str]] = field(default_factory=list)
    """tables it writes; with RETURNING it reads them"""


class _Collector:
    def __init__(
        self, stores: Sequence[Store], asked: Question, settings: Mapping[str, Any]
    ) -> None:
        self._asked = asked
        self.notes = LineNotes()
        self._faults: list[str] = []
        zone = zone_of(settings, self._faults)
        self._zone = zone or ZoneInfo("UTC")
        self._unplaced = [] if zone else [_NO_ZONE]
        self._placed = [f"times are taken to be of {zone.key}"] if zone else []
        self._databases = Databases(stores, settings, "mysql://")
        self.uris = self._databases.uris
        self._logs = {uri: Readings(asked, uri) for uri in self.uris()}
        self._unsettled = dict.fromkeys(self.uris(), 0)
        self._open: dict[str, _Statement] = {}
        self._ids = tally.Seen()
        self._extent = Extent(asked)
        self._forged = self._failed = self._locks = 0
        self._named = bool(settings.get("store"))
        self._switches: list[tuple[datetime, str]] = []

    def file(self, source: Source) -> None:
        with one_file(self.notes, LineNotes()) as own:
            self._file(source, own)

    def end(self) -> None:
        for statement in self._open.values():
            self._settle(statement, None, statement.user)
        self._open.clear()

    def _file(self, source: Source, notes: LineNotes) -> None:
        inside: list[re.Match[str]] | None = None  # lines that may stand in a user name
        size = 0
        for line in lines(source, notes):
            text = line.decode("utf-8", "replace")
            found = _LINE.fullmatch(text)
            if inside is not None:
                size += len(text)
                if _TAIL.fullmatch(text):
                    # the rest of the name: what was between belongs to it
                    self._forged += sum(self._new("forged", each[0]) for each in inside)
                    notes.records += 1
                    inside = None
                    continue
                if found is not None:
                    inside.append(found)
                if size > _LONGEST_NAME:
                    notes.unparsed += 1
                    self._take_all(inside, notes)
                    inside = None
            elif found is not None:
                self._take_all([found], notes)
            elif _START.match(text):
                inside, size = [], len(text)
            else:
                notes.unparsed += 1
        if inside is not None:
            notes.unparsed += 1
            self._take_all(inside, notes)

    def _new(self, *what: object) -> bool:
        return self._ids.first_time(hash(what) & _64_BITS)

    def _take_all(self, found: Sequence[re.Match[str]], notes: LineNotes) -> None:
        for each in found:
            when = self._moment(each["time"])
            if when is None:
                notes.unparsed += 1
                continue
            notes.records += 1
            inside = self._extent.saw(when)
            if inside is not None and self._new(each[0]):
                self._take(each, when)

    def _take(self, found: re.Match[str], when: datetime) -> None:
        connection, query = found["connection"], found["query"]
        if found["table"] is not None:
            open_ = self._open.get(connection)
            if open_ is not None and open_.query != query:
                self._settle(open_, None, open_.user)
                open_ = None
            if open_ is None:
                if len(self._open) >= _MOST_OPEN:
                    oldest = next(iter(self._open))
                    statement = self._open.pop(oldest)
                    self._settle(statement, None, statement.user)
                open_ = self._open[connection] = _Statement(query, found["user"], when)
            into = open_.tables if found["event"] == "READ" else open_.changed
            into.append((found["database"], found["table"]))
        elif found["outcome"] is not None:
            outcome = int(found["outcome"])
            lower = found["text"].lower()
            inside = self._asked.place(when)
            if inside and _SETTINGS.match(lower) and len(self._switches) < 1_000:
                self._switches.append((when, found["user"]))
            self._locks += bool(inside) and _LOCKS.match(lower) is not None
            open_ = self._open.get(connection)
            if open_ is not None and open_.query == query:
                del self._open[connection]
                if _GIVES_BACK.match(found["text"]):
                    open_.tables += open_.changed
            if open_ is not None and open_.query == query and open_.tables:
                self._settle(open_, outcome, found["user"], found["text"])
            elif outcome in DENIED and ASKS.match(found["text"]):
                self._refuse(found["current"], found["user"], when)

    def _settle(
        self, statement: _Statement, outcome: int | None, user: str, text: str = ""
    ) -> None:
        """Counts a statement that has ended; ``outcome`` None: how, is not told. One that failed
        counts, unless it surely did before it gave anything: a routine can raise any error when
        the rows are out."""
        if outcome in DENIED:
            for database in dict.fromkeys(database for database, _ in statement.tables):
                self._refuse(database, user, statement.when)
        if outcome in BEFORE_IT_RAN and len(text) < _CUT_OFF and not may_raise(text):
            return
        self._failed += bool(outcome) and bool(self._asked.place(statement.when))
        subjects = self._asked.subjects(text.replace("\\'", "'"), "mysql")
        for name in dict.fromkeys(base for base, _ in statement.tables):
            uri = self._databases.one(name)
            if uri is None:
                continue
            tables = [unitnames.mysql(table) for base, table in statement.tables if base == name]
            self._logs[uri].read(statement.when, user, tables, subjects=subjects)
            self._unsettled[uri] += outcome is None and bool(self._asked.place(statement.when))

    def _refuse(self, database: str, user: str, when: datetime) -> None:
        uri = self._databases.one(database)
        if uri is not None:
            self._logs[uri].refuse(when, user)

    def _moment(self, text: str) -> datetime | None:
        try:
            local = datetime.strptime(text, "%Y%m%d %H:%M:%S")
        except ValueError:
            return None
        return local.replace(tzinfo=self._zone).astimezone(UTC)

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        log = self._logs[uri]
        state = self._extent.state(
            log.reads,
            self._databases.doubt(uri),
            record="line",
            nothing="a read of this database: either nobody read it or tables are not among"
            " server_audit_events",
            blind=_BLIND,
        )
        return told(
            SOURCE,
            log,
            state,
            [*self._faults, *damage(self.notes, "lines"), *self._doubts(uri), *self._unplaced],
            self._placed,
            unparsed=self.notes.unparsed,
            other=self.notes.other,
            silent=(self._extent, "line of any kind"),
            whole=Whole(_WHOLE, self._named),
        )

    def _doubts(self, uri: str) -> Iterator[str]:
        if self._forged:
            yield (
                f"{self._forged:,} lines stand inside the user name of a connection: forged, not"
                " counted"
            )
        if self._failed:
            yield (
                f"{self._failed:,} statements failed while they ran and may have given something:"
                " they count as reads"
            )
        if self._unsettled[uri]:
            yield (
                f"the outcome of {self._unsettled[uri]:,} statements is not told: they count as"
                " reads"
            )
        if self._locks:
            yield (
                f"{self._locks:,} LOCK TABLES count as one read each: how often what they lock was"
                " read then is not told"
            )
        if self._switches:
            when, user = min(self._switches)
            yield (
                f"{len(self._switches):,} statements speak of server_audit's own settings, the"
                f" first at {gaps.clock(when)} by {self._asked.seal_name(user)}"
            )
        if self._ids.full:
            yield "more lines than repetitions can be told apart among"


_NO_ZONE = "times are taken to be of UTC (give the server's with “zone”)"

EVIDENCE = LogFiles(SOURCE, DATABASE_OPTIONS, _Collector)
