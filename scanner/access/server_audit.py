"""Evidence from MariaDB's server_audit: which account read which table of a database.

The plugin writes a READ line for each table a statement opens, a WRITE line for one it opens to
write (``SELECT ... FOR UPDATE`` does), and a QUERY line with the outcome when it ends; connection
and query id join them. A definer's routine has its READ lines under the
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
from scanner.access import gaps, unitnames
from scanner.access.answer import Question
from scanner.access.lines import LineNotes, lines
from scanner.access.logbook import LogBook
from scanner.access.logfiles import DATABASE_OPTIONS, Databases, LogFiles, damage, zone_of
from scanner.access.mysql_records import ASKS, BEFORE_IT_RAN, DENIED, may_raise
from scanner.access.readings import Extent, Readings, Said, Whole, told
from scanner.batch import Verb
from scanner.contracts import EvidenceResult, Source
from scanner.model import Store
from scanner.text import plural

SOURCE = "server-audit"
_START = re.compile(r"\d{8} \d\d:\d\d:\d\d,[^,]*,")
_LINE = re.compile(
    r"(?P<time>\d{8} \d\d:\d\d:\d\d),(?P<server>[^,]*),(?P<user>.{0,256}),(?P<host>[^,]{0,256}),"
    r"(?P<connection>\d{1,20}),(?P<query>\d{1,20}),(?:"
    r"(?P<event>READ|WRITE),(?P<database>[^,]*),(?P<table>.*),"
    r"|QUERY\w*,(?P<current>[^,]*),'(?P<text>.*)',(?P<outcome>\d+)"
    r"|(?P<other>[A-Z_]+),.*)",
    re.DOTALL,
)
_OWN = ("server_audit", "query_cache")
"""settings that decide what is logged"""
_SHOWS = re.compile(r"\s*(?:show|select|desc|explain)")
_LOCKS = re.compile(r"\s*lock\s+tables?\b")
_BEFORE = r"\s*(?:/\*(?!M?!).*?\*/\s*)*(?:/\*M?!\d*\s*)?"
"""comments, and the mark of one that is run"""
_CHANGES = re.compile(
    rf"{_BEFORE}(?:insert|replace|update|delete|truncate|create|alter|drop|rename|load|lock|optimize"
    r"|repair|analyze|check|explain|describe|desc)\b",
    re.IGNORECASE | re.DOTALL,
)
"""what opens a table to write and gives nothing of it; a SELECT does so FOR UPDATE"""
_EXPLAINS = re.compile(
    rf"{_BEFORE}(?:explain\b|desc(?:ribe)?\b|analyze\s+(?:format\s*=\s*\w+\s+)?select\b)",
    re.IGNORECASE | re.DOTALL,
)
"""opens the tables, and gives none of their rows"""
_EVENTS = "event_scheduler"
"""who statements of events are said to be of; their tables are of who made the event"""
_GIVES_BACK = re.compile(
    rf"{_BEFORE}(?:delete\b.*\breturning\b|insert\b.*\bduplicate\b.*\breturning\b|.*@.*:=)",
    re.IGNORECASE | re.DOTALL,
)
"""INSERT and REPLACE give back what they were given"""
_COULD_GIVE_BACK = re.compile(rf"{_BEFORE}(?:delete|insert)\b", re.IGNORECASE | re.DOTALL)
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
_MOST_ENDED = 10_000
_BLIND = (
    "server_audit tells no rows, no reads of tables locked before or temporary ones, and nothing of"
    " accounts that server_audit_excl_users names"
)


@dataclass(slots=True)
class _Statement:
    """A statement whose outcome is not known yet. ``event`` tells it from all others."""

    query: str
    user: str
    when: datetime
    event: str
    file: int
    segment: int
    loose: bool = False
    """its outcome may still come"""
    tables: list[tuple[str, str]] = field(default_factory=list)
    changed: list[tuple[str, str]] = field(default_factory=list)
    """tables it opened to write; see ``_judge_changes``"""

    @property
    def connection(self) -> str:
        return self.event.split()[-3]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a statement ended that began in another file, which may come later."""

    code: int
    user: str
    text: str
    database: str
    when: datetime
    event: str


