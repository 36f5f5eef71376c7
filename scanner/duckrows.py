r"""Rows out of DuckDB as chunks: tab-separated, a row a line, escaped as in ``scanner.tablerows``.

The engine makes one text of each row, so that Python touches a row once and not each value.
Binary columns stand behind the others; what begins like an archive or a document in them is a
member named ``column@row``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from scanner import contracts, formats
from scanner.contracts import Chunk, Member, Source
from scanner.duckfile import MEMORY, Column, unreadable
from scanner.errors import Reason, Unreadable
from scanner.model import Location, Problem
from scanner.sqlnames import quoted
from scanner.text import plural
from scanner.windows import BEFORE, WINDOW

if TYPE_CHECKING:
    import duckdb

_AT_ONCE = 2048
"""rows; what the engine makes at a time"""
_FEW = 64
_PACKED = 32
"""A value shorter than this is not looked at as an archive or a document."""
_PLAIN = re.compile(
    r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\(.*\)|BOOLEAN|DATE|TIME.*|UUID|INTERVAL)$"
)
"""types whose text has neither tab nor line end nor backslash in it"""
_SPECIAL = re.compile(rb"[\\\t\n\r]")
_ESCAPES = {b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}

Where = Callable[[int, int | None], str]
"""``where(first, end)``: SQL for the rows from ``first`` on, up to but without ``end``."""


class _Batch:
    """Rows on their way into one chunk."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.lines: list[bytes] = []
        self.members: list[Member] = []
        self.size = 0

    def add(self, ids: list[int], lines: list[bytes]) -> None:
        self.ids += ids
        self.lines += lines
        self.size += sum(map(len, lines))

    def parts(self) -> Iterator[_Batch]:
        """Of about a window each."""
        part = _Batch()
        for number, line in zip(self.ids, self.lines, strict=True):
            part.add([number], [line])
            if part.size >= WINDOW:
                yield part
                part = _Batch()
        if part.ids:
            yield part


