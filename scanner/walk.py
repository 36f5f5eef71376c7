"""One unit through the readers, and what is inside it through the readers again.

    walk(source)   sniff -> reader -> chunks
                                   -> member -> sniff -> reader -> chunks ...

Handed the readers; imports none. Budgets count over the whole unit: what goes over one ends the
unit with a single ``Problem``, so that what was left out is told and nothing runs on for ever.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

from scanner.contracts import Chunk, Limits, Member, Reader, Records, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Location, Problem, Slice

HEAD = 4096
FREE_BYTES = 64 << 20
"""Below this much unpacked nobody asks for the ratio."""

MOST_PROBLEMS = 100

Item = tuple[str | None, Chunk | Problem]


class Walked:
    """Iterate once for ``(member, chunk or problem)``; ``member`` is None for the unit itself.

    ``chunk.locate`` gives the full member path too (and the table, for a database in an archive).
    ``sliceable`` says, before anything is iterated, whether ``part`` was honoured: when it is
    False the whole unit is read whatever ``part`` says. ``bytes_read`` grows while iterating: of
    a unit of bytes how much of it was read (holes count, they are known to be empty), of records
    how much text came.
    """

    def __init__(
        self,
        opened: Source | Records,
        name: str,
        part: Slice,
        readers: Sequence[Reader],
        limits: Limits,
    ) -> None:
        """Raises ``Unreadable`` when the head of the unit cannot be read."""
        self._readers, self._part = readers, part
        self._budget = _Budget(limits, opened.size if isinstance(opened, Source) else None)
        self.bytes_read = 0
        if isinstance(opened, Records):
            self.sliceable = opened.sliceable
            self._items = opened.chunks(part)
            self._counted: _Counted | None = None
            self._size: int | None = None
            return
        reader = choose(opened, name, readers)
        self.sliceable = reader.sliceable and opened.seekable
        self._size = opened.size
        self._counted = None
        if not self.sliceable:
            self._counted = _Counted(opened.file, opened.seekable)
            opened.file = cast(BinaryIO, self._counted)
        self._items = reader.read(opened, part, limits)

    def __iter__(self) -> Iterator[Item]:
        """Raises ``Unreadable`` when nothing of the unit can be read."""
        whole = True
        for member, item in _told(self._walk(self._items, None, 0)):
            if self._counted is not None:
                self.bytes_read = min(self._counted.count, self._size or self._counted.count)
            elif isinstance(item, Chunk):
                self.bytes_read += item.hi - item.lo
            whole = whole and isinstance(item, Chunk)
            yield member, item
        if self._counted is not None:
            self.bytes_read = min(self._counted.count, self._size or self._counted.count)
        if whole and self._size is not None:
            end = self._size if self._part.end is None else min(self._part.end, self._size)
            self.bytes_read = end - self._part.start if self.sliceable else self._size

    def _walk(
        self, items: Iterator[Chunk | Member | Problem], path: str | None, depth: int
    ) -> Iterator[Item]:
        for item in items:
            if isinstance(item, Chunk):
                yield path, item if path is None else _inside(item, path)
            elif isinstance(item, Problem):
                yield join(path, item.member), item
            else:
                yield from self._member(item, join(path, item.name), depth + 1)
            if self._budget.spent is not None:
                return
            late = self._budget.late()
            if late is not None:
                yield path, late
                return

    def _member(self, member: Member, path: str | None, depth: int) -> Iterator[Item]:
        over = self._budget.enter(depth)
        if over is not None:
            yield path, over
            return
        try:
            source = member.open()
            source.file = cast(BinaryIO, _Counted(source.file, source.seekable, self._budget))
            reader = choose(source, member.name, self._readers)
            whole = Slice(0, 0, None)
            yield from self._walk(reader.read(source, whole, self._budget.limits), path, depth)
        except Unreadable as fault:
            yield path, Problem(fault.reason, fault.detail)


walk = Walked


def choose(source: Source, name: str, readers: Sequence[Reader]) -> Reader:
    """The first reader that claims it. Leaves the source where it began.

    Raises ``Unreadable`` when the head cannot be read.
    """
    head = b""
    try:
        while len(head) < HEAD and (more := source.file.read(HEAD - len(head))):
            head += more
        if source.seekable:
            source.file.seek(0)
        else:
            source.file = cast(BinaryIO, _Again(head, source.file))
    except OSError as error:
        raise Unreadable(Reason.IO_ERROR, error.strerror or "the read failed") from None
    except Unreadable:
        if not head or source.seekable:
            raise
        source.file = cast(BinaryIO, _Again(head, source.file))
    for reader in readers:
        if reader.claims(head, name):
            return reader
    raise Unreadable(Reason.UNSUPPORTED, "no reader is for this")


def _told(items: Iterator[Item]) -> Iterator[Item]:
    """An archive can have a million faults: past ``MOST_PROBLEMS`` they are only counted."""
    told, more, last = 0, 0, None
    for member, item in items:
        if isinstance(item, Problem):
            told += 1
            if told > MOST_PROBLEMS:
                more, last = more + 1, item
                continue
        yield member, item
    if last is not None:
        yield None, Problem(last.reason, f"and {more:,} more faults after the first {told - more}")


def join(outer: str | None, inner: str | None) -> str | None:
    """``logs.tar!app/x.log``"""
    if outer is None or inner is None:
        return outer if inner is None else inner
    return f"{outer}!{inner}"


def _inside(chunk: Chunk, path: str) -> Chunk:
    inner = chunk.locate

    def locate(start: int, end: int) -> Location:
        place = inner(start, end)
        return Location(
            place.offset,
            place.line,
            place.column,
            join(path, place.member),
            place.page,
            place.sheet,
            place.row,
            place.field,
        )

    chunk.locate = locate
    return chunk


class _Budget:
    """What one unit may cost. Over it, ``spent`` holds the reason and the walk ends."""

    def __init__(self, limits: Limits, size: int | None) -> None:
        self.limits, self.spent = limits, cast(Reason | None, None)
        self._entries = self._bytes = 0
        self._most = limits.bytes
        if size is not None:
            self._most = min(self._most, max(FREE_BYTES, size * limits.ratio))
        self._deadline = time.monotonic() + limits.seconds

    def enter(self, depth: int) -> Problem | None:
        """One more member. Too deep is the fault of that member only."""
        self._entries += 1
        if self._entries > self.limits.entries:
            self.spent = Reason.BUDGET_ENTRIES
            return Problem(self.spent, f"more than {self.limits.entries:,} entries")
        if depth > self.limits.depth:
            return Problem(Reason.BUDGET_DEPTH, f"nested more than {self.limits.depth} deep")
        return None

    def unpacked(self, count: int) -> None:
        """Raises ``Unreadable``: the reader that is reading turns it into its ``Problem``."""
        self._bytes += count
        if self._bytes > self._most:
            self.spent = Reason.BUDGET_BYTES
            raise Unreadable(self.spent, f"unpacks to more than {self._most:,} bytes")
        if time.monotonic() > self._deadline:
            self.spent = Reason.BUDGET_TIME
            raise Unreadable(self.spent, f"took longer than {self.limits.seconds:g} seconds")

    def late(self) -> Problem | None:
        if time.monotonic() <= self._deadline:
            return None
        self.spent = Reason.BUDGET_TIME
        return Problem(self.spent, f"took longer than {self.limits.seconds:g} seconds")


class _Counted(io.RawIOBase):
    """Counts what is read, against the budget for members."""

    def __init__(self, file: BinaryIO, seekable: bool, budget: _Budget | None = None) -> None:
        self._file, self._seekable, self._budget, self.count = file, seekable, budget, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, view: Any) -> int:
        got = _fill(self._file, view)
        self.count += got
        if self._budget is not None:
            self._budget.unpacked(got)
        return got


class _Again(io.RawIOBase):
    """A stream whose head was read already."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = head, file

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, view: Any) -> int:
        if self._head:
            got = min(len(view), len(self._head))
            view[:got] = self._head[:got]
            self._head = self._head[got:]
            return got
        return _fill(self._file, view)


def _fill(file: BinaryIO, view: Any) -> int:
    readinto = getattr(file, "readinto", None)
    if readinto is not None:
        return int(readinto(view) or 0)
    data = file.read(len(view))
    view[: len(data)] = data
    return len(data)
