"""Sealed counts: what a slice hands to the main process, and how slices add up.

A *tally* is one distinct value of one entity, in one state and under one field: how often it
stands there and where. A slice keeps the first ``limit`` distinct values of an entity one by one;
the rest become *crowds*, which know how many and which (64 bits of each fingerprint), so that
distinct values stay exact however slices are added up. Adding up does not depend on the order,
which is what lets slices run anywhere and resume.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from detectors import iin
from detectors.base import Bulk, Detector, FieldCounts, Match
from scanner.company import Company, add_company
from scanner.contracts import Chunk
from scanner.fieldtally import Fields, add_fields
from scanner.kinds import Kind as Kind
from scanner.kinds import Place as Place
from scanner.kinds import least_of, step_of
from scanner.kinds import short as short
from scanner.model import Location
from scanner.prints import distinct
from scanner.rowkey import row_key
from scanner.seal import Sealer, mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PLACES = 15
_COMPACT_AT = 1 << 20


class Tally(msgspec.Struct):
    """``score`` is the local probability of the best occurrence, ``why`` its words."""

    kind: Kind
    fingerprint: bytes
    masked: str | None
    brands: tuple[str, ...]
    score: float
    why: tuple[str, ...]
    layout: str
    count: int
    places: list[Place]

    def add(self, other: Tally) -> None:
        self.count += other.count
        if other.score > self.score:
            self.score, self.why, self.layout = other.score, other.why, other.layout
            self.brands = other.brands
        places = [*self.places, *other.places]
        self.places = sorted(places, key=lambda place: (place.part, place.rank))[:MAX_PLACES]


class Crowd(msgspec.Struct):
    """Many values at once. ``prints`` is a packed, sorted array of distinct 64-bit fingerprints,
    empty where values were counted and not told apart; ``score`` their probability, at least."""

    kind: Kind
    score: float
    count: int
    prints: bytes

    def add(self, other: Crowd) -> None:
        self.count += other.count
        self.prints = distinct(self.prints + other.prints)


class SealedProblem(msgspec.Struct, frozen=True):
    reason: str
    detail: str = ""
    member: str | None = None


class SliceResult(msgspec.Struct):
    """All that leaves a worker, and what the ledger keeps of a slice until its unit is done."""

    unit: str
    index: int
    cut: bool = False
    """the unit's format can be read in slices: the others may be scheduled"""
    bytes: int = 0
    """of the unit, as it lies there"""
    searched: int = 0
    """unpacked bytes that the detectors saw"""
    newlines: int = 0
    tallies: list[Tally] = []
    crowds: list[Crowd] = []
    fields: dict[str, dict[int, FieldCounts]] = {}
    """by detector, since each numbers its fields in its own way"""
    columns: Fields = msgspec.field(default_factory=Fields)
    """what stands under each column and key"""
    company: list[Company] = []
    """what stands together in one record with a card number"""
    problems: list[SealedProblem] = []
    problems_more: int = 0
    """problems beyond the first hundred"""
    unreadable: SealedProblem | None = None
    sampled: float | None = None
    """this was a first pass over that fraction of the unit; None: it was not"""
    start: int = 0
    end: int | None = None
    """of the slice, by which a resume knows whether it would cut as this was cut"""


