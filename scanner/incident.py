"""``cardtrail access incident``: the page for a store where card numbers lie and should not.

PCI DSS 12.10.7 asks what is done with them, whether sensitive authentication data is with them,
where they came from and how the leak is fixed. The page says what is known of it: what lies there,
since when, who could and did read it; what cannot be known; and what only people can answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from detectors.base import CONFIRMED, State
from detectors.records import dataclass
from scanner.model import LOCAL_KINDS, Coverage, Finding, Run, Status, StoreReport, Tri
from scanner.phrases import chosen, coverage, minute, numbers, time_text
from scanner.text import plural, printable

_PLACES = 10
_SAD = frozenset({"TRACK_1", "TRACK_2", "CVV", "PIN_BLOCK"})
_NUMBERS = frozenset({"CREDIT_CARD", "PAN_HASH"})
_OPEN = frozenset({State.CLEAR, State.ENCODED, State.HASHED})


@dataclass(frozen=True, slots=True)
class Sighting:
    """One finished run that looked at a store: ``pans`` distinct card numbers were found, None when
    that is not known."""

    run: str
    when: datetime
    pans: int | None


def record(run: Run, store: str, history: Sequence[Sighting] = ()) -> dict[str, Any]:
    """The page as plain data: its questions, each with what is known as sentences."""
    (report,) = chosen(run, store, "STORE")
    return {
        "schema": "cardtrail.incident/1",
        "run": run.id,
        "store": report.store.uri,
        "scanned": time_text(run.finished or run.started),
        "questions": [
            {"question": asks, "known": list(known)}
            for asks, known in _questions(run, report, history)
        ],
    }


def lines(run: Run, store: str, history: Sequence[Sighting] = ()) -> list[str]:
    """The page as text. ``history``: the finished runs that looked at this store, in any order."""
    (report,) = chosen(run, store, "STORE")
    page = [
        f"CARD NUMBERS WHERE THEY WERE FOUND: {report.store.uri}",
        "What is known for the response procedure of PCI DSS 12.10.7.",
        f"From run {run.id}, {minute(run.finished or run.started)}; {run.status}.",
    ]
    for number, (asks, known) in enumerate(_questions(run, report, history), 1):
        page += ["", f"{number}. {asks}", *map(_item, known)]
    return [printable(line) for line in page]


def _item(sentence: str) -> str:
    """A sentence that begins with blanks belongs to the one before it."""
    return f"     {sentence.lstrip()}" if sentence.startswith(" ") else f"   - {sentence}"


def _questions(
    run: Run, report: StoreReport, history: Sequence[Sighting]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    findings = [f for f in run.findings if f.store == report.store.uri]
    yield "What lies there?", tuple(_contents(run, report, findings))
    yield "Is sensitive authentication data with it?", tuple(_sad(findings))
    yield "Since when?", tuple(_since(run, report, history))
    yield "Who could read it?", tuple(_could(report))
    yield "Who did read it?", tuple(_did(report))
    yield "What cannot be known?", tuple(_unknown(run, report)) or ("Nothing was left out.",)
    yield "What remains to be answered by people?", tuple(_open(report))


def _contents(run: Run, report: StoreReport, findings: Sequence[Finding]) -> Iterator[str]:
    pans = report.distinct_pans
    about = "About " if report.distinct_pans_estimated else ""
    yield (
        "Card numbers: not known, nothing of it was read."
        if pans is None
        else f"{about}{plural(pans, 'distinct card number')} in readable form."
    )
    by_unit: Counter[str] = Counter()
    for found in findings:
        # what lies together with them, and other data, is said elsewhere: nothing counts twice
        if found.confidence >= CONFIRMED and found.entity in _NUMBERS and found.state in _OPEN:
            by_unit[found.unit] += found.distinct
    if by_unit:
        yield f"In {plural(len(by_unit), 'unit')}, most in:"
        for unit, distinct in sorted(by_unit.items(), key=lambda item: (-item[1], item[0]))[
            :_PLACES
        ]:
            yield f"  {unit}: {plural(distinct, 'distinct value')}"
    possible = sum(found.confidence < CONFIRMED for found in findings)
    if possible:
        yield f"{plural(possible, 'more finding is', 'more findings are')} possible, not confirmed."
    yield report.sentence


def _sad(findings: Sequence[Finding]) -> Iterator[str]:
    counts = Counter(f.entity for f in findings if f.entity in _SAD and f.confidence >= CONFIRMED)
    for entity, count in sorted(counts.items()):
        yield (
            f"Yes: {entity}, {plural(count, 'finding')}. It may not be kept after authorisation"
            " (3.3.1)."
        )
    if not counts:
        yield "None was found in what was read."


def _since(run: Run, report: StoreReport, history: Sequence[Sighting]) -> Iterator[str]:
    past = sorted(history, key=lambda each: each.when)
    found = [each for each in past if each.pans]
    if not found:
        if report.distinct_pans:
            yield f"First found by this run, {minute(run.started)}."
            before = [each for each in past if each.when < run.started and each.pans == 0]
            if before:
                yield f"The scan before, {minute(before[-1].when)}, found none here."
            else:
                yield "No earlier scan here found it clean: how long they lay there is not known."
        else:
            yield "No scan in this ledger found any."
        return
    first = found[0]
    yield f"First found by run {first.run}, {minute(first.when)}: {first.pans:,} distinct."
    before = [each for each in past if each.when < first.when and each.pans == 0]
    if before:
        yield (
            f"The scan before that, {minute(before[-1].when)}, found none: they came between the"
            " two, or lay where it did not read."
        )
    else:
        yield "No scan before that found it clean: they may have lain there for longer."


def _could(report: StoreReport) -> Iterator[str]:
    access = report.access
    open_fact = any(f.control == "public-access" and f.state is Tri.YES for f in report.protection)
    if access.public is Tri.YES or open_fact:
        here = report.store.kind in LOCAL_KINDS
        yield "Any account of the machine." if here else "Anyone: it is open to the public."
    for fact in report.protection:
        if fact.control == "public-access" and fact.state is not Tri.NO:
            yield fact.detail
    for grant in access.could_read[:_PLACES]:
        yield f"{grant.principal}: {grant.state}, by {grant.via}"
    if len(access.could_read) > _PLACES:
        yield f"and {plural(len(access.could_read) - _PLACES, 'more principal')}"
    if not access.could_read_known:
        why = f": {access.could_read_detail}" if access.could_read_detail else ""
        yield f"This list is not known to be whole{why}."
    elif not access.could_read:
        yield "Nobody, as far as its grants go."


def _did(report: StoreReport) -> Iterator[str]:
    access = report.access
    if access.answer == "cannot-tell":
        yield "Cannot be told."
    elif access.answer == "not-read":
        yield "Nobody, in the whole window."
    least = "" if coverage(access) is Coverage.COMPLETE else "at least: "
    flagged = sorted(access.did_read, key=lambda r: (not r.flags, -(r.reads or 0), r.principal))
    for reads in flagged[:_PLACES]:
        yield f"{reads.principal}: {least}{numbers(reads)}"
        for flag in reads.flags:
            yield f"  ! {flag.rule}: {flag.sentence}"
    if len(flagged) > _PLACES:
        yield f"and {len(flagged) - _PLACES:,} more"
    if access.objects:
        some = plural(len(access.objects), "object or table was", "objects or tables were")
        yield f"Of what holds card data {some} read, most read first:"
    for each in access.objects[:_PLACES]:
        told = f"reads {each.reads:,} by {plural(each.principals, 'principal')}"
        told += "" if each.bytes is None else f", bytes {each.bytes:,}"
        told += "" if each.rows is None else f", rows {each.rows:,}"
        yield f"  {each.unit}: {least}{told}, {minute(each.first)} to {minute(each.last)}"


def _unknown(run: Run, report: StoreReport) -> Iterator[str]:
    access = report.access
    if access.window_start:
        yield f"Reads before {minute(access.window_start)}: outside the window."
    for each in access.evidence:
        if each.coverage is not Coverage.COMPLETE:
            lacking = f"Reads that {each.source} does not show ({each.coverage})"
            yield f"{'Every read' if each.coverage is Coverage.NONE else lacking}: {each.detail}."
    if not access.evidence:
        yield "Every read: there is no record of reads to look at."
    reasons: Counter[str] = Counter(
        outcome.reason or str(outcome.status)
        for outcome in run.outcomes
        if outcome.store == report.store.uri and outcome.status is not Status.SCANNED
    )
    if reasons:
        why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
        some = plural(sum(reasons.values()), "unit that was", "units that were")
        yield f"What lies in {some} not read in full ({why})."
    for fact in report.protection:
        if fact.state is Tri.UNKNOWN:
            yield f"{fact.control}: {fact.detail}"


def _open(report: StoreReport) -> Iterator[str]:
    store = report.store
    expected = {True: "they are expected here", False: "they are not expected here"}
    said = "nobody has said" if store.expected is None else expected[store.expected]
    yield f"Do card numbers belong here? In the configuration: {said}."
    yield f"Who answers for it? Owner: {store.owner or 'nobody is named'}."
    yield f"Environment: {store.environment or 'not stated'}."
    yield "Where did they come from, and by which process did they get here?"
    yield "How is the leak fixed, or the gap in the process closed?"
