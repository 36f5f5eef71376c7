"""From the ledger to a ``Run``, the input of every report. Draws the same run every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from scanner import fieldverdict, verdict
from scanner.ledger import Ledger, RunRow, StoreRow
from scanner.model import (
    Finding,
    Outcome,
    Run,
    RunCoverage,
    RunSummary,
    StoreReport,
    Verdict,
)
from scanner.settle import UnitFinding

MAX_EARLIER = 12


def assemble(ledger: Ledger, row: RunRow, *, earlier: bool = True) -> Run:
    """Everything the ledger knows of one run; ``earlier`` adds the trend."""
    stores: list[StoreReport] = []
    findings: list[Finding] = []
    outcomes: list[Outcome] = []
    parts: list[RunCoverage] = []
    for store in ledger.stores(row.id):
        found, ended = _of_store(ledger, row, store)
        coverage = verdict.coverage_of(ended)
        report = _report(store, found, coverage)
        if row.about.profiled:
            profiles = ledger.profiles(row.id, store.place)
            about = fieldverdict.of_store(profiles, store.about.store, store.about.facts)
            fields, further, beside = about
            report = replace(report, fields=fields, fields_further=further, beside=beside)
        stores.append(report)
        parts.append(coverage)
        findings += found
        outcomes += ended
    whole = verdict.add_coverage(parts, row.excluded)
    run = Run(
        id=row.id,
        version=row.about.version,
        started=row.started,
        finished=row.finished,
        status="incomplete",
        profile=row.about.profile,
        config_digest=row.about.config_digest,
        key_id=row.about.key_id,
        detectors=row.about.detectors,
        targets=row.about.targets,
        coverage=whole,
        stores=tuple(stores),
        findings=tuple(findings),
        outcomes=tuple(outcomes),
        earlier=_earlier(ledger, row) if earlier else (),
    )
    done = row.finished and whole.complete and not run.unread_evidence
    return replace(run, status="complete") if done else run


def _of_store(ledger: Ledger, row: RunRow, store: StoreRow) -> tuple[list[Finding], list[Outcome]]:
    findings: list[Finding] = []
    outcomes: list[Outcome] = []
    for outcome, found in ledger.outcomes(row.id, store.place):
        outcomes.append(outcome)
        findings += [_finding(store, outcome.unit, each) for each in found]
    findings.sort(key=lambda f: f.severity.rank)  # stable: then by unit, then by place
    return findings, outcomes


def _finding(store: StoreRow, unit: str, found: UnitFinding) -> Finding:
    about = store.about
    return Finding(
        store=about.store.uri,
        unit=unit,
        detector=found.detector,
        entity=found.entity,
        brands=found.brands,
        masked=found.masked,
        fingerprint=found.fingerprint,
        distinct=found.distinct,
        count=found.count,
        confidence=found.confidence,
        severity=verdict.severity(
            found.entity, found.state, found.confidence, about.store, about.facts
        ),
        state=found.state,
        location=found.locations[0] if found.locations else None,
        locations=found.locations,
        requirements=verdict.requirements(found.entity, found.state, about.store),
        why=found.why,
    )


def _report(store: StoreRow, findings: Sequence[Finding], coverage: RunCoverage) -> StoreReport:
    answer, sentence = verdict.verdict(findings, coverage)
    nothing_read = coverage.scanned + coverage.sampled == 0
    return StoreReport(
        store=store.about.store,
        verdict=answer,
        sentence=sentence,
        distinct_pans=None if nothing_read else store.pans,
        distinct_pans_estimated=store.pans_estimated,
        findings=len(findings),
        protection=store.about.facts,
        access=store.access,
    )


def _earlier(ledger: Ledger, row: RunRow) -> tuple[RunSummary, ...]:
    """Finished runs before this one over the same targets: numbers that can be compared."""
    before = [
        other.summary
        for other in takewhile(lambda other: other.id != row.id, ledger.runs())
        if other.summary is not None
        and other.about.targets == row.about.targets
        and other.about.profile == row.about.profile
    ]
    return tuple(before[-MAX_EARLIER:])


def summary(run: Run) -> RunSummary:
    return RunSummary(
        id=run.id,
        started=run.started,
        finished=run.finished,
        status=run.status,
        profile=run.profile,
        units=run.coverage.units,
        not_read=run.coverage.units - run.coverage.scanned,
        findings=len(run.findings),
        distinct_pans=sum(store.distinct_pans or 0 for store in run.stores),
        unprotected=sum(store.verdict is Verdict.UNPROTECTED for store in run.stores),
    )
