"""What stands under each column and key: sealed counts of one slice, and how slices add up.

A *field* is a column of a table or a key in text (JSON, ``key=``), by its sealed name. Of each kind
of value under it is counted how often, how many distinct, and in how many rows that was.
Fields without a match cost nothing but a look at a few rows of a table, which tells columns of
hashes, tokens and ciphertext by their look. At most ``MOST`` fields a slice are told apart;
the others are counted.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from detectors.base import Bulk, Match
from detectors.keys import key_before
from detectors.looks import OTHER, look
from detectors.splithash import SplitHash
from scanner.contracts import Chunk, Rows
from scanner.kinds import LEAST_SCORE, Kind, short, step_of
from scanner.seal import Sealer
from scanner.sketch import EXACT, ROUGH, Counting, Sketch
from scanner.windows import count_byte

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 256
_MOST_KINDS = 32
"""kinds and probabilities of values told apart under one field"""
EXACTLY = frozenset({"CREDIT_CARD", "PAN_HASH"})
"""entities of which distinct values are told exactly for longer"""
_FIRST_ROWS, _LATER_ROWS = 24, 8
_LONGEST_ROW = 1 << 16
_DIGITS = re.compile(r"\d[\d\-. ]{2,}\d")
_ADDRESS = re.compile(r"[^.\s\"]*@.*", re.DOTALL)
_LONGEST_NAME = 120


class Found(NamedTuple):
    """A match, and the fingerprint of its value."""

    match: Match
    fingerprint: bytes


class Sealed(NamedTuple):
    """Values in bulk, and the first 64 bits of the fingerprint of each (``kinds.short``)."""

    bulk: Bulk
    shorts: NDArray[np.uint64]


class FieldName(msgspec.Struct, frozen=True, order=True):
    """``member`` and ``sheet`` as in a ``Location``; all sealed. ``column`` False: a key."""

    member: str | None
    sheet: str | None
    name: str
    column: bool


class FieldTally(msgspec.Struct):
    """Values of one kind and probability (the step ``bucket``) under one field."""

    field: FieldName
    kind: Kind
    bucket: int
    count: int
    distinct: Sketch


class ColumnLook(msgspec.Struct):
    """Of ``sampled`` values (NULL and empty left out), how many look like what (``looks``).
    ``undone`` says how a hash among them was undone, "" when none was."""

    field: FieldName
    sampled: int
    looks: dict[str, int]
    undone: str = ""


class TableRows(msgspec.Struct):
    """Rows of a table, or lines of JSON that are a record each. With ``entity``: those of them in
    which values of it were not listed one by one any more, so that they say nothing of a share."""

    member: str | None
    sheet: str | None
    rows: int
    entity: str | None = None


class Fields(msgspec.Struct):
    """All that a slice, or a unit, knows of its fields. ``further`` are those beyond ``MOST``."""

    tallies: list[FieldTally] = []
    looks: list[ColumnLook] = []
    tables: list[TableRows] = []
    further: Sketch = Sketch(ROUGH)
    further_values: int = 0
    dense: list[str] = []
    """entities of which not every value was listed"""


class _Values:
    """Values of one kind under one field, in the making."""

    __slots__ = ("count", "distinct")

    def __init__(self, entity: str) -> None:
        self.count = 0
        self.distinct = Counting(EXACT if entity in EXACTLY else ROUGH)


_Table = tuple[str | None, str | None]


class FieldCollector:
    """Collects the fields of one slice, a chunk at a time."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._values: dict[FieldName, dict[tuple[Kind, int], _Values]] = {}
        self._further, self._further_values = Counting(ROUGH), 0
        self._known: dict[tuple[object, ...], _Values] = {}
        self._names: dict[tuple[_Table, str, bool], FieldName] = {}
        self._rows: dict[_Table, int] = {}
        self._closed: dict[tuple[_Table, str], int] = {}
        self._dense: set[str] = set()
        self._chunks: dict[_Table, int] = {}
        self._looks: dict[FieldName, ColumnLook] = {}
        self._splits: dict[_Table, SplitHash] = {}
        self._spans: list[tuple[int, int]] = []

    def chunk(self, chunk: Chunk, found: Sequence[Found], dense: Collection[str]) -> None:
        """``found`` are all matches of the window, in order for each detector. Of ``dense``
        entities not every value is among them any more."""
        rows = chunk.rows
        lines = rows is None and _is_json_lines(chunk)
        if rows is None and not found and not lines:
            return
        table = self._table(chunk, found)
        if rows is not None:
            self._rows[table] = self._rows.get(table, 0) + _count_rows(chunk, rows)
            self._look(chunk, rows, table)
        elif lines:
            self._rows[table] = self._rows.get(table, 0) + _count_rows(chunk, _LINES)
        self._spans = sorted((f.match.start, f.match.end) for f in found) if rows is None else []
        for each in found:
            self._add(chunk, table, each)
        for entity in dense:
            if entity not in self._dense:
                self._dense.add(entity)
                if table in self._rows:
                    self._close(chunk, rows or _LINES, table, entity, found)

    def bulk(self, chunk: Chunk, bulk: Bulk, shorts: NDArray[np.uint64]) -> None:
        """Values in bulk, by the first 64 bits of their fingerprints; called after ``chunk``."""
        table = self._table(chunk, ())
        if bulk.column is not None:
            values = self._values_of(chunk, table, bulk.match, len(shorts), bulk.match.start)
            if values is not None:
                values.count += len(shorts)
                values.distinct.add_all(shorts)
            return
        for index, print_ in enumerate(shorts.tolist()):
            values = self._values_of(chunk, table, bulk.match, 1, int(bulk.starts[index]))
            if values is not None:
                values.count += 1
                values.distinct.add(print_)

    def done(self) -> Fields:
        tallies = [
            FieldTally(name, kind, bucket, values.count, values.distinct.done())
            for name, kinds in self._values.items()
            for (kind, bucket), values in kinds.items()
        ]
        tables = [TableRows(*table, rows) for table, rows in self._rows.items()]
        tables += [
            TableRows(*table, self._rows[table] - listed, entity)
            for (table, entity), listed in self._closed.items()
        ]
        looks = [each for each in self._looks.values() if set(each.looks) != {OTHER}]
        further, dense = self._further.done(), sorted(self._dense)
        return Fields(tallies, looks, tables, further, self._further_values, dense)

    # --- matches

    def _add(self, chunk: Chunk, table: _Table, found: Found) -> None:
        values = self._values_of(chunk, table, found.match, 1, found.match.start)
        if values is not None:
            values.count += 1
            values.distinct.add(short(found.fingerprint))

    def _values_of(
        self, chunk: Chunk, table: _Table, match: Match, count: int, start: int
    ) -> _Values | None:
        """Where a match that begins at ``start`` is counted, and ``count - 1`` more of its kind;
        None where it stands under no name, or, once that is noted, under one too many."""
        if match.score < LEAST_SCORE:
            return None
        raw = chunk.field_name(start)
        if raw is None and chunk.rows is None:
            span = key_before(chunk.data, start)
            if span is not None and not self._is_data(*span):
                raw = bytes(chunk.data[span[0] : span[1]]).decode("utf-8", "replace")
        if not raw:
            return None
        bucket = step_of(match.score)
        key = (raw, match.entity, match.field, bucket, match.state, match.detector, table)
        values = self._known.get(key)
        if values is None:
            name = self._name(table, raw, chunk.rows is not None)
            values = self._slot(name, match, bucket)
            if values is None:
                self._further.add(short(self._sealer.fingerprint(repr(name))))
                self._further_values += count
            elif len(self._known) < 16 * MOST:
                self._known[key] = values
        return values

    def _is_data(self, start: int, end: int) -> bool:
        """Whether what looks like a key is part of a value that was found: no name of anything."""
        place = bisect_left(self._spans, (end, 0))
        return any(stop > start for _, stop in self._spans[max(0, place - 3) : place])

    def _slot(self, name: FieldName, match: Match, bucket: int) -> _Values | None:
        """Where values of this kind are counted; None when there are fields enough."""
        kinds = self._values.get(name)
        if kinds is None:
            if len(self._values) >= MOST:
                return None
            kinds = self._values[name] = {}
        kind = Kind(match.detector, match.entity, match.state, match.field)
        if (kind, bucket) not in kinds and len(kinds) >= _MOST_KINDS:
            kind = Kind(match.detector, match.entity, match.state, 0)
        return kinds.setdefault((kind, bucket), _Values(match.entity))

    def _name(self, table: _Table, raw: str, column: bool) -> FieldName:
        key = (table, raw, column)
        name = self._names.get(key)
        if name is None:
            text = raw if column else _plain(raw)
            name = FieldName(*table, self._sealer.name(text)[:_LONGEST_NAME], column)
            if len(self._names) < 16 * MOST:
                self._names[key] = name
        return name

    def _table(self, chunk: Chunk, found: Sequence[Found]) -> _Table:
        at = found[0].match.start if found else chunk.lo
        where, seal = chunk.locate(at, at), self._sealer.name
        member = None if where.member is None else seal(where.member)
        return member, None if where.sheet is None else seal(where.sheet)

    # --- rows

    def _close(
        self, chunk: Chunk, rows: Rows, table: _Table, entity: str, found: Sequence[Found]
    ) -> None:
        """From here on values of the entity are not listed: what its share is of ends here."""
        ends = [f.match.end for f in found if f.match.entity == entity]
        left = count_byte(chunk.data, max(ends, default=chunk.lo), chunk.hi, rows.row_end[0])
        if ends:
            left -= 1  # the row of the last one was looked at
        self._closed[table, entity] = max(0, self._rows[table] - max(0, left))

    # --- looks

    def _look(self, chunk: Chunk, rows: Rows, table: _Table) -> None:
        """Looks at the first rows of the chunks 0, 1, 2, 4, 8 ... of a table."""
        number = self._chunks.get(table, 0)
        self._chunks[table] = number + 1
        if number & (number - 1) or (len(self._looks) >= 4 * MOST):
            return
        for cells in _first_rows(chunk, rows, _LATER_ROWS if number else _FIRST_ROWS):
            for column, cell in zip(rows.columns, cells, strict=False):
                value = cell.strip(b" \"'\r")
                if not value or value in (b"\\N", b"NULL", b"null"):
                    continue
                seen = self._column(table, column)
                seen.sampled += 1
                kind, detail = look(value)
                text = f"{kind}:{detail}" if detail else kind
                seen.looks[text] = seen.looks.get(text, 0) + 1
            self._prove(table, rows, cells)

    def _prove(self, table: _Table, rows: Rows, cells: list[bytes]) -> None:
        """Whether a hash of the row is undone by first and last digits in two other columns."""
        split = self._splits.get(table)
        if split is None:
            split = self._splits[table] = SplitHash(rows.columns)
        if not split:
            return
        proof = split.prove(cells)
        if proof is not None:
            with_, and_ = (
                self._name(table, rows.columns[place], column=True).name
                for place in (proof.first, proof.last)
            )
            seen = self._column(table, rows.columns[proof.hashed])
            seen.undone = f"{proof.algorithm} with {with_} and {and_}"

    def _column(self, table: _Table, column: str) -> ColumnLook:
        name = self._name(table, column, column=True)
        return self._looks.setdefault(name, ColumnLook(name, 0, {}))


