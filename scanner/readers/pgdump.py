"""Archives of ``pg_dump``: the custom format, and ``toc.dat`` of the tar and directory formats.

The table of contents comes first, as the comments at the head of a plain dump say it and with the
statements it holds. Then each table is a member, tab-separated with its columns in the first line,
as ``COPY`` wrote it. Read from front to end, so a stream will do. Format: ``pg_backup_archiver.c``
and ``pg_backup_custom.c`` of PostgreSQL, archive versions 1.12 (9.0) to 1.16 (17 and 18).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, cast

from detectors.records import dataclass
from scanner.contracts import Chunk, Limits, Member, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Location, Problem, Slice
from scanner.readers.streams import Unpacked, binary, skip, zlib

CONTENTS = "(table of contents)"
_MAGIC = b"PGDMP"
_CUSTOM, _TAR, _DIRECTORY = 1, 3, 5
_DATA, _LARGE_OBJECTS = 1, 3
_OLDEST, _NEWEST = (1, 12), (1, 16)
_METHODS = {0: "none", 1: "gzip", 2: "lz4", 3: "zstd"}
_LONGEST = 64 << 20
"""of a string in the table of contents"""
_PIECE = 1 << 20


class PgDump:
    name = "pg-dump"
    sliceable = False
    priority = 50

    def claims(self, head: bytes, name: str) -> bool:
        return head.startswith(_MAGIC)

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        file = _In(source.file)
        archive = _Archive.read(file)
        entries: dict[int, _Entry] = {}
        yield from _texts(archive, entries, limits)
        if archive.form != _CUSTOM:
            return  # the data lie in files beside this one
        try:
            yield from _blocks(file, archive, entries)
        except Unreadable as fault:
            yield Problem(fault.reason, fault.detail)


READER = PgDump()


class _In:
    """Numbers and strings as the archive writes them. Raises ``Unreadable``."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.int_size = self.offset_size = 4

    def take(self, count: int) -> bytes:
        data = b""
        while len(data) < count and (more := self.file.read(count - len(data))):
            data += more
        if len(data) < count:
            raise Unreadable(Reason.TRUNCATED, "the dump ends before its end")
        return data

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        negative = self.byte()
        value = int.from_bytes(self.take(self.int_size), "little")
        return -value if negative else value

    def text(self) -> bytes | None:
        length = self.number()
        if length < 0:
            return None
        if length > _LONGEST:
            raise Unreadable(Reason.CORRUPT, "a length in the dump cannot be right")
        return self.take(length)


@dataclass(slots=True)
class _Archive:
    version: tuple[int, int]
    form: int
    method: str
    made: str
    database: bytes
    server: bytes
    tool: bytes
    toc: Iterator[_Entry]

    @classmethod
    def read(cls, file: _In) -> _Archive:
        if file.take(len(_MAGIC)) != _MAGIC:
            raise Unreadable(Reason.CORRUPT, "no archive of pg_dump")
        version = (file.byte(), file.byte())
        file.byte()
        if not _OLDEST <= version <= _NEWEST:
            detail = f"an archive of pg_dump of version {version[0]}.{version[1]}, not known here"
            raise Unreadable(Reason.UNSUPPORTED, detail)
        file.int_size, file.offset_size, form = file.byte(), file.byte(), file.byte()
        if file.int_size not in (4, 8) or file.offset_size not in (4, 8):
            raise Unreadable(Reason.CORRUPT, "the head of the dump is damaged")
        if version >= (1, 15):
            method = _METHODS.get(file.byte(), "something unknown")
        else:
            method = "gzip" if file.number() else "none"
        second, minute, hour, day, month, year, _ = (file.number() for _ in range(7))
        made = f"{year + 1900:04}-{month + 1:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        database, server, tool = file.text() or b"", file.text() or b"", file.text() or b""
        return cls(
            version, form, method, made, database, server, tool, _entries(file, version, form)
        )

    def head(self) -> bytes:
        """As a plain dump begins."""
        return (
            b"--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version %s\n"
            b"-- Dumped by pg_dump version %s\n\n-- Started on %s\n\\connect %s\n"
            % (self.server, self.tool, self.made.encode(), self.database)
        )


@dataclass(slots=True)
class _Entry:
    id: int
    tag: bytes
    schema: bytes
    texts: list[bytes]
    copy: bytes

    @property
    def name(self) -> str:
        return b".".join(part for part in (self.schema, self.tag) if part).decode(
            "utf-8", "replace"
        )

    @property
    def header(self) -> bytes:
        """The columns of its data, as the first line of tab-separated text."""
        found = _COLUMNS.search(self.copy)
        if found is None:
            return b""
        names = [a.replace(b'""', b'"') or b for a, b in _COLUMN.findall(found[1])]
        return b"\t".join(re.sub(rb"[\t\r\n]", b" ", name) for name in names) + b"\n"


