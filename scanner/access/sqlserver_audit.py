"""Evidence from SQL Server's audit, as exported with ``sys.fn_get_audit_file``.

The files it writes itself (``.sqlaudit``) are binary and only the server reads them; what it gives
out of them as CSV with a line of names, JSON lines or a JSON array is read here. A record is a
permission check of one object: the tables of one statement are one read. The text of a statement
can hold values; nothing of it is kept.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import Any

import msgspec

from detectors.records import dataclass
from scanner.access import gaps, unitnames
from scanner.access.answer import Question
from scanner.access.lines import LineNotes, Repeats, lines
from scanner.access.logfiles import DATABASE_OPTIONS, Databases, LogFiles, damage, one_file
from scanner.access.readings import Extent, Readings, told
from scanner.contracts import EvidenceResult, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Store

SOURCE = "sqlserver-audit"
NOBODY = "a login the record does not name"
_BLIND = (
    "a record says that the permission check was passed; the audit's specification can leave"
    " principals and tables out, and what a procedure or a view reads by its owner's right: how the"
    " server is set is not asked"
)
_SELECT = "SL"
_HIDDEN = frozenset(("EX", "BA", "BAL"))
"""EXECUTE and BACKUP: they can give anything"""
_CHANGED = frozenset(("AUSC", "AUSF", "CNAU"))
"""the audit was started, stopped or changed, or failed"""
_ARRAY = 64 << 20
"""bytes of a JSON array that are held at once"""
_BEGINS, _TIME = re.compile(rb'\{\s*"'), re.compile(rb'"event_time"\s*:', re.IGNORECASE)
_TRUE = frozenset(("1", "true"))


class _Row(msgspec.Struct):
    """Texts and numbers as the export has them."""

    event_time: str = ""
    sequence_number: Any = 1
    action_id: str = ""
    succeeded: Any = ""
    session_id: Any = ""
    session_server_principal_name: str | None = None
    server_principal_name: str | None = None
    database_name: str | None = None
    schema_name: str | None = None
    object_name: str | None = None
    statement: str | None = None
    response_rows: Any = None


_NAMES = _Row.__struct_fields__


@dataclass(slots=True)
class _Open:
    """A statement whose records may go on: one for each object it reads."""

    uri: str
    when: datetime
    who: str
    text: int
    rows: int | None
    subjects: tuple[int, ...] = ()
    names: list[str] = field(default_factory=list)


class _Collector:
    def __init__(
        self, stores: Sequence[Store], asked: Question, settings: Mapping[str, Any]
    ) -> None:
        self._asked = asked
        self.notes = LineNotes()
        self._databases = Databases(stores, settings, "mssql", "sqlserver")
        self.uris = self._databases.uris
        self._logs = {uri: Readings(asked, uri) for uri in self.uris()}
        self._extent = Extent(asked)
        self._repeats = Repeats()
        self._open: dict[str, _Open] = {}
        self._changes: list[tuple[datetime, str]] = []
        self._binary = 0

    def file(self, source: Source) -> None:
        if source.name.lower().endswith(".sqlaudit"):
            self._binary += 1
            return
        here: dict[int, int] = {}
        with one_file(self.notes, LineNotes()) as own:
            for row in _rows(source, own):
                when = _moment(row.event_time)
                if when is None or not row.action_id:
                    own.unparsed += 1
                    continue
                own.records += 1
                self._take(row, when, here)

    def end(self) -> None:
        for session in list(self._open):
            self._settle(session)

    def _take(self, row: _Row, when: datetime, here: dict[int, int]) -> None:
        action = row.action_id.strip().upper()
        inside = self._extent.saw(when, counts=action == _SELECT)
        identity = hash(repr(msgspec.structs.astuple(row)))
        if inside is None or not self._repeats.is_new(identity, False, here):
            return
        who = (row.session_server_principal_name or row.server_principal_name or NOBODY)[:300]
        if action in _CHANGED and inside and len(self._changes) < 1_000:
            self._changes.append((when, who))
        uri = self._databases.one(row.database_name) if row.database_name else None
        if uri is None or str(row.sequence_number) not in ("0", "1"):
            return  # what follows is the rest of one record
        succeeded = str(row.succeeded).lower() in _TRUE
        if action in _HIDDEN and succeeded:
            self._logs[uri].read(when, who, (), hidden=True)
        elif action == _SELECT and not succeeded:
            self._logs[uri].refuse(when, who)
        elif action == _SELECT:
            self._select(uri, row, when, who)

    def _select(self, uri: str, row: _Row, when: datetime, who: str) -> None:
        """Goes on with a statement, or begins one: a second time the same table is the next."""
        name = unitnames.sqlserver(row.schema_name or "", row.object_name or "")
        session, text = str(row.session_id), hash(row.statement or "")
        known = self._open.get(session)
        same = (
            known is not None
            and (known.uri, known.who, known.text) == (uri, who, text)
            and name not in known.names
            and abs((when - known.when).total_seconds()) < 1
        )
        if known is None or not same:
            self._settle(session)
            rows = str(row.response_rows) if row.response_rows is not None else ""
            given = int(rows) if rows.isascii() and rows.isdigit() and len(rows) < 19 else None
            known = self._open[session] = _Open(
                *(uri, when, who, text, given), self._asked.subjects(row.statement or "", "mysql")
            )
        known.names.append(name)

    def _settle(self, session: str) -> None:
        statement = self._open.pop(session, None)
        if statement is not None:
            log = self._logs[statement.uri]
            log.read(
                *(statement.when, statement.who, statement.names),
                rows=statement.rows,
                subjects=statement.subjects,
            )

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        log = self._logs[uri]
        state = self._extent.state(
            log.reads + log.hidden,
            self._databases.doubt(uri),
            record="record of SELECT",
            nothing="of this database: either nobody read it or no specification covers it",
            blind=_BLIND,
        )
        return told(
            SOURCE,
            log,
            state,
            [*damage(self.notes, "records"), *self._doubts(log)],
            unparsed=self.notes.unparsed,
            other=self.notes.other,
            things="tables and views",
            silent=(self._extent, "record of any kind"),
        )

    def _doubts(self, log: Readings) -> Iterator[str]:
        if self._binary:
            yield (
                f"{self._binary:,} files are .sqlaudit, which only the server can read: export them"
                " with sys.fn_get_audit_file as CSV or JSON"
            )
        if log.hidden:
            yield (
                f"{log.hidden:,} procedures and backups do not tell what they gave out: reads of"
                " unknown tables, not counted"
            )
        if self._changes:
            when, who = min(self._changes)
            yield (
                f"the audit was started, stopped or changed {len(self._changes):,} times, the first"
                f" time at {gaps.clock(when)} by {self._asked.seal_name(who)}"
            )
        if self._repeats.full:
            yield "more records than repetitions can be told apart among"


# --- the export -----------------------------------------------------------------------------------


def _rows(source: Source, notes: LineNotes) -> Iterator[_Row]:
    """The records of one file, whatever of the three forms it has."""
    physical = lines(source, notes, _ARRAY)
    first = next(physical, b"")
    whole = chain((first,), physical)
    if first.lstrip()[:1] == b"[":
        yield from _array(whole, notes)
    elif first.lstrip()[:1] == b"{":
        for line in whole:
            yield from _json(line, notes)
    else:
        yield from _csv((line.decode("utf-8", "replace") for line in whole), notes)


def _array(physical: Iterable[bytes], notes: LineNotes) -> Iterator[_Row]:
    held: list[bytes] = []
    size = 0
    for line in physical:
        held.append(line)
        size += len(line)
        if size > _ARRAY:
            raise Unreadable(Reason.BUDGET_MEMORY, "a JSON array larger than 64 MiB: export CSV")
    whole = b"\n".join(held)
    try:
        found = msgspec.json.decode(whole, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        yield from _what_is_left(whole, notes)
        return
    for each in found:
        yield from _json(bytes(each), notes)


def _what_is_left(data: bytes, notes: LineNotes) -> Iterator[_Row]:
    """The records of an array that is damaged or cut. In a string no quote is bare, so nothing in
    one looks like the beginning of a record, and records hold no objects."""
    starts = [match.start() for match in _BEGINS.finditer(data)]
    notes.unparsed += not starts
    for start, end in pairwise([*starts, len(data)]):
        piece = data[start:end].rstrip(b" \t\r\n,]")
        notes.unparsed += max(0, len(_TIME.findall(piece)) - 1)  # whose beginning is lost
        yield from _json(piece, notes)


def _json(data: bytes, notes: LineNotes) -> Iterator[_Row]:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = None
    if isinstance(found, dict):
        row = _made({str(name).lower(): value for name, value in found.items()})
        if row is not None:
            yield row
            return
    notes.unparsed += 1


def _csv(texts: Iterable[str], notes: LineNotes) -> Iterator[_Row]:
    reader = csv.reader(f"{text}\n" for text in texts)
    names: list[str] = []
    while True:
        try:
            fields = next(reader, None)
        except csv.Error:
            notes.unparsed += 1
            continue
        if fields is None:
            return
        if not names:
            names = [each.strip().lower() for each in fields]
            if "event_time" not in names or "action_id" not in names:
                notes.unparsed += 1
                names = []
        elif len(fields) != len(names):
            notes.unparsed += 1
        else:
            row = _made(dict(zip(names, fields, strict=True)))
            if row is not None:
                yield row
            else:
                notes.unparsed += 1


def _made(found: Mapping[str, Any]) -> _Row | None:
    values = {name: found[name] for name in _NAMES if name in found}
    try:
        return msgspec.convert(values, _Row)
    except msgspec.ValidationError:
        return None


def _moment(text: str) -> datetime | None:
    """``datetime2`` in UTC, with a fraction of up to seven digits."""
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


EVIDENCE = LogFiles(SOURCE, DATABASE_OPTIONS, _Collector)
