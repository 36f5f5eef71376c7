"""Reading a MySQL or MariaDB table: by ranges of its primary key, each a short statement.

The server puts the rows of a range together into one text (see ``sql_rows``): the driver is Python,
and a row at a time costs it several times what the reading costs the server. A table without a
primary key is streamed in one statement.

A slice of the unit is a share of the span of its key, where that is one column of whole numbers:
the lowest and the highest stand in the version of the unit, so every worker divides alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias

from detectors.records import dataclass
from scanner.contracts import Chunk, KeyColumn, Keyed, Member, Sample, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Problem, Slice
from scanner.sampling import draw
from scanner.stores import mysql_catalogue as catalogue
from scanner.stores.mysql_catalogue import Column, Table, quote
from scanner.stores.mysql_session import PACKET, Session
from scanner.stores.sql_rows import NEW_FIELD, NEW_ROW, chunks, pieces, place_of, with_binary
from scanner.text import plural
from scanner.windows import BEFORE

TARGET = 2 << 20
"""bytes of text a statement is meant to give"""
LARGE = 4 << 20
"""a value above this is fetched in pieces"""
_ROWS_DRAWN, _RANGES = 20, 256
"""of a first pass: rows of a range, and ranges a statement"""
_FIRST_ROWS, _MOST_ROWS = 500, 50_000
_ROWS_AT_ONCE, _KEYED_ROWS = 500, 10_000
_CODECS = {
    **{"latin1": "cp1252", "latin2": "iso8859-2", "latin5": "iso8859-9", "latin7": "iso8859-13"},
    **{"cp1250": "cp1250", "cp1251": "cp1251", "cp1257": "cp1257", "koi8r": "koi8-r"},
}
"""character sets of one byte a character, of which ASCII is a part, and how Python calls them"""
_Piece: TypeAlias = tuple[tuple[Any, ...] | None, bytes, list[Member]]
_SMALLER = frozenset((Reason.CORRUPT, Reason.TIMED_OUT, Reason.BUDGET_MEMORY))


@dataclass(slots=True)
class _Share:
    """The keys of one slice: as SQL, and as numbers ``first`` .. ``stop`` where the key is one
    column of whole numbers."""

    conditions: list[str]
    first: int = 0
    stop: int = 0
    dense: bool = True
    """most numbers between are keys of rows"""

    def guess(self, last: tuple[Any, ...] | None, step: int) -> tuple[int] | None:
        """A key that at most ``step`` rows lie before, without asking for one: as many numbers on.
        None near the end, and where keys lie far apart, so that little would come at a time."""
        if not self.dense or self.first >= self.stop:
            return None
        bound = (self.first - 1 if last is None else int(last[0])) + step
        return (bound,) if bound < self.stop - 1 else None


class TableReader:
    """One table, for the slices one worker reads of it. ``span`` is the lowest and highest key."""

    def __init__(
        self, session: Session, table: Table, size: int | None, span: tuple[int, int] | None
    ) -> None:
        """Raises ``Unreadable``."""
        self._session, self._size, self._span = session, size, span
        self._rows = table.rows
        found, self._key = catalogue.columns(session, table.name)
        if not found:
            raise Unreadable(Reason.VANISHED, "the table was listed, and is gone")
        mine = [column for column in found if column.readable]
        self._hidden = len(found) - len(mine)
        if not mine:
            raise Unreadable(Reason.ACCESS_DENIED, "the account may read none of its columns")
        # bytes of a key are told as their digits: a row is to be known by them
        self._binary = [column for column in mine if column.binary and not column.key]
        self._text = [column for column in mine if column not in self._binary]
        self._large = [column for column in mine if column.large]
        charsets = {column.charset for column in mine if column.text}
        self._codec = _CODECS.get(charsets.pop()) if len(charsets) == 1 else None
        self._names = [column.name for column in [*self._text, *self._binary]]
        kinds = {column.name: column for column in mine}
        self._by_key = bool(self._key) and all(
            name in kinds and kinds[name].ordered for name in self._key
        )
        self._whole = catalogue.whole_key(mine, self._key)
        self._keys: list[KeyColumn] = []
        if all(name in kinds for name in self._key):
            self._keys = [KeyColumn(self._names.index(n), kinds[n].whole) for n in self._key]
        self._from = catalogue.source(session, table)
        self._read = 0
        self.sliceable = bool(self._whole and span and size)

    def chunks(self, part: Slice) -> Iterator[Chunk | Member | Problem]:
        """Raises ``Unreadable`` when nothing of the part can be read."""
        if self._by_key:
            yield from self._ranges(self._share(part))
        else:
            yield from self._in_one()
        if part.index == 0 and self._hidden:
            total = self._hidden + len(self._names)
            detail = f"the account may not read {self._hidden:,} of its {plural(total, 'column')}"
            yield Problem(Reason.ACCESS_DENIED, detail)

    def _share(self, part: Slice) -> _Share:
        """The keys of a slice; the first and the last are open, for rows that came since the
        listing."""
        if not self.sliceable:
            return _Share([])
        assert self._span is not None and self._size and self._whole
        low, high = self._span
        share = _Share([], low, high + 1)
        if part.start > 0:
            share.first = _at(part.start, low, high, self._size)
            share.conditions.append(f"{quote(self._whole)} >= {share.first}")
        if part.end is not None and part.end < self._size:
            share.stop = _at(part.end, low, high, self._size)
            share.conditions.append(f"{quote(self._whole)} < {share.stop}")
        return share

    # --- a first pass

    def sample(self) -> Sample | None:
        """Ranges of the key drawn at random, each as wide as some rows are on average."""
        if not self.sliceable or not self._rows:
            return None
        assert self._span is not None
        low, high = self._span
        width = max(1, (high - low + 1) * _ROWS_DRAWN // self._rows)
        count = -(-(high - low + 1) // width)
        drawn = draw(count)
        if drawn is None:
            return None
        starts = [low + part * width for part in drawn]
        return Sample(self._sampled(starts, width), len(starts) / count)

    def _sampled(self, starts: list[int], width: int) -> Iterator[Chunk | Member | Problem]:
        assert self._whole
        name, place, step = quote(self._whole), 0, _RANGES // 8
        while place < len(starts):
            some = starts[place : place + step]
            where = " OR ".join(f"{name} BETWEEN {low} AND {low + width - 1}" for low in some)
            try:
                lines, members = self._range(f"({where})")
            except Unreadable as fault:
                yield Problem(fault.reason, fault.detail)
                return
            yield from members
            yield from chunks(lines, 0, self._names, self._keys)
            wanted = step * TARGET // max(len(lines), TARGET // 4)
            place, step = place + step, max(1, min(wanted, 2 * step, _RANGES))

    # --- by key

    def _ranges(self, share: _Share) -> Iterator[Chunk | Member | Problem]:
        last: tuple[Any, ...] | None = None
        step, before, read = _FIRST_ROWS, b"", False
        ahead: Future[_Piece] | None = None
        while True:
            try:
                piece = self._piece(share, last, step) if ahead is None else ahead.result()
                ahead = None
            except Unreadable as fault:
                ahead = None
                if fault.reason in _SMALLER and step > 1:
                    step = max(1, step // 4)
                    continue
                if not read:
                    raise
                yield Problem(fault.reason, fault.detail)
                return
            bound, lines, members = piece
            share.dense = share.dense and (step < _MOST_ROWS or len(lines) > TARGET // 16)
            wanted = step * TARGET // max(len(lines), TARGET // 4)
            step = max(1, min(wanted, 2 * step, _MOST_ROWS))
            last, read = bound, True
            if bound is not None:
                ahead = self._session.ahead(partial(self._piece, share, bound, step))
            yield from members
            yield from chunks(before + lines, len(before), self._names, self._keys)
            before = lines[-BEFORE:]
            if bound is None:
                return

    def _piece(self, share: _Share, last: tuple[Any, ...] | None, step: int) -> _Piece:
        """Up to ``step`` rows after the key ``last``, and the key they end with: None for the last
        of all."""
        after = [] if last is None else [self._beyond(last, ">")]
        conditions = [*share.conditions, *after]
        bound = share.guess(last, step) or self._bound(conditions, step)
        until = [] if bound is None else [self._beyond(bound, "<=")]
        return bound, *self._range(_all([*conditions, *until]))

    def _bound(self, conditions: list[str], rows: int) -> tuple[Any, ...] | None:
        """The key of the row that many rows on, None when there are fewer. The server walks over
        the rows for it, which costs a third of what reading them does."""
        key = ", ".join(quote(name) for name in self._key)
        query = f"SELECT {key} FROM {self._from} WHERE {_all(conditions)}"  # noqa: S608 - names are quoted, values escaped
        found = self._session.rows(f"{query} ORDER BY {key} LIMIT 1 OFFSET {rows - 1}")
        return found[0] if found else None

    def _beyond(self, key: tuple[Any, ...], sign: str) -> str:
        """SQL: the key is greater than, or at most, ``key``; in a form that finds its way in the
        index, as the comparison of rows does not."""
        names = [quote(name) for name in self._key]
        values = [self._session.literal(value) for value in key]
        strict = sign[0]
        ways = []
        for place in range(len(names)):
            same = [f"{n} = {v}" for n, v in zip(names[:place], values, strict=False)]
            is_last = place == len(names) - 1
            ways.append(
                " AND ".join(
                    [*same, f"{names[place]} {sign if is_last else strict} {values[place]}"]
                )
            )
        if len(names) == 1:
            return ways[0]
        return f"({names[0]} {strict}= {values[0]} AND ({' OR '.join(f'({way})' for way in ways)}))"

    def _range(self, where: str) -> tuple[bytes, list[Member]]:
        if not self._binary:
            text = f"GROUP_CONCAT({self._line()} SEPARATOR '{NEW_ROW.decode()}')"
            query = f"SELECT CAST({text} AS BINARY), count(*) FROM {self._from} WHERE {where}"  # noqa: S608 - as above
            ((lines, count),) = self._session.read(query)
            if (lines is None and count) or (lines is not None and len(lines) > PACKET - 8):
                raise Unreadable(Reason.BUDGET_MEMORY, "a row does not fit into one packet")
            lines = b"" if lines is None else self._utf8(lines) + b"\n"
            members: list[Member] = []
        else:
            query = f"SELECT {self._fields()} FROM {self._from} WHERE {where}"  # noqa: S608 - as above
            lines, members = self._lines(self._session.read(query))
        if self._large:
            members += self._large_values(where)
        return lines, members

    def _line(self) -> str:
        """SQL for one row as text, NULL never."""
        between = f", '{NEW_FIELD.decode()}', "
        text = between.join(self._value(column) for column in self._text) or "''"
        end = between[:-2] if self._binary and self._text else ""
        return f"CONCAT({text}{end})"

    def _utf8(self, lines: bytes) -> bytes:
        """Text of one character set is converted here: on the server it would cost as much as all
        of the reading."""
        if self._codec is None or lines.isascii():
            return lines
        return lines.decode(self._codec, "replace").encode()

    def _value(self, column: Column) -> str:
        name = quote(column.name)
        value = name
        if column.foreign and self._codec is None:
            value = f"CONVERT({name} USING utf8mb4)"
        elif column.kind in ("double", "float"):
            # as text a double of 16 digits is 4.5e15: whole numbers in their digits
            whole = f"{name} = FLOOR({name}) AND ABS({name}) < 9e18"
            digits = f"CAST(CAST({name} AS DECIMAL(20, 0)) AS CHAR)"
            value = f"IF({whole}, {digits}, CAST({name} AS CHAR))"
        elif column.padded or column.kind == "bit":
            value = f"{name} + 0"
        elif column.shape:
            value = f"CONVERT(ST_AsText({name}) USING ascii)"
        elif column.binary and column.key:
            value = f"LOWER(HEX({name}))"
        if column in self._large:
            value = f"IF(LENGTH({name}) > {LARGE}, '', {value})"
        if value == name and not column.nullable:
            return name
        return f"IFNULL({value}, '')"

    def _fields(self) -> str:
        """SQL for one row: its text, each binary value, and its key where that is one number."""
        key = [quote(self._whole)] if self._whole else []
        text = f"CAST({self._line()} AS BINARY)"
        return ", ".join([text, *(self._value(c) for c in self._binary), *key])

    def _lines(self, rows: Sequence[tuple[Any, ...]]) -> tuple[bytes, list[Member]]:
        lines: list[bytes] = []
        members: list[Member] = []
        names = [column.name for column in self._binary]
        for text, *rest in rows:
            text = self._utf8(text)
            self._read += 1
            if names:
                values = [_bytes(value) for value in rest[: len(names)]]
                place = place_of(rest[len(names) :], self._read)
                text, opened = with_binary(text if self._text else b"", values, names, place)
                members += opened
            lines.append(text)
        return (NEW_ROW.join(lines) + b"\n" if lines else b""), members

    # --- large values

    def _large_values(self, where: str) -> list[Member]:
        key = ", ".join(quote(name) for name in self._key)
        over = [f"COALESCE(LENGTH({quote(c.name)}) > {LARGE}, 0)" for c in self._large]
        query = f"SELECT {key}, {', '.join(over)} FROM {self._from}"  # noqa: S608 - as above
        members = []
        for row in self._session.rows(f"{query} WHERE {where} AND ({' OR '.join(over)})"):
            place, flags = row[: len(self._key)], row[len(self._key) :]
            for column, is_over in zip(self._large, flags, strict=True):
                if is_over:
                    self._read += 1
                    name = f"{column.name}@{place_of(place if self._whole else (), self._read)}"
                    members.append(Member(name, None, partial(self._pieces, column, place, name)))
        return members

    def _pieces(self, column: Column, key: tuple[Any, ...], name: str) -> Source:
        value = quote(column.name)
        if not column.binary:
            value = f"CAST(CONVERT({value} USING utf8mb4) AS BINARY)"
        same = " AND ".join(
            f"{quote(part)} = {self._session.literal(known)}"
            for part, known in zip(self._key, key, strict=True)
        )
        rest = f"FROM {self._from} WHERE {same} LIMIT 1"
        return pieces(
            self._session.read,
            name,
            lambda start, size: f"SUBSTRING({value}, {start + 1}, {size}) {rest}",
        )

    # --- the row with a key

    def keyed(self) -> Iterator[Keyed]:
        """By the number of rows in front in the order of the key. Raises ``Unreadable``."""
        if not self._keys:
            raise Unreadable(Reason.UNSUPPORTED, "it has no primary key that the account may read")
        columns = [(self._text[part.place], part.whole) for part in self._keys]
        texts = [f"CAST(CONCAT({self._value(column)}) AS BINARY)" for column, _ in columns]
        names = ", ".join(quote(name) for name in self._key)
        query = f"SELECT {', '.join(texts)}, {names} FROM {self._from}"  # noqa: S608 - names are quoted
        for number, row in enumerate(self._in_order(query, names)):
            yield Keyed(
                f"SELECT * FROM {self._from} ORDER BY {names} LIMIT 1 OFFSET {number};",  # noqa: S608 - as above
                [
                    (column.name, self._utf8(_bytes(text) or b""), whole)
                    for (column, whole), text in zip(columns, row, strict=False)
                ],
            )

    def _in_order(self, query: str, names: str) -> Iterator[tuple[Any, ...]]:
        if not self._by_key:
            for rows in self._session.stream(f"{query} ORDER BY {names}", _KEYED_ROWS):
                yield from rows
            return
        where = "1"
        while True:
            ordered = f"{query} WHERE {where} ORDER BY {names} LIMIT {_KEYED_ROWS}"
            rows = self._session.read(ordered)
            yield from rows
            if len(rows) < _KEYED_ROWS:
                return
            where = self._beyond(rows[-1][-len(self._key) :], ">")

    # --- without a key

    def _in_one(self) -> Iterator[Chunk | Member | Problem]:
        over = [f"COALESCE(LENGTH({quote(c.name)}) > {LARGE}, 0)" for c in self._large] or ["0"]
        query = f"SELECT {self._fields()}, {' + '.join(over)} FROM {self._from}"  # noqa: S608 - as above
        before, read, left_out = b"", False, 0
        try:
            for rows in self._session.stream(query, _ROWS_AT_ONCE):
                left_out += sum(int(row[-1]) for row in rows)
                lines, members = self._lines([row[:-1] for row in rows])
                yield from members
                yield from chunks(before + lines, len(before), self._names, self._keys)
                before, read = lines[-BEFORE:], True
        except Unreadable as fault:
            if not read:
                raise
            yield Problem(fault.reason, fault.detail)
        if left_out:
            detail = (
                f"{plural(left_out, 'value')} above {LARGE >> 20} MiB in a table without a"
                " primary key"
            )
            yield Problem(Reason.BUDGET_MEMORY, detail)


def _at(offset: int, low: int, high: int, size: int) -> int:
    """The key at a share of the span; the same for the end of a slice and the start of the next."""
    return low + (high - low + 1) * offset // size


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions) or "1"


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
