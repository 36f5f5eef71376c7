"""Cuts a stream of bytes into overlapping windows, with flat memory and places that are right.

The base of every reader of bytes. Two buffers are used in turn; only the overlap is carried.
``BEFORE`` and ``AFTER`` equal those of ``detectors.base`` (a test says so): the packages between
the model and the pipeline do not import each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from detectors.compiled import native
from detectors.records import dataclass
from scanner.ahead import ahead
from scanner.contracts import Buffer, Chunk, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Location, Problem, Slice

BEFORE = 1024
AFTER = 768
WINDOW = 1 << 20
"""bytes of rows that are searched together"""
READ = 1 << 21
"""bytes of a stream that are"""
LOOK_BACK = 1 << 16
"""How far in front of a slice the start of its first line is looked for."""

FieldAt: TypeAlias = Callable[[Buffer, int, int], str | None]
"""``field_at(data, start, base)``: the column or key that the byte at ``start`` of ``data`` stands
under; ``data`` begins at offset ``base`` of the stream."""


@dataclass(slots=True)
class _Lines:
    """Where we are in terms of lines. ``ended`` counts line ends since the start of the slice;
    ``last`` is the offset of the newest line end in the stream: -1 stands for "the stream begins
    here", None for "not known" (the line began further back than ``LOOK_BACK``)."""

    ended: int
    last: int | None


class _Place:
    """Answers for one chunk where an offset stands."""

    __slots__ = ("_base", "_counted", "_data", "_ended", "_field_at", "_last", "_lo")

    def __init__(
        self, data: Buffer, base: int, lo: int, lines: _Lines, field_at: FieldAt | None
    ) -> None:
        self._data, self._base, self._lo, self._field_at = data, base, lo, field_at
        self._ended, self._last = lines.ended, lines.last
        self._counted = lo

    def locate(self, start: int, end: int) -> Location:
        data, lo = self._data, self._lo
        assert not isinstance(data, memoryview)
        line_end = data.rfind(b"\n", lo, start)
        last = self._last if line_end < 0 else self._base + line_end
        offset = self._base + start
        return Location(
            offset=offset,
            line=1 + self._lines_to(start),
            column=None if last is None else offset - last,
            field=self.field(start),
        )

    def _lines_to(self, start: int) -> int:
        """Line ends before ``start``. Places are asked for in order, so each count goes on from the
        one before."""
        if start < self._counted:
            return self._ended - count_lines(self._data, start, self._counted)
        self._ended += count_lines(self._data, self._counted, start)
        self._counted = start
        return self._ended

    def field(self, start: int) -> str | None:
        return None if self._field_at is None else self._field_at(self._data, start, self._base)


def windows(
    source: Source, part: Slice, field_at: FieldAt | None = None, before: int = BEFORE
) -> Iterator[Chunk | Problem]:
    """The bytes ``part`` of ``source`` as chunks.

    Holes of a sparse file are left out; apart from them the windows join up to exactly the bytes
    of the part. A part without end ends where the source ended when it was opened: a log that
    grows is not chased. ``Location.line`` counts from the start of the part (whoever cut the unit
    adds the ``Chunk.newlines`` of earlier parts); ``column`` counts bytes from the start of the
    line, wherever that began, and is None when it began more than ``LOOK_BACK`` before the part.
    A source that cannot seek is read from where it stands, and ``part`` must be all of it.

    A fault of the source after the first byte ends the windows with a ``Problem``, and what came
    before it has been given. Raises ``Unreadable`` for a fault before that.
    """
    end = part.end
    if source.size and (end is None or end > source.size):
        end = source.size
    if not source.seekable or end is None:
        if source.seekable:
            source.file.seek(0)
        yield from _range(source, 0, 0, None, _Lines(0, -1), field_at, before)
        return
    lines = _Lines(0, -1) if part.start == 0 else _Lines(0, _line_before(source, part.start))
    for start, stop in source.data_ranges(part.start, end):
        front = max(0, start - before)
        source.file.seek(front)
        for item in _range(source, front, start, stop, lines, field_at, before):
            yield item
            if isinstance(item, Problem):
                return