def _plain(key: str) -> str:
    """The name of a key without what makes it one of many: ids in it, an address as a key."""
    return _DIGITS.sub("#", _ADDRESS.sub("…", key))


def _count_rows(chunk: Chunk, rows: Rows) -> int:
    """Rows that end in the window; the last row of a table ends with it."""
    data, hi = chunk.data, chunk.hi
    if hi <= chunk.lo:
        return 0
    end = rows.row_end[0]
    if rows.row_end == b"\n" and chunk.newlines:
        count = chunk.newlines
    else:
        count = count_byte(data, chunk.lo, hi, end)
    open_end = hi == len(data) and data[hi - 1] != end
    return max(0, count + open_end - rows.header)


_LINES = Rows((), b",", b"\n")


def _is_json_lines(chunk: Chunk) -> bool:
    """Whether the lines of a window are a JSON object each, by its first ones."""
    data, lo = chunk.data, chunk.lo
    if isinstance(data, memoryview):
        return False
    start = 0 if not lo else data.find(b"\n", lo, min(chunk.hi, lo + _LONGEST_ROW)) + 1
    if (lo and not start) or data[start : start + 2] != b'{"':
        return False
    following = data.find(b"\n", start, start + _LONGEST_ROW) + 1
    return following > 0 and data[following : following + 2] in (b'{"', b"", b"\n")


