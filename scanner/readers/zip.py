"""zip, and what is one underneath: jar, epub, docx, xlsx, odt ...

Our own over the central directory, because ``zipfile`` reads the whole directory into memory,
accepts entries that overlap (42 KB to 5 GB) and unpacks at a third of the speed. A million
entries cost 8 MB here. Format: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO

from detectors.records import dataclass
from scanner.contracts import Chunk, Limits, Member, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Problem, Slice
from scanner.readers.streams import Machine, Part, Unpacked, binary, inflate, random_access
from scanner.text import plural

_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = 24
"""bytes: the sizes that may follow an entry, of zip64 and with a signature"""
_FULL = 0xFFFFFFFF
_UTF8 = 1 << 11
_SIZES_BEHIND = 1 << 3
_ENCRYPTED = 1 | 1 << 6 | 1 << 13
_STORED, _DEFLATE, _BZIP2, _LZMA = 0, 8, 12, 14
_METHODS = {9: "Deflate64", 93: "zstd", 94: "MP3", 95: "xz", 97: "WavPack", 98: "PPMd", 99: "AES"}
_READ_AHEAD = 1 << 16
_OFFICE = frozenset(("[Content_Types].xml", "content.xml"))


class Zip:
    name = "zip"
    sliceable = False
    priority = 50

    def claims(self, head: bytes, name: str) -> bool:
        return head[:4] in (b"PK\3\4", b"PK\5\6", b"PK\7\x08")

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        file = random_access(source, limits)
        directory = Directory.find(file)
        if directory is None:
            yield from _salvage(file, limits)
            yield Problem(Reason.TRUNCATED, "the archive has no directory: it ends too early")
            return
        most = limits.entries + 1
        starts = array("Q", sorted(e.start for e in islice(directory.entries(), most)))
        if starts and all(e.flags & _ENCRYPTED for e in islice(directory.entries(), most)):
            raise Unreadable(Reason.ENCRYPTED, "a password protects each of its entries")
        twice: set[int] = set()
        office = False
        for entry in islice(directory.entries(), most):
            office = office or entry.name in _OFFICE or entry.name.endswith(".iwa")
            place = bisect_left(starts, entry.start)
            if starts[place : place + 2].count(entry.start) > 1:
                if entry.start in twice:
                    continue
                twice.add(entry.start)
            after = bisect_right(starts, entry.start)
            end = starts[after] if after < len(starts) else directory.start
            problem = entry.problem(end)
            if problem is not None:
                yield problem
            elif entry.packed or entry.size:
                yield Member(entry.name, entry.size, opener(file, entry, limits))
            elif (hidden := entry.hidden(file, end)) is not None:
                yield hidden
        if directory.damaged:
            yield Problem(Reason.CORRUPT, "the directory of the archive is damaged: rest not read")
        if office:
            yield Problem(
                Reason.UNSUPPORTED,
                "An office document was read as the XML of its parts: a number that formatting "
                "splits, or that a spreadsheet keeps as a number, may not have been seen",
            )


READER = Zip()


@dataclass(slots=True)
class Entry:
    name: str
    flags: int
    method: int
    crc: int | None
    packed: int
    size: int
    start: int
    """of its local header"""

    def problem(self, end: int) -> Problem | None:
        """Why it is not read. ``end`` is where the next entry, or the directory, begins."""
        if self.flags & _ENCRYPTED:
            return Problem(Reason.ENCRYPTED, "a password protects it", self.name)
        if self.method not in (_STORED, _DEFLATE, _BZIP2, _LZMA):
            how = _METHODS.get(self.method, f"method {self.method}")
            return Problem(Reason.UNSUPPORTED, f"packed by {how}", self.name)
        if self.start + _LOCAL.size + self.packed > end:
            return Problem(Reason.CORRUPT, "overlaps the next entry, as in a zip bomb", self.name)
        return None

    def hidden(self, file: BinaryIO, end: int) -> Problem | None:
        """What lies in an entry of which the directory says that it is empty."""
        head = _at(file, self.start, _LOCAL.size)
        if head[:4] != b"PK\3\4" or len(head) < _LOCAL.size:
            return Problem(Reason.CORRUPT, "it is not where the directory says", self.name)
        *_, packed, size, names, extras = _LOCAL.unpack(head)
        lies_there = end - self.start - _LOCAL.size - names - extras
        if packed or size or lies_there > _DESCRIPTOR:
            told = (
                f"the directory says it is empty, and {plural(max(packed, lies_there), 'byte')}"
                " there"
            )
            return Problem(Reason.CORRUPT, f"{told}: they were not read", self.name)
        return None


class Directory:
    """The central directory, read a piece at a time. ``shift`` is how far the archive was moved
    (something was put in front of it) since its offsets were written."""

    def __init__(self, file: BinaryIO, start: int, size: int, shift: int) -> None:
        self._file, self.start, self._size, self._shift = file, start, size, shift
        self.damaged = False

    @classmethod
    def find(cls, file: BinaryIO) -> Directory | None:
        total = file.seek(0, io.SEEK_END)
        front = max(0, total - _END.size - 0xFFFF)
        file.seek(front)
        tail = _exactly(file, total - front)
        place = len(tail)
        while (place := tail.rfind(b"PK\5\6", 0, place)) >= 0:
            if place + _END.size > len(tail):
                continue
            *_, size, offset, _ = _END.unpack_from(tail, place)
            end = front + place
            wide = cls._wide(file, end)
            if wide is not None:
                end, size, offset = wide
            for start in (end - size, offset):
                if start >= 0 and (size == 0 or _at(file, start, 4) == b"PK\1\2"):
                    moved = cls(file, start, size, start - offset)
                    return moved if moved._fits() else cls(file, start, size, 0)
        return None

    @staticmethod
    def _wide(file: BinaryIO, end: int) -> tuple[int, int, int] | None:
        """Place of the zip64 end record, and size and offset of the directory it tells."""
        locator = _at(file, end - _END64_PLACE.size, _END64_PLACE.size)
        if not locator.startswith(b"PK\6\7") or len(locator) < _END64_PLACE.size:
            return None
        stated = _END64_PLACE.unpack(locator)[2]
        for place in (stated, end - _END64_PLACE.size - _END64.size):
            record = _at(file, place, _END64.size)
            if record.startswith(b"PK\6\6") and len(record) == _END64.size:
                *_, size, offset = _END64.unpack(record)
                return place, size, offset
        return None

    def _fits(self) -> bool:
        """Whether the first entry is where it should be."""
        first = next(self.entries(), None)
        return first is None or _at(self._file, first.start, 4) == b"PK\3\4"

    def entries(self) -> Iterator[Entry]:
        """From the first on. Stops, and is ``damaged``, at the first record that is none."""
        at, left, held, used = self.start, self._size, b"", 0

        def need(count: int) -> bool:
            nonlocal at, left, held, used
            while len(held) - used < count and left > 0:
                more = _at(self._file, at, min(left, _READ_AHEAD))
                if not more:
                    return False
                held, used = held[used:] + more, 0
                at, left = at + len(more), left - len(more)
            return len(held) - used >= count

        while need(_ENTRY.size):
            fields = _ENTRY.unpack_from(held, used)
            names, extras, comments = fields[10:13]
            whole = _ENTRY.size + names + extras + comments
            if fields[0] != b"PK\1\2" or not need(whole):
                self.damaged = True
                return
            body = used + _ENTRY.size
            raw, extra = held[body : body + names], held[body + names : body + names + extras]
            used += whole
            packed, size, start = _wide_fields(extra, fields[8], fields[9], fields[16])
            yield Entry(
                _text(raw, fields[3]),
                fields[3],
                fields[4],
                fields[7],
                packed,
                size,
                start + self._shift,
            )
        self.damaged = len(held) != used or left > 0


def _wide_fields(extra: bytes, packed: int, size: int, start: int) -> tuple[int, int, int]:
    """Replaces what did not fit into 32 bits by the zip64 extra field (id 1)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            values = iter(
                struct.unpack_from("<Q", extra, place)[0]
                for place in range(at + 4, min(at + 4 + length, len(extra)) - 7, 8)
            )
            size = next(values, size) if size == _FULL else size
            packed = next(values, packed) if packed == _FULL else packed
            start = next(values, start) if start == _FULL else start
        at += 4 + length
    return packed, size, start


