"""Where a kind of evidence writes down what it read: new files only, sealed, in columns.

    book.each(open_files, uri, read_file)       # read_file(source), for files that are new
      who = book.who("arn:aws:iam::1:role/etl")
      book.read("s3://pay", who, when, "cards.csv", event="eventID", sent=100)
      book.mark("record", when)                 # what tells how far the record goes
      book.note("unparsed")                     # counts of the file as a whole
    view = book.view(window)                    # sums over all files, these and earlier ones

Names are sealed here, so a kind hands them over as they are. After a good deal was read the book ends the files early; the caller has
it added to the fact store and asks again, until there is nothing new.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, cast

from scanner.batch import COLUMNS, Batch, FileFacts, Mark, Verb, Who
from scanner.contracts import OpenFiles, SealName, Source
from scanner.errors import Reason, Unreadable
from scanner.facts import Facts
from scanner.factview import View
from scanner.known import name_hash
from scanner.text import seal_around_accounts

ROWS, SECONDS = 400_000, 60.0
"""a batch ends after the file in which one of these is reached"""
_MOST = 6_000_000
"""rows of one file: about 350 MB"""
_HEAD = 1_024
_SAMPLES, _SHAPE = 3, 160
_REMEMBERED = 500_000
_EVENT = 36
"""characters of the ids that are hashed many at a time: UUIDs"""


@dataclass(slots=True)
class _Rows:
    """Columns under way; ``events`` are texts until the end of a file."""

    store: array[int] = field(default_factory=lambda: array("H"))
    verb: array[int] = field(default_factory=lambda: array("B"))
    who: array[int] = field(default_factory=lambda: array("L"))
    object: array[int] = field(default_factory=lambda: array("Q"))
    hour: array[int] = field(default_factory=lambda: array("l"))
    second: array[int] = field(default_factory=lambda: array("H"))
    sent: array[int] = field(default_factory=lambda: array("q"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    event: list[str] = field(default_factory=list)


class Book:
    """One source of evidence. ``facts`` is open to read, or in memory. ``done`` are sealed names of
    files that were read in this run already: what changes meanwhile waits for the next run."""

    def __init__(
        self,
        kind: str,
        settings: Mapping[str, Any],
        stores: Sequence[str],
        seal_name: SealName,
        facts: Facts | None = None,
        done: frozenset[str] = frozenset(),
    ) -> None:
        self.batch = Batch(_key(kind, settings), kind, list(stores))
        self.unreadable = 0
        self.broke_off = ""
        """why the listing of the files did not come to its end"""
        self._memory = facts is None
        self._facts = facts or Facts(None, write=True)
        self._done = done
        self._seal = seal_name
        self._stores = {uri: place for place, uri in enumerate(stores)}
        self._people: dict[tuple[str, str, bool, str], int] = {}
        self._names: dict[str, int] = {}
        self._file = FileFacts("", None)
        self._rows = _Rows()
        self._finished: list[dict[str, Any]] = []
        self._held = 0
        self._listed: set[str] = set()

    # --- files

    def each(self, open_files: OpenFiles, uri: str, read: Callable[[Source], None]) -> None:
        """Has ``read`` go through the files that are new. What the listing or a file does not give
        is counted; of a file that breaks off with ``Unreadable`` nothing is believed."""
        known = self._facts.files(self.batch.source)
        wanted = frozenset(self._stores)
        began = time.monotonic()
        try:
            for name, source in open_files(uri):
                sealed = self._seal(name)
                self._listed.add(sealed)
                if not isinstance(source, Source):
                    self.unreadable += 1
                    continue
                version, stores = known.get(sealed, (None, frozenset()))
                same = version is not None and version == source.version and stores >= wanted
                if same or sealed in self._done:
                    continue
                self._take(source, sealed, read)
                if self._held >= ROWS or time.monotonic() - began > SECONDS:
                    break
        except Unreadable as error:
            self.broke_off = str(error.reason)
        if self._memory:
            self._facts.add(self.flush())

    def _take(self, source: Source, sealed: str, read: Callable[[Source], None]) -> None:
        watched = _Watched(source.file)
        source.file = cast(BinaryIO, io.BufferedReader(watched, 256 << 10))
        self._file, self._rows = FileFacts(sealed, source.version), _Rows()
        try:
            read(source)
            self._file.digest, self._file.head = watched.digests()
        except Unreadable:
            self.unreadable += 1
            return
        self._held += len(self._rows.event)
        self._finish_rows()
        self.batch.files.append(self._file)

    # --- writing

    def who(
        self, principal: str, session: str = "", *, anonymous: bool = False, foreign: str = ""
    ) -> int:
        """The number of a principal, to write rows with."""
        key = (principal, session, anonymous, foreign)
        number = self._people.get(key)
        if number is None:
            seal = self._seal
            number = self._people[key] = len(self.batch.people)
            self.batch.people.append(
                Who(
                    seal_around_accounts(principal, seal),
                    seal_around_accounts(session, seal),
                    anonymous,
                    seal_around_accounts(foreign, seal),
                )
            )
        return number

    def read(
        self,
        store: str,
        who: int,
        when: datetime,
        name: str | None = None,
        *,
        event: str,
        sent: int | None = None,
        rows: int | None = None,
        verb: Verb = Verb.READ,
    ) -> None:
        """One row; ``name`` is spelt as the store spells its units. ``event`` tells the event from
        all others: a row of the same event adds nothing, in whichever file."""
        written = self._rows
        if len(written.event) >= _MOST:
            raise Unreadable(Reason.BUDGET_MEMORY, f"over {_MOST:,} reads in one file; divide it")
        second = int(when.timestamp())
        written.store.append(self._stores[store])
        written.verb.append(verb)
        written.who.append(who)
        written.object.append(0 if name is None else self._object(name))
        written.hour.append(second // 3600)
        written.second.append(second % 3600)
        written.sent.append(-1 if sent is None else min(max(sent, 0), 1 << 56))
        written.rows.append(-1 if rows is None else min(max(rows, 0), 1 << 56))
        written.event.append(event)

    def reads(
        self,
        store: str,
        who: int,
        hour: int,
        names: Sequence[str],
        events: Sequence[str],
        seconds: Sequence[int],
        sent: Sequence[int],
        verb: Verb = Verb.READ,
    ) -> None:
        """``read`` of many of one caller in one ``hour`` (since 1970); ``seconds`` in the hour,
        ``sent`` -1 where not told."""
        written, size = self._rows, len(names)
        if len(written.event) + size > _MOST:
            raise Unreadable(Reason.BUDGET_MEMORY, f"over {_MOST:,} reads in one file; divide it")
        written.store.extend((self._stores[store],) * size)
        written.verb.extend((verb,) * size)
        written.who.extend((who,) * size)
        written.object.extend(self._objects(names))
        written.hour.extend((hour,) * size)
        written.second.extend(seconds)
        written.sent.extend(sent)
        written.rows.extend((-1,) * size)
        written.event.extend(events)

    def _object(self, name: str) -> int:
        found = self._names.get(name)
        return self._objects((name,))[0] if found is None else found

    def _objects(self, names: Sequence[str]) -> list[int]:
        known = self._names
        try:
            return [known[name] for name in names]
        except KeyError:
            pass
        if len(known) > _REMEMBERED:
            known.clear()
        new = list({name for name in names if name not in known})
        for name, sealed in zip(new, self._sealed(new), strict=True):
            hashed = name_hash(sealed) or 1
            known[name] = hashed
            self.batch.objects[hashed] = sealed
        return [known[name] for name in names]

    def _sealed(self, names: Sequence[str]) -> list[str]:
        """A number to mask never goes over the end of a line: nearly all are done in one go."""
        together = self._seal("\n".join(names)).split("\n")
        return together if len(together) == len(names) else [self._seal(name) for name in names]

    def mark(self, name: str, when: datetime, store: str = "", count: int = 1) -> None:
        """Something the record shows at ``when``, of a store or of none in particular."""
        second = int(when.timestamp())
        self.mark_hour(name, second // 3600, second, count, store)

    def mark_hour(self, name: str, hour: int, second: int, count: int = 1, store: str = "") -> None:
        marks = self._file.marks
        key = (name, store, hour)
        mark = marks.get(key)
        if mark is None:
            mark = marks[key] = Mark()
        mark.add(second, count)

    def note(self, name: str, count: int = 1) -> None:
        """Counts something of the file as a whole."""
        if count:
            self._file.notes[name] = self._file.notes.get(name, 0) + count

    def say(self, name: str, when: datetime, text: str, store: str = "") -> None:
        """Keeps a sentence, as of a switch of the record itself; ``text`` is sealed here."""
        if len(self._file.texts) < 1_000:
            said = seal_around_accounts(text, self._seal)
            self._file.texts.append((name, store, int(when.timestamp()), said))

    def sample(self, record: bytes | str) -> None:
        """Keeps the shape of a record that was not understood: letters and digits are made alike,
        for nobody knows what they are."""
        if len(self._file.samples) < _SAMPLES:
            self._file.samples.append(shape(record))

    # --- the end

    def _finish_rows(self) -> None:
        import numpy as np

        rows, self._rows = self._rows, _Rows()
        if rows.event:
            columns = {
                name: np.array(getattr(rows, name)).astype(kind, copy=False)
                for name, kind in COLUMNS.items()
                if name != "event"
            }
            self._finished.append({**columns, "event": events_hashed(rows.event)})

    def flush(self) -> Batch:
        """What was read, to hand to ``Facts.add``."""
        import numpy as np

        if self._finished:
            self.batch.columns = {
                name: np.concatenate([columns[name] for columns in self._finished])
                for name in COLUMNS
            }
            self._finished = []
        return self.batch

    def view(self, window: tuple[datetime, datetime]) -> View:
        """Sums over everything that was added to the fact store."""
        return View(self._facts, self.batch.source, window, frozenset(self._listed))


def _key(kind: str, settings: Mapping[str, Any]) -> str:
    """Settings that change what is read out of a file make another source; thresholds do not."""
    from scanner.access.rules import OPTIONS

    own = sorted((name, repr(value)) for name, value in settings.items() if name not in OPTIONS)
    return hashlib.blake2b(repr((kind, own)).encode(), digest_size=12).hexdigest()


_LETTERS, _DIGITS = re.compile(r"[^\W\d_]+"), re.compile(r"\d+")


def shape(record: bytes | str) -> str:
    text = record.decode("utf-8", "replace") if isinstance(record, bytes) else record
    return _DIGITS.sub("9", _LETTERS.sub("a", text[: 4 * _SHAPE]))[:_SHAPE]


def events_hashed(events: Sequence[str]) -> Any:
    """64 bits of each id. UUIDs, which CloudTrail makes itself, are mixed all at once; what a
    client can choose goes through a real hash, or a collision could hide an event."""
    import numpy as np

    hashed = np.empty(len(events), "u8")
    usual = np.fromiter((len(e) == _EVENT and e.isascii() for e in events), bool, len(events))
    if usual.all():
        chosen: Sequence[str] = events
    else:
        chosen = [event for event, fits in zip(events, usual, strict=True) if fits]
        others = [name_hash(e) for e, fits in zip(events, usual, strict=True) if not fits]
        hashed[~usual] = np.array(others, "u8")
    if chosen:
        words = np.array(chosen, "S40").view("u8").reshape(-1, 5)
        mixed = np.zeros(len(chosen), "u8")
        for column in range(5):
            mixed ^= words[:, column]
            mixed *= np.uint64(0xFF51AFD7ED558CCD)
            mixed ^= mixed >> np.uint64(32)
            mixed *= np.uint64(0xC4CEB9FE1A85EC53)
            mixed ^= mixed >> np.uint64(29)
        hashed[usual] = mixed
    return hashed


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