def _first_rows(chunk: Chunk, rows: Rows, most: int) -> Iterable[list[bytes]]:
    data, lo = bytes(chunk.data[chunk.lo : min(chunk.hi, chunk.lo + _LONGEST_ROW)]), 0
    if not rows.exact:  # a window may begin inside a row
        lo = data.find(rows.row_end) + len(rows.row_end)
        if not lo:
            return
    for line in data[lo:].split(rows.row_end)[:most]:
        if rows.exact or b'"' not in line:
            yield line.rstrip(b"\n").split(rows.cell_end)


# --- adding up ----------------------------------------------------------------------------------


def add_fields(parts: Iterable[Fields]) -> Fields:
    """The fields of a unit from those of its slices, in any order."""
    tallies: dict[tuple[FieldName, Kind, int], FieldTally] = {}
    looks: dict[FieldName, ColumnLook] = {}
    tables: dict[tuple[str | None, str | None, str | None], int] = {}
    further, values = Sketch(ROUGH), 0
    dense: set[str] = set()
    for part in parts:
        for each in part.tallies:
            key = (each.field, each.kind, each.bucket)
            old = tallies.get(key)
            tallies[key] = each if old is None else _added(old, each)
        for seen in part.looks:
            mine = looks.setdefault(seen.field, ColumnLook(seen.field, 0, {}))
            mine.sampled += seen.sampled
            mine.undone = max(mine.undone, seen.undone)
            for text, count in seen.looks.items():
                mine.looks[text] = mine.looks.get(text, 0) + count
        for table in part.tables:
            where = (table.member, table.sheet, table.entity)
            tables[where] = tables.get(where, 0) + table.rows
        further = further.add(part.further)
        values += part.further_values
        dense.update(part.dense)
    return Fields(
        [tallies[key] for key in sorted(tallies, key=_order)],
        [_in_order(looks[name]) for name in sorted(looks, key=_by_name)],
        [TableRows(w[0], w[1], tables[w], w[2]) for w in sorted(tables, key=repr)],
        further,
        values,
        sorted(dense),
    )


def _in_order(seen: ColumnLook) -> ColumnLook:
    return ColumnLook(seen.field, seen.sampled, dict(sorted(seen.looks.items())), seen.undone)


def _added(one: FieldTally, other: FieldTally) -> FieldTally:
    return FieldTally(
        one.field,
        one.kind,
        one.bucket,
        one.count + other.count,
        one.distinct.add(other.distinct),
    )


def _by_name(name: FieldName) -> tuple[str, str, str, bool]:
    return name.member or "", name.sheet or "", name.name, name.column


def _order(key: tuple[FieldName, Kind, int]) -> tuple[object, ...]:
    name, kind, bucket = key
    return (*_by_name(name), kind.detector, kind.entity, str(kind.state), kind.field, bucket)
