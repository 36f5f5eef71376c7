r"""Rows as text: tab-separated, a row a line, escaped as PostgreSQL's COPY does (``\t``, ``\n``,
``\r``, ``\\``; ``\N`` for NULL). Shared by whatever reads tables.

A row is never cut: a chunk is made of whole rows, with a little of the rows before and after as
context.
"""

from __future__ import annotations

import io
import re
import sqlite3
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import accumulate
from typing import Any, BinaryIO, TypeAlias, cast

from detectors.records import dataclass
from scanner import formats
from scanner.contracts import Chunk, KeyColumn, Member, Rows, Source
from scanner.errors import Reason
from scanner.model import Location, Problem
from scanner.sqlitefile import FAULTS, Database, Table, unreadable
from scanner.windows import AFTER, BEFORE, WINDOW

Row: TypeAlias = tuple[int, bytes]
"""Rowid, or place in the table counted from 1, and the line with its end."""


@dataclass(frozen=True, slots=True, repr=False)
class Lines:
    """Many rows at once: their rowids, and their lines one behind the other."""

    ids: Sequence[int]
    text: bytes


_NUMBERS = {int, float}
_PACKED = 32
"""A value shorter than this is not looked at as an archive or a document."""


def chunks(
    rows: Iterator[Row | Lines | Member | Problem],
    columns: Sequence[str],
    member: str | None = None,
    keys: Sequence[KeyColumn] = (),
) -> Iterator[Chunk | Member | Problem]:
    """``member`` goes into the locations: the table, for a database inside something. ``keys``:
    the primary key, where a row's number is only its place."""
    shape = Rows(columns, b"\t", b"\n", key=keys)
    before, ready = b"", _Batch()
    filling = _Batch()
    for item in rows:
        if isinstance(item, tuple):
            filling.add(*item)
        elif isinstance(item, Lines):
            filling.add_many(item)
        else:
            yield item
            continue
        if filling.size >= WINDOW:
            if ready.size:
                yield ready.chunk(before, filling.head(), shape, member)
                before = ready.tail(before)
            ready, filling = filling, _Batch()
    for batch, after in ((ready, filling.head()), (filling, b"")):
        if batch.size:
            yield batch.chunk(before, after, shape, member)
            before = batch.tail(before)


class _Batch:
    """Rows on their way into one chunk."""

    def __init__(self) -> None:
        self.size = 0
        self._texts: list[bytes] = []
        self._ids = array("q")

    def add(self, row: int, line: bytes) -> None:
        self._ids.append(row)
        self._texts.append(line)
        self.size += len(line)

    def add_many(self, rows: Lines) -> None:
        self._ids.extend(rows.ids)
        self._texts.append(rows.text)
        self.size += len(rows.text)

    def head(self) -> bytes:
        return b"".join(_enough(iter(self._texts), AFTER))[:AFTER]

    def tail(self, before: bytes) -> bytes:
        text = b"".join(reversed(_enough(reversed(self._texts), BEFORE)))
        return (before + text)[-BEFORE:]

    def chunk(self, before: bytes, after: bytes, rows: Rows, member: str | None) -> Chunk:
        data = b"".join((before, *self._texts, after))
        lo, hi, ids, columns = len(before), len(before) + self.size, self._ids, rows.columns

        @cache
        def starts() -> array[int]:
            """Where each row begins: behind the end of the one before it."""
            lines = data[lo : hi - 1].split(b"\n")
            sizes = map((1).__add__, map(len, lines[:-1]))  # with their ends
            return array("q", accumulate(sizes, initial=lo))

        def column(start: int) -> str | None:
            index = bisect_right(starts(), start) - 1
            if index < 0:
                return None
            place = data.count(b"\t", starts()[index], start)
            return columns[place] if place < len(columns) else None

        def locate(start: int, end: int) -> Location:
            index = bisect_right(starts(), start) - 1
            row = ids[index] if index >= 0 else None
            return Location(row=row, field=column(start), member=member)

        return Chunk(data, lo, hi, locate, column, len(ids), rows)


def _enough(texts: Iterator[bytes], size: int) -> list[bytes]:
    taken: list[bytes] = []
    for text in texts:
        taken.append(text)
        size -= len(text)
        if size <= 0:
            break
    return taken


# --- of SQLite ----------------------------------------------------------------------------------


_AT_ONCE = 512
_ONE_BY_ONE = 1000
"""rows that are read one by one where some could not be read at once"""


def sqlite_rows(
    database: Database, table: Table, prefix: str = ""
) -> Iterator[Row | Lines | Member | Problem]:
    """The rows of a table. A value that must be unpacked, and one too large to hold, comes as a
    member named ``column@row``; a fault ends the rows with a ``Problem``."""
    last: int | None = None
    count = 0
    at_once = table.rowid is not None  # so that they can be read again where this goes wrong
    while True:
        if at_once:
            try:
                for ids, values in _at_once(database, table, last):
                    text = _text(values)
                    if text is not None:
                        yield Lines(ids, text)
                    else:
                        for row, each in zip(ids, zip(*values, strict=True), strict=True):
                            yield from _row(table, row, each, prefix)
                    last, count = ids[-1], count + len(ids)
                return
            except FAULTS as error:  # what is merely large, or all up to the fault, one by one
                at_once = unreadable(error).reason is Reason.BUDGET_MEMORY
            except ValueError:
                at_once = False
        until = count + _ONE_BY_ONE
        try:
            for rowid, *values in database.rows(table, last):
                count += 1
                row = count if rowid is None else rowid
                yield from _row(table, row, values, prefix)
                last = rowid
                if at_once and count >= until:
                    break
            else:
                return
            continue
        except FAULTS as error:
            fault = unreadable(error)
            if fault.reason is not Reason.BUDGET_MEMORY or table.rowid is None:
                yield Problem(fault.reason, fault.detail)
                return
        except ValueError:
            yield Problem(Reason.UNSUPPORTED, "SQL cannot spell the name of the table or a column")
            return
        try:
            last = database.next_rowid(table, last)
        except FAULTS as error:
            fault = unreadable(error)
            yield Problem(fault.reason, fault.detail)
            return
        if last is None:
            return
        count += 1
        yield from _large(database, table, last, prefix)


