"""What stands together in one record with a card number: counted, sealed, added up in any order.

A record is a row of a table, a JSON object, or a line; where text has neither, a window around
the number, and that is said. A record of several card numbers counts once, with the likeliest. Only
records of card numbers are looked at, so that other data costs nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from detectors.base import CONFIRMED, Match, State
from detectors.company import Columns, beside
from scanner.contracts import Chunk, Rows
from scanner.fieldtally import Found, Sealed
from scanner.kinds import LEAST_SCORE, Kind, Place, short, step_of
from scanner.model import Location
from scanner.rowkey import row_key
from scanner.seal import Sealer
from scanner.sketch import EXACT, Counting, Sketch

CARD = "CREDIT_CARD"
LIVE = (State.CLEAR, State.ENCODED)
ROW, OBJECT, LINE, WINDOW = "row", "object", "line", "window"
MANY = "SEVERAL_KINDS"
"""stands for what stood there when there are too many combinations to be told apart"""
MOST = 512
"""combinations told apart in a slice"""
_PLACES = 15
_LONGEST_LINE = 8192
_LONGEST_ROW = 1 << 20
_OBJECT = 2048
_WINDOW = 256


class Candidate(msgspec.Struct, frozen=True):
    """Card numbers of one kind and probability, as in ``fieldtally.FieldTally``."""

    kind: Kind
    bucket: int


class Company(msgspec.Struct):
    """Records in which card numbers of these ``candidates`` stand with the kinds ``beside``:
    entities of findings, and those of ``detectors.company``; () for none. Which of the candidates
    are card numbers is known when the unit is settled."""

    candidates: tuple[Candidate, ...]
    per: str
    beside: tuple[str, ...]
    records: int
    numbers: list[int]
    """how many of each candidate stand there: one number may do so more than once"""
    cards: list[Sketch]
    """the distinct ones of each"""
    places: list[Place]


class _Records:
    __slots__ = ("cards", "numbers", "places", "records")

    def __init__(self, candidates: int) -> None:
        self.records, self.numbers = 0, [0] * candidates
        self.cards = [Counting(EXACT) for _ in range(candidates)]
        self.places: list[Place] = []


_Candidates = tuple[Candidate, ...]


def counts(match: Match) -> bool:
    """Whether it is a card number whose record is looked at."""
    return match.entity == CARD and match.state in LIVE and match.score >= LEAST_SCORE


class CompanyCollector:
    """Collects the records of one slice, a chunk at a time."""

    def __init__(self, sealer: Sealer, part: int) -> None:
        self._sealer, self._part, self._rank = sealer, part, 0
        self._records: dict[tuple[_Candidates, str, tuple[str, ...]], _Records] = {}
        self._known: dict[tuple[object, ...], _Records] = {}
        self._columns: tuple[Sequence[str], Columns] = ((), Columns(()))

    def chunk(self, chunk: Chunk, found: Sequence[Found], many: Sequence[Sealed] = ()) -> None:
        """``found`` are all matches of the window, but for those that are in bulk in ``many``."""
        if many:
            found = [*found, *self._rows(chunk, found, many)]
        cards = [f for f in found if counts(f.match)]
        if not cards:
            return
        cards.sort(key=lambda f: f.match.start)
        others = sorted(
            (f.match.start, f.match.entity)
            for f in found
            if f.match.score >= CONFIRMED and (f.match.entity != CARD)
        )
        starts = [start for start, _ in others]
        places = [f.match.start for f in cards]
        held: list[Found] = []
        until, span = -1, (0, 0, LINE)
        for card in cards:
            if card.match.start >= until:
                if held:
                    self._record(chunk, span, held, others, starts)
                held, span = [], _record(chunk, card.match.start, card.match.end, places)
                until = span[1]
            held.append(card)
        self._record(chunk, span, held, others, starts)

    def _rows(
        self, chunk: Chunk, found: Sequence[Found], many: Sequence[Sealed]
    ) -> Sequence[Found]:
        """Counts the rows with one card number in bulk and no other; gives all in bulk that
        stands in another record, to be counted record by record."""
        from scanner.rowcompany import OneCard, each

        if not any(counts(bulk.match) for bulk, _ in many) and not any(
            counts(f.match) for f in found
        ):
            return ()
        rows = OneCard.of(chunk, found, many)
        if rows is None:
            return each(many)
        if rows.columns is not self._columns[0]:
            self._columns = (rows.columns, Columns(rows.columns))
        for sealed, kinds, which in rows.groups(self._columns[1]):
            match = sealed.bulk.match
            records = self._slot([[Found(match, b"")]], ROW, kinds)
            records.records += len(which)
            records.numbers[0] += len(which)
            records.cards[0].add_all(sealed.shorts[which])
            for index in which[: max(0, _PLACES - len(records.places))].tolist():
                self._rank += 1
                where = self._locate(chunk, sealed.bulk.one(index))
                records.places.append(Place(self._part, self._rank, where))
        return rows.rest()

    def done(self) -> list[Company]:
        return [
            Company(
                *key,
                records.records,
                records.numbers,
                [cards.done() for cards in records.cards],
                records.places,
            )
            for key, records in self._records.items()
        ]

    def _record(
        self,
        chunk: Chunk,
        span: tuple[int, int, str],
        cards: Sequence[Found],
        others: Sequence[tuple[int, str]],
        starts: Sequence[int],
    ) -> None:
        start, end, per = span
        match, groups = cards[0].match, [cards]
        if len(cards) > 1:
            groups = _by_kind(cards)
            match = groups[0][0].match
        kinds = self._named(chunk, span, match)
        first, last = bisect_left(starts, start), bisect_left(starts, end)
        if last > first:
            kinds.update([entity for _, entity in others[first:last]])
        key = (per, frozenset(kinds), *[_kind_of(same[0].match) for same in groups])
        records = self._known.get(key)
        if records is None:
            records = self._known[key] = self._slot(groups, per, kinds)
        records.records += 1
        for place, same in enumerate(groups[: len(records.cards)]):
            records.numbers[place] += len(same)
            for card in same:
                records.cards[place].add(short(card.fingerprint))
        self._rank += 1
        if len(records.places) < _PLACES:
            records.places.append(Place(self._part, self._rank, self._locate(chunk, match)))

    def _slot(self, cards: Sequence[Sequence[Found]], per: str, kinds: set[str]) -> _Records:
        """Where records like this are counted."""
        full = len(self._records) >= MOST
        if full:
            self._known.clear()
            kinds = kinds if len(self._records) < 2 * MOST else {MANY}
            cards = cards[:1]
        candidates = tuple(
            Candidate(Kind(m.detector, m.entity, m.state, 0 if full else m.field), step_of(m.score))
            for m in (same[0].match for same in cards)
        )
        return self._records.setdefault(
            (candidates, per, tuple(sorted(kinds))), _Records(len(candidates))
        )

    def _named(self, chunk: Chunk, span: tuple[int, int, str], match: Match) -> set[str]:
        """Expiry, holder and service code, by the names of columns or keys."""
        start, end, per = span
        rows = chunk.rows
        if per != ROW or rows is None:
            return beside(bytes(chunk.data[start:end]), match.start - start, match.end - start)
        if rows.columns is not self._columns[0]:
            self._columns = (rows.columns, Columns(rows.columns))
        columns = self._columns[1]
        if not columns:
            return set()
        row = bytes(chunk.data[start:end])
        if not rows.exact and b'"' in row:
            return columns.beside(_unquoted(row, rows))
        return columns.beside(row.split(rows.cell_end))

    def _locate(self, chunk: Chunk, match: Match) -> Location:
        where, seal = chunk.locate(match.start, match.end), self._sealer.name
        return replace(
            where,
            member=where.member and seal(where.member),
            sheet=where.sheet and seal(where.sheet),
            field=where.field and seal(where.field),
            key=row_key(chunk, match.start, self._sealer),
        )


def _kind_of(match: Match) -> tuple[int, int, str, str]:
    return match.field, step_of(match.score), match.state, match.detector


def _by_kind(cards: Sequence[Found]) -> list[Sequence[Found]]:
    """The card numbers of a record by kind and probability, the likeliest first."""
    of: dict[tuple[int, int, str, str], list[Found]] = {}
    for card in cards:
        of.setdefault(_kind_of(card.match), []).append(card)
    return sorted(of.values(), key=lambda same: (-same[0].match.score, same[0].match.start))


def _unquoted(row: bytes, rows: Rows) -> list[bytes]:
    import csv

    text = row.decode("latin-1")
    try:
        cells = next(csv.reader([text], delimiter=rows.cell_end.decode("latin-1")))
    except (csv.Error, StopIteration):
        return []
    return [cell.encode("latin-1") for cell in cells]


# --- where a record begins and ends -------------------------------------------------------------


def _record(chunk: Chunk, start: int, end: int, cards: Sequence[int]) -> tuple[int, int, str]:
    """The record that ``start`` .. ``end`` stands in: its start, its end, what it is. ``cards``
    are the starts of all card numbers in the chunk."""
    data, rows = chunk.data, chunk.rows
    assert not isinstance(data, memoryview)
    if rows is not None:
        first = data.rfind(rows.row_end, max(0, start - _LONGEST_ROW), start)
        first = chunk.lo if first < 0 and chunk.lo <= start else max(first + len(rows.row_end), 0)
        last = data.find(rows.row_end, end, end + _LONGEST_ROW)
        return first, last if last >= 0 else min(len(data), end + _LONGEST_ROW), ROW
    first = data.rfind(b"\n", max(0, start - _LONGEST_LINE), start) + 1
    last = data.find(b"\n", end, end + _LONGEST_LINE)
    last = last if last >= 0 else len(data)
    whole = start - first <= _LONGEST_LINE and last - end <= _LONGEST_LINE
    line = bytes(data[first:last]).strip(b" \t\r,") if whole else b""
    if whole and line[:1] == b"{" and line[-1:] == b"}":
        return first, last, OBJECT
    if not whole or line[:1] in (b'"', b"{", b"[", b"}"):
        around = _object(bytes(data[max(0, start - _OBJECT) : end + _OBJECT]), start, end, cards)
        if around is not None:
            return *around, OBJECT
    if whole:
        return first, last, LINE
    return max(0, start - _WINDOW), min(len(data), end + _WINDOW), WINDOW


def _object(text: bytes, start: int, end: int, cards: Sequence[int]) -> tuple[int, int] | None:
    """The innermost JSON object around a number, or the object around that one when no other card
    number stands in it: a card often is an object of its own, with its holder beside it.

    ``text`` is what lies around ``start`` .. ``end``, up to ``_OBJECT`` bytes on either side."""
    shift = max(0, start - _OBJECT)
    openers: list[int] = []
    depth = 0
    for mark in reversed([*_BRACKET.finditer(text, 0, start - shift)]):
        if mark[0] in b"}]":
            depth += 1
        elif depth:
            depth -= 1
        elif mark[0] == b"[":
            break
        else:
            openers.append(mark.start() + shift)
    closers: list[int] = []
    depth = 0
    for mark in _BRACKET.finditer(text, end - shift):
        if mark[0] in b"{[":
            depth += 1
        elif depth:
            depth -= 1
        elif mark[0] == b"]":
            break
        else:
            closers.append(mark.end() + shift)
    spans = list(zip(openers, closers, strict=False))[:2]
    if not spans:
        return None
    if len(spans) == 2:
        inner, outer = (bisect_left(cards, b) - bisect_left(cards, a) for a, b in spans)
        return spans[inner == outer]
    return spans[0]


_BRACKET = re.compile(rb"[{}\[\]]")


def add_company(parts: Iterable[Sequence[Company]]) -> list[Company]:
    """The records of a unit from those of its slices, in any order. Places are of the unit."""
    total: dict[tuple[_Candidates, str, tuple[str, ...]], Company] = {}
    for part in parts:
        for each in part:
            key = (each.candidates, each.per, each.beside)
            old = total.get(key)
            if old is None:
                total[key] = each
                continue
            places = sorted([*old.places, *each.places], key=lambda p: (p.part, p.rank))
            total[key] = Company(
                *key,
                old.records + each.records,
                [one + other for one, other in zip(old.numbers, each.numbers, strict=True)],
                [one.add(other) for one, other in zip(old.cards, each.cards, strict=True)],
                places[:_PLACES],
            )
    return [total[key] for key in sorted(total, key=repr)]
