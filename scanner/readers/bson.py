"""What ``mongodump`` writes: a ``.bson`` file a collection, or one archive of them all.

An archive has documents of all its collections in turn; each run of them is read as it comes, the
name of the collection is the member. Format: ``mongo-tools/common/archive``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from scanner.bsonlines import LARGEST, Damaged, Documents
from scanner.contracts import Chunk, Limits, Member, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Location, Problem, Slice
from scanner.windows import WINDOW

_ARCHIVE = b"\x6d\xe2\x99\x81"
_END = b"\xff\xff\xff\xff"
_KINDS = frozenset((*range(1, 0x14), 0x7F, 0xFF))
HEAD = "(head)"


class Bson:
    name = "bson"
    sliceable = False
    priority = 60

    def claims(self, head: bytes, name: str) -> bool:
        if len(head) < 5 or not name.lower().endswith(".bson"):
            return False
        length = int.from_bytes(head[:4], "little")
        return 5 <= length <= LARGEST and (head[4] in _KINDS or (length == 5 and not head[4]))

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        yield from _Run(source.file, None).read()


class Archive:
    name = "mongodump"
    sliceable = False
    priority = 50

    def claims(self, head: bytes, name: str) -> bool:
        return head.startswith(_ARCHIVE)

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        file = source.file
        _exactly(file, len(_ARCHIVE))
        prelude = _document(file) or b""
        head = b"-- MongoDB archive dump\n-- Server version: %s\n-- Dumped by mongodump %s\n" % (
            _string(prelude, b"server_version"),
            _string(prelude, b"tool_version"),
        )
        yield Chunk(head, 0, len(head), lambda start, end: Location(member=HEAD))
        run = _Run(file, HEAD)
        yield from run.read()
        counts: dict[str, int] = {}
        while run.fault is None:
            try:
                header = _document(file)
            except Unreadable as fault:
                yield Problem(fault.reason, fault.detail)
                return
            if header is None:
                return
            names = [
                _string(header, key).decode("utf-8", "replace") for key in (b"db", b"collection")
            ]
            name = ".".join(names)
            run = _Run(file, name, counts.get(name, 0))
            yield from run.read()
            counts[name] = run.count


READER = (Bson(), Archive())


class _Run:
    """Documents one after the other, to the end or to the mark that ends a run."""

    def __init__(self, file: BinaryIO, member: str | None, count: int = 0) -> None:
        self._file, self._member, self.count = file, member, count
        self.fault: Unreadable | None = None

    def read(self) -> Iterator[Chunk | Member | Problem]:
        held, before = Documents(self._member), b""
        while self.fault is None:
            try:
                raw = _document(self._file)
            except Unreadable as fault:
                self.fault, raw = fault, None
            if raw is not None:
                self.count += 1
                try:
                    held.add(raw, self.count, str(self.count))
                except Damaged:
                    detail = f"document {self.count:,} is damaged"
                    yield Problem(Reason.CORRUPT, detail, self._member)
            if held.size and (raw is None or held.size >= WINDOW):
                yield from held.members
                yield held.chunk(before)
                before, held = held.tail(before), Documents(self._member)
            if raw is None:
                break
        if self.fault is not None:
            yield Problem(self.fault.reason, self.fault.detail, self._member)


def _document(file: BinaryIO) -> bytes | None:
    """The next one, None at the end of the file or of a run. Raises ``Unreadable``."""
    start = file.read(4)
    while 0 < len(start) < 4 and (more := file.read(4 - len(start))):
        start += more
    if not start or start == _END:
        return None
    length = struct.unpack("<i", start)[0] if len(start) == 4 else 0
    if not 5 <= length <= LARGEST:
        reason = Reason.TRUNCATED if len(start) < 4 else Reason.CORRUPT
        raise Unreadable(reason, "the documents end in the middle, or are damaged")
    return start + _exactly(file, length - 4)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := file.read(count - len(data))):
        data += more
    if len(data) < count:
        raise Unreadable(Reason.TRUNCATED, "the documents end in the middle of one")
    return data


def _string(document: bytes, key: bytes) -> bytes:
    """The value of a key on the first level, empty when there is none."""
    place = document.find(b"\x02" + key + b"\0")
    if place < 0:
        return b""
    at = place + len(key) + 2
    length = int.from_bytes(document[at : at + 4], "little")
    return document[at + 4 : at + 3 + length] if 0 < length < 1024 else b""
