"""A book for logs: files that grow, are renamed, packed and cut off, and are read on, not again.

    book = LogBook(Origin("pattern", settings, uris, seal_name), now, facts)
    book.follow(open_files, uri, read_file)     # those that are known and have not grown: not read
      with book.notes(LineNotes()) as own:
          for line in book.whole(lines(source, own)):   # a log can be read on from any line
              book.act(uri, Verb.READ, "bob", when, "cards.csv")
              book.noted("ambiguous", when, uri)
    view = book.view(window)

What a log says is kept in two parts: up to the last place where nothing was open, and the rest,
which is read again when the log has grown and replaces what it said. Acts add up by the numbers of
their events, so that reading some twice adds nothing; and what an answer counts besides is written
as acts of its own (``noted``), so that it counts once in whichever files it comes.
"""

from __future__ import annotations

import hashlib
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, BinaryIO, TypeVar, cast

import msgspec

from scanner import factcontents
from scanner.access.book import ROWS, SECONDS, Book, Origin
from scanner.access.bookrows import Rows, events_hashed
from scanner.access.lines import LineNotes
from scanner.access.logparts import (
    APART,
    KEPT,
    LIVE,
    SOON,
    Cut,
    End,
    Enough,
    Log,
    Opened,
    begun,
    changed,
    end_of,
    fill_notes,
    growth_of,
    merged,
)
from scanner.access.track import Track
from scanner.batch import FileFacts, Verb
from scanner.contracts import FactsAt, OpenFiles, Source
from scanner.errors import Unreadable
from scanner.factcontents import Content
from scanner.facts import Facts
from scanner.factview import View
from scanner.text import plural

N = TypeVar("N", bound=LineNotes)
READER = 1
"""of the readers of logs: with another one, what was kept is another source, and all is read"""


