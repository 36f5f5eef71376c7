"""Snapshots of what servers count of reads, taken around a scan and kept in the ledger.

The one before the scan ends the span since the last scan, the one after it begins the next: what
the scan itself reads falls between the two. A scan that was killed has none after it, and the span
that would have begun there is unknown.
"""

from __future__ import annotations

from contextlib import suppress

from scanner.contracts import EvidenceResult, OpenStore
from scanner.counters import CLOSING, OPENING, Counting, evidence
from scanner.errors import Unreadable
from scanner.flow import Job
from scanner.known import Known
from scanner.ledger import Ledger
from scanner.model import Store


def before(job: Job, ledger: Ledger, store: Store, opened: OpenStore) -> None:
    """Once a run, before anything of a store is read. A server that cannot be asked is none that
    counts; why it cannot be reached will show in its listing."""
    if not isinstance(opened, Counting) or job.resumed:
        return
    with suppress(Unreadable):
        snapshot = opened.counters(alone=False)
        ledger.put_snapshot(job.run, store.uri, OPENING, snapshot)


def after(job: Job, ledger: Ledger) -> None:
    """When the workers have ended, and with them their sessions. A resumed run that was killed
    after its first snapshot closes that one."""
    for store in job.stores:
        if not ledger.has_snapshot(job.run, store.uri):
            continue
        with suppress(Unreadable):
            opened = job.kinds[store.kind].connect(store, job.seal_name)
            try:
                if isinstance(opened, Counting):
                    snapshot = opened.counters(alone=True)
                    ledger.put_snapshot(job.run, store.uri, CLOSING, snapshot)
            finally:
                opened.close()


def counted(job: Job, ledger: Ledger, uri: str, known: Known) -> list[EvidenceResult]:
    """What all the snapshots of a store say of the window."""
    return evidence(ledger.snapshots(uri), job.window, known)
