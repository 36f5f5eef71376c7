"""From the added-up counts of a unit to its findings and its one outcome. Pure functions.

Here the evidence of the field comes in: only when a unit is read to its end is it known whether the
numbers under a key are ids (a tenth satisfy Luhn) or cards (nearly all do).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import msgspec

from detectors.base import CONFIRMED, Detector, Match, State
from detectors.fieldstats import Evidence
from scanner import combined, sampling
from scanner.errors import Reason
from scanner.kinds import Kind
from scanner.model import Location, Outcome, Status, Unit
from scanner.prints import distinct
from scanner.tally import MAX_PLACES, SliceResult, Tally, short
from scanner.unitprofile import UnitField, UnitProfile, UnitRecords, profile

PAN_ENTITY = "CREDIT_CARD"
READABLE = (State.CLEAR, State.ENCODED)


class UnitFinding(msgspec.Struct, frozen=True):
    """A finding before the facts of its store give it a severity: what the ledger keeps."""

    detector: str
    entity: str
    brands: tuple[str, ...]
    masked: str | None
    fingerprint: str | None
    distinct: int
    count: int
    confidence: float
    state: State
    locations: tuple[Location, ...]
    why: tuple[str, ...]


class Settled(msgspec.Struct):
    """``pans`` are the 64-bit fingerprints (packed, sorted) of confirmed PANs that can be read."""

    findings: list[UnitFinding]
    pans: bytes
    profile: UnitProfile = UnitProfile()


def settle(
    total: SliceResult, detectors: Mapping[str, Detector], floor: float, limit: int
) -> Settled:
    """Findings with a probability of at least ``floor``, at most ``limit`` distinct values of an
    entity one by one and the rest of each entity and state as one finding."""
    judge = _Judge(total, detectors)
    values = _settled_tallies(total, judge, floor)
    findings: list[UnitFinding] = []
    rest: dict[tuple[str, str, State], _Rest] = {}
    pans: list[bytes] = []
    shown: dict[str, int] = {}
    listed: set[int] = set()
    for value in values:
        if _counts_as_pan(value.entity, value.state, value.confidence):
            pans.append(bytes.fromhex(value.fingerprint or "")[:8])
        shown[value.entity] = shown.get(value.entity, 0) + 1
        if shown[value.entity] <= limit:
            findings.append(value)
            listed.add(_short_of(value))
        else:
            key = (value.detector, value.entity, value.state)
            rest.setdefault(key, _Rest()).add(
                value.count, value.confidence, _short_of(value).to_bytes(8, "little")
            )
    for crowd in total.crowds:
        confidence, _ = judge(crowd.kind, crowd.score)
        if confidence < floor:
            continue
        if _counts_as_pan(crowd.kind.entity, crowd.kind.state, confidence):
            pans.append(crowd.prints)
        key = (crowd.kind.detector, crowd.kind.entity, crowd.kind.state)
        rest.setdefault(key, _Rest()).add(crowd.count, confidence, crowd.prints)
    findings += [_one_for_the_rest(key, more, listed, limit) for key, more in rest.items()]
    about = profile(total.columns, total.company, lambda kind, score: judge(kind, score)[0], floor)
    findings += [_together(*each) for each in combined.combinations(about.records)]
    findings += [_undone(each) for each in about.fields if each.undone]
    return Settled(findings, distinct(b"".join(pans)) if pans else b"", about)


class _Rest:
    def __init__(self) -> None:
        self.count, self.weight, self.prints = 0, 0.0, bytearray()
        self.why: tuple[str, ...] = ()

    def add(self, count: int, confidence: float, prints: bytes) -> None:
        self.count += count
        self.weight += count * confidence
        self.prints += prints
        if not prints:
            self.why = ("dense values were counted, not told apart: distinct is a lower bound",)


def _one_for_the_rest(
    key: tuple[str, str, State], rest: _Rest, listed: set[int], limit: int
) -> UnitFinding:
    detector, entity, state = key
    shown = b"".join(print_.to_bytes(8, "little") for print_ in listed)
    # those of the rest that are none of the listed ones, by how many these add to them
    values = len(distinct(bytes(rest.prints) + shown)) // 8 - len(listed)
    return UnitFinding(
        detector=detector,
        entity=entity,
        brands=(),
        masked=None,
        fingerprint=None,
        distinct=max(1, values),
        count=rest.count,
        confidence=round(rest.weight / rest.count, 4),
        state=state,
        locations=(),
        why=(f"beyond the first {limit:,} values of this unit", *rest.why),
    )


def _undone(field: UnitField) -> UnitFinding:
    """One finding for a column of hashes that two others give away, proved on a row of it."""
    name = field.field
    return UnitFinding(
        detector="truncated",
        entity="PAN_HASH",
        brands=(),
        masked=None,
        fingerprint=None,
        distinct=1,
        count=1,
        confidence=0.999,
        state=State.HASHED,
        locations=(Location(member=name.member, sheet=name.sheet, field=name.name),),
        why=(
            f"an unkeyed hash of the whole PAN, undone on one row: {field.undone}",
            "a lower bound: the other rows were not run through",
        ),
    )


def _together(entity: str, records: Sequence[UnitRecords], why: tuple[str, ...]) -> UnitFinding:
    """One finding for all records of a unit in which the same stands together."""
    places = sorted(
        (place for each in records for place in each.places),
        key=lambda place: (place.part, place.rank),
    )[:MAX_PLACES]
    count = sum(each.records for each in records)
    return UnitFinding(
        detector=combined.DETECTOR,
        entity=entity,
        brands=(),
        masked=None,
        fingerprint=None,
        distinct=max(1, sum(each.cards for each in records)),
        count=count,
        confidence=round(sum(each.confidence * each.records for each in records) / count, 4),
        state=State.CLEAR,
        locations=tuple(place.where for place in places),
        why=why,
    )


class _Judge:
    """The final probability of a tally or crowd, with the evidence of all fields of the unit."""

    def __init__(self, total: SliceResult, detectors: Mapping[str, Detector]) -> None:
        self._detectors = detectors
        self._evidence = {name: Evidence(total.fields.get(name, {})) for name in detectors}

    def __call__(
        self,
        kind: Kind,
        score: float,
        why: tuple[str, ...] = (),
        layout: str = "plain",
        brands: tuple[str, ...] = (),
    ) -> tuple[float, tuple[str, ...]]:
        match = Match(
            kind.detector, kind.entity, 0, 0, score, kind.state, brands, why, layout, kind.field
        )
        counts = self._evidence[kind.detector].of(kind.field)
        return self._detectors[kind.detector].settle(match, counts)


def _settled_tallies(total: SliceResult, judge: _Judge, floor: float) -> list[UnitFinding]:
    """One for each distinct value, over all fields it stands under, in order of first place.

    Occurrences under a field that turned out to hold ids fall out one field at a time, so an order
    id that happens to equal a card elsewhere does not add to its count.
    """
    likely: list[tuple[float, tuple[str, ...], Tally]] = []
    for tally in total.tallies:
        confidence, why = judge(tally.kind, tally.score, tally.why, tally.layout, tally.brands)
        if confidence >= floor:
            likely.append((confidence, why, tally))
    likely.sort(key=lambda item: (item[2].kind.entity, item[2].kind.state, item[2].fingerprint))
    found = []
    for _, group in groupby(
        likely, key=lambda item: (item[2].kind.entity, item[2].kind.state, item[2].fingerprint)
    ):
        same = list(group)
        confidence, why, best = max(same, key=lambda item: (item[0], -item[2].kind.field))
        places = sorted(
            (place for _, _, tally in same for place in tally.places),
            key=lambda place: (place.part, place.rank),
        )[:MAX_PLACES]
        finding = UnitFinding(
            detector=best.kind.detector,
            entity=best.kind.entity,
            brands=best.brands,
            masked=best.masked,
            fingerprint=best.fingerprint.hex(),
            distinct=1,
            count=sum(tally.count for _, _, tally in same),
            confidence=round(confidence, 4),
            state=best.kind.state,
            locations=tuple(place.where for place in places),
            why=why,
        )
        found.append(((places[0].part, places[0].rank), finding))
    found.sort(key=lambda item: (item[0], item[1].entity, item[1].fingerprint))
    return [finding for _, finding in found]


def _counts_as_pan(entity: str, state: State, confidence: float) -> bool:
    return entity == PAN_ENTITY and state in READABLE and confidence >= CONFIRMED


def _short_of(finding: UnitFinding) -> int:
    return short(bytes.fromhex(finding.fingerprint or ""))


def outcome(unit: Unit, total: SliceResult) -> Outcome:
    """The one outcome of a unit. *scanned* only when every byte and member of it was read."""
    trouble = total.unreadable or (total.problems[0] if total.problems else None)
    if trouble is None:
        status, fraction = Status.SCANNED, None
    elif total.searched == 0:
        status = Status.SKIPPED if Reason(trouble.reason).skips else Status.FAILED
        fraction = None
    else:
        status = Status.SAMPLED
        part = len(total.problems) > 0 and total.bytes >= (unit.size or 0)
        fraction = None if part or not unit.size else min(1.0, total.bytes / unit.size)
    return Outcome(
        store=unit.store,
        unit=unit.name,
        status=status,
        reason=trouble.reason if trouble else None,
        detail=_detail(total) if trouble else "",
        bytes=total.bytes if total.searched or not trouble else 0,
        size=unit.size,
        fraction=fraction,
        version=unit.version,
    )


def first_pass(unit: Unit, result: SliceResult) -> Outcome:
    """Of a unit that was sampled, with nothing found. ``result.sampled`` is the fraction."""
    fraction = result.sampled or 0.0
    return Outcome(
        store=unit.store,
        unit=unit.name,
        status=Status.SAMPLED,
        reason=Reason.QUICK,
        detail=sampling.sentence(fraction),
        bytes=result.bytes,
        size=unit.size,
        fraction=fraction,
        version=unit.version,
    )


def _detail(total: SliceResult) -> str:
    """The first few problems in words, with how many more there are of them."""
    problems = ([total.unreadable] if total.unreadable else []) + total.problems
    words = []
    for problem in problems[:3]:
        text = problem.detail or str(problem.reason)
        words.append(f"{problem.member}: {text}" if problem.member else text)
    more = len(problems) - len(words) + total.problems_more
    if more:
        words.append(f"and {more:,} more")
    return "; ".join(words)