class Rows:
    """The rows of ``source``, a table or file in SQL. ``number`` is SQL for the number of a row;
    with None rows are counted. ``member`` goes into the locations, and before the names of
    members."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: str,
        columns: Sequence[Column],
        number: str | None,
        member: str | None = None,
    ) -> None:
        self._connection, self._source, self._number = connection, source, number
        self._member = member
        text = [column for column in columns if column.kind != "BLOB"]
        self._binary = [column.name for column in columns if column.kind == "BLOB"]
        self._columns = [column.name for column in text] + self._binary
        line = "||chr(9)||".join(_text(column) for column in text) or "''"
        shown = [f"encode({line})", *(quoted(name) for name in self._binary)]
        self._select = f"SELECT {number or '0'}, {', '.join(shown)} FROM {source}"  # noqa: S608 - quoted

    def chunks(self, first: int, end: int | None) -> Iterator[Chunk | Member | Problem]:
        """Rows ``first <= number < end``. Raises ``Unreadable`` when none of them can be read.

        Where the rows of a vector do not fit into memory together they are asked for in smaller
        pieces; those that even so are too large are counted, and a ``Problem``.
        """
        step = (end or 0) - first
        before, read, lost = b"", False, 0
        while end is None or first < end:
            until = None if end is None else min(first + step, end)
            try:
                for batch in self._batches(first, until):
                    yield from batch.members
                    data = b"\n".join(batch.lines) + b"\n"
                    yield self._chunk(batch.ids, before, data)
                    before, first = (before + data)[-BEFORE:], batch.ids[-1] + 1
                    read = True
            except Unreadable as fault:
                if fault.reason is not Reason.BUDGET_MEMORY or until is None:
                    if not read:
                        raise
                    yield Problem(fault.reason, fault.detail, self._member)
                    return
                if step > _FEW:
                    step = _AT_ONCE - first % _AT_ONCE if step > _AT_ONCE else _FEW
                    continue
                lost += until - first
            if until is None:
                return
            first = until
            step = _AT_ONCE if first % _AT_ONCE == 0 else step
        if lost:
            detail = (
                f"{plural(lost, 'row lies', 'rows lie')} beside values too large for {MEMORY} of"
                " memory"
            )
            yield Problem(Reason.BUDGET_MEMORY, detail, self._member)

    def _batches(self, first: int, end: int | None) -> Iterator[_Batch]:
        import duckdb

        within = ""
        if self._number is not None:
            within = f" WHERE {self._number} >= {first:d}"
            within += "" if end is None else f" AND {self._number} < {end:d}"
        batch = _Batch()
        counted = first
        try:
            cursor = self._connection.execute(self._select + within)
            while rows := cursor.fetchmany(_AT_ONCE):
                ids = [row[0] for row in rows]
                if self._number is None:
                    ids = list(range(counted, counted + len(rows)))
                    counted += len(rows)
                if self._binary:
                    for number, row in zip(ids, rows, strict=True):
                        batch.add([number], [self._line(number, row, batch.members)])
                        if batch.size >= WINDOW:
                            yield batch
                            batch = _Batch()
                    continue
                batch.add(ids, [row[1] for row in rows])
                if batch.size >= WINDOW:
                    yield from batch.parts()
                    batch = _Batch()
        except (duckdb.Error, MemoryError) as error:
            raise unreadable(error) from None
        if batch.ids:
            yield batch

    def _line(self, number: int, row: tuple[Any, ...], members: list[Member]) -> bytes:
        """A row with binary values; those to be unpacked become members."""
        _, text, *values = row
        shown = [text] if len(self._binary) < len(self._columns) else []
        for column, value in zip(self._binary, values, strict=True):
            if value and len(value) > _PACKED and formats.is_packed(value):
                name = f"{column}@{number}"
                if self._member is not None:
                    name = f"{self._member}!{name}"
                members.append(Member(name, len(value), partial(_held, value, name)))
                value = b""
            shown.append(rb"\N" if value is None else _SPECIAL.sub(_escape, value))
        return b"\t".join(shown)

    def _chunk(self, ids: list[int], before: bytes, lines: bytes) -> Chunk:
        data, lo = before + lines, len(before)

        def column(start: int) -> str | None:
            if start < lo:
                return None
            begin = data.rfind(b"\n", lo, start) + 1 or lo
            place = data.count(b"\t", begin, start)
            return self._columns[place] if place < len(self._columns) else None

        def locate(start: int, end: int) -> Location:
            row = None
            if start >= lo:
                row = ids[min(data.count(b"\n", lo, start), len(ids) - 1)]
            return Location(row=row, field=column(start), member=self._member)

        rows = contracts.Rows(self._columns, b"\t", b"\n")
        return Chunk(data, lo, len(data), locate, column, len(ids), rows)


def _text(column: Column) -> str:
    """SQL for a value as text, NULL never."""
    name = quoted(column.name)
    value = f"CAST({name} AS VARCHAR)"
    if column.kind in ("DOUBLE", "FLOAT"):
        # as text a double of 17 digits is 4.5e+16: whole numbers in their digits
        whole = f"{name} = floor({name}) AND abs({name}) < 9e18"
        value = (
            f"CASE WHEN {whole} THEN CAST(TRY_CAST({name} AS BIGINT) AS VARCHAR) ELSE {value} END"
        )
    elif not _PLAIN.match(column.kind):
        escaped = value
        for raw, shown in (("'\\'", "'\\\\'"), ("chr(9)", "'\\t'"), ("chr(10)", "'\\n'")):
            escaped = f"replace({escaped}, {raw}, {shown})"
        value = f"replace({escaped}, chr(13), '\\r')"
    return f"coalesce({value}, '\\N')"


def _escape(found: re.Match[bytes]) -> bytes:
    return _ESCAPES[found[0]]


def _held(value: bytes, name: str) -> Source:
    return Source(io.BytesIO(value), name, len(value))


def of_texts(
    texts: Sequence[tuple[str, str | bytes]], member: str | None = None
) -> Iterator[Chunk | Member | Problem]:
    """A few texts, each with the name of its field."""
    for field, text in texts:
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        data = raw + b"\n"
        place = Location(field=field, member=member)

        def locate(start: int, end: int, place: Location = place) -> Location:
            return place

        def name(start: int, field: str = field) -> str:
            return field

        yield Chunk(data, 0, len(data), locate, name, data.count(b"\n"))