class LogBook(Book):
    """``form``: of a server that writes its log in several, each has a book of its own for acts."""

    def __init__(
        self, of: Origin, now: datetime, at: FactsAt | None = None, facts: Facts | None = None
    ) -> None:
        own = of.but(reader=READER, subjects=of.settings.get("snooping") is not None)
        super().__init__(replace(own, stores=[*of.stores, ""]), at, facts)
        self._of, self._now = of, now
        self._forms: dict[str, LogBook] = {}
        self._log: Log | None = None
        self._name = ""  # of the form
        self._parent = self
        self._loose: dict[str, list[tuple[LogBook, dict[str, Any]]]] = {}
        """for the answer of this run only, by the digest of the content they are of"""
        self._open_loose: dict[str, Rows] = {}
        """the same of no file in particular, by form"""
        self._before: Sequence[Content] = ()
        self._names_known: Mapping[str, tuple[str, str]] = {}
        self._late: set[str] = set()
        self._told: tuple[Any, View] | None = None
        self.keys = array("Q")
        """what a reader wants to know again when it reads on, the last ``KEPT``"""
        self.state: Any = None
        """the same, as JSON can hold it; None at the beginning of a log"""
        self._ends: list[End] = []
        self.save: Callable[[], Any] = lambda: None
        """gives ``state`` as it is now"""
        self.segment = 0
        """the stretch of the log at hand"""
        self.read_now: set[str] = set()
        self.files_on = 0
        self.strange_counts = False
        """whether lines count that are not understood where a file has nothing else"""
        self._until = float("inf")
        self._opened: Opened = lambda ever: None
        self.stopped = False
        """whether the log that was read last was left before its end"""

    def form(self, name: str) -> LogBook:
        found = self._forms.get(name)
        if found is None:
            found = LogBook(self._of.but(form=name), self._now, self._at, self._facts)
            self._forms[name] = found
            found._name, found._parent = name, self
        return found

    # --- files

    def follow(
        self,
        open_files: OpenFiles,
        uri: str,
        read: Callable[[Source], None],
        opened: Opened = lambda ever: None,
    ) -> None:
        """Has ``read`` go through the files that are new, and through what is new in those that
        have grown."""
        db, source = self._facts.db, self.batch.source
        self._before = factcontents.logs(db, source)
        self._ends = [end_of(each.state) for each in self._before]
        self._names_known = factcontents.names(db, source)
        self._opened, self._until = opened, time.monotonic() + SECONDS
        self._walk(open_files, uri, read, None)
        if self._late and not self._at.more:
            self._walk(open_files, uri, read, frozenset(self._late))

    def _walk(
        self,
        open_files: OpenFiles,
        uri: str,
        read: Callable[[Source], None],
        only: frozenset[str] | None,
    ) -> None:
        """``only``: the names to read now that were put off, None: any."""
        known = self._facts.files(self.batch.source)
        wanted, before = frozenset(self._stores), self._read_before(known)
        # what is open at their ends is in the answer of the step that reads it
        loose = factcontents.loose(self._facts.db, self.batch.source)
        try:
            for name, source in open_files(uri):
                sealed = self._seal(name)
                self._listed.add(sealed)
                if not isinstance(source, Source):
                    self.unreadable += only is None and source.version not in before
                    continue
                version, stores = known.get(sealed, (None, frozenset()))
                same = version is not None and version == source.version and stores >= wanted
                done = sealed in self._at.done and sealed not in loose
                if same or done or (only is not None and sealed not in only):
                    continue
                if self._held >= ROWS or time.monotonic() > self._until:
                    self._at.more = True
                    break
                try:
                    self._read_log(source, sealed, read, put_off=only is None)
                except Unreadable:
                    self.unreadable += 1
                finally:
                    self._log = None
                if self._at.more:
                    break
        except Unreadable as error:
            self.broke_off = str(error.reason)

    def _read_log(
        self, source: Source, sealed: str, read: Callable[[Source], None], *, put_off: bool
    ) -> None:
        wanted = frozenset(self._stores)
        track = Track(source, self._at.key, [c for c in self._before if c.stores >= wanted])
        head, _ = self._names_known.get(sealed, (track.head, ""))
        if put_off and track.goes_on is None and head != track.head:
            # it took the place of a log that goes on under another name and is to be read first
            self._late.add(sealed)
            return
        log = self._begin(track, sealed, source.piece)
        try:
            read(replace(source, file=cast(BinaryIO, track)))
        except Enough:
            self._finish_log(source, log, self._opened(True), stopped=True)
            self._at.more = self.stopped = True
        else:
            self._finish_log(source, log, self._opened(False), stopped=False)

    def _begin(self, track: Track, sealed: str, of: str) -> Log:
        known = track.goes_on
        log = self._log = Log(track, known, sealed, self._seal(of))
        self.segment, self._second, self.keys, self.state = 0, 0, array("Q"), None
        self._file = FileFacts(sealed, None, head=track.head)
        for book in (self, *self._forms.values()):
            book._rows = Rows()
        if known is not None:
            log.kept = known.kept or factcontents.kept(self._facts.db, known.number)
            self.keys.frombytes(log.kept.get("keys", b""))
            log.strange, log.records, self.state, *_ = msgspec.json.decode(known.state)
        return log

    def whole(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """``lines``, each of which is a record."""
        log = self._log
        assert log is not None  # a file is being read
        track = log.track
        for line in lines:
            if track.due:
                self.cut()
            yield line

    @property
    def due(self) -> bool:
        """Whether ``cut`` is to be called as soon as the line at hand begins a record, and all
        before it was taken."""
        return self._log is not None and self._log.track.due

    def cut(self) -> None:
        """The log can be read on from the line at hand."""
        log = self._log
        assert log is not None  # a file is being read
        prefix = log.track.prefix()
        if prefix is None:
            return
        log.track.cut()
        self._pour()
        rows = {"": len(self._rows)} | {name: len(b._rows) for name, b in self._forms.items()}
        saved = msgspec.json.encode(self.save()).decode()
        so_far = len(self.keys), saved, log.strange, log.records
        cut = Cut(log.track.at, prefix, self._file, rows, *so_far)
        log.cuts.append(cut)
        self.segment += 1
        self._file = FileFacts(cut.facts.name, None, head=cut.facts.head)
        if self._held + sum(rows.values()) >= ROWS or time.monotonic() > self._until:
            open_since = self._opened(True)
            if open_since is None or open_since > 0:
                raise Enough

    def ending(self) -> None:
        """What is written from here on stood at the end of the log, and more of it may come."""
        if self._log is not None:
            self._log.track.torn = True

    def may_go_on(self, when: datetime) -> bool:
        """Whether what began then and is open at the end of the log is still to be waited for."""
        return self._second - when.timestamp() < SOON and not self._stayed

    @property
    def _stayed(self) -> bool:
        """Whether nothing came since an earlier run, which may have been killed just now."""
        assert self._log is not None  # a file is being read
        return self._log.track.stayed and self._ago() >= LIVE

    def _ago(self) -> float:
        return abs(self._now.timestamp() - self._second)

    def loosen(self) -> None:
        """Something is open at the end of the log at hand, which ``state`` tells of."""
        if self._log is not None:
            self._log.loosened = True

    @property
    def torn(self) -> bool:
        """Whether it may."""
        log = self._log
        return log is not None and log.track.torn and not self._stayed and self._ago() < SOON

    def keyed(self, text: str) -> int:
        """A number that tells a text from others and can be kept."""
        hashed = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8, key=self._at.key)
        return int.from_bytes(hashed.digest(), "big")

    def state_at(self, when: datetime) -> Any:
        """What ``state`` was at the end of the log that ended last before then, None where none
        did shortly before: one that begins may go on with it, a piece with one of its own."""
        second, log = int(when.timestamp()), self._log
        assert log is not None  # a file is being read
        ends = [e for e in self._ends if 0 <= second - e[0] <= APART and e[1] and e[2] == log.of]
        return max(ends, key=lambda end: end[0])[1] if ends else None

    @contextmanager
    def notes(self, own: N) -> Iterator[N]:
        """Counts of the file at hand while it is read."""
        log = self._log
        assert log is not None  # a file is being read
        log.own = own
        yield own

    def alike(self) -> None:
        """A line of the file at hand was meant to be a record, so it is no file of another kind."""
        assert self._log is not None  # a file is being read
        self._log.alike += 1

    def _pour(self) -> None:
        log = self._log
        assert log is not None  # a file is being read
        own = log.own
        if own is None:
            return
        log.records += own.records + own.broken + log.alike
        log.alike = 0
        log.strange += own.unparsed
        for each in fields(own):
            if isinstance(count := getattr(own, each.name), int):
                if each.name != "unparsed":
                    self.note(each.name, count)
                setattr(own, each.name, 0)
        if log.records or self.strange_counts:
            self.note("unparsed", log.strange)
            log.strange = 0
            self.sample(own.samples)

    def _finish_log(
        self, source: Source, log: Log, open_since: int | None, *, stopped: bool
    ) -> None:
        """What was read goes into the batch. ``stopped``: short of the end."""
        self._pour()
        goes_on, cuts = log.known, log.cuts
        resume = len(cuts) if open_since is None else min(len(cuts), open_since)
        told, rest = cuts[:resume], [*(cut.facts for cut in cuts[resume:]), self._file]
        tail, at = merged(rest), told[-1].place if told else log.track.start
        if stopped:
            tail = FileFacts("", None, head=tail.head)
        elif log.track.taken or not source.piece:
            tail.notes["files" if log.records else "other"] = 1
        digest = told[-1].prefix if stopped else log.track.whole()
        if log.track.damaged and log.records == tail.notes.get("broken", 0):
            digest = None  # what is lost of two files need not be the same
        tail.version, tail.digest = (None if stopped else source.version), digest
        same = goes_on if goes_on is not None and goes_on.digest == digest else None
        same = same or next((c for c in self._before if c.digest == digest), None)
        longer = None if stopped else log.track.piece_of(self._before)
        if longer is not None:  # what it tells is told already
            self._take_rows(log, [], "", stopped=False)
            self._loose.pop("", None)
            self.batch.files.append(FileFacts(tail.name, source.version, longer.digest, tail.head))
            self.read_now.add(log.name)
            return
        loose = open_since is not None or bool(log.loose) or log.loosened
        if same is not None and same.loose and not loose:
            same = None
        kept = self._take_rows(log, told, digest or "", stopped=stopped)
        new = same is None or not same.stores >= set(self.batch.stores)
        # of a known content that is damaged here nothing is said anew
        if digest is not None and (new or (begun(log, digest) and not log.track.damaged)):
            end = self._second, self.save(), log.of
            tail.growth = growth_of(log, told, at if stopped else log.track.taken, digest, end)
            _, was = self._names_known.get(log.name, ("", ""))
            tail.growth.absorbs += changed(log, was, digest)
            self._ends.append(end)
            tail.growth.loose = loose
            if told:
                tail.growth.kept = kept
        self.batch.files.append(tail)
        self.read_now.add(log.name)
        self.files_on += goes_on is not None
        if tail.growth is not None and digest is not None:
            self._remember(tail, digest)

    def _take_rows(
        self, log: Log, told: list[Cut], digest: str, *, stopped: bool
    ) -> dict[str, bytes]:
        """What has to be known of them to read on."""
        import numpy as np

        made: dict[str, bytes] = {}
        if told:
            made["keys"] = self.keys[: told[-1].keys][-KEPT:].tobytes()
        for name, book in {"": self, **self._forms}.items():
            rows = book._rows  # all: one that began before ``told`` ends may be told of after it
            end = told[-1].rows.get(name, 0) if told else 0
            kept = np.frombuffer(log.kept.get(f"rows {name}", b""), "u8")
            alike = book._finish_rows(rows, kept)
            self._held += len(rows)
            book._rows = Rows()
            if name in log.loose and not stopped:
                before = np.append(kept, np.array(alike, "u8"))
                columns = book._columns_of(log.loose[name], before)
                if columns is not None:
                    columns.pop("alike")
                    self._loose.setdefault(digest, []).append((book, columns))
            if told:
                mine = np.append(kept, np.array(alike[:end], "u8"))
                made[f"rows {name}"] = mine[mine != 0][-KEPT:].tobytes()
        return made

    def _remember(self, tail: FileFacts, digest: str) -> None:
        growth = tail.growth
        assert growth is not None  # or there is nothing to remember
        gone = {growth.follows, *growth.absorbs} - {digest}
        for each in gone:
            self._loose.pop(each, None)
        made = Content(
            *(0, digest, tail.head or "", frozenset(self._stores), growth.length),
            *(growth.resume, growth.prefix, growth.state, growth.loose),
            *(growth.places, growth.kept),
        )
        self._before = [*(c for c in self._before if c.digest not in gone), made]

    # --- writing

    def act(
        self,
        store: str,
        verb: Verb,
        who: str,
        when: datetime,
        name: str | None = None,
        *,
        session: str = "",
        sent: int | None = None,
        rows: int | None = None,
        event: str = "",
        subject: int = 0,
        loose: bool = False,
    ) -> None:
        """Something ``who`` did, see ``Book.read``. ``loose``: it may turn out not to be so, and
        stands in the answer of this run only."""
        into, log = self._rows, self._parent._log
        if log is not None and (loose or self._parent.torn):
            into = log.loose.setdefault(self._name, Rows())
        elif loose:
            into = self._parent._open_loose.setdefault(self._name, Rows())
        number, named = self.who(store, who, session), subject or self.named(name)
        into.add(*(verb, number, self.second(when), named, sent, rows, event, self._stores[store]))

    def noted(
        self,
        name: str,
        when: datetime,
        store: str = "",
        who: str = "",
        event: str = "",
        loose: bool = False,
    ) -> None:
        """Something to count, once in whichever files it stands (``view.noted``)."""
        event = event and f"{event} {name}"
        self.act(store, Verb.NOTED, who, when, name, event=event, loose=loose)

    def happened(self, store: str, events: Sequence[tuple[str, datetime]]) -> list[bool]:
        """Whether acts of these events, each of a moment, are known in a store."""
        self._parent.end()
        if not events:
            return []
        numbers = events_hashed([event for event, _ in events])
        hours = [int(when.timestamp()) // 3600 for _, when in events]
        found: list[bool] = self._facts.known(self.batch.source, store, hours, numbers).tolist()
        return found

    # --- the end

    def end(self) -> None:
        for form in self._forms.values():
            form.end()
        self._finish_rows(self._rows)
        self._rows = Rows()
        super().end()
        if self._at.more:
            return
        loose = [each for some in self._loose.values() for each in some]
        for name, rows in self._open_loose.items():
            book = self._forms[name] if name else self
            columns = book._columns_of(rows)
            if columns is not None:
                columns.pop("alike")
                loose.append((book, columns))
        for book, columns in loose:
            batch = replace(book.batch, files=[], columns=columns)
            self._at.loose.append(replace(batch, columns=dict(columns)))
            self._facts.add(batch)
            book._told = None
        self._loose, self._open_loose = {}, {}

    def for_now(self) -> None:
        """What was written since with ``loose`` shows in ``view``."""
        self._parent.end()
        self._told = None

    def view(self, window: tuple[datetime, datetime]) -> View:
        self._parent.end()
        if self._told is None or self._told[0] != window:
            self._told = window, super().view(window)
        return self._told[1]

    def line_notes(self, view: View, into: N) -> N:
        """What came up while reading all files; lines too long to look at are not understood."""
        fill_notes(into, view)
        into.unreadable, into.broke_off = self.unreadable, self.broke_off
        return into

    def reading(self) -> Iterator[str]:
        """How much there was to read, in a sentence."""
        new = len(self._at.done | self.read_now)
        known = len(self._listed) - new - self.unreadable
        if known > 0:
            said = f"{plural(known, 'file as it was', 'files as they were')} known, {new:,} read"
            yield said + (f" ({self.files_on:,} of them on)" if self.files_on else "")
