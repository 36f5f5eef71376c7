"""What kinds of evidence from log files do alike: their options, opening the files, whose database.

    EVIDENCE = LogFiles("server-audit", DATABASE_OPTIONS, _begin)

``begin`` makes a collector for the stores a source can speak of, or says right away what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from detectors.records import dataclass
from scanner.access import rules
from scanner.access.answer import Question, question
from scanner.access.book import Origin
from scanner.access.lines import LineNotes
from scanner.access.logbook import LogBook
from scanner.access.postgres_prefix import given_prefix
from scanner.contracts import EvidenceResult, FactsAt, OpenFiles, SealName, Source, Wrong
from scanner.known import Known
from scanner.model import Store
from scanner.text import plural, some

FILE_OPTIONS: Mapping[str, type] = {
    **rules.OPTIONS,
    "uri": str,  # file, folder or s3:// prefix with the logs
}
DATABASE_OPTIONS: Mapping[str, type] = {
    **FILE_OPTIONS,
    "store": str,  # the database's store, where two servers have databases of one name
    "zone": str,  # time zone of the server, where the log does not tell it
}


class Collector(Protocol):
    """What reads the files of one source, for all its stores, and writes into its book."""

    def uris(self) -> Iterable[str]:
        """The stores it answers for; without any, no file is opened."""
        ...

    def file(self, source: Source) -> None:
        """Reads one file. May raise ``Unreadable``."""
        ...

    def opened(self, ever: bool) -> int | None:
        """See ``logbook.Opened``."""
        ...

    def end(self) -> None:
        """No more files are read in this step."""
        ...

    def result(self, uri: str) -> EvidenceResult: ...


Begin: TypeAlias = Callable[
    [Sequence[Store], Question, Mapping[str, Any], LogBook],
    Collector | Mapping[str, EvidenceResult],
]


@dataclass(frozen=True, slots=True)
class LogFiles:
    """A ``contracts.EvidenceKind`` over files."""

    kind: str
    options: Mapping[str, type]
    begin: Begin
    also: Callable[[Mapping[str, Any]], Iterator[Wrong]] = lambda settings: iter(())
    """checks options of its own"""
    of: Callable[[Sequence[Store], Mapping[str, Any]], Sequence[Store]] = lambda every, settings: (
        every
    )
    """the stores that such logs can be of"""
    keeps_facts = True

    def check(self, settings: Mapping[str, Any]) -> Iterator[Wrong]:
        """See ``contracts.EvidenceKind``."""
        yield from rules.wrong(settings)
        if "zone" in self.options:
            faults: list[str] = []
            zone_of(settings, faults)
            if faults:
                yield Wrong("zone", "a time zone like Europe/Berlin", str(settings["zone"]))
        if "prefix" in self.options:
            try:
                given_prefix(settings, faults := [])
            except ValueError:
                faults = ["no prefix"]
            if faults:
                yield Wrong("prefix", "a log_line_prefix of PostgreSQL", str(settings["prefix"]))
        yield from self.also(settings)

    def collect(
        self,
        settings: Mapping[str, Any],
        open_files: OpenFiles,
        stores: Sequence[Store],
        window: tuple[datetime, datetime],
        seal_name: SealName,
        known: Mapping[str, Known] | None = None,
        facts: FactsAt | None = None,
    ) -> Mapping[str, EvidenceResult]:
        """See ``contracts.EvidenceKind``."""
        mine = self.of(stores, settings)
        origin = Origin(self.kind, settings, [store.uri for store in mine], seal_name)
        book = LogBook(origin, window[1], facts)
        meant = {uri: each.of(self.kind) for uri, each in (known or {}).items()}
        asked = question(settings, window, seal_name, meant)
        collector = self.begin(mine, asked, settings, book)
        if isinstance(collector, Mapping):
            return collector
        uris = tuple(collector.uris())
        if not uris:
            return {}
        book.follow(open_files, str(settings.get("uri", "")), collector.file, collector.opened)
        collector.end()
        if book.unfinished():
            return {}
        misfits = book.view(asked.window).misfits()
        return {uri: collector.result(uri).with_misfits(misfits) for uri in uris}


def damage(notes: LineNotes, things: str, misfit: str = "could not be understood") -> Iterator[str]:
    """What was lost while reading, in sentences. ``things``: the records of this source."""
    if notes.broke_off:
        yield f"the files could not all be listed ({notes.broke_off})"
    if notes.unreadable:
        yield f"{plural(notes.unreadable, 'file')} could not be read"
    if notes.broken:
        yield f"{plural(notes.broken, 'file is', 'files are')} cut off or corrupt"
    if notes.unparsed + notes.too_long:
        yield f"{some(notes.unparsed + notes.too_long, things)} {misfit}"


class Databases:
    """The stores whose uri begins with one of ``schemes``, by the name of their database.

    A log names a database and not its server: of two stores with databases of one name it cannot be
    told which is meant, unless ``store`` says so.
    """

    def __init__(self, stores: Sequence[Store], settings: Mapping[str, Any], *schemes: str) -> None:
        wanted = settings.get("store")
        self._names = {
            store.uri: unquote(urlsplit(store.uri).path.removeprefix("/"))
            for store in stores
            if store.uri.startswith(schemes) and wanted in (None, store.uri)
        }
        self._uris: dict[str | None, list[str]] = {None: list(self._names)}
        for uri, name in self._names.items():
            self._uris.setdefault(name, []).append(uri)

    def uris(self) -> Iterable[str]:
        return self._names

    def name(self, uri: str) -> str:
        return self._names[uri]

    def of(self, name: str | None) -> Sequence[str]:
        """The stores that can be meant by a record of the database ``name``, None: it names none.
        More than one: not known which."""
        return self._uris.get(name, ())

    def one(self, name: str | None) -> str | None:
        """The store that is meant, None when there is none or more than one can be."""
        found = self.of(name)
        return found[0] if len(found) == 1 else None

    def doubt(self, uri: str) -> str | None:
        """Why records cannot be told to be of this store."""
        if len(self.of(self._names[uri])) < 2:
            return None
        return (
            "two stores have a database of this name, and a log does not name its server: give the"
            " store with “store”"
        )


def zone_of(settings: Mapping[str, Any], faults: list[str]) -> ZoneInfo | None:
    """The time zone of “zone”, None without one; what is wrong with it goes to ``faults``."""
    name = settings.get("zone")
    if not name:
        return None
    try:
        return ZoneInfo(str(name))
    except (ValueError, OSError, KeyError):
        faults.append("“zone” is not understood: expected a name like Europe/Berlin")
        return None
