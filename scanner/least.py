"""The least grant: a proposal, as text, that leaves the right to read cards to those who used it.

Nothing here, or anywhere in Cardtrail, applies it. For a bucket it is a statement for its policy,
for a database GRANT and REVOKE. It rests on the reads that were recorded: where they were not,
none is made; where the record has gaps, it says whom it may cut off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detectors.base import State
from detectors.records import dataclass
from scanner import least_s3, least_sql
from scanner.least_parts import Case, note_names
from scanner.model import Coverage, Finding, Outcome, StoreReport
from scanner.phrases import coverage, day
from scanner.whoread import Relation, Seen, is_nameless, is_public, people

CARD_ENTITIES = frozenset({"CREDIT_CARD", "PAN_HASH", "TRACK_1", "TRACK_2", "CVV", "PIN_BLOCK"})
_WRITERS = {"s3": least_s3, "postgresql": least_sql, "mysql": least_sql}


@dataclass(frozen=True, slots=True)
class LeastGrant:
    """``text`` is empty when none can be proposed; ``notes`` say why, or what to know before."""

    language: str
    """json or sql"""
    text: str
    notes: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def record(self) -> dict[str, Any]:
        """As plain data."""
        return {"language": self.language, "text": self.text, "notes": list(self.notes)}


def least_grant(
    report: StoreReport, findings: Iterable[Finding], outcomes: Iterable[Outcome]
) -> LeastGrant | None:
    """None for a store without cards, and of a kind that has no grants of its own. ``findings`` and
    ``outcomes`` may be of several stores."""
    writer = _WRITERS.get(report.store.kind)
    if writer is None or not report.distinct_pans:
        return None
    language = "json" if report.store.kind == "s3" else "sql"
    uri = report.store.uri
    with_cards = sorted(
        {
            f.unit
            for f in findings
            if f.store == uri
            and f.entity in CARD_ENTITIES
            and f.state not in (State.TEST, State.TRUNCATED)
        }
    )
    units = sorted({o.unit for o in outcomes if o.store == uri} - set(with_cards))
    reach = coverage(report.access)
    found = people(report.access)
    whole = reach is Coverage.COMPLETE and not any(is_nameless(e.principal) for e in found)
    keep = [each for each in found if _keeps(each, whole)]
    named = [each for each in keep if not is_nameless(each.principal)]
    if reach in (Coverage.NONE, Coverage.UNKNOWN):
        why = "who needs the right cannot be told: reads were not recorded, or nobody knows how far"
        return LeastGrant(language, "", (f"No least grant can be proposed: {why}.",))
    if not named and (keep or reach is Coverage.PARTIAL):
        why = "nobody was seen to read by name, and somebody may have"
        return LeastGrant(language, "", (f"No least grant can be proposed: {why}.",))
    case = Case(report, keep, [each for each in found if each not in keep], with_cards, units)
    text, notes = writer.write(case)
    return LeastGrant(language, text, (*(_notes(case, reach) if text else ()), *notes))


def _keeps(each: Seen, whole: bool) -> bool:
    if each.relation in (Relation.DID, Relation.UNSURE):
        return True
    # a log that does not tell hosts leaves open which of several accounts it was
    return each.relation is Relation.UNTOLD and whole


def _notes(case: Case, reach: Coverage) -> Iterable[str]:
    access = case.report.access
    when = ""
    if access.window_start and access.window_end:
        when = f" from {day(access.window_start)} to {day(access.window_end)}"
    idle = sum(each.grant is not None and not is_public(each.grant) for each in case.rest)
    read = "that read" if all(each.did for each in case.keep) else "that read, or may have,"
    yield (
        f"A proposal; nothing was changed. It leaves the right to {len(case.keep):,} {read}"
        f"{when}, and takes it from {idle:,} that are not known to have used it, and from anybody"
        " else."
    )
    if reach is Coverage.PARTIAL:
        yield "The record of reads has gaps: whoever read unseen would be cut off."
    if any(is_nameless(each.principal) for each in case.keep):
        yield "Somebody read whose name is not recorded: whoever it was may be cut off."
    flagged = [each.principal for each in case.keep if any(r.flags for r in each.reads)]
    if flagged:
        yield f"Flagged as suspicious, look before keeping: {note_names(flagged)}."
    how = [each.principal for each in case.rest if each.relation is Relation.HOW]
    if how:
        yield f"Read without a grant that is known, and is not kept: {note_names(how)}."
    yield "Cardtrail reads it, too: leave the right to what it scans as, or it is refused then."
    if not access.could_read_known:
        yield "The list of who could read is not whole: there may be rights that this leaves open."
