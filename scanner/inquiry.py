"""``cardtrail access``: who could and did read a store, from a run that is in the ledger.

Nothing is scanned again. Shows stores, or one principal over all of them, as lines of text or as
plain data for JSON. A number that is not known is None, and said as "not counted", never as 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from detectors.records import dataclass
from scanner import excess, phrases
from scanner.errors import UsageError
from scanner.incident import Sighting
from scanner.least import LeastGrant, least_grant
from scanner.ledger import Ledger
from scanner.model import (
    Access,
    Coverage,
    Evidence,
    Finding,
    Outcome,
    Reads,
    Run,
    StoreReport,
)
from scanner.text import plural, printable
from scanner.whoread import SESSION, Relation, Seen, people


@dataclass(frozen=True, slots=True)
class Question:
    """What to show. ``store``: a uri, or a part of one that names a single store. ``principal``: a
    part of a name, capitals or not. ``since``: only who read or was refused from then on."""

    store: str | None = None
    principal: str | None = None
    since: datetime | None = None


def parse_since(text: str, now: datetime) -> datetime:
    """``2026-03-01``, ``2026-03-01T10:00Z``, ``30d``, ``12h``. Raises ``UsageError``."""
    back = re.fullmatch(r"(\d{1,5})([dh])", text)
    if back:
        amount = int(back[1])
        return now - (timedelta(days=amount) if back[2] == "d" else timedelta(hours=amount))
    try:
        when = phrases.utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):  # the latter: a time before the year 1 in UTC
        raise UsageError(
            f"--since {printable(text)}: expected a date (2026-03-01), a time"
            " (2026-03-01T10:00Z) or how far back (30d, 12h)"
        ) from None
    if when > now:
        raise UsageError(f"--since {printable(text)}: expected a time that has passed")
    return when


# --- access ---------------------------------------------------------------------------------------


def _wanted(access: Access, asked: Question) -> list[Seen]:
    found = people(access)
    if asked.principal:
        part = asked.principal.casefold()
        found = [
            each
            for each in found
            if part in each.principal.casefold()
            or any(part in reads.principal.casefold() for reads in each.reads)
        ]
    if asked.since:
        recent = [
            replace(each, reads=tuple(r for r in each.reads if _after(r, asked.since)))
            for each in found
        ]
        found = [each for each in recent if each.reads]
    return found


def _after(reads: Reads, since: datetime) -> bool:
    return reads.last is not None and phrases.utc(reads.last) >= since


def access_record(run: Run, asked: Question) -> dict[str, Any]:
    """The answer as plain data."""
    stores = phrases.chosen(run, asked.store)
    least = _least_grants(run, stores)
    return {
        "schema": "cardtrail.access/1",
        "run": run.id,
        "stores": [
            {
                "uri": report.store.uri,
                "answer": report.access.answer,
                "window": [
                    phrases.time_text(report.access.window_start),
                    phrases.time_text(report.access.window_end),
                ],
                "coverage": str(phrases.coverage(report.access)),
                "evidence": [_evidence_record(each) for each in report.access.evidence],
                "public": str(report.access.public),
                "could_read_known": report.access.could_read_known,
                "could_read_detail": report.access.could_read_detail,
                "principals": [_seen_record(e, report) for e in _wanted(report.access, asked)],
                "least_grant": made.record() if (made := least[report.store.uri]) else None,
            }
            for report in stores
        ],
        "unused_grants": [excess.record(each) for each in excess.excesses(stores)],
    }


def _least_grants(run: Run, stores: Sequence[StoreReport]) -> dict[str, LeastGrant | None]:
    findings: dict[str, list[Finding]] = {}
    for found in run.findings:
        findings.setdefault(found.store, []).append(found)
    outcomes: dict[str, list[Outcome]] = {}
    for ended in run.outcomes:
        outcomes.setdefault(ended.store, []).append(ended)
    return {
        uri: least_grant(report, findings.get(uri, ()), outcomes.get(uri, ()))
        for report in stores
        for uri in (report.store.uri,)
    }


def access_lines(run: Run, asked: Question) -> list[str]:
    """The answer as text, a printable line each."""
    return [printable(line) for line in _access(run, asked)]


def _access(run: Run, asked: Question) -> Iterator[str]:
    stores = phrases.chosen(run, asked.store)
    quiet = 0
    for report in stores:
        found = _wanted(report.access, asked)
        if (asked.principal or asked.since) and not found and asked.store is None:
            quiet += 1
            continue
        yield report.store.uri
        yield from _told(report.access)
        yield from _principals(report, found, asked)
        yield ""
    if not asked.principal and not asked.since:
        yield from _needless(run, stores)
    if quiet:
        yield (
            f"Not seen in {plural(quiet, 'store')}: whether that tells anything, the evidence says"
            " (--store)"
        )
    if asked.since:
        day = phrases.day(asked.since)
        yield f"Shown is who was seen on {day} or later; numbers are of the whole window."


_WIDEST = 10


def _needless(run: Run, stores: Sequence[StoreReport]) -> Iterator[str]:
    """Rights that nobody used, and what would be enough."""
    unused = excess.excesses(stores)
    if unused:
        yield "Rights to read card numbers that were not used, most exposed first:"
        for wide in unused[:_WIDEST]:
            yield f"  {wide.store}: {wide.via}"
            yield f"    {wide.sentence}"
        if len(unused) > _WIDEST:
            yield f"  and {len(unused) - _WIDEST:,} more (--json)"
        yield ""
    made = {uri: each for uri, each in _least_grants(run, stores).items() if each is not None}
    if len(stores) > 1:
        if made:
            yield f"Least grants can be shown of {plural(len(made), 'store')}: --store URI"
        return
    for each in made.values():
        yield "Least grant, a proposal:"
        yield from (f"  - {note}" for note in each.notes)
        yield from (f"  {line}" for line in each.lines if line)


def _told(access: Access) -> Iterator[str]:
    window = ""
    if access.window_start and access.window_end:
        window = f" {phrases.day(access.window_start)} to {phrases.day(access.window_end)}"
    yield f"  can anyone tell?{window}: {_TELL[phrases.coverage(access)]}"
    for each in access.evidence:
        reach = (
            f", {phrases.day(each.start)} to {phrases.day(each.end)}"
            if each.start and each.end
            else ""
        )
        yield f"    {each.source}: {each.coverage}{reach}; {each.detail}"
        yield from (f"      {line}" for line in each.misfit_lines())


_TELL = {
    Coverage.COMPLETE: "yes, reads were recorded for all of it",
    Coverage.PARTIAL: "in part, the record has gaps",
    Coverage.NONE: "no, reads were not recorded",
    Coverage.UNKNOWN: "unknown, how far the record goes could not be found out",
}


def _principals(report: StoreReport, found: Sequence[Seen], asked: Question) -> Iterator[str]:
    access = report.access
    if access.could_read_detail:
        yield f"  who could read is not known in full: {access.could_read_detail}"
    groups: dict[str, list[Seen]] = {}
    for each in found:
        groups.setdefault(_relation(each, access), []).append(each)
    for name, members in groups.items():
        yield f"  {name}: {len(members):,}"
        for each in members:
            yield from _one(each)
    if access.answer == "cannot-tell" and not asked.principal and not asked.since:
        yield "  who did read: cannot tell"
    if access.answer == "not-read" and not asked.principal and not asked.since:
        yield "  nobody read it in the whole window"


def _relation(each: Seen, access: Access) -> str:
    """In words; "never" always with since when."""
    if each.relation is not Relation.NEVER:
        return str(each.relation)
    start = access.window_start
    return f"{each.relation} {f'since {phrases.day(start)}' if start else 'in the window'}"


def _one(each: Seen) -> Iterator[str]:
    part = " to a part" if each.grant and each.grant.part else ""
    grant = f"  ({each.grant.state}{part}, {each.grant.via})" if each.grant else ""
    yield f"    {each.principal}{grant}"
    for reads in each.reads:
        session = reads.principal.partition(SESSION)[2]
        yield f"      {f'session {session}: ' if session else ''}{phrases.numbers(reads)}"
        for flag in reads.flags:
            yield f"      ! {flag.rule}: {flag.sentence}"


def _seen_record(each: Seen, report: StoreReport) -> dict[str, Any]:
    return {
        "principal": each.principal,
        "relation": _relation(each, report.access),
        "could_and_did": each.relation.name.lower(),
        "grant": {"state": each.grant.state, "part": each.grant.part, "via": each.grant.via}
        if each.grant
        else None,
        "reads": [
            {
                "principal": reads.principal,
                **{n: getattr(reads, n) for n in ("reads", "rows", "bytes", "objects", "denied")},
                "first": phrases.time_text(reads.first),
                "last": phrases.time_text(reads.last),
                "flags": [{"rule": f.rule, "sentence": f.sentence} for f in reads.flags],
            }
            for reads in each.reads
        ],
    }


def _evidence_record(each: Evidence) -> dict[str, Any]:
    return {
        "source": each.source,
        "coverage": str(each.coverage),
        "start": phrases.time_text(each.start),
        "end": phrases.time_text(each.end),
        "detail": each.detail,
        "unparsed": each.unparsed,
        "not_understood": each.misfit_records(),
    }


# --- what earlier runs saw ------------------------------------------------------------------------


def sightings(ledger: Ledger, uri: str) -> list[Sighting]:
    """The finished runs that looked at a store, for ``incident.lines``. That a run which was not
    complete found none says nothing: it counts as not known."""
    return [
        Sighting(row.id, row.started, store.pans or (None if row.summary.not_read else 0))
        for row in ledger.runs()
        if row.summary is not None
        for store in ledger.stores(row.id)
        if store.about.store.uri == uri
    ]
