"""The way of the data: stores -> units -> slices -> findings and outcomes in the ledger.

    for store in stores:            what protects it, who could read it
      for unit in store.units():    one outcome each, errors included
        for part in slices(unit):   on the executor: read, detect, seal (scanner.work)
        settle(all parts)           the field's evidence, then findings and the outcome
    access evidence                 who did read it, and can anyone tell

Listing, scanning and recording overlap (scanner.flow). Nothing here prints.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import cast

from detectors.base import State
from scanner import counting, delivery, factreads
from scanner.audits import Audited, Audits
from scanner.batch import Batch
from scanner.contracts import EvidenceResult, KnowsItsRole, OpenStore
from scanner.engine import Executor, TaskLost
from scanner.errors import ExitCode, Stopped, Unreadable
from scanner.facts import Facts, rolled_before
from scanner.flow import Flow, Job, Listener
from scanner.joining import join
from scanner.known import Known, known
from scanner.ledger import Ledger, StoreAbout, StoreRow
from scanner.model import Access, Coverage, Evidence, Outcome, Store, Tri, Unit
from scanner.verdict import CARD_DATA
from scanner.whoread import with_last_reads
from scanner.work import EvidenceDone, EvidenceTask

LISTING = "(listing)"
"""Stands for the unit in the outcome of a store that could not be listed to its end."""
NOT_LIVE = (State.TEST, State.TRUNCATED)


def scan(
    job: Job,
    executor: Executor,
    ledger: Ledger,
    listener: Listener,
    stopping: Callable[[], ExitCode | None],
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Reads what is not yet done of ``job``; ``meanwhile`` is called when all is on its way, and
    there is time. Raises ``Stopped`` when asked to stop, with all that
    was finished in the ledger; raises for nothing the stores can do."""
    flow = Flow(job, executor, ledger, listener, stopping)
    try:
        for place, store in enumerate(job.stores):
            for unit in _units(flow, place, store):
                flow.begin(place, store, unit)
        meanwhile()
        flow.drain()
    except Stopped:
        flow.keep()
        raise
    _gather_evidence(job, executor, ledger, stopping)


def _units(flow: Flow, place: int, store: Store) -> Iterator[Unit]:
    """Yields the units of a store, the rest become outcomes; then keeps what it says of itself."""
    job = flow.job
    try:
        opened = job.kinds[store.kind].connect(store, job.seal_name)
    except Unreadable as error:
        flow.ledger.put_store(job.run, place, StoreAbout(store, (), Access()))
        flow.end_unread(place, store.uri, LISTING, error.reason, error.detail)
        return
    try:
        flow.ledger.put_store(job.run, place, StoreAbout(store, (), Access()))
        counting.before(job, flow.ledger, store, opened)
        words = more_than_reading(opened)
        if words is not None:
            flow.listener.noted(f"{store.uri}: {words}")
        try:
            yield from _listed(flow, place, store, opened)
        except Unreadable as error:
            flow.end_unread(place, store.uri, LISTING, error.reason, error.detail)
        # after the listing, which for files has seen every mode and owner already
        audits = dict(opened.audits()) if isinstance(opened, Audited) else {}
        about = StoreAbout(store, opened.facts(), opened.access(), audits)
        flow.ledger.put_store(job.run, place, about)
    finally:
        opened.close()


def more_than_reading(opened: OpenStore) -> str | None:
    """What the account could do that a scan does not need; a store that is not reached says so
    when it is listed."""
    if not isinstance(opened, KnowsItsRole):
        return None
    try:
        fact = opened.role()
    except Unreadable:
        return None
    return None if fact.state is Tri.YES else fact.detail


def _listed(flow: Flow, place: int, store: Store, opened: OpenStore) -> Iterator[Unit]:
    for item in opened.units(flow.job.ignore(store)):
        if isinstance(item, Outcome):
            flow.end(place, item)
        elif not (flow.job.resumed and flow.ledger.done(flow.job.run, place, item.id)):
            flow.listener.listed(item)
            yield item


