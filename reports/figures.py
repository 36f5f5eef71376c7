"""The numbers that several formats print, worked out once.

Rule of all of them: what is not known is None, never 0. Formats decide how None is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from detectors.base import CONFIRMED
from detectors.records import dataclass
from scanner.model import Access, Coverage, Finding, Outcome, Reads, Run, Severity, Status, Tri


@dataclass(frozen=True, slots=True)
class ReadTotals:
    """Who did read a store, added up over principals.

    ``at_least`` is True when the evidence does not cover the whole window, so that every number
    here is a lower bound. All are None when the evidence cannot tell.
    """

    principals: int | None = None
    reads: int | None = None
    rows: int | None = None
    bytes: int | None = None
    first: datetime | None = None
    last: datetime | None = None
    at_least: bool = False


def read_totals(access: Access) -> ReadTotals:
    """Totals of the read side. Zeros appear only under complete coverage (``not-read``)."""
    if access.answer == "cannot-tell":
        return ReadTotals()
    complete = any(e.coverage is Coverage.COMPLETE for e in access.evidence)
    readers = [r for r in access.did_read if r.reads is None or r.reads > 0]
    if not readers:
        return ReadTotals(principals=0, reads=0, bytes=0)
    return ReadTotals(
        principals=len(readers),
        reads=_sum(r.reads for r in readers),
        rows=_sum(r.rows for r in readers),
        bytes=_sum(r.bytes for r in readers),
        first=min((utc(r.first) for r in readers if r.first), default=None),
        last=max((utc(r.last) for r in readers if r.last), default=None),
        at_least=not complete,
    )


def _sum(parts: Iterable[int | None]) -> int | None:
    """The sum, None as soon as one part is unknown."""
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def could_read_count(access: Access) -> int | None:
    """How many principals could read, None when the list is not known to be whole."""
    return len(access.could_read) if access.could_read_known else None


def tri_to_bool(tri: Tri) -> bool | None:
    return {Tri.YES: True, Tri.NO: False, Tri.UNKNOWN: None}[tri]


def evidence_coverage(access: Access) -> Coverage:
    """How far all evidence of a store reaches together: the best of its sources, *none* when
    there is no source at all."""
    order = (Coverage.COMPLETE, Coverage.PARTIAL, Coverage.UNKNOWN, Coverage.NONE)
    have = {e.coverage for e in access.evidence}
    return next((c for c in order if c in have), Coverage.NONE)


def confirmed(finding: Finding) -> bool:
    return finding.confidence >= CONFIRMED


TOGETHER = frozenset({"PAN_WITH_SAD", "PAN_WITH_HOLDER"})
"""Records in which a card number stands with what makes it worse; their count is of records."""


def occurrences(findings: Iterable[Finding]) -> int:
    """How often values stand there. A combined record is made of others, which are counted."""
    return sum(f.count for f in findings if f.entity not in TOGETHER)


def by_severity(findings: Iterable[Finding]) -> dict[Severity, int]:
    """How many findings of each severity, worst first, all five present."""
    counts = Counter(f.severity for f in findings)
    return {severity: counts[severity] for severity in Severity}


def not_scanned(run: Run) -> list[Outcome]:
    """Outcomes of what was not read in full, in the order of the run."""
    return [o for o in run.outcomes if o.status is not Status.SCANNED]


def only_units(run: Run) -> dict[str, str]:
    """By store uri, the one unit of each store that has one: a store may be a single file, whose
    unit then is the file and not something inside a folder of that name."""
    units: dict[str, set[str]] = {}
    for outcome in run.outcomes:
        units.setdefault(outcome.store, set()).add(outcome.unit)
    return {store: min(names) for store, names in units.items() if len(names) == 1}


RANK = {severity: rank for rank, severity in enumerate(Severity)}
"""``Severity.rank`` worked out once: it is asked for millions of times."""


def worst(a: Severity, b: Severity) -> Severity:
    return a if RANK[a] <= RANK[b] else b


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Severity, then confidence, then how often; ties keep the order of the run."""
    return sorted(findings, key=lambda f: (RANK[f.severity], -f.confidence, -f.distinct, -f.count))


def readers_worst_first(reads: Iterable[Reads]) -> list[Reads]:
    """Flagged principals first, then by number of reads."""
    return sorted(reads, key=lambda r: (not r.flags, -(r.reads or 0), r.principal))


def utc(when: datetime) -> datetime:
    """``when`` in UTC; a time without zone is taken to be UTC already, as the model keeps it."""
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def rfc3339(when: datetime | None) -> str | None:
    """RFC 3339 in UTC with ``Z``; microseconds only where there are some."""
    return None if when is None else utc(when).isoformat().replace("+00:00", "Z")
