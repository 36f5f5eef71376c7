"""The way of the data: stores -> units -> slices -> findings and outcomes in the ledger.

    for store in stores:            what protects it, who could read it
      for unit in store.units():    one outcome each, errors included
        for part in slices(unit):   on the executor: read, detect, seal (scanner.work)
        settle(all parts)           the field's evidence, then findings and the outcome
    access evidence                 who did read it, and can anyone tell

Listing, scanning and recording overlap; a few tasks more than the executor has slots are under way
at any time, and what has come back is committed together. Nothing here prints.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import Protocol

from detectors.base import Detector
from scanner import settle
from scanner.contracts import EvidenceResult, Ignore, OpenStore, SealName, StoreKind
from scanner.engine import Executor, TaskLost
from scanner.errors import ExitCode, Reason, Stopped, Unreadable
from scanner.ledger import Ledger, StoreAbout
from scanner.model import Access, Coverage, Evidence, Outcome, Slice, Status, Store, Unit
from scanner.tally import SealedProblem, SliceResult, add_up
from scanner.work import EvidenceTask, ScanTask

LISTING = "(listing)"
"""Stands for the unit in the outcome of a store that could not be listed to its end."""
_WINDOW = 64
_COMMIT_SECONDS = 0.5


class Listener(Protocol):
    """Told what happens, for progress and metrics."""

    def listed(self, unit: Unit) -> None: ...
    def read(self, count: int) -> None: ...
    def ended(self, outcome: Outcome) -> None: ...


@dataclass(slots=True)
class Job:
    """What a scan is given; it imports no plug-in."""

    run: str
    stores: Sequence[Store]
    evidence: Sequence[EvidenceTask]
    kinds: Mapping[str, StoreKind]
    detectors: Mapping[str, Detector]
    ignore: Callable[[Store], Ignore]
    seal_name: SealName
    floor: float
    distinct_limit: int
    slice_bytes: int
    resumed: bool
    """some of it may be in the ledger already"""


def scan(
    job: Job,
    executor: Executor,
    ledger: Ledger,
    listener: Listener,
    stopping: Callable[[], ExitCode | None],
) -> None:
    """Reads what is not yet done of ``job``. Raises ``Stopped`` when asked to stop, with all that
    was finished in the ledger; raises for nothing the stores can do."""
    flow = _Flow(job, executor, ledger, listener, stopping)
    try:
        for place, store in enumerate(job.stores):
            for unit in _units(flow, place, store):
                flow.begin(place, store, unit)
        flow.drain()
    except Stopped:
        flow.keep()
        raise
    _gather_evidence(job, executor, ledger)


def _units(flow: _Flow, place: int, store: Store) -> Iterator[Unit]:
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
        try:
            yield from _listed(flow, place, store, opened)
        except Unreadable as error:
            flow.end_unread(place, store.uri, LISTING, error.reason, error.detail)
        # after the listing, which for files has seen every mode and owner already
        about = StoreAbout(store, opened.facts(), opened.access())
        flow.ledger.put_store(job.run, place, about)
    finally:
        opened.close()


def _listed(flow: _Flow, place: int, store: Store, opened: OpenStore) -> Iterator[Unit]:
    for item in opened.units(flow.job.ignore(store)):
        if isinstance(item, Outcome):
            flow.end(place, item)
        elif not (flow.job.resumed and flow.ledger.done(flow.job.run, place, item.id)):
            flow.listener.listed(item)
            yield item


@dataclass(slots=True)
class _Begun:
    """A unit under way."""

    place: int
    store: Store
    unit: Unit
    waiting: int = 0
    parts: list[SliceResult] = field(default_factory=list)


class _Flow:
    """Tasks on their way to the executor, and results on their way to the ledger."""

    def __init__(
        self,
        job: Job,
        executor: Executor,
        ledger: Ledger,
        listener: Listener,
        stopping: Callable[[], ExitCode | None],
    ) -> None:
        self.job, self.ledger, self.listener = job, ledger, listener
        self._executor, self._stopping = executor, stopping
        self._ready: deque[tuple[_Begun, Slice]] = deque()
        self._pending: dict[Future[SliceResult], tuple[_Begun, Slice]] = {}
        self._window = max(_WINDOW, 4 * executor.slots)
        self._committed = time.monotonic()

    def begin(self, place: int, store: Store, unit: Unit) -> None:
        begun = _Begun(place, store, unit)
        if self.job.resumed:
            begun.parts = self.ledger.slices(self.job.run, place, unit.id, unit.version)
        if begun.parts and begun.parts[0].index == 0:
            self._cut(begun)
        else:
            begun.parts = []
            self._queue(begun, Slice(0, 0, self._end_of_first(unit)))
        self._push()

    def drain(self) -> None:
        while self._ready or self._pending:
            self._push()
            self._collect(block=True)

    def end(self, place: int, outcome: Outcome) -> None:
        self.ledger.put_outcome(self.job.run, place, outcome)
        self.listener.ended(outcome)

    def end_unread(self, place: int, store: str, unit: str, reason: Reason, detail: str) -> None:
        status = Status.SKIPPED if reason.skips else Status.FAILED
        self.end(place, Outcome(store, unit, status, reason, detail))

    def _end_of_first(self, unit: Unit) -> int | None:
        limit = self.job.slice_bytes
        return limit if unit.size is not None and unit.size > limit else None

    def _queue(self, begun: _Begun, part: Slice) -> None:
        begun.waiting += 1
        self._ready.append((begun, part))

    def _cut(self, begun: _Begun) -> None:
        """Queues the slices that are missing once the first has said that cutting is possible."""
        have = {part.index for part in begun.parts}
        first = next(part for part in begun.parts if part.index == 0)
        size, step = begun.unit.size or 0, self.job.slice_bytes
        if first.cut:
            for index in range(1, -(-size // step)):
                if index not in have:
                    part = Slice(index, index * step, min(size, (index + 1) * step))
                    self._queue(begun, part)
        if begun.waiting == 0:
            self._finish(begun)

    def _push(self) -> None:
        """Hands tasks to the executor while the window has room."""
        while self._ready:
            while len(self._pending) >= self._window:
                self._collect(block=True)
            begun, part = self._ready.popleft()
            future = self._executor.submit(ScanTask(begun.store, begun.unit, part))
            self._pending[future] = (begun, part)
            if time.monotonic() - self._committed > _COMMIT_SECONDS:
                self._collect(block=False)

    def _collect(self, *, block: bool) -> None:
        self.keep(_COMMIT_SECONDS if block else 0)
        code = self._stopping()
        if code is not None:
            raise Stopped(code)

    def keep(self, timeout: float = 0) -> None:
        """Commits whatever has come back within ``timeout`` seconds, all in one transaction."""
        done, _ = wait(self._pending, timeout=timeout, return_when=FIRST_COMPLETED)
        with self.ledger.transaction():
            for future in sorted(done, key=lambda future: self._pending[future][1].index):
                self._record(*self._pending.pop(future), future)
        self._committed = time.monotonic()

    def _record(self, begun: _Begun, part: Slice, future: Future[SliceResult]) -> None:
        result = _result_of(future, begun.unit.id, part.index)
        self.listener.read(result.bytes)
        begun.waiting -= 1
        begun.parts.append(result)
        if part.end is not None and not (part.index == 0 and not result.cut):
            self.ledger.put_slice(self.job.run, begun.place, begun.unit.version, result)
        if part.index == 0:
            self._cut(begun)
        elif begun.waiting == 0:
            self._finish(begun)

    def _finish(self, begun: _Begun) -> None:
        total = add_up(begun.parts)
        settled = settle.settle(total, self.job.detectors, self.job.floor, self.job.distinct_limit)
        outcome = settle.outcome(begun.unit, total)
        self.ledger.put_unit(self.job.run, begun.place, outcome, settled)
        self.listener.ended(outcome)


def _result_of(future: Future[SliceResult], unit: str, index: int) -> SliceResult:
    try:
        return future.result()
    except TaskLost as lost:
        problem = SealedProblem(lost.reason, lost.detail)
        return SliceResult(unit=unit, index=index, unreadable=problem)


def _gather_evidence(job: Job, executor: Executor, ledger: Ledger) -> None:
    """Who did read it, for each store, from all sources together."""
    found: dict[str, list[EvidenceResult]] = {}
    for task in job.evidence:
        try:
            results = executor.submit(task).result()
        except TaskLost as lost:
            results = {store.uri: _evidence_lost(task, lost) for store in task.stores}
        for uri, result in results.items():
            found.setdefault(uri, []).append(result)
    for row in ledger.stores(job.run):
        ledger.put_access(job.run, row.place, _join(row.about.access, job, found, row.about.store))


def _evidence_lost(task: EvidenceTask, lost: TaskLost) -> EvidenceResult:
    return EvidenceResult(Evidence(task.kind, Coverage.UNKNOWN, None, None, lost.detail))


def _join(
    access: Access, job: Job, found: Mapping[str, Sequence[EvidenceResult]], store: Store
) -> Access:
    results = found.get(store.uri, ())
    evidence = tuple(result.evidence for result in results) or (
        Evidence("none", Coverage.NONE, None, None, "no evidence of reads is configured for it"),
    )
    window = job.evidence[0].window if job.evidence else (None, None)
    reads = tuple(reads for result in results for reads in result.reads)
    return replace(
        access,
        window_start=window[0],
        window_end=window[1],
        evidence=evidence,
        did_read=tuple(sorted(reads, key=lambda each: (-(each.reads or 0), each.principal))),
    )
