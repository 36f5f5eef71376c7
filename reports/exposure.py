"""One store as the page shows it: what lies there, who could and did read it, what to do next.

Only facts of the ``Run`` go in. Sentences are worked out here so that the template only loops.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import field

from detectors.base import State
from detectors.records import dataclass
from reports import fieldrows, figures, requirements, together, words
from reports.daily import Daily, daily
from reports.figures import ReadTotals
from scanner.excess import Excess, excesses
from scanner.least import LeastGrant, least_grant
from scanner.model import (
    LOCAL_KINDS,
    Access,
    Coverage,
    Finding,
    ObjectReads,
    Outcome,
    Reads,
    Severity,
    Status,
    StoreReport,
    Tri,
    Verdict,
)

PLACES = 10
PRINCIPALS = 25
"""Rows of the static lists of a store; the rest is counted and stands in the JSON report."""


@dataclass(slots=True)
class Kind:
    """Findings of one entity in one state, confirmed or only possible."""

    entity: str
    state: str
    confirmed: bool
    severity: Severity
    findings: int = 0
    distinct: int = 0
    at_most: bool = False
    """True when values past the limit are in ``distinct``: the same one may count in two units"""
    count: int = 0
    requirements: set[str] = field(default_factory=set)

    @property
    def cited(self) -> list[str]:
        return sorted(self.requirements, key=requirements.order)


@dataclass(slots=True)
class Place:
    """A unit, or one field (column, key) of it."""

    unit: str
    field: str | None
    severity: Severity
    distinct: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    asks: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exposure:
    """Everything the page says of one store."""

    anchor: str
    report: StoreReport
    kinds: tuple[Kind, ...]
    places: tuple[Place, ...]
    more_places: int
    units: int
    not_read: int
    public: bool
    could: tuple[str, ...]
    grants: tuple[together.Allowed, ...]
    more_grants: int
    coverage: Coverage
    tell: str
    did: tuple[str, ...]
    totals: ReadTotals
    readers: tuple[Reads, ...]
    more_readers: int
    daily: Daily | None
    objects: tuple[ObjectReads, ...]
    more_objects: int
    flags: int
    together: tuple[str, ...]
    """could and did, counted"""
    unused: tuple[Excess, ...]
    least: LeastGrant | None
    contents: tuple[str, ...]
    steps: tuple[str, ...]
    incident: tuple[Question, ...]
    fields: fieldrows.FieldTables

    @property
    def verdict(self) -> Verdict:
        return self.report.verdict

    @property
    def tells_rows(self) -> bool:
        """Whether any source told rows; otherwise the column is left out."""
        return any(reads.rows is not None for reads in self.report.access.did_read)

    @property
    def expected(self) -> str:
        return _EXPECTED[self.report.store.expected]


_EXPECTED = {
    True: "Cards expected",
    False: "Cards not expected",
    None: "Not stated whether cards are expected",
}


def exposure(
    anchor: str, report: StoreReport, findings: Sequence[Finding], outcomes: Sequence[Outcome]
) -> Exposure:
    """``findings`` and ``outcomes`` are those of this store, in the order of the run."""
    access = report.access
    kinds = _kinds(findings)
    places = _places(findings)
    grants = together.allowed(access)
    readers = figures.readers_worst_first(access.did_read)
    public = is_public(report)
    not_read = sum(o.status is not Status.SCANNED for o in outcomes)
    return Exposure(
        anchor=anchor,
        report=report,
        kinds=kinds,
        places=tuple(places[:PLACES]),
        more_places=max(0, len(places) - PLACES),
        units=len(outcomes),
        not_read=not_read,
        public=public,
        could=_could(report, public),
        grants=grants[:PRINCIPALS],
        more_grants=max(0, len(grants) - PRINCIPALS),
        coverage=figures.evidence_coverage(access),
        tell=tell(access),
        did=_did(access),
        totals=figures.read_totals(access),
        readers=tuple(readers[:PRINCIPALS]),
        more_readers=max(0, len(readers) - PRINCIPALS),
        daily=daily(access.days),
        objects=access.objects[:PRINCIPALS],
        more_objects=max(0, len(access.objects) - PRINCIPALS),
        flags=sum(len(r.flags) for r in readers),
        together=together.counted(access),
        unused=tuple(excesses([report])),
        least=least_grant(report, findings, outcomes),
        contents=_contents(report, kinds),
        steps=_steps(report, kinds, public, not_read),
        incident=_incident(report, kinds, places, not_read),
        fields=fieldrows.tables(report),
    )


def is_public(report: StoreReport) -> bool:
    """Open to anyone, by the grants or by the protection facts."""
    return report.access.public is Tri.YES or any(
        fact.control == "public-access" and fact.state is Tri.YES for fact in report.protection
    )


def _kinds(findings: Sequence[Finding]) -> tuple[Kind, ...]:
    kinds: dict[tuple[str, str, bool], Kind] = {}
    seen: dict[tuple[str, str, bool], set[str]] = defaultdict(set)
    for found in findings:
        key = (found.entity, found.state, figures.confirmed(found))
        kind = kinds.get(key)
        if kind is None:
            kind = kinds[key] = Kind(*key, severity=found.severity)
        kind.severity = figures.worst(kind.severity, found.severity)
        kind.findings += 1
        kind.count += found.count
        kind.requirements.update(found.requirements)
        if found.fingerprint is None:
            kind.distinct += found.distinct
            kind.at_most = True
        else:
            seen[key].add(found.fingerprint)
    for key, kind in kinds.items():
        kind.distinct += len(seen[key])
    worst = sorted(
        kinds.values(), key=lambda k: (figures.RANK[k.severity], not k.confirmed, k.entity)
    )
    return tuple(worst)


def _places(findings: Sequence[Finding]) -> list[Place]:
    places: dict[tuple[str, str | None], Place] = {}
    for found in findings:
        column = found.location.field if found.location else None
        place = places.get((found.unit, column))
        if place is None:
            place = places[found.unit, column] = Place(found.unit, column, found.severity)
        place.severity = figures.worst(place.severity, found.severity)
        if found.entity in figures.TOGETHER:
            continue  # records, whose values count already
        place.distinct += found.distinct
        place.count += found.count
    return sorted(
        places.values(), key=lambda p: (figures.RANK[p.severity], -p.distinct, -p.count, p.unit)
    )


# --- what lies there ----------------------------------------------------------------------------


def pans(report: StoreReport) -> str:
    """``4,218 distinct card numbers``, ``about`` when estimated."""
    if report.distinct_pans is None:
        return "card numbers: unknown, nothing was read"
    about = "about " if report.distinct_pans_estimated else ""
    return about + words.plural(report.distinct_pans, "distinct card number")


def _contents(report: StoreReport, kinds: Sequence[Kind]) -> tuple[str, ...]:
    """What a store holds, card data first, a phrase each."""
    said = []
    if report.distinct_pans:
        said.append(f"{pans(report)} in readable form")
    said += [
        f"{words.entity(k.entity)}: {words.number(k.distinct)}"
        for k in kinds
        if k.entity in words.SAD and k.confirmed
    ]
    hashed = sum(k.distinct for k in kinds if k.entity == "PAN_HASH" and k.confirmed)
    if hashed:
        said.append(f"{words.plural(hashed, 'hash', 'hashes')} of card numbers")
    said += [
        f"{words.entity(k.entity)}: {words.plural(k.count, 'record')}"
        for k in kinds
        if k.entity in figures.TOGETHER and k.confirmed
    ]
    beside = [
        words.entity(k.entity)
        for k in kinds
        if k.confirmed
        and k.entity not in words.SAD | figures.TOGETHER | {"CREDIT_CARD", "PAN_HASH"}
    ]
    if beside:
        said.append(("beside it: " if said else "") + ", ".join(dict.fromkeys(beside)))
    truncated = sum(k.distinct for k in kinds if k.state == State.TRUNCATED)
    if truncated:
        said.append(f"{words.plural(truncated, 'number')} in truncated form")
    possible = sum(
        k.distinct
        for k in kinds
        if not k.confirmed and k.state not in (State.TRUNCATED, State.TEST)
    )
    if possible:
        said.append(f"{words.number(possible)} more possible")
    return tuple(said)


# --- access -------------------------------------------------------------------------------------


def _could(report: StoreReport, public: bool) -> tuple[str, ...]:
    access = report.access
    anyone = (
        "Any account of the machine" if report.store.kind in LOCAL_KINDS else "Anyone: it is public"
    )
    said = [anyone] if public else []
    count = figures.could_read_count(access)
    known = sum(grant.kind != "public" for grant in access.could_read)
    if count is not None:
        said.append(words.plural(count, "principal"))
    elif known and access.could_read_detail:  # it may be too many, too
        said.append(f"{words.plural(known, 'principal')} as far as is known")
    elif known:
        said.append(
            f"At least {words.plural(known, 'principal')}; the list is not known to be whole"
        )
    else:
        said.append("Cannot tell who else" if public else "Cannot tell")
    return tuple(said)


def _did(access: Access) -> tuple[str, ...]:
    if access.answer == "cannot-tell":
        return ("Cannot tell",)
    if access.answer == "not-read":
        return ("Nobody, in the whole window",)
    totals = figures.read_totals(access)
    least = "At least " if totals.at_least else ""
    who = words.plural(totals.principals or 0, "principal")
    reads = "reads not counted" if totals.reads is None else words.plural(totals.reads, "read")
    said = [f"{least}{who}, {reads}"]
    if totals.bytes is not None:
        said.append(words.size(totals.bytes))
    if totals.rows is not None:
        said.append(words.plural(totals.rows, "row"))
    if totals.last is not None:
        said.append(f"last {words.moment(totals.last)}")
    return tuple(said)


def tell(access: Access) -> str:
    """Can anyone tell who read it? In a sentence."""
    return {
        Coverage.COMPLETE: "Yes: reads were recorded for the whole window.",
        Coverage.PARTIAL: "In part: the record of reads has gaps in the window.",
        Coverage.NONE: "No: reads were not recorded."
        if any(e.source != "none" for e in access.evidence)
        else "No: there is no record of reads to look at.",
        Coverage.UNKNOWN: "Unknown: how far the record of reads goes could not be found out.",
    }[figures.evidence_coverage(access)]


# --- what to do ---------------------------------------------------------------------------------


def _steps(
    report: StoreReport, kinds: Sequence[Kind], public: bool, not_read: int
) -> tuple[str, ...]:
    """At most three, most urgent first."""
    steps = []
    if report.verdict is Verdict.UNPROTECTED:
        sad = any(k.entity in words.SAD and k.confirmed for k in kinds)
        if public:
            steps.append(
                "Take read access away from all other accounts of the machine."
                if report.store.kind in LOCAL_KINDS
                else "Close public access today."
            )
        if sad:
            steps.append(
                "Delete the sensitive authentication data securely: it may not be kept after"
                " authorisation, even encrypted (3.3.1)."
            )
        if report.store.expected is False:
            steps.append(
                "Start the response procedure (12.10.7): retrieve, delete or move the card numbers."
            )
        elif report.store.expected is None:
            steps.append(
                "Decide whether cards belong here, and say so with “expected” in the configuration."
            )
        elif report.distinct_pans:
            steps.append("Make the card numbers unreadable: token, truncation, encryption (3.5.1).")
        if any(k.entity == "PAN_HASH" and k.confirmed for k in kinds):
            steps.append("Replace unkeyed hashes by keyed ones, away from truncations (3.5.1.1).")
        unread = [each.unread for each in report.access.evidence if each.unread]
        if unread:
            steps.append(f"Have the evidence of reads read (10.2.1.1): {'; '.join(unread)}.")
        elif report.access.answer == "cannot-tell":
            steps.append("Have reads recorded from now on (10.2.1.1).")
        elif figures.evidence_coverage(report.access) is not Coverage.COMPLETE:
            steps.append("Close the gaps in the record of reads (10.2.1.1).")
        if report.store.owner is None:
            steps.append("Name an owner.")
    if report.verdict is Verdict.UNKNOWN and any(not k.confirmed for k in kinds):
        steps.append("Look at the possible findings and decide.")
    if not_read:
        steps.append("Make what was not read readable to the scan, then scan again.")
    return tuple(steps[:3])


def _incident(
    report: StoreReport, kinds: Sequence[Kind], places: Sequence[Place], not_read: int
) -> tuple[Question, ...]:
    """The four questions of 12.10.7 with what is known; empty when cards are expected here or no
    clear PAN was found."""
    if report.store.expected is True or not report.distinct_pans:
        return ()
    sad = [k for k in kinds if k.entity in words.SAD and k.confirmed]
    unread = (
        f"{words.plural(not_read, 'unit')} of this store could not be read in full: it may be more."
        if not_read
        else "The whole store was read."
    )
    units = list(dict.fromkeys(place.unit for place in places))
    where = f"In {words.plural(len(units), 'unit')}, the worst: {'; '.join(units[:3])}."
    owner = report.store.owner
    return (
        Question(
            "What is done with the card numbers that were found?",
            (f"{pans(report).capitalize()} in readable form. {where}", unread),
        ),
        Question(
            "Is sensitive authentication data stored with them?",
            tuple(f"Yes. {words.entity(k.entity)}: {words.number(k.distinct)}." for k in sad)
            or ("None was found in what was read.",),
        ),
        Question(
            "Where did they come from, and how did they get here?",
            (
                f"Owner: {owner or 'nobody is named'}. Environment:"
                f" {report.store.environment or 'not stated'}.",
                _history(report.access),
            ),
        ),
        Question(
            "How is the leak fixed, or the gap in the process closed?",
            _steps(report, kinds, is_public(report), 0) or ("Nothing is known.",),
        ),
    )


def _history(access: Access) -> str:
    totals = figures.read_totals(access)
    if access.answer == "cannot-tell":
        return "Whether anyone read them in the window cannot be told from the evidence."
    if access.answer == "not-read":
        return "Nobody read the store in the window."
    return (
        f"Reads seen from {words.moment(totals.first)} to {words.moment(totals.last)}, by"
        f" {words.plural(totals.principals or 0, 'principal')}."
    )
