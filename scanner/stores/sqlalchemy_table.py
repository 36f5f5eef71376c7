"""Reading one table through SQLAlchemy: by ranges of its primary key, or in one statement.

A slice is a share of the span of a key of one whole number, where the dialect tells how large the
table is. Rows become the text of ``scanner.tablerows``.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from detectors.records import dataclass
from scanner import formats
from scanner.contracts import Chunk, KeyColumn, Member, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Problem, Slice
from scanner.stores.sqlalchemy_session import Session
from scanner.tablerows import Row, chunks

if TYPE_CHECKING:
    import sqlalchemy as sa

_FIRST_ROWS, _MOST_ROWS = 200, 20_000
_TARGET = 2 << 20
"""bytes of text a statement is meant to give"""
_PACKED = 32
"""A value shorter than this is not looked at as an archive or a document."""
_KEY_LIMIT = 10**10
"""a key from here on could be a card number, and is not told"""
_TEXT_KEYS = frozenset(("postgresql", "mysql", "mariadb", "sqlite"))
"""Dialects where a text comes back in the place of the order where it was: the others may compare
a parameter by other rules than a column."""
_SPECIAL = re.compile(rb"[\\\t\n\r]")
_ESCAPES = {b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}


@dataclass(frozen=True, slots=True)
class Table:
    """``columns`` in their order; ``key`` those of the primary key when reading can go on after a
    value of it, else none. ``whole`` is true when it is one whole number. ``primary`` is the
    primary key whatever can be done with it."""

    schema: str | None
    name: str
    columns: tuple[tuple[str, Any], ...]
    key: tuple[str, ...]
    whole: bool
    primary: tuple[KeyColumn, ...] = ()

    @classmethod
    def look(cls, inspector: sa.Inspector, schema: str | None, name: str, dialect: str) -> Table:
        """Raises what SQLAlchemy raises."""
        import sqlalchemy as sa

        columns = tuple((c["name"], c["type"]) for c in inspector.get_columns(name, schema))
        kinds = dict(columns)
        key = tuple(inspector.get_pk_constraint(name, schema).get("constrained_columns") or ())
        names = [name for name, _ in columns]
        primary = tuple(
            KeyColumn(names.index(column), isinstance(kinds[column], sa.Integer))
            for column in (key if all(column in kinds for column in key) else ())
        )
        ordered: tuple[type[Any], ...] = (sa.Integer, sa.Date)
        if dialect in _TEXT_KEYS:
            ordered = (*ordered, sa.Numeric, sa.String)
        inexact = (sa.Float, sa.Text, sa.Enum, sa.DateTime)
        if not all(
            column in kinds
            and isinstance(kinds[column], ordered)
            and not isinstance(kinds[column], inexact)
            for column in key
        ):
            key = ()
        whole = len(key) == 1 and isinstance(kinds[key[0]], sa.Integer)
        return cls(schema, name, columns, key, whole, primary)

    def clause(self) -> sa.TableClause:
        """Values come as the driver gives them, but for the key, which goes back to the server."""
        import sqlalchemy as sa

        made: list[Any] = [
            sa.column(name, kind) if name in self.key else sa.column(name)
            for name, kind in self.columns
        ]
        return sa.table(self.name, *made, schema=self.schema)


def span(session: Session, table: Table) -> tuple[int, int] | None:
    """The lowest and highest key; None for an empty table. Raises ``Unreadable``."""
    import sqlalchemy as sa

    column = table.clause().c[table.key[0]]
    ((low, high),) = session.rows(sa.select(sa.func.min(column), sa.func.max(column)))
    return None if low is None or high is None else (int(low), int(high))


class TableReader:
    """One table, for the slices one worker reads of it. ``bounds`` are its lowest and highest key,
    the same for every worker."""

    def __init__(
        self, session: Session, table: Table, size: int | None, bounds: tuple[int, int] | None
    ) -> None:
        self._session, self._table, self._size, self._bounds = session, table, size, bounds
        self._clause = table.clause()
        self._names = [name for name, _ in table.columns]
        self._key = [self._names.index(name) for name in table.key]
        self._of_key = {part.place for part in table.primary}
        self.sliceable = bool(table.whole and bounds and size)

    def chunks(self, part: Slice) -> Iterator[Chunk | Member | Problem]:
        """Raises ``Unreadable`` when nothing of the part can be read."""
        rows = self._by_key(part) if self._key else self._in_one()
        return chunks(self._lines(rows), self._names, keys=self._table.primary)

    def _within(self, part: Slice) -> list[Any]:
        """The first and the last are open, for rows that came since the listing."""
        if not self.sliceable:
            return []
        assert self._bounds and self._size
        column, (low, high) = self._clause.c[self._table.key[0]], self._bounds
        within = []
        if part.start > 0:
            within.append(column >= low + (high - low + 1) * part.start // self._size)
        if part.end is not None and part.end < self._size:
            within.append(column < low + (high - low + 1) * part.end // self._size)
        return within

    def _by_key(self, part: Slice) -> Iterator[Any]:
        import sqlalchemy as sa

        keys = [self._clause.c[name] for name in self._table.key]
        within, step = self._within(part), _FIRST_ROWS
        last: list[Any] | None = None
        while True:
            after = [] if last is None else [_beyond(keys, last)]
            query = sa.select(self._clause).where(*within, *after).order_by(*keys).limit(step)
            try:
                found = self._session.rows(query)
            except Unreadable as fault:
                if step == 1 or fault.reason not in (Reason.BUDGET_MEMORY, Reason.TIMED_OUT):
                    raise
                step = max(1, step // 4)
                continue
            yield from found
            if len(found) < step:
                return
            last = [found[-1][place] for place in self._key]
            size = sum(map(_length, found[-1])) + 1
            step = max(1, min(_TARGET // size, 2 * step, _MOST_ROWS))

    def _in_one(self) -> Iterator[Any]:
        import sqlalchemy as sa

        for found in self._session.stream(sa.select(self._clause), _FIRST_ROWS):
            yield from found

    def _lines(self, rows: Iterator[Any]) -> Iterator[Row | Member | Problem]:
        read = 0
        try:
            for row in rows:
                read += 1
                number = self._number(row, read)
                parts = []
                for place, (name, value) in enumerate(zip(self._names, row, strict=True)):
                    raw = shown(value)
                    packed = isinstance(value, bytes | bytearray | memoryview)
                    if raw and packed and place in self._of_key:
                        raw, packed = raw.hex().encode(), False  # a row is to be known by them
                    if raw and packed and len(raw) > _PACKED and formats.is_packed(raw):
                        member = f"{name}@{number}"
                        yield Member(member, len(raw), partial(_held, raw, member))
                        raw = b""
                    parts.append(rb"\N" if raw is None else _SPECIAL.sub(_escape, raw))
                yield number, b"\t".join(parts) + b"\n"
        except Unreadable as fault:
            if not read:
                raise
            yield Problem(fault.reason, fault.detail)

    def _number(self, row: Sequence[Any], read: int) -> int:
        """What stands for the row in a location: its key, or its place where there is none."""
        if not self._table.whole:
            return read
        key = int(row[self._key[0]])
        return key if 0 <= key < _KEY_LIMIT else read


def _beyond(keys: Sequence[Any], last: Sequence[Any]) -> Any:
    """The key is greater than ``last``, spelled for dialects that cannot compare rows."""
    import sqlalchemy as sa

    ways = [
        sa.and_(
            *(k == v for k, v in zip(keys[:place], last, strict=False)), keys[place] > last[place]
        )
        for place in range(len(keys))
    ]
    return sa.or_(*ways)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | bytearray | memoryview) else 8


def shown(value: Any) -> bytes | None:
    """A value of any driver as bytes, None for NULL. Numbers in their digits."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 9e18:
        return b"%d" % int(value)
    if isinstance(value, dict | list | tuple | set):
        plain = list(value) if isinstance(value, set) else value
        return json.dumps(plain, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
    read = getattr(value, "read", None)  # a LOB that is fetched when it is asked for
    if callable(read):
        return shown(read())
    return str(value).encode("utf-8", "surrogatepass")


def _escape(found: re.Match[bytes]) -> bytes:
    return _ESCAPES[found[0]]


def _held(value: bytes, name: str) -> Source:
    return Source(io.BytesIO(value), name, len(value))
