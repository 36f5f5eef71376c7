"""What evidence from PostgreSQL's server logs does alike: reading, whose database, which form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from scanner.access.answer import Question
from scanner.access.logfiles import DATABASE_OPTIONS, Databases, zone_of
from scanner.access.postgres_lines import (
    Clock,
    Entry,
    Form,
    LogNotes,
    ServerSaid,
    Wanted,
    entries,
    log_damage,
)
from scanner.access.postgres_prefix import given_prefix
from scanner.access.readings import Extent, Readings, State, Whole, told
from scanner.contracts import EvidenceResult, Source
from scanner.model import Store

NOBODY = "a role the log does not name"
OPTIONS: Mapping[str, type] = {
    **DATABASE_OPTIONS,
    "prefix": str,  # log_line_prefix of the server, for plain logs
}


class OneLog(Protocol):
    """What the entries of one form say of one database."""

    readings: Readings

    @property
    def size(self) -> int:
        """Its records of the window."""
        ...


L = TypeVar("L", bound=OneLog)


class PostgresLogs(ABC, Generic[L]):
    """A ``logfiles.Collector``. A server that writes several forms says the same in each: the one
    with the most records stands."""

    source: ClassVar[str]
    wanted: ClassVar[Wanted]
    records: ClassVar[str]
    """what a log has of a database, in the plural"""

    def __init__(
        self, stores: Sequence[Store], asked: Question, settings: Mapping[str, Any]
    ) -> None:
        self._asked = asked
        self._faults: list[str] = []
        self._named = bool(settings.get("store"))
        self.notes = LogNotes()
        self._clock = Clock(zone_of(settings, self._faults), self.notes)
        self._prefix = given_prefix(settings, self._faults)
        self._databases = Databases(stores, settings, "postgresql://")
        self.uris = self._databases.uris
        self._logs: dict[str, dict[Form, L]] = {uri: {} for uri in self.uris()}
        self._server = ServerSaid()
        self._extent = Extent(asked)
        self._written: set[tuple[bytes, bytes]] = set()

    def file(self, source: Source) -> None:
        notes, before = self.notes, self.notes.records
        found = entries(source, self._prefix, self._clock, notes, self._written, self.wanted)
        here: dict[int, int] = {}
        try:
            for entry in found:
                notes.records += 1
                self.take(entry, here)
        finally:
            notes.files += notes.records > before
            notes.other += notes.records == before

    def end(self) -> None:
        for when in self._clock.hours(self._written):
            self._extent.saw(when, counts=False)

    @abstractmethod
    def take(self, entry: Entry, here: dict[int, int]) -> None:
        """One entry; ``here`` tells repetitions within its file."""

    @abstractmethod
    def new_log(self, readings: Readings) -> L: ...

    def _log(self, uri: str, form: Form) -> L:
        logs = self._logs[uri]
        if form not in logs:
            logs[form] = self.new_log(Readings(self._asked, uri))
        return logs[form]

    def _fullest(self, uri: str) -> tuple[Form, L]:
        logs = self._logs[uri]
        form = max(Form, key=lambda form: logs[form].size if form in logs else -1)
        return form, self._log(uri, form)

    def _told(
        self,
        uri: str,
        form: Form,
        state: State,
        doubts: Iterator[str],
        whole: str | None = None,
    ) -> EvidenceResult:
        """``whole``: what a complete record says of itself."""
        log = self._log(uri, form)
        seal = self._asked.seal_name
        server = self._server.sentences(self._asked.window, seal)
        return told(
            self.source,
            log.readings,
            state,
            [*self._faults, *log_damage(self.notes, seal), *doubts, *server],
            list(self._about(uri, form, log)),
            unparsed=self.notes.unparsed + self.notes.too_long,
            other=self.notes.other,
            things="tables and views",
            silent=(self._extent, "log entry of any kind"),
            whole=Whole(whole, self._named) if whole else None,
        )

    def _about(self, uri: str, form: Form, log: L) -> Iterator[str]:
        if log.size:
            files = f"{self.notes.files:,} files ({form.value})"
            yield f"{log.size:,} {self.records} of it in {files}"
        for other, twin in self._logs[uri].items():
            if other is not form and twin.size:
                yield f"{twin.size:,} more as {other.value}, taken to be the same ones"
