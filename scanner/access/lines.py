"""Bytes and lines of log files, packed or not, in bounded memory, whatever the bytes.

A line too long to be one is counted, not held; a file that breaks off gives all before the damage.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any, BinaryIO, Protocol, cast, runtime_checkable

from detectors.records import dataclass
from scanner.access.shapes import Samples
from scanner.contracts import Source

LONGEST = 1 << 20
"""bytes of a line; a request has at most 8 KB, a statement of a database may have more"""
UNPACKED = 64 << 30
"""bytes read of one file; what unpacks to more is a bomb"""
STEP = 256 << 10
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class LineNotes:
    """What came up while reading files line by line."""

    files: int = 0
    """with at least one record"""
    other: int = 0
    """without any"""
    broken: int = 0
    """cut off or corrupt; what came before the damage was read"""
    too_long: int = 0
    records: int = 0
    unparsed: int = 0
    unreadable: int = 0
    broke_off: str = ""
    """why the listing of the files did not come to its end"""
    samples: Samples = field(default_factory=Samples)

    def lost(self, record: bytes, at: int = 0) -> None:
        """One that was not understood; ``at`` as in ``Samples.take``."""
        self.unparsed += 1
        self.samples.take(record, at)


class Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


@runtime_checkable
class At(Protocol):
    """Unpacked content that is told where in it the line at hand begins; see ``track.Track``."""

    at: int
    lines: int
    """before the first that it gives"""
    torn: bool
    """the line at hand has no end: more of it may come"""

    def read(self, size: int, /) -> bytes: ...


def unpacked(file: BinaryIO) -> Bytes:
    """The file itself, or what a gzip file holds."""
    if isinstance(file, At):
        return file  # unpacked already
    buffered = file if hasattr(file, "peek") else io.BufferedReader(cast(io.RawIOBase, file))
    return Gunzip(buffered) if buffered.peek(2)[:2] == _MAGIC else buffered


class Hashed:
    """A file that is hashed while it is read. It is whole once the end was reached."""

    def __init__(self, file: Bytes) -> None:
        self._file, self._hash = file, hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def sha256(self) -> str:
        return self._hash.hexdigest()


def begins(file: Bytes, magic: bytes) -> bool:
    """Whether a file that is not packed begins so."""
    peek = getattr(file, "peek", None)
    return peek is not None and peek(len(magic))[: len(magic)] == magic


_MAGIC = b"\x1f\x8b"
_PACKED = 16 << 10
"""bytes unpacked at a time: what is before damage within them is lost with it"""


class Gunzip:
    """Reads gzip, one stream after the other. A file object of the library would give nothing of
    the buffer in which the file breaks off."""

    def __init__(self, file: BinaryIO) -> None:
        from isal import igzip_lib

        self._new: Callable[[], Any] = lambda: igzip_lib.IgzipDecompressor(
            flag=igzip_lib.DECOMP_GZIP
        )
        self._file, self._machine, self._rest = file, self._new(), b""

    def read(self, size: int, /) -> bytes:
        """Raises ``EOFError``, or an error of the library, at damage."""
        while True:
            if self._machine.eof:
                rest = (self._machine.unused_data + self._rest).lstrip(b"\0")
                rest = rest or self._file.read(_PACKED).lstrip(b"\0")
                if not rest:
                    return b""
                if not _MAGIC.startswith(rest[:2]):
                    raise EOFError
                self._machine, self._rest = self._new(), rest
            if not self._rest and self._machine.needs_input:
                self._rest = self._file.read(_PACKED)
                if not self._rest:
                    raise EOFError
            given, self._rest = self._rest, b""
            data: bytes = self._machine.decompress(given, size)
            if data:
                return data


def read(file: Bytes, size: int) -> tuple[bytes, bool]:
    """Up to ``size`` bytes, and whether the file broke off (cut or corrupt gzip) before them."""
    from isal import isal_zlib

    faults = (EOFError, OSError, zlib.error, cast(type[Exception], isal_zlib.IsalError))
    whole = io.BytesIO()  # grows in place: parts of a large file would lie beside their sum
    left = size
    while left:
        try:
            part = file.read(min(left, STEP))
        except faults:
            return whole.getvalue(), True
        if not part:
            break
        left -= whole.write(part)
    return whole.getvalue(), False


def lines(source: Source, notes: LineNotes, longest: int = LONGEST) -> Iterator[bytes]:
    """The lines of a file without their ends, empty ones left out. The last one of a file that
    broke off is no line: it counts as unparsed. Raises ``Unreadable`` if the source does. A source
    that asks for it (``At``) is told the place of each line."""
    file = unpacked(source.file)
    at = source.file if isinstance(source.file, At) else None
    place = 0 if at is None else at.at
    samples, number = notes.samples, 0 if at is None else at.lines
    rest, taken, skipping, start = b"", 0, False, True
    while True:
        data, damaged = read(file, STEP)
        if start and data.startswith(_BOM):
            data = data.removeprefix(_BOM)
            place += len(_BOM)
        start = False
        taken += len(data)
        if taken > UNPACKED:
            data, damaged = b"", True
        pieces = data.split(b"\n")
        pieces[0] = rest + pieces[0]
        rest = pieces.pop()
        for line in pieces:
            number += 1
            if at is not None:
                at.at = place
                place += len(line) + 1
            if skipping:
                skipping = False  # the end of a line that was too long
            elif len(line) > longest:
                notes.too_long += 1
                samples.take(line, number)
            elif line := line.rstrip(b"\r"):
                samples.at = number
                yield line
        if skipping or len(rest) > longest:
            if not skipping:
                notes.too_long += 1
                samples.take(rest, number + 1)
            place += len(rest)
            rest, skipping = b"", True
        if damaged:
            notes.broken += 1
            if rest:
                notes.lost(rest, number + 1)
            return
        if not data:
            if rest and not skipping:
                if at is not None:
                    at.at, at.torn = place, True
                samples.at = number + 1
                yield rest.rstrip(b"\r")
            return