class _Collector:
    def __init__(
        self,
        stores: Sequence[Store],
        asked: Question,
        settings: Mapping[str, Any],
        book: LogBook,
    ) -> None:
        self._asked, self._book = asked, book
        self._faults: list[str] = []
        zone = zone_of(settings, self._faults)
        self._zone = zone or ZoneInfo("UTC")
        self._minute = "", datetime.fromtimestamp(0, UTC)
        """at hand, as written, and what it is"""
        self._unplaced = [] if zone else [_NO_ZONE]
        self._placed = [f"times are taken to be of {zone.key}"] if zone else []
        self._databases = Databases(stores, settings, "mysql://")
        self.uris = self._databases.uris
        self._logs = {uri: Readings(book, uri) for uri in self.uris()}
        self._open: dict[str, _Statement] = {}
        self._ended: dict[tuple[str, str], _Outcome] = {}
        self._here: dict[str, str] = {}
        """connections of the file at hand, and whose they are, as far as their lines tell: those
        of tables have the definer of the routine that is run"""
        self._number = 0
        """of the file at hand"""
        self._extent = Extent(asked, book)
        self._named = bool(settings.get("store"))

    def file(self, source: Source) -> None:
        self._number += 1
        self._here.clear()
        with self._book.notes(LineNotes()) as own:
            self._file(source, own)

    def opened(self, ever: bool) -> int | None:
        mine = [each for each in self._open.values() if each.file == self._number]
        for each in mine:
            each.loose = self._book.may_go_on(each.when)
        return min((each.segment for each in mine if ever or each.loose), default=None)

    def end(self) -> None:
        if self._book.stopped:  # the rest comes in the next step, from where it began
            self._open = {n: s for n, s in self._open.items() if s.file != self._number}
        left = list(self._open.values())
        known = self._book.happened("", [(each.event, each.when) for each in left])
        for statement, settled in zip(left, known, strict=True):
            if not settled:
                self._settle(statement, None, self._user(statement), loose=statement.loose)
        self._open.clear()
        for outcome in self._ended.values():
            if outcome.code in DENIED and ASKS.match(outcome.text):
                self._refuse(outcome.database, outcome.user, outcome.when, outcome.event)
        self._ended.clear()

    def _file(self, source: Source, notes: LineNotes) -> None:
        # lines that may stand in a user name, each with its number
        inside: list[tuple[int, re.Match[str]]] | None = None
        size = 0
        began: datetime | None = None
        for line in lines(source, notes):
            text = line.decode("utf-8", "replace")
            found = _LINE.fullmatch(text)
            if inside is not None:
                size += len(text)
                if _TAIL.fullmatch(text):
                    # the rest of the name: what was between belongs to it
                    if began is not None:  # what a forged line says of its time is worth nothing
                        for _, each in inside:
                            self._book.noted("forged", began, event=self._event(each, began))
                    notes.records += 1
                    inside = None
                    continue
                if found is not None:
                    inside.append((notes.samples.at, found))
                if size > _LONGEST_NAME:
                    notes.lost(line)
                    self._take_all(inside, notes)
                    inside = None
                continue
            if self._book.due:
                self._book.cut()
            if found is not None:
                self._take_all([(notes.samples.at, found)], notes)
            elif _START.match(text):
                inside, size = [], len(text)
                began = self._moment(text[: len("20260301 00:00:00")])
            else:
                notes.lost(line)
        if inside is not None:
            notes.lost(line)
            self._take_all(inside, notes)

    def _take_all(self, found: Sequence[tuple[int, re.Match[str]]], notes: LineNotes) -> None:
        for line, each in found:
            when = self._moment(each["time"])
            if when is None:
                notes.lost(each[0].encode(), line)
                continue
            notes.records += 1
            self._extent.saw(when)
            self._take(each, when)

    def _take(self, found: re.Match[str], when: datetime) -> None:
        connection, query = found["connection"], found["query"]
        event = self._event(found, when)
        first = connection not in self._here
        whose = self._here.setdefault(connection, "")
        if found["table"] is None and found["user"] not in (whose, _EVENTS):
            self._here[connection] = found["user"]
        if found["database"] == "mysql" and found["table"] in ("general_log", "slow_log"):
            return  # the server itself, for every statement
        if found["table"] is not None:
            open_ = self._open.get(connection)
            if open_ is not None and open_.query != query:
                self._settle(open_, None, self._user(open_))
                open_ = None
            if open_ is None:
                if len(self._open) >= _MOST_OPEN:
                    oldest = next(iter(self._open))
                    statement = self._open.pop(oldest)
                    self._settle(statement, None, self._user(statement))
                open_ = self._open[connection] = _Statement(
                    query, found["user"], when, event, self._number, self._book.segment
                )
            into = open_.tables if found["event"] == "READ" else open_.changed
            into.append((found["database"], found["table"]))
        elif found["outcome"] is not None:
            outcome = int(found["outcome"])
            lower = found["text"].lower()
            if any(name in lower for name in _OWN) and not _SHOWS.match(lower):
                self._book.noted("settings", when, who=found["user"], event=event)
            if _LOCKS.match(lower):
                self._book.noted("locks", when, event=event)
            open_ = self._open.get(connection)
            its = open_ is not None and open_.query == query
            if open_ is not None and its:
                del self._open[connection]
                self._judge_changes(open_, found["text"])
            explains = _EXPLAINS.match(found["text"])
            if open_ is not None and its and open_.tables and not explains:
                user = found["user"] if found["user"] != _EVENTS else open_.user
                self._settle(open_, outcome, user, found["text"])
            elif first and not its and len(self._ended) < _MOST_ENDED:
                text = found["text"][:_CUT_OFF]
                told = _Outcome(outcome, found["user"], text, found["current"], when, event)
                self._ended[connection, query] = told
            elif outcome in DENIED and (explains or ASKS.match(found["text"])):
                self._refuse(found["current"], found["user"], when, event)

    def _user(self, statement: _Statement) -> str:
        """Of one whose own line does not come, as of a cursor in a routine."""
        return self._here.get(statement.connection) or statement.user

    def _settle(
        self,
        statement: _Statement,
        outcome: int | None,
        user: str,
        text: str = "",
        *,
        loose: bool = False,
    ) -> None:
        """Counts a statement that has ended; ``outcome`` None: how, is not told. One that failed
        counts, unless it surely did before it gave anything: a routine can raise any error when
        the rows are out."""
        ended = None
        if outcome is None:
            ended = self._ended.pop((statement.connection, statement.query), None)
        if ended is not None:
            outcome, user, text, loose = ended.code, ended.user, ended.text, False
            self._judge_changes(statement, text)
        event, when, book = statement.event, statement.when, self._book
        if outcome is not None:
            book.act("", Verb.NOTED, "", when, "settled", event=event)
        if outcome in DENIED:
            for database in dict.fromkeys(database for database, _ in statement.tables):
                self._refuse(database, user, when, event)
        if outcome in BEFORE_IT_RAN and len(text) < _CUT_OFF and not may_raise(text):
            return
        if outcome:
            book.noted("failed", when, event=event)
        subjects = self._asked.subjects(text.replace("\\'", "'"), "mysql")
        for name in dict.fromkeys(base for base, _ in statement.tables):
            uri = self._databases.one(name)
            if uri is None:
                continue
            tables = [unitnames.mysql(table) for base, table in statement.tables if base == name]
            self._logs[uri].read(when, user, tables, subjects=subjects, event=event, loose=loose)
            if outcome is None:
                book.noted("unsettled", when, uri, event=event, loose=loose)

    def _judge_changes(self, statement: _Statement, text: str) -> None:
        """Whether what it opened to write was read: by ``SELECT ... FOR UPDATE`` (any text that is
        no change of something), or given back by the change."""
        if not statement.changed:
            return
        if _GIVES_BACK.match(text) or not _CHANGES.match(text):
            statement.tables += statement.changed
        elif len(text) >= _CUT_OFF and _COULD_GIVE_BACK.match(text):
            for database in dict.fromkeys(database for database, _ in statement.changed):
                uri = self._databases.one(database)
                if uri is not None:
                    self._book.noted("cut off", statement.when, uri, event=statement.event)

    def _event(self, found: re.Match[str], when: datetime) -> str:
        of = f"{found['server']} {found['connection']} {found['query']}"
        return f"{of} {self._book.second(when)}"

    def _refuse(self, database: str, user: str, when: datetime, event: str) -> None:
        uri = self._databases.one(database)
        if uri is not None:
            self._logs[uri].refuse(when, user, event=event)

    def _moment(self, text: str) -> datetime | None:
        """``20260301 10:00:00`` in UTC."""
        at_hand, known = self._minute
        minute, second = text[: len("20260301 10:00")], text[-2:]
        try:
            if minute != at_hand:
                local = datetime.strptime(minute, "%Y%m%d %H:%M")
                known = local.replace(tzinfo=self._zone).astimezone(UTC)
                self._minute = minute, known
            return known.replace(second=int(second))
        except (ValueError, OverflowError):
            return None

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        said = Said(self._logs[uri], self._asked)
        notes = self._book.line_notes(said.record, LineNotes())
        state = self._extent.state(
            said.reads,
            self._databases.doubt(uri),
            record="line",
            nothing="a read of this database: either nobody read it or tables are not among"
            " server_audit_events",
            blind=_BLIND,
        )
        return told(
            SOURCE,
            said,
            state,
            [*self._faults, *damage(notes, "lines"), *_doubts(said), *self._unplaced],
            self._placed,
            unparsed=notes.unparsed,
            other=notes.other,
            silent=(self._extent, "line of any kind"),
            whole=Whole(_WHOLE, self._named),
        )


