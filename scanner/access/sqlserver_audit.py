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
from typing import Any, TypeAlias

import msgspec

from detectors.records import dataclass
from scanner.access import gaps, unitnames
from scanner.access.answer import Question
from scanner.access.lines import LineNotes, lines
from scanner.access.logbook import LogBook
from scanner.access.logfiles import DATABASE_OPTIONS, Databases, LogFiles, damage
from scanner.access.readings import Extent, Readings, Said, told
from scanner.contracts import EvidenceResult, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Store
from scanner.text import plural, times

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
_Found: TypeAlias = tuple[_Row, datetime]


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
        self,
        stores: Sequence[Store],
        asked: Question,
        settings: Mapping[str, Any],
        book: LogBook,
    ) -> None:
        self._asked, self._book = asked, book
        self._databases = Databases(stores, settings, "mssql", "sqlserver")
        self.uris = self._databases.uris
        self._logs = {uri: Readings(book, uri) for uri in self.uris()}
        self._extent = Extent(asked, book)
        self._open: dict[str, _Open] = {}

    def file(self, source: Source) -> None:
        with self._book.notes(LineNotes()) as own:
            if source.name.lower().endswith(".sqlaudit"):
                self._book.note("binary")
                return
            for row, when in _rows(source, own):
                own.records += 1
                self._take(row, when)
        for session in list(self._open):
            self._settle(session)

    def opened(self, ever: bool) -> None:
        pass

    def end(self) -> None:
        pass

    def _take(self, row: _Row, when: datetime) -> None:
        action = row.action_id.strip().upper()
        self._extent.saw(when, counts=action == _SELECT)
        who = (row.session_server_principal_name or row.server_principal_name or NOBODY)[:300]
        if action in _CHANGED:
            self._book.noted("change", when, who=who)
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
        said = Said(self._logs[uri], self._asked)
        notes = self._book.line_notes(said.record, LineNotes())
        state = self._extent.state(
            said.reads + said.hidden,
            self._databases.doubt(uri),
            record="record of SELECT",
            nothing="of this database: either nobody read it or no specification covers it",
            blind=_BLIND,
        )
        return told(
            SOURCE,
            said,
            state,
            [*damage(notes, "records"), *_doubts(said)],
            unparsed=notes.unparsed,
            other=notes.other,
            things="tables and views",
            silent=(self._extent, "record of any kind"),
        )


def _doubts(said: Said) -> Iterator[str]:
    view = said.record
    if binary := view.note("binary"):
        yield (
            f"{plural(binary, 'file is', 'files are')} .sqlaudit, which only the server can"
            " read: export with sys.fn_get_audit_file as CSV or JSON"
        )
    if said.hidden:
        yield (
            f"{plural(said.hidden, 'procedure or backup does', 'procedures and backups do')} not"
            " telling what was given out: reads of unknown tables, not counted"
        )
    changes, when, who = view.noted("change")
    if when is not None:
        yield (
            f"the audit was started, stopped or changed {times(changes)}, the first time at"
            f" {gaps.clock(when)} by {who}"
        )


# --- the export -----------------------------------------------------------------------------------


def _rows(source: Source, notes: LineNotes) -> Iterator[_Found]:
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
        yield from _csv(whole, notes)


def _array(physical: Iterable[bytes], notes: LineNotes) -> Iterator[_Found]:
    held: list[bytes] = []
    numbers: list[int] = []
    size = 0
    for line in physical:
        held.append(line)
        numbers.append(notes.samples.at)
        size += len(line)
        if size > _ARRAY:
            raise Unreadable(Reason.BUDGET_MEMORY, "a JSON array larger than 64 MiB: export CSV")
    whole = b"\n".join(held)
    try:
        found = msgspec.json.decode(whole, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        yield from _what_is_left(whole, numbers, notes)
        return
    notes.samples.thing = "record"
    for notes.samples.at, each in enumerate(found, 1):
        yield from _json(bytes(each), notes)


def _what_is_left(data: bytes, numbers: list[int], notes: LineNotes) -> Iterator[_Found]:
    """The records of an array that is damaged or cut; ``numbers`` are those of its
    lines. In a string no quote is bare, so nothing in one looks like the beginning of a record, and
    records hold no objects."""
    starts = [match.start() for match in _BEGINS.finditer(data)]
    if not starts:
        notes.lost(data, numbers[0])
    for start, end in pairwise([*starts, len(data)]):
        piece = data[start:end].rstrip(b" \t\r\n,]")
        notes.samples.at = numbers[data.count(b"\n", 0, start)]
        for _ in _TIME.findall(piece)[1:]:
            notes.lost(piece)  # one whose beginning is lost
        yield from _json(piece, notes)


def _json(data: bytes, notes: LineNotes) -> Iterator[_Found]:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = None
    if isinstance(found, dict):
        made = _made({str(name).lower(): value for name, value in found.items()})
        if made is not None:
            yield made
            return
    notes.lost(data)


def _csv(physical: Iterable[bytes], notes: LineNotes) -> Iterator[_Found]:
    held: list[bytes] = []  # of the record at hand
    began = 0

    def texts() -> Iterator[str]:
        nonlocal began
        for line in physical:
            began = began if held else notes.samples.at
            held.append(line)
            yield line.decode("utf-8", "replace") + "\n"

    reader = csv.reader(texts())
    names: list[str] = []
    while True:
        held.clear()
        try:
            fields = next(reader, None)
        except csv.Error:
            notes.lost(b"\n".join(held), began)
            continue
        if fields is None:
            return
        if not names:
            names = [each.strip().lower() for each in fields]
            if "event_time" not in names or "action_id" not in names:
                notes.lost(b"\n".join(held), began)
                names = []
            continue
        found = None
        if len(fields) == len(names):
            found = _made(dict(zip(names, fields, strict=True)))
        if found is None:
            notes.lost(b"\n".join(held), began)
        else:
            yield found


def _made(found: Mapping[str, Any]) -> _Found | None:
    """None where it does not say what was done, or when."""
    values = {name: found[name] for name in _NAMES if name in found}
    try:
        row = msgspec.convert(values, _Row)
    except msgspec.ValidationError:
        return None
    when = _moment(row.event_time)
    return None if when is None or not row.action_id else (row, when)


def _moment(text: str) -> datetime | None:
    """``datetime2`` in UTC, with a fraction of up to seven digits."""
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


EVIDENCE = LogFiles(SOURCE, DATABASE_OPTIONS, _Collector)