_COLUMNS = re.compile(rb"^COPY (?:\"(?:[^\"]|\"\")*\"|[^ (\"])+ \((.*)\) FROM stdin;", re.DOTALL)
_COLUMN = re.compile(rb'"((?:[^"]|"")*)"|([^ ,"]+)')


def _entries(file: _In, version: tuple[int, int], form: int) -> Iterator[_Entry]:
    for _ in range(file.number()):
        number, _ = file.number(), file.number()
        file.text(), file.text()
        tag, desc = file.text() or b"", file.text() or b""
        file.number()
        texts = [file.text() or b"", file.text() or b""]
        copy = file.text() or b""
        schema, _ = file.text() or b"", file.text()
        if version >= (1, 14):
            file.text()
        if version >= (1, 16):
            file.number()
        owner, _ = file.text() or b"", file.text()
        while file.text() is not None:
            pass
        if form == _CUSTOM:
            file.byte()
            file.take(file.offset_size)
        else:
            file.text()
        yield _Entry(number, tag, schema, [b"-- %s %s %s" % (desc, tag, owner), *texts, copy], copy)


def _texts(archive: _Archive, entries: dict[int, _Entry], limits: Limits) -> Iterator[Chunk]:
    """The table of contents as text; fills ``entries``. Raises ``Unreadable``."""
    held, size = [archive.head()], 0
    for entry in archive.toc:
        if len(entries) >= limits.entries:
            raise Unreadable(Reason.BUDGET_ENTRIES, f"more than {limits.entries:,} entries")
        entries[entry.id] = entry
        held += [text + b"\n" for text in entry.texts if text]
        size += sum(map(len, entry.texts))
        entry.texts = []
        if size > _PIECE:
            yield _chunk(b"".join(held))
            held, size = [], 0
    if held:
        yield _chunk(b"".join(held))


def _chunk(data: bytes) -> Chunk:
    place = Location(member=CONTENTS)
    return Chunk(data, 0, len(data), lambda start, end: place, newlines=data.count(b"\n"))


# --- the data -----------------------------------------------------------------------------------


def _blocks(file: _In, archive: _Archive, entries: dict[int, _Entry]) -> Iterator[Member | Problem]:
    while kind := file.file.read(1):
        number = file.number()
        entry = entries.get(number)
        if kind[0] == _DATA:
            name = entry.name if entry is not None else f"entry {number}"
            header = entry.header if entry is not None else b""
            yield from _block(file, archive, f"{name}.tsv" if header else name, header)
        elif kind[0] == _LARGE_OBJECTS:
            while (oid := file.number()) != 0:
                yield from _block(file, archive, f"large object {oid}", b"")
        else:
            raise Unreadable(Reason.CORRUPT, "the data of the dump are damaged")


def _block(file: _In, archive: _Archive, name: str, header: bytes) -> Iterator[Member | Problem]:
    pieces = _Pieces(file)
    if archive.method in ("none", "gzip"):
        yield Member(name, None, partial(_open, pieces, archive.method == "gzip", header, name))
    else:
        yield Problem(Reason.UNSUPPORTED, f"its data are packed by {archive.method}", name)
    skip(cast(BinaryIO, pieces), 1 << 62)


def _open(pieces: _Pieces, packed: bool, header: bytes, name: str) -> Source:
    file = binary(pieces)
    if packed:
        file = binary(Unpacked(file, zlib()))
    return Source(binary(_Behind(header, file)) if header else file, name, None, seekable=False)


class _Pieces(io.RawIOBase):
    """One stream, written in pieces with a length in front of each, the last of which is 0."""

    def __init__(self, file: _In) -> None:
        self._file, self._left, self._ended = file, 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        if not self._left and not self._ended:
            self._left = self._file.number()
            self._ended = self._left == 0
            if self._left < 0:
                self._ended = True
                raise Unreadable(Reason.CORRUPT, "the data of the dump are damaged")
        want = min(len(view), self._left)
        if not want:
            return 0
        data = self._file.file.read(want)
        if not data:
            self._ended, self._left = True, 0
            raise Unreadable(Reason.TRUNCATED, "the dump ends before its end")
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)


class _Behind(io.RawIOBase):
    """A stream behind a few bytes."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = head, file

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        if not self._head:
            return int(cast(Any, self._file).readinto(view) or 0)
        data, self._head = self._head[: len(view)], self._head[len(view) :]
        view[: len(data)] = data
        return len(data)
