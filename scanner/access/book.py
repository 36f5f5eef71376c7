"""Where a kind of evidence writes down what it read: new files only, sealed, in columns.

    book.each(open_files, uri, read_file)       # read_file(source), for files that are new
      who = book.who("s3://pay", "arn:aws:iam::1:role/etl")
      book.read("s3://pay", who, when, "cards.csv", event="eventID", sent=100)
      book.mark("record", when)                 # what tells how far the record goes
      book.note("unparsed")                     # counts of the file as a whole
    view = book.view(window)                    # sums over all files, these and earlier ones

Names are sealed here, so a kind hands them over as they are. After a good deal was read the book
ends the files early and says that there is ``more``.

``logbook.LogBook`` reads logs, which grow.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, BinaryIO, cast

from detectors.records import dataclass
from scanner.access.bookrows import Rows, alikeness, events_hashed, told_apart
from scanner.access.manynames import seal_all
from scanner.access.shapes import Samples, shape
from scanner.batch import COLUMNS, SAMPLES, Batch, FileFacts, Mark, Verb, Who
from scanner.contracts import FactsAt, OpenFiles, SealName, Source
from scanner.errors import Reason, Unreadable
from scanner.facts import Facts
from scanner.factview import View
from scanner.known import name_hash, name_hashes
from scanner.text import seal_around_accounts

ROWS, SECONDS = 400_000, 60.0
"""a batch ends after the file in which one of these is reached"""
_MANY = 100_000
"""rows that are rather added to the file of facts than held here as well"""
_MOST = 3_000_000
"""rows of one file: about 150 MB"""
_HEAD = 1_024
_REMEMBERED = 500_000


@dataclass(frozen=True, slots=True)
class Origin:
    """One source of evidence, for ``stores`` (their uris)."""

    kind: str
    settings: Mapping[str, Any]
    stores: Sequence[str]
    seal_name: SealName

    def but(self, **settings: Any) -> Origin:
        """With other settings: another source."""
        return replace(self, settings={**self.settings, **settings})


class Book:
    """What one source of evidence says."""

    def __init__(self, of: Origin, at: FactsAt | None = None, facts: Facts | None = None) -> None:
        """``facts``: shared with another book, which hands over what both have written."""
        self.batch = Batch(_key(of), of.kind, list(of.stores))
        self.unreadable = 0
        self.broke_off = ""
        """why the listing of the files did not come to its end"""
        self._at = at or FactsAt()
        if facts is None:
            facts = Facts(self._at.path, overlay=True)
            self._at.opened.append(facts)
        self._facts = facts
        self._seal = of.seal_name
        self._stores = {uri: place for place, uri in enumerate(of.stores)}
        self._people: dict[tuple[str, str, str], int] = {}
        self._principals: dict[str, str] = {}
        """sealed"""
        self._second = 0  # the last one that was marked
        self._moment: tuple[datetime | None, int] = None, 0
        """at hand, and its second"""
        self._names = dict[str, int]()
        self._file = FileFacts("", None)
        self._rows = Rows()
        self._columns: list[dict[str, Any]] = []
        """of the file, besides the rows"""
        self._finished: list[dict[str, Any]] = []
        self._held = 0
        self._listed: set[str] = set()

    # --- files

    def each(self, open_files: OpenFiles, uri: str, read: Callable[[Source], None]) -> None:
        """Has ``read`` go through the files that are new. What the listing or a file does not give
        is counted; of a file that breaks off with ``Unreadable`` nothing is believed."""
        known = self._facts.files(self.batch.source)
        wanted, before = frozenset(self._stores), self._read_before(known)
        began = time.monotonic()
        try:
            for name, source in open_files(uri):
                sealed = self._seal(name)
                self._listed.add(sealed)
                if not isinstance(source, Source):
                    # what was read before may lie in an archive since
                    self.unreadable += source.version not in before
                    continue
                version, stores = known.get(sealed, (None, frozenset()))
                same = version is not None and version == source.version and stores >= wanted
                if same or sealed in self._at.done:
                    continue
                if self._held >= ROWS or time.monotonic() - began > SECONDS:
                    self._at.more = True
                    break
                self._take(source, sealed, read)
        except Unreadable as error:
            self.broke_off = str(error.reason)

    def _read_before(self, known: Mapping[str, tuple[str | None, frozenset[str]]]) -> set[str]:
        """The versions of what need not be read again, out of ``Facts.files``."""
        wanted = frozenset(self._stores)
        return {version for version, stores in known.values() if version and stores >= wanted}

    def _take(self, source: Source, sealed: str, read: Callable[[Source], None]) -> None:
        watched = _Watched(source.file)
        source.file = cast(BinaryIO, io.BufferedReader(watched, 256 << 10))
        self._file, self._rows = FileFacts(sealed, source.version), Rows()
        self._columns = []
        try:
            read(source)
            self._file.digest, self._file.head = watched.digests()
        except Unreadable:
            self.unreadable += 1
            return
        self._finish_rows(self._rows)
        self._finished += self._columns
        self._held += len(self._rows) + sum(len(each["event"]) for each in self._columns)
        self.batch.files.append(self._file)

    # --- writing

    def second(self, when: datetime) -> int:
        """Since 1970. Of one record it is asked for some times."""
        known, second = self._moment
        if known is not when:
            second = int(when.timestamp())
            self._moment = when, second
        return second

    def who(self, store: str, principal: str, session: str = "") -> int:
        """The number of a principal in a store, to write rows with."""
        key = (store, principal, session)
        number = self._people.get(key)
        if number is None:
            number = self._people[key] = len(self.batch.people)
            sealed = self._principals.get(principal)
            if sealed is None:
                sealed = self._principals[principal] = seal_around_accounts(principal, self._seal)
            self.batch.people.append(Who(sealed, seal_around_accounts(session, self._seal)))
        return number

    def describe(self, number: int, *, anonymous: bool = False, foreign: str | None = None) -> None:
        """What turned out of a principal: ``foreign`` is its account where that is not the
        store's."""
        if anonymous or foreign:
            told = self.batch.people[number]
            sealed = seal_around_accounts(foreign or told.foreign, self._seal)
            self.batch.people[number] = replace(
                told, anonymous=anonymous or told.anonymous, foreign=sealed
            )

    def read(
        self,
        store: str,
        who: int,
        when: datetime,
        name: str | None = None,
        *,
        event: str = "",
        sent: int | None = None,
        rows: int | None = None,
        verb: Verb = Verb.READ,
    ) -> None:
        """One row; ``name`` is spelt as the store spells its units. ``event`` tells the event from
        all others: one of the same adds nothing, in whichever file. Without it, rows that are
        alike within a file (or all that is written) are as many, and the same ones in another."""
        written = self._rows
        if len(written.event) >= _MOST:
            raise Unreadable(Reason.BUDGET_MEMORY, f"over {_MOST:,} reads in one file; divide it")
        second, named = self.second(when), self.named(name)
        written.add(verb, who, second, named, sent, rows, event, self._stores[store])

    def reads(
        self,
        store: str,
        who: int,
        names: Sequence[str],
        events: Sequence[str],
        moments: Sequence[int],
        sent: Sequence[int],
    ) -> None:
        """``read`` of many of one caller; ``moments`` in seconds since 1970, ``sent`` -1 where not
        told."""
        written, size = self._rows, len(names)
        if len(written) + size > _MOST:
            raise Unreadable(Reason.BUDGET_MEMORY, f"over {_MOST:,} reads in one file; divide it")
        written.store.extend((self._stores[store],) * size)
        written.verb.extend((Verb.READ,) * size)
        written.who.extend((who,) * size)
        written.object.extend(self._objects(names))
        written.moment.extend(moments)
        written.sent.extend(sent)
        written.rows.extend((-1,) * size)
        written.event.extend(events)

    def columns(
        self, store: str, who: Any, objects: Any, events: Any, moments: Any, sent: Any
    ) -> None:
        """``reads`` in numpy arrays of one length: the numbers of principals, of objects
        (``numbered``) and of events (as ``events_hashed`` gives them)."""
        import numpy as np

        size = len(events)
        if len(self._rows) + sum(len(each["event"]) for each in self._columns) + size > _MOST:
            raise Unreadable(Reason.BUDGET_MEMORY, f"over {_MOST:,} reads in one file; divide it")
        hours, seconds = np.divmod(moments, 3600)
        given = {
            "store": np.full(size, self._stores[store]),
            "verb": np.full(size, Verb.READ),
            "who": who,
            "object": objects,
            "hour": hours,
            "second": seconds,
            "event": events,
            "sent": sent,
            "rows": np.full(size, -1),
        }
        self._columns.append({name: given[name].astype(kind) for name, kind in COLUMNS.items()})

    def numbered(self, names: Sequence[str]) -> Any:
        """The number of each object by its name, as an array; names come once in a file."""
        import numpy as np

        sealed = seal_all(names, self._seal)
        numbers = np.array(name_hashes(sealed), "u8")
        numbers[numbers == 0] = 1
        self.batch.named.append((numbers, sealed))
        return numbers

    def named(self, name: str | None) -> int:
        """The number of an object by its name, 0 without one."""
        if name is None:
            return 0
        found = self._names.get(name)
        return self._new_name(name) if found is None else found

    def _new_name(self, name: str) -> int:
        """As ``know`` of one: what is worth while for many would be most of the work here."""
        known = self._names
        if len(known) > _REMEMBERED:
            known.clear()
        sealed = self._seal(name)
        number = known[name] = name_hash(sealed) or 1
        self.batch.objects[number] = sealed
        return number

    def _objects(self, names: Sequence[str]) -> list[int]:
        known = self._names
        try:
            return [known[name] for name in names]
        except KeyError:
            self.know(names)
        return [known[name] for name in names]

    def know(self, names: Iterable[str]) -> None:
        """Seals and numbers names of objects that are about to come."""
        known = self._names
        if len(known) > _REMEMBERED:
            known.clear()
        new = list({name for name in names if name not in known})
        known.update(zip(new, self.numbered(new).tolist(), strict=True))

    def mark(self, name: str, when: datetime, store: str = "", count: int = 1) -> None:
        """Something the record shows at ``when``, of a store or of none in particular."""
        second = self.second(when)
        self.mark_hour(name, second // 3600, second, count, store)

    def mark_hour(self, name: str, hour: int, second: int, count: int = 1, store: str = "") -> None:
        self._second = max(self._second, second)
        marks = self._file.marks
        key = (name, store, hour)
        mark = marks.get(key)
        if mark is None:
            mark = marks[key] = Mark()
        mark.add(second, count)

    def mark_many(self, names: Sequence[str], moments: Any, store: str = "") -> None:
        """``mark`` for each of ``moments``: numbers or an array of seconds since 1970."""
        import numpy as np

        seconds = np.sort(np.array(moments, "i8"))
        hours = seconds // 3600
        starts = np.flatnonzero(np.append(True, hours[1:] != hours[:-1])[: len(hours)])
        counts = np.diff(np.append(starts, len(hours)))
        spans = (hours[starts], counts, seconds[starts], seconds[starts + counts - 1])
        for hour, count, low, high in zip(*(each.tolist() for each in spans), strict=True):
            for name in names:
                self.mark_hour(name, hour, low, count, store)
                self.mark_hour(name, hour, high, 0, store)

    def note(self, name: str, count: int = 1) -> None:
        """Counts something of the file as a whole."""
        if count:
            self._file.notes[name] = self._file.notes.get(name, 0) + count

    def say(self, name: str, when: datetime, text: str, store: str = "") -> None:
        """Keeps a sentence, as of a switch of the record itself; ``text`` is sealed here."""
        if len(self._file.texts) < 1_000:
            said = seal_around_accounts(text, self._seal)
            self._file.texts.append((name, store, int(when.timestamp()), said))

    def sample(self, samples: Samples) -> None:
        """Keeps the shapes of a few records that were not understood, and where they stand."""
        kept = self._file.samples
        kept += [(place, shape(record)) for place, record in samples.taken[: SAMPLES - len(kept)]]
        samples.taken.clear()

    # --- the end

    def _finish_rows(self, rows: Rows, before: Any = ()) -> Any:
        """``before`` as in ``told_apart``; what it is after these comes back, a 0 for a row whose
        event has a number of its own."""
        columns = self._columns_of(rows, before)
        if columns is None:
            return ()
        alike = columns.pop("alike")
        self._finished.append(columns)
        return alike

    def _columns_of(self, rows: Rows, before: Any = ()) -> dict[str, Any] | None:
        import numpy as np

        if not rows.event:
            return None
        columns = {
            name: np.array(getattr(rows, name)).astype(COLUMNS[name], copy=False)
            for name in ("store", "verb", "who", "object", "sent", "rows")
        }
        moments = np.array(rows.moment)
        columns["hour"] = (moments // 3600).astype("i4")
        columns["second"] = (moments % 3600).astype("u2")
        columns["event"] = events_hashed(rows.event)
        nameless = np.flatnonzero(columns["event"] == 0)
        alike = np.zeros(len(rows), "u8")
        if len(nameless):
            some = {name: column[nameless] for name, column in columns.items()}
            alike[nameless] = same = alikeness(some, self.batch.stores, self.batch.people)
            columns["event"][nameless] = told_apart(same, before)
        columns["alike"] = alike
        return columns

    def unfinished(self) -> bool:
        """Whether files, or many facts (better added once, to their file, than here as well), are
        left for the next collection, which is the one that answers."""
        many = self._at.path is not None and self._held >= _MANY
        self._at.more = self._at.more or many
        if self._at.more:
            self.end()
        return self._at.more

    def end(self) -> None:
        """What was written so far; from here on ``view`` shows it too."""
        import numpy as np

        if self._finished:
            self.batch.columns = {
                name: np.concatenate([columns[name] for columns in self._finished])
                for name in COLUMNS
            }
            self._finished = []
        if self.batch.files or self.batch.rows:
            self._at.batches.append(self.batch)
            if not self._at.more:
                self._facts.add(replace(self.batch, columns=dict(self.batch.columns)))
            self.batch = replace(self.batch, files=[], columns={})

    def view(self, window: tuple[datetime, datetime]) -> View:
        """Sums over all that is known of the source."""
        self.end()
        return View(self._facts, self.batch.source, window, frozenset(self._listed))


_OF_THE_RUN = ("snooping", "kept")
"""what the worker adds to the settings"""


def _key(of: Origin) -> str:
    """Settings that change what is read out of a file make another source; thresholds do not."""
    from scanner.access.rules import OPTIONS

    own = sorted(
        (name, repr(value))
        for name, value in of.settings.items()
        if name not in OPTIONS and name not in _OF_THE_RUN
    )
    return hashlib.blake2b(repr((of.kind, own)).encode(), digest_size=12).hexdigest()


class _Watched(io.RawIOBase):
    """A file that hashes what is read of it, if that is all of it, in order."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash: Any = hashlib.blake2b(digest_size=16)
        self._head = b""
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        if self._hash is not None:
            self._hash.update(data)
            if len(self._head) < _HEAD:
                self._head = (self._head + data)[:_HEAD]
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        at = self._file.seek(offset, whence)
        if at != self._at:
            self._hash = None
            if at == 0:
                self._hash, self._head = hashlib.blake2b(digest_size=16), b""
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def digests(self) -> tuple[str | None, str | None]:
        """Of the content and of its beginning, reading what the reader left over."""
        if self._hash is None:
            return None, None
        while self.readinto(bytearray(1 << 18)):
            pass
        return self._hash.hexdigest(), hashlib.blake2b(self._head, digest_size=16).hexdigest()
