"""What evidence from PostgreSQL's server logs does alike: reading, whose database, which form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from scanner.access.answer import Question
from scanner.access.logbook import LogBook
from scanner.access.logfiles import DATABASE_OPTIONS, Databases, zone_of
from scanner.access.postgres_entries import (
    ZONE,
    Clock,
    Entry,
    Form,
    LogNotes,
    Wanted,
    log_damage,
    server_said,
)
from scanner.access.postgres_lines import Reader, belongs
from scanner.access.postgres_prefix import given_prefix
from scanner.access.readings import Extent, Readings, Said, State, Whole, told
from scanner.contracts import EvidenceResult, Source
from scanner.model import Store
from scanner.text import plural, some

NOBODY = "a role the log does not name"
OPTIONS: Mapping[str, type] = {
    **DATABASE_OPTIONS,
    "prefix": str,  # log_line_prefix of the server, for plain logs
}


class PostgresLogs(ABC):
    """A ``logfiles.Collector``. A server that writes several forms says the same in each: the one
    with the most records stands."""

    source: ClassVar[str]
    wanted: ClassVar[Wanted]
    records: ClassVar[str]
    """what a log has of a database, in the plural; each is noted under this"""

    def __init__(
        self,
        stores: Sequence[Store],
        asked: Question,
        settings: Mapping[str, Any],
        book: LogBook,
    ) -> None:
        self._asked, self._book = asked, book
        self._faults: list[str] = []
        self._named = bool(settings.get("store"))
        self._clock = Clock(zone_of(settings, self._faults))
        self._prefix = given_prefix(settings, self._faults)
        self._databases = Databases(stores, settings, "postgresql://")
        self.uris = self._databases.uris
        self._logs = {
            (uri, form): Readings(book, uri, form.value) for uri in self.uris() for form in Form
        }
        self._extent = Extent(asked, book)
        book.strange_counts = True  # an entry that is not understood may be all there is
        self._reader: Reader

    def file(self, source: Source) -> None:
        with self._book.notes(LogNotes()) as own:
            self._reader = Reader(
                *(source, self._prefix, self._clock, own, self.wanted),
                *(self._cut, self._ending),
            )
            self.begin()
            self._take_all(self._reader.entries())
            self._pour()
            self.ended()

    def _take_all(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._reader.notes.records += 1
            self.take(entry)

    def _cut(self, line: bytes) -> None:
        if self._book.due and not belongs(line):
            self._take_all(self._reader.held())
            self._pour()
            self._book.cut()

    def _ending(self, line: bytes) -> None:
        if not belongs(line):
            self._take_all(self._reader.held())
        self._book.ending()

    def _pour(self) -> None:
        """What is collected of all entries goes to what was read so far."""
        for when in self._clock.hours(self._reader.hours):
            self._extent.saw(when, counts=False)
        for zone in self._clock.zones:
            self._book.note(f"{ZONE}{self._asked.seal_name(zone)}")
        self._reader.hours.clear()
        self._clock.zones.clear()

    def opened(self, ever: bool) -> int | None:
        """See ``logbook.Opened``: what is held where the log is read on from was taken before."""
        return None

    def begin(self) -> None:
        """A file is about to be read."""
        return

    def ended(self) -> None:
        """It was read to its end."""
        return

    def end(self) -> None:
        """See ``logfiles.Collector``."""
        return

    @abstractmethod
    def take(self, entry: Entry) -> None: ...

    def _fullest(self, uri: str) -> Said:
        """The form with the most records."""
        forms = [Said(self._logs[uri, form], self._asked) for form in Form]
        return max(forms, key=lambda said: said.noted(self.records))

    def _told(
        self,
        uri: str,
        said: Said,
        state: State,
        doubts: Iterator[str],
        whole: str | None = None,
    ) -> EvidenceResult:
        """``whole``: what a complete record says of itself."""
        view = said.record
        notes = self._book.line_notes(view, LogNotes())
        return told(
            self.source,
            said,
            state,
            [*self._faults, *log_damage(notes, view), *doubts, *server_said(view)],
            list(self._about(uri, said, notes)),
            unparsed=notes.unparsed,
            other=notes.other,
            things="tables and views",
            silent=(self._extent, "log entry of any kind"),
            whole=Whole(whole, self._named) if whole else None,
        )

    def _about(self, uri: str, said: Said, notes: LogNotes) -> Iterator[str]:
        size = said.noted(self.records)
        if size:
            files = f"{plural(notes.files, 'file')} ({said.readings.form})"
            yield f"{some(size, self.records)} of it in {files}"
        for form in Form:
            twin = Said(self._logs[uri, form], self._asked).noted(self.records)
            if form.value != said.readings.form and twin:
                yield f"{twin:,} more as {form.value}, taken to be the same ones"


def ambiguous(said: Said) -> Iterator[str]:
    """That entries were read in two ways, if any were."""
    if count := said.noted("ambiguous"):
        yield (
            f"{plural(count, 'entry', 'entries')} can be read in two ways, for the prefix holds"
            " what a client calls itself (%a): every read that may be meant is counted"
        )