def _at_once(
    database: Database, table: Table, last: int | None
) -> Iterator[tuple[Sequence[int], Sequence[Sequence[Any]]]]:
    """Rows behind ``last``, many at a time: their rowids, and the values of each column. Raises as
    ``Database.rows``, too where some are too large for that."""
    rows = database.rows(table, last, small=True)
    while several := rows.fetchmany(max(1, _AT_ONCE // max(1, len(table.columns)))):
        ids, *values = zip(*several, strict=True)
        yield ids, values


def _text(columns: Sequence[Sequence[Any]]) -> bytes | None:
    """As ``_line`` for many rows; None where one has something to escape or to unpack."""
    parts = []
    nulls = 0
    for values in columns:
        kinds = set(map(type, values))
        if kinds == {bytes}:
            parts.append(values)
        elif kinds <= _NUMBERS:
            parts.append("\n".join(map(str, values)).encode().split(b"\n"))
        else:
            nulls += values.count(None)
            parts.append(
                [
                    v if type(v) is bytes else b"\\N" if v is None else str(v).encode()
                    for v in values
                ]
            )
        if (
            bytes in kinds
            and max(map(len, parts[-1])) > _PACKED
            and any(len(v) > _PACKED and formats.is_packed(v) for v in values if type(v) is bytes)
        ):
            return None
    text = b"\n".join(map(b"\t".join, zip(*parts, strict=True)))
    plain = (
        text.count(b"\\") == nulls
        and text.count(b"\t") == len(columns[0]) * (len(columns) - 1)
        and text.count(b"\n") == len(columns[0]) - 1
        and b"\r" not in text
    )
    return text + b"\n" if plain else None


def _row(table: Table, row: int, values: Sequence[Any], prefix: str) -> Iterator[Row | Member]:
    line, packed = _line(values)
    for place in packed:
        name = f"{prefix}{table.columns[place]}@{row}"
        yield Member(name, len(values[place]), partial(_held, values[place], name))
    yield row, line


def _large(
    database: Database, table: Table, row: int, prefix: str
) -> Iterator[Row | Member | Problem]:
    """A row with a value that is too large to hold, value by value."""
    values: list[Any] = []
    for column in table.columns:
        try:
            values.append(database.value(table, column, row))
            continue
        except FAULTS:
            values.append(None)
        name = f"{prefix}{column}@{row}"
        try:
            blob = database.stream(table, column, row)
        except FAULTS as error:
            fault = unreadable(error)
            yield Problem(fault.reason, fault.detail, name)
            continue
        with blob:
            file = cast(BinaryIO, _Stream(blob))
            yield Member(name, len(blob), partial(Source, file, name, len(blob)))
    line, _ = _line(values)
    yield row, line


_SPECIAL = re.compile(rb"[\\\t\n\r]")
_ESCAPES = {b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}


def _line(values: Sequence[Any]) -> tuple[bytes, Sequence[int]]:
    """The row as text, and the places of values that are to be unpacked (left empty in it)."""
    parts = [
        value if type(value) is bytes else b"\\N" if value is None else str(value).encode()
        for value in values
    ]
    line = b"\t".join(parts)
    packed: Sequence[int] = ()
    if len(line) > _PACKED:
        packed = [
            place
            for place, part in enumerate(parts)
            if len(part) > _PACKED and formats.is_packed(part) and type(values[place]) is bytes
        ]
        if packed:
            for place in packed:
                parts[place] = b""
            line = b"\t".join(parts)
    if (
        line.count(b"\\") != values.count(None)
        or line.count(b"\t") >= len(parts)
        or b"\n" in line
        or b"\r" in line
    ):
        line = b"\t".join(
            part if value is None else _SPECIAL.sub(_escape, part)
            for part, value in zip(parts, values, strict=True)
        )
    return line + b"\n", packed


def _escape(found: re.Match[bytes]) -> bytes:
    return _ESCAPES[found[0]]


def _held(value: bytes, name: str) -> Source:
    return Source(io.BytesIO(value), name, len(value))


class _Stream(io.RawIOBase):
    """A value of the database as a file."""

    def __init__(self, blob: sqlite3.Blob) -> None:
        self._blob = blob

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._blob.seek(offset, whence)
        return self._blob.tell()

    def readinto(self, view: Any) -> int:
        try:
            data = self._blob.read(len(view))
        except FAULTS as error:
            raise unreadable(error) from None
        view[: len(data)] = data
        return len(data)
