"""What a unit holds, field by field and record by record, once it is read to its end.

Pure functions from added-up counts to what the ledger keeps: sealed names, counts, places.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from detectors.base import CONFIRMED, State
from detectors.looks import CIPHERTEXT, HASH, NUMBER, OTHER, TOKEN, speaks_of_cards
from scanner.company import Company
from scanner.fieldtally import ColumnLook, FieldName, Fields, FieldTally
from scanner.kinds import Kind, least_of
from scanner.sketch import Sketch
from scanner.tally import MAX_PLACES, Place

Judge = Callable[[Kind, float], float]
"""the final probability of a value of a kind, given the probability of what stands around it"""

_FEWEST = 8
"""values a look is told from"""
_MOSTLY = 0.8


class FieldPart(msgspec.Struct, frozen=True):
    """Values of one entity and state under a field. ``rows`` they were counted in; None where rows
    cannot be told. ``whole`` False: not all values were listed, ``distinct`` is at least that."""

    entity: str
    state: State
    confirmed: bool
    count: int
    distinct: int
    exact: bool
    rows: int | None
    whole: bool


class UnitField(msgspec.Struct, frozen=True):
    """One column or key. ``look`` is what ``look_share`` of ``sampled`` other values look like,
    "" when nothing can be said."""

    field: FieldName
    rows: int | None
    parts: list[FieldPart]
    look: str = ""
    detail: str = ""
    look_share: float = 0.0
    sampled: int = 0
    undone: str = ""
    """how a hash of the column was undone by two others: ``sha256 with bin and last4``"""


class UnitRecords(msgspec.Struct, frozen=True):
    """Records of confirmed, readable card numbers with the kinds ``beside``."""

    per: str
    beside: tuple[str, ...]
    records: int
    cards: int
    confidence: float
    places: list[Place]


class UnitProfile(msgspec.Struct, frozen=True):
    fields: list[UnitField] = []
    further: int = 0
    """fields beyond those told apart"""
    records: list[UnitRecords] = []
    dense: list[str] = []
    """entities of which not every value was listed: in ``records`` they are at least so many"""


def profile(fields: Fields, company: Iterable[Company], judge: Judge, floor: float) -> UnitProfile:
    parts = _parts(fields, judge, floor)
    rows = {(t.member, t.sheet): t.rows for t in fields.tables if t.entity is None}
    tables = {(name.member, name.sheet) for name, some in parts.items() if _of_cards(some)}
    looks = {seen.field: said for seen in fields.looks if (said := _look(seen, tables))}
    names = sorted({*parts, *looks}, key=lambda n: (n.member or "", n.sheet or "", n.name))
    made = []
    for name in names:
        own, look = parts.get(name, []), looks.get(name, ("", "", 0.0, 0, ""))
        if own or name.column:
            made.append(UnitField(name, rows.get((name.member, name.sheet)), own, *look))
    return UnitProfile(made, fields.further.count, _records(company, judge), fields.dense)


def _parts(fields: Fields, judge: Judge, floor: float) -> dict[FieldName, list[FieldPart]]:
    rows = {(t.member, t.sheet): t.rows for t in fields.tables if t.entity is None}
    unlisted = {(t.member, t.sheet, t.entity): t.rows for t in fields.tables if t.entity}
    groups: dict[FieldName, dict[tuple[str, State, bool], list[FieldTally]]] = {}
    for tally in fields.tallies:
        sure = judge(tally.kind, least_of(tally.bucket))
        if sure >= floor:
            key = (tally.kind.entity, tally.kind.state, sure >= CONFIRMED)
            groups.setdefault(tally.field, {}).setdefault(key, []).append(tally)
    return {
        name: [
            _part(
                key,
                same,
                rows.get(_table(name)),
                unlisted.get((*_table(name), key[0])),
                key[0] in fields.dense,
            )
            for key, same in sorted(kinds.items())
        ]
        for name, kinds in groups.items()
    }


def _table(name: FieldName) -> tuple[str | None, str | None]:
    return name.member, name.sheet


def _part(
    key: tuple[str, State, bool],
    same: Sequence[FieldTally],
    rows: int | None,
    unlisted: int | None,
    dense: bool,
) -> FieldPart:
    distinct = same[0].distinct
    for tally in same[1:]:
        distinct = distinct.add(tally.distinct)
    listed = None if rows is None else max(1, rows - (unlisted or 0))
    count = sum(tally.count for tally in same)
    # where no rows are counted it is not known how many of the unlisted stand under this name
    whole = not (dense if rows is None else unlisted)
    return FieldPart(*key, count, min(count, distinct.count), distinct.exact, listed, whole)


def _of_cards(parts: Iterable[FieldPart]) -> bool:
    return any(part.entity in ("CREDIT_CARD", "PAN_HASH", "TRACK_1", "TRACK_2") for part in parts)


def _look(
    seen: ColumnLook, tables: set[tuple[str | None, str | None]]
) -> tuple[str, str, float, int, str] | None:
    """What a column looks like, if it is one that matters: its name speaks of cards, or it holds
    hashes, tokens or ciphertext in a table of cards."""
    if seen.sampled < _FEWEST and not seen.undone:
        return None
    named = speaks_of_cards(seen.field.name)
    kinds: dict[str, int] = defaultdict(int)
    for text, count in seen.looks.items():
        kinds[text.partition(":")[0]] += count
    kind, count = max(kinds.items(), key=lambda item: (item[1], item[0]))
    share = count / seen.sampled
    if share < _MOSTLY or kind == OTHER:
        return None
    if kind == NUMBER:
        good = seen.looks.get(f"{NUMBER}:good check digit", 0)
        # one random number in ten has a good check digit
        if not named or good > 0.35 * count:
            return None
        return TOKEN, f"{good} of {count} with a good check digit", share, seen.sampled, ""
    if not (named or seen.undone) and not (
        _table(seen.field) in tables and kind in (HASH, CIPHERTEXT, TOKEN)
    ):
        return None
    details = sorted({t.partition(":")[2] for t in seen.looks if t.startswith(f"{kind}:")} - {""})
    return kind, "" if kind == TOKEN else " or ".join(details), share, seen.sampled, seen.undone


# --- records ------------------------------------------------------------------------------------


def _records(company: Iterable[Company], judge: Judge) -> list[UnitRecords]:
    """Records with a confirmed card number. Those of ``Company`` that fall together are added."""
    groups: dict[tuple[str, tuple[str, ...]], list[UnitRecords]] = {}
    sketches: dict[tuple[str, tuple[str, ...]], Sketch] = {}
    for each in company:
        sure = [judge(one.kind, least_of(one.bucket)) for one in each.candidates]
        best = max(sure)
        if best < CONFIRMED:
            continue
        key, numbers = (each.per, each.beside), 0
        for place, probability in enumerate(sure):
            if probability >= CONFIRMED:
                numbers += each.numbers[place]
                sketches[key] = sketches.get(key, Sketch()).add(each.cards[place])
        groups.setdefault(key, []).append(
            UnitRecords(*key, each.records, numbers, best, each.places)
        )
    return [_sum(same, sketches[key].count) for key, same in sorted(groups.items())]


def _sum(same: Sequence[UnitRecords], distinct: int) -> UnitRecords:
    records = sum(each.records for each in same)
    places = sorted((p for each in same for p in each.places), key=lambda p: (p.part, p.rank))
    return UnitRecords(
        same[0].per,
        same[0].beside,
        records,
        # beyond what is exact, the count may lie above the truth
        min(distinct, sum(each.cards for each in same)),
        sum(each.confidence * each.records for each in same) / records,
        places[:MAX_PLACES],
    )


def kinds_beside(records: Iterable[UnitRecords]) -> Mapping[str, int]:
    """In how many records each kind stands beside a card number."""
    counts: dict[str, int] = defaultdict(int)
    for each in records:
        for kind in each.beside:
            counts[kind] += each.records
    return counts
