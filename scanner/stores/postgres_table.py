r"""Reading a PostgreSQL table: by ranges of its blocks, each a statement of a few milliseconds.

The server puts the rows of some blocks together into one text, since a message a row costs the
client more than the reading costs the server; and of no more blocks than make a text that stays in
its caches, since it copies each several times. A slice of the unit, ``start <= byte < end``, is the
blocks that begin in it, so slices join up exactly and each can be read again alone.

The text is that of ``sql_rows``; NULL is empty, ``bytea`` is the bytes it holds, or a member when
it begins like a format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias

from scanner.contracts import Chunk, KeyColumn, Keyed, Member, Sample, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Problem, Slice
from scanner.sampling import draw
from scanner.stores import postgres_catalogue as catalogue
from scanner.stores.postgres_catalogue import Column, Relation, quote
from scanner.stores.postgres_session import Session
from scanner.stores.sql_rows import NEW_ROW, chunks, pieces, with_binary
from scanner.text import plural
from scanner.windows import BEFORE

_NEW_FIELD, _NEW_ROW = r"E'\x1f\t'", r"E'\x1e\n'"
TARGET = 3 << 20
"""bytes of text a statement is meant to give"""
_TEXTS = 32
"""texts a statement gives; below 128 KiB each is quicker for the server than above"""
_FIRST_BLOCKS, _MOST_BLOCKS = 32, 4096
LARGE = 8 << 20
"""a value above this is fetched in pieces"""
_LARGE_NEEDS = 64 << 10
"""bytes of TOAST below which no value can be that large: it compresses 1:100 at most"""
_PAGES = 64
"""drawn pages a statement reads; each is a scan of its own to the planner"""
_MOST_JOINED = 100
_GROUP = 40
"""arguments a call of ``concat``; a function takes a hundred at most"""
_ROWS_AT_ONCE = 500
_KEYED_BLOCKS = 512
_RANGES_SINCE = 140000
"""version of the server that finds a range of blocks without reading the whole table"""
_SMALLER = frozenset((Reason.CORRUPT, Reason.TIMED_OUT, Reason.BUDGET_MEMORY, Reason.IO_ERROR))
"""faults of a range that may be those of a few blocks in it"""


_Piece: TypeAlias = tuple[bytes, int, list[Member]]
"""text, where the new of it begins, and values that are looked at by themselves"""


def sliceable(session: Session, relation: Relation) -> bool:
    """Whether it can be read by ranges of its blocks."""
    return relation.heap and relation.table and session.version >= _RANGES_SINCE


class TableReader:
    """One relation, for the slices one worker reads of it."""

    def __init__(
        self,
        session: Session,
        relation: Relation,
        size: int | None,
        block: int,
        steps: dict[int, int] | None = None,
    ) -> None:
        """``steps``: by oid, how many blocks a statement took when the slice before was read; kept
        for the next. Raises ``Unreadable``."""
        self._steps = {} if steps is None else steps
        self._session, self._relation, self._size, self._block = session, relation, size, block
        self._columns, self._hidden = catalogue.columns(session, relation.oid)
        if not self._columns and self._hidden:
            raise Unreadable(Reason.ACCESS_DENIED, "the role may read none of its columns")
        guarded = catalogue.unpacked(session, relation.oid) > _LARGE_NEEDS
        self._names = [column.name for column in self._columns]
        # bytes of a key are told as their digits: a row is to be known by them
        self._binary = [c for c in self._columns if c.kind == "bytea" and c.key is None]
        self._large = [column for column in self._columns if guarded and column.wide]
        self._text = [column for column in self._columns if column not in self._binary]
        if self._binary:
            self._names = [column.name for column in [*self._text, *self._binary]]
        self._keys = _keys(self._text)
        self.sliceable = sliceable(session, relation) and size is not None

    def chunks(self, part: Slice) -> Iterator[Chunk | Member | Problem]:
        """Raises ``Unreadable`` when nothing of the part can be read."""
        if self.sliceable:
            yield from self._by_block(part)
        else:
            yield from self._in_one(part)
        if part.index == 0:
            yield from self._left_out()

    def _left_out(self) -> Iterator[Problem]:
        if self._hidden:
            total = self._hidden + len(self._columns)
            detail = f"the role may not read {self._hidden:,} of its {plural(total, 'column')}"
            yield Problem(Reason.ACCESS_DENIED, detail)
        if self._relation.filtered:
            detail = "row-level security hides rows from this role; how many cannot be told"
            yield Problem(Reason.ACCESS_DENIED, detail)

    # --- by block

    def _by_block(self, part: Slice) -> Iterator[Chunk | Member | Problem]:
        assert self._size is not None
        low = -(-part.start // self._block)
        if part.end is None or part.end >= self._size:
            now = catalogue.sizes(self._session, [self._relation.oid])
            high = -(-now.get(self._relation.oid, self._size) // self._block)
        else:
            high = -(-part.end // self._block)
        step = self._steps.get(self._relation.oid, _FIRST_BLOCKS)
        before, read = b"", False
        stop = min(high, low + step)
        ahead: Future[_Piece] | None = None
        while low < high:
            try:
                piece = self._range(low, stop, before) if ahead is None else ahead.result()
                ahead = None
            except Unreadable as fault:
                if fault.reason not in _SMALLER:
                    if not read:
                        raise
                    yield Problem(fault.reason, fault.detail)
                    return
                ahead = None
                if stop - low > 1:
                    step = (stop - low) // 2
                    stop = low + step
                    continue
                yield Problem(fault.reason, f"block {low:,}: {fault.detail}")
                low, stop, read = stop, min(high, stop + step), True
                continue
            text, lo, members = piece
            if stop - low == step:  # the last blocks of a slice are too few to go by
                step = self._steps[self._relation.oid] = _next_step(step, len(text) - lo)
            low, stop, read = stop, min(high, stop + step), True
            before = text[max(lo, len(text) - BEFORE) :]
            if low < high:
                ahead = self._session.ahead(partial(self._range, low, stop, before))
            yield from members
            yield from chunks(text, lo, self._names, self._keys)

    def _range(self, low: int, high: int, before: bytes) -> _Piece:
        source = f"{self._from()} WHERE {_blocks(low, high)}"
        if self._binary:
            return self._rows(source, before)
        members = self._large_values(source) if self._large else []
        each = max(1, (high - low) // _TEXTS)
        outer = "b" if self._relation.name != "b" else "bb"
        first, end = f"{outer}.first", f"least({outer}.first + {each}, {high})"
        some = f"ctid >= ('(' || {first} || ',0)')::tid AND ctid < ('(' || {end} || ',0)')::tid"
        text = self._session.text(
            f"SELECT (SELECT {self._together()} FROM {self._from()} WHERE {some})"  # noqa: S608 - names are quoted
            f" FROM generate_series({low}, {high - 1}, {each}) {outer} (first)",
            before,
        )
        return text, len(before), members

    def _together(self) -> str:
        return f"string_agg({self._line()}, {_NEW_ROW})"

    def _rows(self, source: str, before: bytes) -> _Piece:
        """``source`` is what follows FROM, with a WHERE in it."""
        members: list[Member] = []
        if not self._binary:
            text = self._session.text(f"SELECT {self._together()} FROM {source}", before)  # noqa: S608 - names are quoted
        else:
            query = f"SELECT {self._fields()} FROM {source}"  # noqa: S608 - the same
            lines, members = self._lines(self._session.raw(query))
            text = before + lines
        if self._large:
            members += self._large_values(source)
        return text, len(before), members

    def _from(self) -> str:
        return f"ONLY {self._relation.sql}"

    # --- a first pass

    def sample(self) -> Sample | None:
        """Pages drawn at random, some in one statement."""
        count = -(-(self._size or 0) // self._block)
        drawn = draw(count) if self.sliceable else None
        if drawn is None:
            return None
        pages = list(drawn)
        return Sample(self._sampled(pages), len(pages) / count)

    def _sampled(self, pages: list[int]) -> Iterator[Chunk | Member | Problem]:
        place, step = 0, _PAGES // 8
        while place < len(pages):
            some = pages[place : place + step]
            each = (
                f"SELECT ctid, * FROM {self._from()} WHERE {_blocks(page, page + 1)}"  # noqa: S608 - names are quoted
                for page in some
            )
            try:
                source = f"({' UNION ALL '.join(each)}) drawn WHERE true"
                text, lo, members = self._rows(source, b"")
            except Unreadable as fault:
                yield Problem(fault.reason, fault.detail)
                return
            yield from members
            yield from chunks(text, lo, self._names, self._keys)
            place, step = place + step, min(_next_step(step, len(text)), _PAGES)

    def _line(self) -> str:
        """SQL for one row as text, NULL never. ``||`` of text is the fastest there is; a table with
        very many columns would nest it too deep."""
        values = [self._value(column) for column in self._text]
        if len(values) <= _MOST_JOINED:
            joined = f" || {_NEW_FIELD} || ".join(
                f"coalesce({value}, '')" if column.text else f"concat({value})"
                for column, value in zip(self._text, values, strict=True)
            )
            end = f" || {_NEW_FIELD}" if self._binary and values else ""
            return (joined + end) or "''"
        parts = [part for value in values for part in (value, _NEW_FIELD)]
        parts = parts if self._binary else parts[:-1]
        groups = [parts[i : i + _GROUP] for i in range(0, len(parts), _GROUP)]
        return " || ".join(f"concat({', '.join(group)})" for group in groups)

    def _fields(self) -> str:
        """SQL for one row: its text, then each ``bytea``, then its place."""
        place = ["ctid::text"] if self._relation.table else []
        return ", ".join([self._line(), *(self._value(c) for c in self._binary), *place])

    def _value(self, column: Column) -> str:
        name = quote(column.name)
        if column.kind == "float8":
            # as text a double of 16 digits is 4.5e+15: whole numbers in their digits
            whole = f"{name} = trunc({name}) AND abs({name}) < 9e18"
            return f"CASE WHEN {whole} THEN {name}::bigint::text ELSE {name}::text END"
        if column.kind == "bytea" and column.key is not None:
            return f"encode({name}, 'hex')"
        if column in self._large:
            return f"CASE WHEN {_over(column)} THEN NULL ELSE {name} END"
        return name

    def _lines(self, rows: Sequence[tuple[Any, ...]]) -> tuple[bytes, list[Member]]:
        """Rows with ``bytea`` in them, one by one."""
        lines: list[bytes] = []
        members: list[Member] = []
        names = [column.name for column in self._binary]
        for number, (text, *rest) in enumerate(rows):
            values = rest[: len(names)]
            place = rest[-1].decode() if len(rest) > len(names) else str(number)
            line, opened = with_binary(text, values, names, place) if names else (text, [])
            lines.append(line)
            members += opened
        return (NEW_ROW.join(lines) + b"\n" if lines else b""), members

    # --- large values

    def _large_values(self, source: str) -> list[Member]:
        over = ", ".join(_over(column) for column in self._large)
        any_over = " OR ".join(_over(column) for column in self._large)
        query = f"SELECT ctid::text, {over} FROM {source} AND ({any_over})"  # noqa: S608 - names are quoted
        members = []
        for place, *flags in self._session.raw(query):
            for column, is_over in zip(self._large, flags, strict=True):
                if is_over:
                    name = f"{column.name}@{place.decode()}"
                    open_it = partial(self._pieces, column, place.decode(), name)
                    members.append(Member(name, None, open_it))
        return members

    def _pieces(self, column: Column, place: str, name: str) -> Source:
        value = quote(column.name)
        if column.kind != "bytea":
            value = f"convert_to({value}::text, 'UTF8')"
        rest = f"FROM {self._from()} WHERE ctid = '{place}'::tid"
        return pieces(
            self._session.raw,
            name,
            lambda start, size: f"substr({value}, {start + 1}, {size}) {rest}",
        )

    # --- the row with a key

    def keyed(self) -> Iterator[Keyed]:
        """Raises ``Unreadable``."""
        if not self._keys:
            raise Unreadable(Reason.UNSUPPORTED, "it has no primary key that the role may read")
        if not self.sliceable:
            detail = "the place of a row cannot be told: it needs PostgreSQL 14, and a heap"
            raise Unreadable(Reason.UNSUPPORTED, detail)
        columns = [self._text[part.place] for part in self._keys]
        values = ", ".join(f"convert_to(concat({self._value(c)}), 'UTF8')" for c in columns)
        query = f"SELECT ctid::text, {values} FROM {self._from()}"  # noqa: S608 - names are quoted
        for low in range(0, -(-(self._size or 0) // self._block), _KEYED_BLOCKS):
            blocks = _blocks(low, low + _KEYED_BLOCKS)
            for place, *texts in self._session.raw(f"{query} WHERE {blocks}"):
                yield Keyed(
                    f"SELECT * FROM {self._relation.sql} WHERE ctid = '{place.decode()}';",  # noqa: S608 - the same
                    [
                        (column.name, text, column.whole)
                        for column, text in zip(columns, texts, strict=True)
                    ],
                )

    # --- what cannot be read by block

    def _in_one(self, part: Slice) -> Iterator[Chunk | Member | Problem]:
        """Of a table that is no heap, or of which the role may read only some columns."""
        query = f"SELECT {self._fields()} FROM {self._from()}"  # noqa: S608 - names are quoted
        before, read = b"", False
        try:
            for rows in self._session.stream(query, _ROWS_AT_ONCE):
                lines, members = self._lines(rows)
                yield from members
                yield from chunks(before + lines, len(before), self._names, self._keys)
                before, read = lines[-BEFORE:], True
        except Unreadable as fault:
            if not read:
                raise
            yield Problem(fault.reason, fault.detail)


def _keys(columns: Sequence[Column]) -> list[KeyColumn]:
    """The primary key, in its order."""
    places = [(c.key, place, c.whole) for place, c in enumerate(columns) if c.key is not None]
    return [KeyColumn(place, whole) for _, place, whole in sorted(places)]


def _blocks(low: int, high: int) -> str:
    return f"ctid >= '({low},0)'::tid AND ctid < '({high},0)'::tid"


def _over(column: Column) -> str:
    """SQL: whether a value is to be fetched in pieces. The length of text and bytes can be asked
    without unpacking; of the other types only the packed one, which may be a tenth."""
    name = quote(column.name)
    if column.sized:
        return f"coalesce(octet_length({name}) > {LARGE}, false)"
    return f"coalesce(pg_column_size({name}) > {LARGE // 8}, false)"


def _next_step(step: int, got: int) -> int:
    wanted = step * TARGET // max(got, TARGET // 4)
    return max(1, min(wanted, 2 * step, _MOST_BLOCKS))
