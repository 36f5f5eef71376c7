"""Evidence from the audit log of MongoDB: which user was let read which collection.

The log has a line of JSON for each permission check (``authCheck``); those that were granted only
with ``auditAuthorizationSuccess``. A check says that a command was let through, not what came of
it: no documents, no bytes. The document of the command may hold values; nothing of it is kept but
the collections that an aggregation names besides its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from scanner.access import gaps
from scanner.access.answer import Question
from scanner.access.lines import LineNotes, lines
from scanner.access.logbook import LogBook
from scanner.access.logfiles import DATABASE_OPTIONS, Databases, LogFiles, damage
from scanner.access.readings import Extent, Readings, Said, told
from scanner.contracts import EvidenceResult, Source
from scanner.model import Store
from scanner.text import plural, times

SOURCE = "mongodb-audit"
NOBODY = "a connection that did not log in"
_UNAUTHORIZED = 13
_READS = frozenset(
    ("find", "aggregate", "count", "distinct", "mapreduce", "findandmodify", "geosearch")
)
_MORE = frozenset(("getmore",))
"""go on with a read that was counted"""
_HIDDEN = frozenset(("eval", "clone", "clonecollectionascapped", "copydb"))
_SWITCHES = frozenset(("auditConfigure", "setClusterParameter"))
_DEEP = 30
_BLIND = (
    "a permission check says that a command was let through, not how many documents it gave; it"
    " does not name the collection under a view, and auditLog.filter can leave users out:"
    " how the server is set is not asked"
)


class _User(msgspec.Struct):
    user: str = ""
    db: str = ""


class _Record(msgspec.Struct):
    atype: str = ""
    ts: Any = None
    users: list[_User] = []
    param: dict[str, Any] = {}
    result: int = -1


_DECODER = msgspec.json.Decoder(_Record)


class _Collector:
    def __init__(
        self,
        stores: Sequence[Store],
        asked: Question,
        settings: Mapping[str, Any],
        book: LogBook,
    ) -> None:
        self._asked, self._book = asked, book
        self._databases = Databases(stores, settings, "mongodb")
        self.uris = self._databases.uris
        self._logs = {uri: Readings(book, uri) for uri in self.uris()}
        self._extent = Extent(asked, book)

    def file(self, source: Source) -> None:
        with self._book.notes(LineNotes()) as own:
            for line in self._book.whole(lines(source, own)):
                record, when = _record(line)
                if record is None or when is None:
                    own.lost(line)
                    continue
                own.records += 1
                self._extent.saw(when, counts=record.atype == "authCheck")
                self._take(record, when)

    def opened(self, ever: bool) -> None:
        pass

    def end(self) -> None:
        pass

    def _take(self, record: _Record, when: datetime) -> None:
        who = ", ".join(f"{each.user}@{each.db}"[:300] for each in record.users[:5]) or NOBODY
        if record.atype == "startup":
            self._book.noted("start", when)
            if _has_filter(record.param):
                self._book.mark("filter", when)
        elif record.atype in _SWITCHES:
            self._book.noted("switch", when, who=who)
        if record.atype != "authCheck":
            return
        granted = record.result == 0
        self._book.mark("granted" if granted else "refused", when)
        command = _text(record.param.get("command")).lower()
        database, _, collection = _text(record.param.get("ns")).partition(".")
        reading = command in _READS or command in _HIDDEN
        uri = self._databases.one(database) if database and reading else None
        front = ""
        if uri is None and database and reading:
            # a store of all databases of a server, whose units begin with that of the database
            uri, front = self._databases.one(""), f"{database}."
        if uri is None:
            return
        log = self._logs[uri]
        if not granted:
            if record.result == _UNAUTHORIZED:
                log.refuse(when, who)
            return
        names = [collection] if collection and command in _READS else []
        hidden = command in _HIDDEN or not names
        if command == "aggregate":
            arguments = record.param.get("args")
            names += sorted(set(_others(arguments)))
            hidden = not isinstance(arguments, dict) or "pipeline" not in arguments
        subjects: tuple[int, ...] = ()
        if self._asked.lookout is not None:
            subjects = tuple(map(self._asked.lookout.number, _values(record.param.get("args"))))
        log.read(*(when, who, [front + name for name in names]), hidden=hidden, subjects=subjects)

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        said = Said(self._logs[uri], self._asked)
        view = said.record
        notes = self._book.line_notes(view, LineNotes())
        only_refused = view.marked("refused").count and not view.marked("granted").count
        state = self._extent.state(
            said.reads + said.hidden,
            self._databases.doubt(uri),
            record="permission check",
            nothing=(
                "one that was granted: auditAuthorizationSuccess is not set, so reads are not"
                " recorded"
                if only_refused
                else "a read of this database: either nobody read it or a filter leaves it out"
            ),
            blind=_BLIND,
        )
        return told(
            SOURCE,
            said,
            state,
            [*damage(notes, "lines"), *_doubts(said)],
            unparsed=notes.unparsed,
            other=notes.other,
            things="collections",
            silent=(self._extent, "record of any kind"),
        )


def _doubts(said: Said) -> Iterator[str]:
    view = said.record
    if said.hidden + said.more:
        yield (
            f"{plural(said.hidden + said.more, 'command')} may read more than is named (an"
            " aggregation whose stages are left out, code)"
        )
    if view.marked("filter").count:
        yield "the server was started with auditLog.filter: what it leaves out is not known"
    starts, first, _ = view.noted("start")
    if first is not None:
        yield (
            f"the server was started {times(starts)} in the window, the first time at"
            f" {gaps.clock(first)}"
        )
    switches, first, who = view.noted("switch")
    if first is not None:
        yield (
            f"{plural(switches, 'change')} of settings of the audit, the first at"
            f" {gaps.clock(first)} by {who}"
        )


def _record(line: bytes) -> tuple[_Record | None, datetime | None]:
    try:
        record = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, None
    return (record, _moment(record.ts)) if record.atype else (None, None)


def _moment(stamp: Any) -> datetime | None:
    """``{"$date": "2026-03-01T10:00:00.123+01:00"}``, or milliseconds, as a text or a number."""
    value = stamp.get("$date") if isinstance(stamp, dict) else stamp
    if isinstance(value, dict):
        value = value.get("$numberLong")
    try:
        if isinstance(value, str) and not value.isdigit():
            when = datetime.fromisoformat(value)
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return datetime.fromtimestamp(int(value) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _others(value: Any, depth: int = 0) -> Iterator[str]:
    """Collections that the stages of an aggregation name: ``$lookup``, ``$unionWith`` and kin."""
    if depth > _DEEP:
        return
    if isinstance(value, list):
        for each in value:
            yield from _others(each, depth + 1)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in ("$lookup", "$graphLookup") and isinstance(inner, dict):
                yield from filter(None, (_text(inner.get("from")),))
            elif name == "$unionWith":
                named = inner.get("coll") if isinstance(inner, dict) else inner
                yield from filter(None, (_text(named),))
            yield from _others(inner, depth + 1)


def _values(arguments: Any) -> list[str]:
    """What a command asks for: values that a field of its filter is equal to, if they are few."""
    given = arguments if isinstance(arguments, dict) else {}
    filters = [given[name] for name in ("filter", "query", "q") if name in given]
    wanted = filters[0] if filters and isinstance(filters[0], dict) else {}
    found = []
    for value in wanted.values():
        while isinstance(value, dict) and len(value) == 1:
            value = next(v if k in _EQUAL else None for k, v in value.items())
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            found.append(str(value))
    return found if len(found) <= _FEW else []


_EQUAL, _FEW = frozenset({"$eq", "$oid", "$numberLong", "$numberInt", "$numberDecimal"}), 5


def _has_filter(param: Mapping[str, Any]) -> bool:
    options = param.get("startupOptions", param)
    audit = options.get("auditLog") if isinstance(options, dict) else None
    return isinstance(audit, dict) and bool(audit.get("filter"))


EVIDENCE = LogFiles(SOURCE, DATABASE_OPTIONS, _Collector)
