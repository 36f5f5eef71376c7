"""One unit through the readers, and what is inside it through the readers again.

    walk(source)   sniff -> reader -> chunks
                                   -> member -> sniff -> reader -> chunks ...

Handed the readers; imports none. Budgets count over the whole unit: what goes over one ends the
unit with a single ``Problem``, so that what was left out is told and nothing runs on for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO, cast

from scanner.budget import Again, Budget, Counted
from scanner.contracts import Chunk, Limits, Member, Reader, Records, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Location, Problem, Slice

HEAD = 4096
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
        self._budget = Budget(limits, opened.size if isinstance(opened, Source) else None)
        self.bytes_read = 0
        if isinstance(opened, Records):
            self.sliceable = opened.sliceable
            self._items = opened.chunks(part)
            self._counted: Counted | None = None
            self._size: int | None = None
            return
        reader = choose(opened, name, readers)
        self.sliceable = reader.sliceable and opened.seekable
        self._size = opened.size
        self._counted = None
        if not self.sliceable:
            self._counted = Counted(opened.file, opened.seekable)
            opened.file = cast(BinaryIO, self._counted)
        self._items = reader.read(opened, part, limits)

    def __iter__(self) -> Iterator[Item]:
        """Raises ``Unreadable`` when nothing of the unit can be read."""
        whole = True
        for member, item in self._walk(self._items, None, 0):
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
                if isinstance(item, Chunk):
                    continue  # what came before the fault; the problem follows
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
            source.file = cast(BinaryIO, Counted(source.file, source.seekable, self._budget))
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
    fault: Unreadable | None = None
    try:
        while len(head) < HEAD and (more := source.file.read(HEAD - len(head))):
            head += more
    except OSError as error:
        raise Unreadable(Reason.IO_ERROR, error.strerror or "the read failed") from None
    except Unreadable as error:
        if not head:
            raise
        fault = error
    if source.seekable:
        source.file.seek(0)
    else:
        source.file = cast(BinaryIO, Again(head, source.file, fault))
    for reader in readers:
        if reader.claims(head, name):
            return reader
    raise Unreadable(Reason.UNSUPPORTED, "no reader is for this")


def join(outer: str | None, inner: str | None) -> str | None:
    """``logs.tar!app/x.log``"""
    if outer is None or inner is None:
        return outer if inner is None else inner
    return f"{outer}!{inner}"


def _inside(chunk: Chunk, path: str) -> Chunk:
    inner = chunk.locate

    def locate(start: int, end: int) -> Location:
        place = inner(start, end)
        return replace(place, member=join(path, place.member))

    chunk.locate = locate
    return chunk
