"""Facts in, words and severity out. Pure functions; the sources of the rules are PCI DSS v4.0.1.

Disk, bucket or database encryption never makes a store *protected*: the PAN comes out in clear to
whoever may read (3.5.1.2). Only the form of the value itself counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from detectors.base import CONFIRMED, State
from scanner.errors import ExitCode
from scanner.model import (
    LOCAL_KINDS,
    Fact,
    Finding,
    Outcome,
    RunCoverage,
    Severity,
    Status,
    Store,
    Tri,
    Verdict,
)
from scanner.text import plural

SAD = frozenset({"TRACK_1", "TRACK_2", "CVV", "PIN_BLOCK"})
"""Sensitive authentication data: not kept after authorisation, even encrypted (3.3.1)."""
COMBINED = frozenset({"PAN_WITH_SAD", "PAN_WITH_HOLDER"})
"""records, not values: see ``scanner.combined``"""
CARD_DATA = SAD | {"CREDIT_CARD", "PAN_HASH"}
READABLE = (State.CLEAR, State.ENCODED)
PRE_PRODUCTION = (
    "dev",
    "test",
    "stag",
    "qa",
    "uat",
    "sandbox",
    "pre-prod",
    "preprod",
    "integration",
)


def is_production(store: Store) -> bool:
    return (store.environment or "").lower() in ("prod", "production", "live")


def is_pre_production(store: Store) -> bool:
    environment = (store.environment or "").lower()
    return any(environment.startswith(word) for word in PRE_PRODUCTION)


def is_public(store: Store, facts: Iterable[Fact]) -> bool:
    """Open to the world. A file that every local account can read is not, though it is a fact."""
    return store.kind not in LOCAL_KINDS and any(
        fact.control == "public-access" and fact.state is Tri.YES for fact in facts
    )


def severity(
    entity: str, state: State, confidence: float, store: Store, facts: Sequence[Fact]
) -> Severity:
    """How bad one finding is, by what it is, where it lies, and how sure we are.

    Confirmed SAD is critical anywhere; so is a card number that stands in one record with its
    code, or with name and expiry: ready for use, and worse than its parts. A confirmed readable
    PAN is high; critical in a store open to the public or in pre-production (6.5.5). What is only
    possible is medium at most.
    """
    if state is State.TEST:
        # 6.5.6: test data does not belong in production
        return Severity.LOW if is_production(store) else Severity.INFO
    if state is State.TRUNCATED:
        return Severity.INFO
    if confidence < CONFIRMED:
        return Severity.MEDIUM if entity in CARD_DATA else Severity.LOW
    if entity in SAD:
        return Severity.CRITICAL
    if entity == "DATABASE_DUMP":
        return Severity.LOW  # what it holds are findings of their own
    if entity in COMBINED:
        return Severity.CRITICAL
    if entity == "PAN_HASH":
        return Severity.HIGH
    if entity == "CREDIT_CARD":
        worse = is_public(store, facts) or is_pre_production(store)
        return Severity.CRITICAL if worse else Severity.HIGH
    return Severity.MEDIUM


def requirements(entity: str, state: State, store: Store) -> tuple[str, ...]:
    """The PCI DSS v4.0.1 requirements a finding speaks to, most specific first."""
    if entity in SAD:
        exact = {
            "TRACK_1": "3.3.1.1",
            "TRACK_2": "3.3.1.1",
            "CVV": "3.3.1.2",
            "PIN_BLOCK": "3.3.1.3",
        }
        found = [exact[entity], "3.3.1"]
    elif entity == "PAN_HASH":
        found = ["3.5.1.1", "3.5.1"]
    elif entity in COMBINED:
        found = ["3.3.1", "3.5.1"] if entity == "PAN_WITH_SAD" else ["3.5.1"]
        if is_pre_production(store):
            found.append("6.5.5")
    elif entity != "CREDIT_CARD":
        return ()
    elif state is State.TEST:
        return ("6.5.6",) if is_production(store) else ()
    elif state is State.TRUNCATED:
        return ()
    else:
        found = ["3.5.1"]
        if is_pre_production(store):
            found.append("6.5.5")
    if store.expected is False:
        found.append("12.10.7")
    return tuple(found)


def verdict(findings: Sequence[Finding], outcomes: RunCoverage) -> tuple[Verdict, str]:
    """The verdict on one store and the sentence for it.

    ``outcomes`` is the coverage of this store alone: "no card data" is said only of a store that
    was read completely.
    """
    card = [f for f in findings if f.entity in CARD_DATA and f.state != State.TEST]
    confirmed = [f for f in card if f.confidence >= CONFIRMED]
    sad = [f for f in confirmed if f.entity in SAD]
    clear = [f for f in confirmed if f.entity == "CREDIT_CARD" and f.state in READABLE]
    hashed = [f for f in confirmed if f.entity == "PAN_HASH"]
    truncated = [f for f in card if f.state == State.TRUNCATED]
    possible = [f for f in card if f.confidence < CONFIRMED and f.state != State.TRUNCATED]
    unread = outcomes.units - outcomes.scanned
    if sad:
        return Verdict.UNPROTECTED, (
            "Sensitive authentication data is stored, which no protection makes acceptable (3.3.1)."
        )
    if clear:
        return Verdict.UNPROTECTED, "Card numbers can be read by anyone who can read the store."
    if hashed:
        return Verdict.UNPROTECTED, (
            "Hashes of card numbers can be undone: they are unkeyed, or lie beside truncations."
        )
    if possible:
        what = plural(_count(possible), "possible card number needs", "possible card numbers need")
        return Verdict.UNKNOWN, (f"{what} a person's look before this store can be called clean.")
    if unread or not outcomes.units:
        what = f"{unread:,} of {plural(outcomes.units, 'unit')}" if outcomes.units else "Nothing"
        verb = (
            ("was" if unread == 1 else "were") + " not read completely"
            if outcomes.units
            else "was read"
        )
        return Verdict.UNKNOWN, f"{what} {verb}, so nothing can be said of what they hold."
    if truncated:
        return Verdict.PROTECTED, "Card numbers are here in truncated form only."
    if any(f.state == State.TEST for f in findings):
        return Verdict.NO_CARD_DATA, (
            "Everything in scope was read; the only card numbers here are published test numbers."
        )
    return Verdict.NO_CARD_DATA, "Everything in scope was read and no card data was found."


def _count(findings: Sequence[Finding]) -> int:
    return sum(finding.distinct for finding in findings)


def exit_code(findings: Iterable[Finding], complete: bool, fail_on: Severity) -> ExitCode:
    """By the table of the run format; ``NothingInScope`` is raised earlier."""
    failing = any(finding.severity.rank <= fail_on.rank for finding in findings)
    if failing:
        return ExitCode.FINDINGS if complete else ExitCode.FINDINGS_AND_INCOMPLETE
    return ExitCode.OK if complete else ExitCode.INCOMPLETE


def coverage_of(outcomes: Iterable[Outcome]) -> RunCoverage:
    """Adds up outcomes. ``bytes`` counts what a store told of a unit's size, or what was read."""
    counts: Counter[Status] = Counter()
    reasons: Counter[str] = Counter()
    in_part: Counter[str] = Counter()
    size = read = 0
    for outcome in outcomes:
        counts[outcome.status] += 1
        size += outcome.bytes if outcome.size is None else outcome.size
        read += outcome.bytes
        if outcome.reason is not None:
            (in_part if outcome.status is Status.SAMPLED else reasons)[outcome.reason] += 1
    return RunCoverage(
        units=counts.total(),
        scanned=counts[Status.SCANNED],
        sampled=counts[Status.SAMPLED],
        skipped=counts[Status.SKIPPED],
        failed=counts[Status.FAILED],
        bytes=size,
        bytes_scanned=read,
        reasons=dict(sorted(reasons.items())),
        reasons_in_part=dict(sorted(in_part.items())),
    )


def add_coverage(parts: Sequence[RunCoverage], excluded: int) -> RunCoverage:
    reasons: Counter[str] = Counter()
    in_part: Counter[str] = Counter()
    for part in parts:
        reasons.update(part.reasons)
        in_part.update(part.reasons_in_part)
    return RunCoverage(
        units=sum(part.units for part in parts),
        scanned=sum(part.scanned for part in parts),
        sampled=sum(part.sampled for part in parts),
        skipped=sum(part.skipped for part in parts),
        failed=sum(part.failed for part in parts),
        bytes=sum(part.bytes for part in parts),
        bytes_scanned=sum(part.bytes_scanned for part in parts),
        excluded=excluded,
        reasons=dict(sorted(reasons.items())),
        reasons_in_part=dict(sorted(in_part.items())),
    )