def _range(
    source: Source,
    base: int,
    start: int,
    stop: int | None,
    lines: _Lines,
    field_at: FieldAt | None,
    before: int,
) -> Iterator[Chunk | Problem]:
    """The windows of ``start <= offset < stop``; the file stands at ``base``."""
    pieces = _pieces(source, base, start, stop, before)
    for piece in ahead(pieces, lambda piece: not piece.ended):
        if piece.hi > piece.lo:
            yield _chunk(piece.data, piece.lo, piece.hi, piece.base, lines, field_at)
        if piece.problem is not None:
            yield piece.problem


class _Piece(NamedTuple):
    """What ``data`` holds from offset ``base`` on, ``lo`` .. ``hi`` of it new; whether that was
    all, and the fault that ended it."""

    data: Buffer
    lo: int
    hi: int
    base: int
    ended: bool
    problem: Problem | None


def _pieces(
    source: Source, base: int, start: int, stop: int | None, before: int
) -> Iterator[_Piece]:
    """Filled in turn into two buffers, so that one can be searched while the other is filled."""
    fill = _filler(source)
    limit = None if stop is None else stop + AFTER - base
    size = before + READ + AFTER if limit is None else min(limit, before + READ + AFTER)
    buffer, other = bytearray(size), bytearray()
    held, lo, ended = 0, start - base, False
    problem: Problem | None = None
    while True:
        view = memoryview(buffer)
        room = size if limit is None else min(size, limit)
        while held < room and not ended:
            try:
                got = fill(view[held:room])
            except Unreadable as fault:
                if held == 0 and base == 0:
                    raise
                problem, got = Problem(fault.reason, fault.detail), 0
            held += got
            ended = got == 0
        ended = ended or (limit is not None and held >= limit)
        hi = held if ended else held - AFTER
        if stop is not None:
            hi = min(hi, stop - base)
        data: Buffer = buffer if held == size else bytes(view[:held])
        yield _Piece(data, lo, hi, base, ended, problem)
        if ended:
            return
        keep = max(0, hi - before)
        other = other or bytearray(size)
        other[: held - keep] = view[keep:held]
        buffer, other = other, buffer
        base, lo, held = base + keep, hi - keep, held - keep
        if limit is not None:
            limit -= keep


def _chunk(
    data: Buffer, lo: int, hi: int, base: int, lines: _Lines, field_at: FieldAt | None
) -> Chunk:
    place = _Place(data, base, lo, lines, field_at)
    newlines = count_lines(data, lo, hi)
    lines.ended += newlines
    if newlines:
        assert not isinstance(data, memoryview)
        lines.last = base + data.rfind(b"\n", lo, hi)
    return Chunk(data, lo, hi, place.locate, place.field, newlines)


def count_lines(data: Buffer, lo: int, hi: int) -> int:
    """Line ends in ``data[lo:hi]``. Every byte read passes here, so it is compiled, or else done
    over arrays (30 and 15 GB/s where ``bytes.count`` does 3)."""
    if native is not None:
        return native.lines(data, lo, hi)
    return count_byte(data, lo, hi, 10)


def count_byte(data: Buffer, lo: int, hi: int, byte: int) -> int:
    """How often a byte is in ``data[lo:hi]``: in pieces, so that the flags stay in the cache."""
    import numpy as np

    block = np.frombuffer(data, np.uint8, hi - lo, lo)
    return sum(
        int(np.count_nonzero(block[at : at + _PIECE] == byte)) for at in range(0, hi - lo, _PIECE)
    )


_PIECE = 1 << 18


def _line_before(source: Source, start: int) -> int | None:
    """Offset of the line end that the first line of a slice follows."""
    front = max(0, start - LOOK_BACK)
    source.file.seek(front)
    fill, wanted = _filler(source), start - front
    data = bytearray(wanted)
    held = 0
    while held < wanted and (got := fill(memoryview(data)[held:])):
        held += got
    found = data.rfind(b"\n", 0, held)
    if found >= 0:
        return front + found
    return -1 if front == 0 else None


def _filler(source: Source) -> Callable[[memoryview], int]:
    """``fill(view)`` reads into ``view`` and says how much, 0 at the end; faults of the system
    come as ``Unreadable``."""
    file = source.file
    readinto = getattr(file, "readinto", None)

    def fill(view: memoryview) -> int:
        try:
            if readinto is not None:
                return readinto(view) or 0
            data = file.read(len(view))
        except OSError as error:
            raise Unreadable(Reason.IO_ERROR, error.strerror or "the read failed") from None
        view[: len(data)] = data
        return len(data)

    return fill
