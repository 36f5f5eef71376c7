"""Parts that sample runs are built from. No value here is a real card number: masks are made up."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scanner.model import (
    Finding,
    Location,
    Outcome,
    Run,
    RunCoverage,
    Severity,
    Status,
    StoreReport,
)

START = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
DUMPS = "s3://acme-dumps"
EXPORTS = "s3://acme-exports"
SITE = "s3://acme-site"
PAYMENTS = "sqlite:///srv/payments.db"
LOGS = "file:///var/log/shop"


def finding(
    store: str,
    unit: str,
    seed: int,
    *,
    entity: str = "CREDIT_CARD",
    severity: Severity = Severity.CRITICAL,
    state: str = "clear",
    confidence: float = 0.99,
    count: int = 1,
    distinct: int = 1,
    location: Location | None = None,
    requirements: tuple[str, ...] = ("3.5.1",),
    why: tuple[str, ...] = ("issuer prefix and length of Visa", "Luhn", "stands under “card”"),
    rest: bool = False,
) -> Finding:
    """A finding that differs with ``seed``. ``rest``: the one past the limit of distinct values."""
    digest = hashlib.sha256(f"{store}{unit}{seed}".encode("utf-8", "surrogateescape")).hexdigest()
    head, tail = ("411111", "555544", "378282")[seed % 3], f"{int(digest[:4], 16) % 10000:04d}"
    brand, stars = (("visa", 6), ("mastercard", 6), ("amex", 5))[seed % 3]
    shown = entity in {"CREDIT_CARD", "TRACK_1", "TRACK_2"} and not rest
    first = location or Location(line=12 + seed * 7, column=5 + seed % 40, offset=1234 + seed * 311)
    more = tuple(_later(first, i) for i in range(min(count, 15)))
    return Finding(
        store=store,
        unit=unit,
        detector="track" if entity.startswith("TRACK") else "pan",
        entity=entity,
        brands=() if rest or not shown else (brand,),
        masked=head + "*" * stars + tail if shown else None,
        fingerprint=None if rest else digest[:32],
        distinct=distinct,
        count=count,
        confidence=confidence,
        severity=severity,
        state=state,
        location=None if rest else first,
        locations=() if rest else more,
        requirements=requirements,
        why=why,
    )


def _later(place: Location, i: int) -> Location:
    """The ``i``-th place after ``place``; what does not apply to it still does not."""
    return replace(
        place,
        line=None if place.line is None else place.line + 3 * i,
        row=None if place.row is None else place.row + 3 * i,
        offset=None if place.offset is None else place.offset + 977 * i,
    )


def make_run(
    stores: Iterable[StoreReport],
    findings: Iterable[Finding],
    outcomes: Iterable[Outcome],
    **changes: object,
) -> Run:
    """A run whose sums agree with its parts; findings and outcomes sorted as the engine does."""
    found = sorted(findings, key=lambda f: (f.store, f.unit, f.entity, f.fingerprint or "~"))
    results = tuple(sorted(outcomes, key=lambda o: (o.store, o.unit)))
    status = Counter(o.status for o in results)
    not_read = (o for o in results if o.status in {Status.SKIPPED, Status.FAILED})
    coverage = RunCoverage(
        units=len(results),
        scanned=status[Status.SCANNED],
        sampled=status[Status.SAMPLED],
        skipped=status[Status.SKIPPED],
        failed=status[Status.FAILED],
        bytes=sum(o.size or o.bytes for o in results),
        bytes_scanned=sum(o.bytes for o in results),
        excluded=0,
        reasons=dict(sorted(Counter(o.reason or "unknown" for o in not_read).items())),
    )
    per_store = Counter(f.store for f in found)
    run = Run(
        id="20260302T063000Z-7f3a",
        version="0.1.0",
        started=START,
        finished=START + timedelta(minutes=4, seconds=11),
        status="complete" if coverage.complete else "incomplete",
        profile="card",
        config_digest="b5d4045c3f466fa91fe2cc6abe79232a",
        key_id="9f86d081884c",
        detectors=("pan", "track"),
        targets=tuple(s.store.uri for s in stores),
        coverage=coverage,
        stores=tuple(replace(s, findings=per_store[s.store.uri]) for s in stores),
        findings=tuple(found),
        outcomes=results,
    )
    return replace(run, **changes)  # type: ignore[arg-type]  # keywords are fields of Run


def outcome(store: str, unit: str, size: int, **changes: object) -> Outcome:
    return replace(
        Outcome(store, unit, Status.SCANNED, bytes=size, size=size, version="v1"),
        **changes,  # type: ignore[arg-type]  # keywords are fields of Outcome
    )


def not_read(store: str, unit: str, status: Status, reason: str, detail: str) -> Outcome:
    return Outcome(store, unit, status, reason, detail, size=48_213)
