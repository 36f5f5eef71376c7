"""Sample runs for tests of whatever takes a ``Run``: reports, summary, ledger, diff.

``sample()`` is a small made-up company, the same every time; ``empty()`` found nothing and read
everything; ``large(n)`` has n findings; ``hostile()`` has names that try to break a format;
``runs()`` is a hypothesis strategy for any run; ``finding()`` and ``make_run()`` build others.
"""

from __future__ import annotations

from scanner.model import Run, Severity, Status
from tests.anyrun import runs
from tests.company import dumps, logs, payments, sample, site
from tests.hostile import HOSTILE, hostile
from tests.runparts import (
    DUMPS,
    EXPORTS,
    LOGS,
    PAYMENTS,
    SITE,
    START,
    finding,
    make_run,
    not_read,
    outcome,
)

__all__ = [
    "DUMPS",
    "EXPORTS",
    "HOSTILE",
    "LOGS",
    "PAYMENTS",
    "SITE",
    "START",
    "empty",
    "finding",
    "hostile",
    "large",
    "make_run",
    "not_read",
    "outcome",
    "runs",
    "sample",
]


def empty() -> Run:
    """One store, all of it read, nothing found."""
    outcomes = [outcome(SITE, f"assets/{name}", 40_112) for name in ("app.js", "index.html")]
    return make_run((site(),), (), outcomes)


def large(count: int) -> Run:
    """``count`` findings in three stores, a tenth as many units, one in fifty units not read."""
    stores = (dumps(), logs(), payments())
    severities = list(Severity)
    found = [
        finding(
            stores[n % 3].store.uri,
            f"part-{n // 1000:04d}/file-{n // 10:06d}.log",
            n,
            severity=severities[(n * 7) % 5],
            confidence=0.3 + (n * 37 % 70) / 100,
            count=1 + n % 3,
        )
        for n in range(count)
    ]
    units = sorted({(f.store, f.unit) for f in found})
    outcomes = [
        not_read(store, unit, Status.FAILED, "access-denied", "Reading was denied.")
        if n % 50 == 49
        else outcome(store, unit, 65_536)
        for n, (store, unit) in enumerate(units)
    ]
    return make_run(stores, found, outcomes)