class Tallies:
    """Collects the matches of one slice, sealing each as it comes."""

    def __init__(self, sealer: Sealer, part: int, limit: int) -> None:
        self._sealer, self._part, self._limit = sealer, part, limit
        self._rank = 0
        self._tallies: dict[tuple[Kind, bytes], Tally] = {}
        self._distinct: dict[str, int] = {}
        self._crowds: dict[tuple[Kind, int], tuple[int, array[int]]] = {}
        self._known: dict[Kind, tuple[int, NDArray[np.uint64]]] = {}

    def add(self, detector: Detector, match: Match, chunk: Chunk) -> bytes:
        """Seals one match, and gives its fingerprint. The raw value is a local of this function
        and of nothing else."""
        value = detector.value(chunk.data, match)
        fingerprint = self._sealer.fingerprint(value.text)
        kind = Kind(match.detector, match.entity, match.state, match.field)
        self._rank += 1
        tally = self._tallies.get((kind, fingerprint))
        if tally is None:
            known = self._distinct.get(match.entity, 0)
            if known >= self._limit:
                self._add_crowd(kind, match.score, fingerprint[:8], 1)
                return fingerprint
            self._distinct[match.entity] = known + 1
            masked = None if value.pan is None else mask(value.pan)
            brands = match.brands or _brands(value.pan)
            tally = Tally(
                kind, fingerprint, masked, brands, match.score, match.why, match.layout, 0, []
            )
            self._tallies[(kind, fingerprint)] = tally
        elif match.score > tally.score:
            tally.score, tally.why, tally.layout = match.score, match.why, match.layout
            tally.brands = match.brands
        tally.count += 1
        if len(tally.places) < MAX_PLACES:
            where = self._locate(chunk, match)
            tally.places.append(Place(self._part, self._rank, where))
        return fingerprint

    def add_bulk(self, detector: Detector, bulk: Bulk, chunk: Chunk) -> NDArray[np.uint64]:
        """As ``add`` for each value of ``bulk``; gives the first 64 bits of each fingerprint."""
        import numpy as np

        match = bulk.match
        prints = self._sealer.prints(chunk.data, bulk.starts, bulk.ends, bulk.form)
        kind = Kind(match.detector, match.entity, match.state, match.field)
        shorts = prints[:, :8].copy().view("<u8")[:, 0]
        distinct_, first, which = np.unique(shorts, return_index=True, return_inverse=True)
        counts = np.bincount(which)
        listed = np.zeros(len(distinct_), np.bool_)
        order = np.argsort(first)
        if self._distinct.get(match.entity, 0) >= self._limit:  # none is listed from now on
            known = self._listed(kind)
            order = order[np.isin(distinct_[order], known)]
        for index in order.tolist():
            row = int(first[index])
            key = (kind, prints[row].tobytes())
            tally = self._tallies.get(key)
            if tally is None and self._distinct.get(match.entity, 0) >= self._limit:
                continue
            listed[index] = True
            more = int(counts[index])
            if tally is None or len(tally.places) < MAX_PLACES:
                rows = [row] if more == 1 else np.flatnonzero(which == index).tolist()
                for place in rows[:MAX_PLACES]:
                    self.add(detector, bulk.one(place), chunk)
                more -= min(more, MAX_PLACES)
            self._tallies[key].count += more
        rest = shorts[~listed[which]]
        if len(rest):
            self._rank += len(rest)
            self._add_crowd(kind, match.score, rest.tobytes(), len(rest))
        return shorts

    def _listed(self, kind: Kind) -> NDArray[np.uint64]:
        """The short prints of the tallies of a kind."""
        import numpy as np

        known = self._known.get(kind)
        if known is None or known[0] != len(self._tallies):
            shorts = [short(print_) for each, print_ in self._tallies if each == kind]
            known = self._known[kind] = len(self._tallies), np.array(shorts, np.uint64)
        return known[1]

    def done(self) -> tuple[list[Tally], list[Crowd]]:
        crowds = [
            Crowd(kind, least_of(bucket), count, distinct(prints.tobytes()))
            for (kind, bucket), (count, prints) in self._crowds.items()
        ]
        return list(self._tallies.values()), crowds

    def _add_crowd(self, kind: Kind, score: float, packed: bytes, more: int) -> None:
        key = (kind, step_of(score))
        count, prints = self._crowds.get(key, (0, array("Q")))
        before = len(prints)
        prints.frombytes(packed)
        if len(prints) >= _COMPACT_AT and len(prints).bit_length() > before.bit_length():
            prints = array("Q", distinct(prints.tobytes()))  # at each doubling
        self._crowds[key] = (count + more, prints)

    def _locate(self, chunk: Chunk, match: Match) -> Location:
        """Names in a location come from data (members, columns, keys), so they are sealed."""
        where = chunk.locate(match.start, match.end)
        key = row_key(chunk, match.start, self._sealer)
        if where.member is where.sheet is where.field is key is None:
            return where
        seal = self._sealer.name
        return replace(
            where,
            member=where.member and seal(where.member),
            sheet=where.sheet and seal(where.sheet),
            field=where.field and seal(where.field),
            key=key,
        )


def _brands(pan: str | None) -> tuple[str, ...]:
    """Of a number in bulk, whose match stands for many."""
    return iin.brands(pan) if pan is not None and pan.isdigit() else ()


def add_up(results: Iterable[SliceResult]) -> SliceResult:
    """The slices of one unit as if it had been read in one go. Lines become lines of the unit."""
    ordered = sorted(results, key=lambda result: result.index)
    total = SliceResult(unit=ordered[0].unit, index=0)
    tallies: dict[tuple[Kind, bytes], Tally] = {}
    crowds: dict[tuple[Kind, float], Crowd] = {}
    newlines = 0
    for result in ordered:
        for tally in result.tallies:
            tally.places = [_shift(place, newlines) for place in tally.places]
            key = (tally.kind, tally.fingerprint)
            if key in tallies:
                tallies[key].add(tally)
            else:
                tallies[key] = tally
        for crowd in result.crowds:
            where = (crowd.kind, crowd.score)
            if where in crowds:
                crowds[where].add(crowd)
            else:
                crowds[where] = crowd
        for detector, fields in result.fields.items():
            mine = total.fields.setdefault(detector, {})
            for field, counts in fields.items():
                mine.setdefault(field, FieldCounts()).add(counts)
        total.problems.extend(result.problems)
        total.problems_more += result.problems_more
        total.unreadable = total.unreadable or result.unreadable
        total.bytes += result.bytes
        total.searched += result.searched
        for each in result.company:
            each.places = [_shift(place, newlines) for place in each.places]
        newlines += result.newlines
    total.columns = add_fields(result.columns for result in ordered)
    total.company = add_company(result.company for result in ordered)
    total.tallies, total.crowds, total.newlines = [*tallies.values()], [*crowds.values()], newlines
    return total


def _shift(place: Place, lines: int) -> Place:
    where = place.where
    if not lines or where.line is None or where.member is not None:
        return place
    moved = Location(
        where.offset,
        where.line + lines,
        where.column,
        page=where.page,
        sheet=where.sheet,
        row=where.row,
        field=where.field,
        key=where.key,
    )  # not by replace, which takes ten times as long
    return Place(place.part, place.rank, moved)
