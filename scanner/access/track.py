"""The content of a log on its way to a reader: told by its beginning, and hashed as it goes by.

    track = Track(source, key, known)          # ``known``: contents as earlier runs left them
    track.goes_on                              # the one that it goes on with, None: a new one
    lines(replace(source, file=track), notes)  # from the place that one is to be read on from

A log is told by what it begins with, whatever its name: ``audit.log`` that became ``audit.log.1``,
then ``audit.log.2.gz``. Hashes are of the unpacked content and keyed: that of a single line could
be tried out otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from scanner.access.lines import Bytes, Gunzip, read, unpacked
from scanner.contracts import Source
from scanner.factcontents import Content

HEAD = 512
"""bytes by which candidates are found"""
SPACING = 1 << 20
"""bytes between places a log can be read on from; about what is read twice"""
_STEP = 256 << 10


class Track:
    """Bytes from ``start`` on, for ``lines.lines``, which keeps ``at``, the place of the line at
    hand. ``lines`` are before ``start``. ``due``: it is time to note a place to read on from."""

    def __init__(self, source: Source, key: bytes, known: Iterable[Content] = ()) -> None:
        self._source, self._key = source, key
        self._end: int | None = None
        self._begin()
        self._packed = isinstance(self._file, Gunzip)
        self._ahead = self._more(HEAD)
        self.due = self._torn = False
        self.head = self._digest(self._ahead)
        self._known = [each for each in known if each.head == self.head or each.length < HEAD]
        self._watch()
        self.goes_on = self._find() if source.seekable and not self.damaged else None

    def _begin(self) -> None:
        self._file: Bytes = unpacked(self._source.file)
        self._hash, self._ahead, self.damaged = self._new(), b"", False
        self._block, self._before = b"", self._hash.copy()
        self.start = self.at = self.taken = self._got = self._cut = self.lines = 0

    def _watch(self) -> None:
        """For known contents that this one begins with, whole or as far as to some of the places
        noted of them."""
        self.beginnings: list[Content] = []
        """those it begins with, as far as it was read"""
        places = [
            (place, digest, each)
            for each in self._known
            for place, digest in ((each.length, each.digest), *each.places)
            if place
        ]
        self._watched = sorted(places, key=lambda place: -place[0])
        self._passed: dict[str, int] = {}
        """by the digest of a content, how many of its noted places were the same here"""

    def _new(self) -> Any:
        return hashlib.blake2b(digest_size=16, key=self._key)

    def _digest(self, data: bytes) -> str:
        made = self._new()
        made.update(data)
        return str(made.hexdigest())

    # --- finding where to go on

    def _find(self) -> Content | None:
        """Goes to where the longest known content that this one begins with is to be read on."""
        for each in sorted(self._known, key=lambda each: -each.resume):
            if each.resume and each.head == self.head:
                if self._skip(each.resume) and self._hash.hexdigest() == each.prefix:
                    self.start = self.at = self._cut = each.resume
                    self.due = False
                    return each
                self._source.file.seek(0)
                self._begin()
                self._watch()
        return None

    def _skip(self, size: int) -> bool:
        """Passes over so many bytes, False if there are fewer."""
        while size:
            data = self._next(min(size, _STEP))
            if not data or self.damaged:
                return False
            self._take(data)
            self.lines += data.count(b"\n")
            size -= len(data)
        return True

    # --- reading

    def peek(self, size: int) -> bytes:
        """Of the beginning of the content."""
        return self._ahead[:size]

    def read(self, size: int, /) -> bytes:
        """Less than ``size`` at the end and before damage only: then raises ``EOFError``."""
        data = self._next(size)
        if data:
            self._take(data)
        elif self.damaged:
            raise EOFError
        return data

    def _next(self, size: int) -> bytes:
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        if len(data) < size and not self.damaged:
            data += self._more(size - len(data))
        return data

    def _more(self, size: int) -> bytes:
        """Of the file, up to where it first was at its end: what is written since then comes when
        it is read on, or half of the reader would have seen it."""
        if self._end is not None:
            size = min(size, self._end - self._got)
        data, self.damaged = read(self._file, size)
        self._got += len(data)
        if len(data) < size and not self.damaged:
            self._end = self._got
        return data

    def _take(self, data: bytes) -> None:
        self._block, self._before = data, self._hash.copy()
        place = self.taken
        self.taken += len(data)
        while self._watched and self._watched[-1][0] <= self.taken:
            length, digest, each = self._watched.pop()
            made = self._before.copy()
            made.update(data[: length - place])
            if made.hexdigest() != digest:
                continue
            if length == each.length:
                self.beginnings.append(each)
            else:
                self._passed[each.digest] = self._passed.get(each.digest, 0) + 1
        self._hash.update(data)
        self.due = self.taken - self._cut >= SPACING

    @property
    def torn(self) -> bool:
        """Whether the line at hand may still go on: it was the last, without an end or with one
        that can be gone on with."""
        return self._torn

    @torn.setter
    def torn(self, torn: bool) -> None:
        self._torn = torn and not self._packed

    @property
    def stayed(self) -> bool:
        """Whether an earlier run left something open at this end, and nothing came since."""
        return any(each.loose and each.length == self.taken for each in self.beginnings)

    def prefix(self) -> str | None:
        """The hash of what lies before ``at``, None where that is in a block gone by
        or no other place than the one noted last."""
        inside = self.at - (self.taken - len(self._block))
        if inside < 0 or self.at <= self._cut:
            return None
        made = self._before.copy()
        made.update(self._block[:inside])
        return str(made.hexdigest())

    def cut(self) -> None:
        """``at`` is noted."""
        self._cut, self.due = self.at, False

    def begins_as(self, digest: str) -> bool:
        """Whether this one was as that content is up to a place noted of it at least."""
        return self._passed.get(digest, 0) > 0

    def piece_of(self, known: Iterable[Content]) -> Content | None:
        """The content, longer than this one, that this is the beginning of: as far as places were
        noted of it, which is all but the last stretch."""
        for each in known:
            if each.head == self.head and each.length > self.taken and not self.damaged:
                places = [place for place, _ in each.places if place <= self.taken]
                same = self._passed.get(each.digest, 0) == len(places)
                if same and (places or each is self.goes_on):
                    return each
        return None

    def whole(self) -> str | None:
        """The hash of all there is, once the end was reached."""
        if read(self, 1)[0]:
            return None  # whoever read it gave up
        return str(self._hash.hexdigest())