def opener(file: BinaryIO, entry: Entry, limits: Limits) -> Callable[[], Source]:
    """``Member.open`` of an entry."""

    def unpack() -> Source:
        header = _at(file, entry.start, _LOCAL.size)
        if not header.startswith(b"PK\3\4") or len(header) < _LOCAL.size:
            raise Unreadable(Reason.CORRUPT, "the directory points to where it does not begin")
        fields = _LOCAL.unpack(header)
        if fields[2] & _ENCRYPTED:
            raise Unreadable(Reason.ENCRYPTED, "a password protects it")
        begin = entry.start + _LOCAL.size + fields[9] + fields[10]
        body = Part(file, begin, entry.packed, seekable=True)
        if entry.method == _STORED:
            return Source(binary(body), entry.name, entry.packed)
        machine = _machine(entry.method, body, limits)
        stream = Unpacked(binary(body), machine, size=entry.size)
        return Source(binary(_Checked(stream, entry.crc)), entry.name, None, seekable=False)

    return unpack


def _machine(method: int, body: Part, limits: Limits) -> Machine:
    if method == _BZIP2:
        return bz2.BZ2Decompressor, (OSError, ValueError, EOFError)
    if method == _LZMA:
        head = _exactly(binary(body), 9)  # version, length of the properties, properties
        if len(head) < 9 or head[4] >= 225:
            raise Unreadable(Reason.CORRUPT, "its LZMA header is damaged")
        rest, lc = divmod(head[4], 9)
        pb, lp = divmod(rest, 5)
        size = int.from_bytes(head[5:9], "little")
        if size > limits.memory:
            raise Unreadable(Reason.BUDGET_MEMORY, "its dictionary is too large")
        chain = [{"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}]
        return (
            lambda: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain),
            (lzma.LZMAError, EOFError, ValueError),
        )
    return inflate(gzip=False)


class _Checked(io.RawIOBase):
    """Compares the checksum at the end. ``crc`` None: there is none to compare."""

    def __init__(self, stream: Unpacked, crc: int | None) -> None:
        self._stream, self._stated, self._crc = stream, crc, 0

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        got = self._stream.readinto(view)
        if got:
            self._crc = zlib.crc32(memoryview(view)[:got], self._crc)
        elif len(view) and self._stated is not None and self._crc != self._stated:
            raise Unreadable(Reason.CORRUPT, "its checksum does not fit what was unpacked")
        return got


def _salvage(file: BinaryIO, limits: Limits) -> Iterator[Member | Problem]:
    """The entries of an archive that was cut off, by their local headers; up to the first whose
    length is not told in front (bit 3), which is read to its own end."""
    start = 0
    while True:
        header = _at(file, start, _LOCAL.size)
        if not header.startswith(b"PK\3\4") or len(header) < _LOCAL.size:
            return
        _, _, flags, method, _, _, crc, packed, size, names, extras = _LOCAL.unpack(header)
        raw = _at(file, start + _LOCAL.size, names)
        extra = _at(file, start + _LOCAL.size + names, extras)
        packed, size, _ = _wide_fields(extra, packed, size, 0)
        open_ended = bool(flags & _SIZES_BEHIND) and not packed
        if open_ended:
            packed = file.seek(0, io.SEEK_END)
        checksum = None if open_ended else crc
        entry = Entry(_text(raw, flags), flags, method, checksum, packed, size, start)
        problem = entry.problem(1 << 64)
        if problem is not None:
            yield problem
        elif packed:
            yield Member(entry.name, None, opener(file, entry, limits))
        if open_ended:
            return
        start += _LOCAL.size + names + extras + packed


def _text(raw: bytes, flags: int) -> str:
    if flags & _UTF8:
        return raw.decode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")  # written without the flag more often than not
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _at(file: BinaryIO, place: int, count: int) -> bytes:
    if place < 0:
        return b""
    file.seek(place)
    return _exactly(file, count)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := file.read(count - len(data))):
        data += more
    return data