def _doubts(said: Said) -> Iterator[str]:
    view = said.record
    if forged := view.noted("forged")[0]:
        yield (
            f"{plural(forged, 'line stands', 'lines stand')} inside the user name of a"
            " connection: forged, not counted"
        )
    if failed := view.noted("failed")[0]:
        yield (
            f"{plural(failed, 'statement')} failed on the way and may have given something: counted"
            " as reads"
        )
    if unsettled := said.noted("unsettled"):
        yield f"the outcome of {plural(unsettled, 'statement')} is not told: counted as reads"
    if cut := said.noted("cut off"):
        yield (
            f"{plural(cut, 'text of a change is', 'texts of changes are')} cut off"
            " (server_audit_query_log_limit): whether they gave rows back (RETURNING) is not told"
        )
    if locks := view.noted("locks")[0]:
        yield (
            f"{locks:,} LOCK TABLES counted as one read each: how often what they lock was"
            " read then is not told"
        )
    switches, when, user = view.noted("settings")
    if when is not None:
        yield (
            f"{plural(switches, 'statement speaks', 'statements speak')} of server_audit's"
            f" own settings, the first at {gaps.clock(when)} by {user}"
        )


_NO_ZONE = "times are taken to be of UTC (give the server's with “zone”)"

EVIDENCE = LogFiles(SOURCE, DATABASE_OPTIONS, _Collector)