def _gather_evidence(
    job: Job, executor: Executor, ledger: Ledger, stopping: Callable[[], ExitCode | None]
) -> None:
    """Who did read it, for each store, from all sources together."""
    found: dict[str, list[EvidenceResult]] = {}
    seen = {
        row.about.store.uri: replace(
            _known(job, ledger, row), audits=_audits(job, ledger, row.about)
        )
        for row in ledger.stores(job.run)
    }
    if job.evidence and job.facts is not None and job.facts.exists():
        Facts(job.facts).close()  # one of an earlier build is taken over: workers only read
    loose: list[Batch] = []
    for each in job.evidence:
        task = replace(each, known=seen, facts=job.facts)
        done = _collected(task, executor, stopping)
        loose += done.loose
        for uri, result in done.results.items():
            found.setdefault(uri, []).append(result)
    with contextlib.ExitStack() as stack:
        facts = None
        if job.evidence and job.facts is not None and job.facts.exists():
            over = bool(loose)
            facts = stack.enter_context(closing(Facts(job.facts, overlay=over, read_only=not over)))
            for batch in loose:
                facts.add(batch)
        for row in ledger.stores(job.run):
            store = row.about.store
            counted = counting.counted(job, ledger, store.uri, seen[store.uri])
            found.setdefault(store.uri, []).extend(counted)
            access = _join(row.about.access, job, found, store)
            if facts is not None:
                access = factreads.summary(facts, store.uri, access, seen[store.uri])
            ledger.put_access(job.run, row.place, access)
    if facts is not None and job.facts is not None:
        # last of all: a run that is killed before it answers anew, and finds what it had found
        with closing(Facts(job.facts)) as kept:
            kept.roll_up(rolled_before(job.window))


def _collected(
    task: EvidenceTask, executor: Executor, stopping: Callable[[], ExitCode | None]
) -> EvidenceDone:
    """One source of evidence, read in steps: what each gives is added to the fact store, whole."""
    while True:
        try:
            done = executor.submit(task).result()
        except TaskLost as lost:
            return EvidenceDone({s.uri: _evidence_lost(task, lost) for s in task.stores})
        if task.facts is not None and done.batches:
            with closing(Facts(task.facts)) as facts:
                for batch in done.batches:
                    facts.add(batch)
        if not done.more:
            return cast(EvidenceDone, done)
        code = stopping()
        if code is not None:
            raise Stopped(code)
        names = {file.name for batch in done.batches for file in batch.files}
        task = replace(task, done=task.done | names)


def _known(job: Job, ledger: Ledger, row: StoreRow) -> Known:
    """What the scan found in a store, for the evidence of reads of it."""
    units, whole, with_cards = 0, True, set()
    for outcome, findings in ledger.outcomes(job.run, row.place):
        units += 1
        whole = whole and outcome.unit != LISTING
        if any(f.entity in CARD_DATA and f.state not in NOT_LIVE for f in findings):
            with_cards.add(outcome.unit)
    return known(units if whole else None, with_cards, row.about.access.doors)


def _audits(job: Job, ledger: Ledger, about: StoreAbout) -> Audits:
    """How a store is set to log reads, as it says itself and as runs before have seen it."""
    seen = ledger.seen(about.store.uri, delivery.CONTROL) if about.store.kind == "s3" else []
    if not seen:
        return about.audits
    return {**about.audits, delivery.SOURCE: delivery.audit(seen, job.window[0])}


def _evidence_lost(task: EvidenceTask, lost: TaskLost) -> EvidenceResult:
    unknown = Evidence(task.kind, Coverage.UNKNOWN, None, None, lost.detail, unread=lost.detail)
    return EvidenceResult(unknown)


def _join(
    access: Access, job: Job, found: Mapping[str, Sequence[EvidenceResult]], store: Store
) -> Access:
    results = found.get(store.uri, ())
    evidence = tuple(result.evidence for result in results) or (
        Evidence("none", Coverage.NONE, None, None, "no evidence of reads is configured for it"),
    )
    window = job.window if results else (None, None)
    joined = replace(
        access,
        window_start=window[0],
        window_end=window[1],
        evidence=evidence,
        did_read=join(result.reads for result in results),
    )
    return replace(joined, could_read=with_last_reads(joined))
