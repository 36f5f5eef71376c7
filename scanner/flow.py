"""Tasks on their way to the executor, and results on their way to the ledger.

A few tasks more than the executor has slots are under way at any time. Small units travel together,
since a task costs a trip to another process; results are committed together, since a commit costs a
trip to the disk. Neither changes the answer: a batch whose worker was lost is run again one by
one, and whatever was not committed is done again by a resume.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import field
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from detectors.base import Detector
from detectors.records import dataclass
from scanner import settle
from scanner.contracts import Ignore, SealName, StoreKind
from scanner.engine import Executor, TaskLost
from scanner.errors import ExitCode, Reason, Stopped
from scanner.ledger import Ledger
from scanner.model import Outcome, Slice, Status, Store, Unit
from scanner.tally import SealedProblem, SliceResult, add_up
from scanner.work import EvidenceTask, ScanTask

_COMMIT_SECONDS = 0.5
_LINGER_SECONDS = 0.05
_WORTH_A_COMMIT = 16
_BATCH_UNITS = 16
_BATCH_BYTES = 1 << 20
_SHARE_OF_REST = 4
"""a slice is at most this part of what is left of its unit"""


class Listener(Protocol):
    """Told what happens, for progress and metrics."""

    def listed(self, unit: Unit) -> None: ...
    def read(self, count: int) -> None: ...
    def ended(self, outcome: Outcome) -> None: ...
    def noted(self, text: str) -> None: ...


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
    """a unit above this size whose format allows it is cut into slices of this size"""
    quick: bool
    """large tables get a first pass over a sample, and are read if something is in it"""
    resumed: bool
    """some of it may be in the ledger already"""
    window: tuple[datetime, datetime]
    """the time that evidence of reads is asked for"""
    facts: Path | None = None
    """the fact store; without it facts of reads are not kept"""


@dataclass(slots=True)
class _Begun:
    """A unit under way: how many of its slices are out, and what came back."""

    place: int
    store: Store
    unit: Unit
    waiting: int = 0
    parts: list[SliceResult] = field(default_factory=list)
    cut: bool = False
    """the slices after the first are on their way"""
    sampling: bool = False
    """what is out is a first pass"""
    listed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """by the first slice, where the others wait for it"""


_Piece = tuple[_Begun, Slice]


class Flow:
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
        self._window = 4 * executor.slots
        self._ready: deque[_Piece] = deque()
        self._small: list[_Piece] = []
        self._under_way: dict[Future[list[SliceResult]], list[_Piece]] = {}
        self._done: SimpleQueue[Future[list[SliceResult]]] = SimpleQueue()
        self._outcomes: list[tuple[int, Outcome]] = []
        self._committed = time.monotonic()

    @property
    def _head(self) -> int:
        """Where the second slice begins: the first says whether the others can be cut at all, and
        all workers but one wait for it, so it is short."""
        return max(1, self.job.slice_bytes // 8)

    def begin(self, place: int, store: Store, unit: Unit) -> None:
        """Sends a unit on its way, or what a resumed run has not yet of it. What finds no room is
        sent when the next one begins or in ``drain``: a store can be asked of itself meanwhile."""
        self._push(wait=True)
        begun = _Begun(place, store, unit)
        if self.job.resumed:
            begun.parts = self.ledger.slices(self.job.run, place, unit.id, unit.version)
        large = unit.size is not None and unit.size > self.job.slice_bytes
        if self.job.quick and large and unit.slices and not begun.parts:
            begun.sampling = True
            self._queue(begun, Slice(0, 0, None))
        else:
            self._start(begun)
        self._push()

    def _start(self, begun: _Begun) -> None:
        """Queues all of a unit that is not there yet."""
        unit = begun.unit
        large = unit.size is not None and unit.size > self.job.slice_bytes
        begun.parts = self._as_it_is_cut(begun)
        first = any(part.index == 0 for part in begun.parts)
        if not first:
            begun.parts = begun.parts if unit.slices else []
            self._queue(begun, Slice(0, 0, self._head if large else None))
        if first or (large and unit.slices):
            self._cut(begun)

    def drain(self) -> None:
        """Until everything has come back and is recorded."""
        self._send_small()
        while self._under_way or self._ready:
            self._push()
            self._collect(_COMMIT_SECONDS)
            self._send_small()
        self.keep()

    def end(self, place: int, outcome: Outcome) -> None:
        """For what never became a unit."""
        self._outcomes.append((place, outcome))
        self.listener.ended(outcome)

    def end_unread(self, place: int, store: str, unit: str, reason: Reason, detail: str) -> None:
        status = Status.SKIPPED if reason.skips else Status.FAILED
        self.end(place, Outcome(store, unit, status, reason, detail))

    # --- out

    def _queue(self, begun: _Begun, part: Slice) -> None:
        begun.waiting += 1
        size = begun.unit.size
        if size is not None and size * _BATCH_UNITS <= _BATCH_BYTES:
            self._small.append((begun, part))
            if len(self._small) == _BATCH_UNITS:
                self._send_small()
        else:
            self._ready.append((begun, part))

    def _cut(self, begun: _Begun) -> None:
        """Queues the slices that are missing once the listing or the first has said that cutting
        is possible."""
        if not begun.cut and (begun.unit.slices or any(part.cut for part in begun.parts)):
            begun.cut = True
            if not begun.unit.slices:
                begun.listed = _listed(begun.parts)
            have = {part.index for part in begun.parts}
            for cut in self._cuts(begun.unit.size or 0):
                if cut.index not in have:
                    self._queue(begun, cut)
        if begun.waiting == 0:
            self._finish(begun)

    def _cuts(self, size: int) -> list[Slice]:
        """All slices but the first. The last ones are the shorter the less is left, so that the
        workers end together: a worker that waits for another at the end is a core at rest."""
        cuts: list[Slice] = []
        step, start = self.job.slice_bytes, self._head
        # a smaller unit was not cut: the first slice was all of it
        while step < size and start < size:
            long = max(self._head, min(step, (size - start) // _SHARE_OF_REST))
            end = size if size - start - long < self._head else start + long
            cuts.append(Slice(len(cuts) + 1, start, end))
            start = end
        return cuts

    def _as_it_is_cut(self, begun: _Begun) -> list[SliceResult]:
        """What a resumed run has of a unit, but for slices that were cut otherwise, when its size
        was another or by another build: they are read again."""
        if not begun.parts:
            return []
        rest = self._cuts(begun.unit.size or 0)
        cuts = {Slice(0, 0, self._head), *rest} if rest else set()
        return [part for part in begun.parts if Slice(part.index, part.start, part.end) in cuts]

    def _give_up(self, begun: _Begun) -> None:
        """Of a unit that cannot be read the slices that were not sent yet need not be tried."""
        begun.cut = True
        kept = [piece for piece in self._ready if piece[0] is not begun]
        begun.waiting -= len(self._ready) - len(kept)
        self._ready = deque(kept)

    def _push(self, *, wait: bool = False) -> None:
        """Hands tasks to the executor while the window has room, or until all have gone."""
        while self._ready and (wait or len(self._under_way) < self._window):
            self._send([self._ready.popleft()])

    def _send_small(self) -> None:
        if self._small:
            pieces, self._small = self._small, []
            self._send(pieces)

    def _send(self, pieces: list[_Piece]) -> None:
        while len(self._under_way) >= self._window:
            self._collect(_COMMIT_SECONDS)
        tasks = [
            ScanTask(begun.store, begun.unit, part, begun.sampling, begun.listed)
            for begun, part in pieces
        ]
        future = self._executor.submit(tasks)
        self._under_way[future] = pieces
        future.add_done_callback(self._done.put)
        if time.monotonic() - self._committed > _COMMIT_SECONDS:
            self._collect(0)

    # --- back

    def _collect(self, timeout: float) -> None:
        self.keep(timeout)
        code = self._stopping()
        if code is not None:
            raise Stopped(code)

    def keep(self, timeout: float = 0) -> None:
        """Commits whatever has come back within ``timeout`` seconds, all in one transaction."""
        done = self._come_back(timeout)
        with self.ledger.transaction():
            for place, outcome in self._outcomes:
                self.ledger.put_outcome(self.job.run, place, outcome)
            self._outcomes.clear()
            for future in done:
                self._record_all(self._under_way.pop(future), future)
        self._committed = time.monotonic()

    def _come_back(self, timeout: float) -> list[Future[list[SliceResult]]]:
        """Waits at most ``timeout`` seconds for the first, then a moment for enough to be worth a
        commit."""
        found: list[Future[list[SliceResult]]] = []
        deadline = time.monotonic() + timeout
        enough = min(_WORTH_A_COMMIT, len(self._under_way))
        with suppress(Empty):
            while len(found) < len(self._under_way):
                left = deadline - time.monotonic() if len(found) < enough else 0
                found.append(self._done.get(timeout=left) if left > 0 else self._done.get_nowait())
                deadline = min(deadline, time.monotonic() + _LINGER_SECONDS)
        return found

    def _record_all(self, pieces: list[_Piece], future: Future[list[SliceResult]]) -> None:
        try:
            results = future.result()
        except TaskLost as lost:
            if len(pieces) > 1:  # which of them it was shows when each runs alone
                self._ready.extend(pieces)
                return
            begun, part = pieces[0]
            problem = SealedProblem(lost.reason, lost.detail)
            lost_slice = SliceResult(begun.unit.id, part.index, start=part.start, end=part.end)
            lost_slice.unreadable = problem
            results = [lost_slice]
        for (begun, part), result in zip(pieces, results, strict=True):
            self._record(begun, part, result)

    def _record(self, begun: _Begun, part: Slice, result: SliceResult) -> None:
        self.listener.read(result.bytes)
        begun.waiting -= 1
        if begun.sampling:
            begun.sampling = False
            self._sampled(begun, result)
            return
        begun.parts.append(result)
        if part.end is not None and (part.index > 0 or result.cut):
            self.ledger.put_slice(self.job.run, begun.place, begun.unit.version, result)
        if part.index == 0:
            if result.unreadable is not None:
                self._give_up(begun)
            self._cut(begun)
        elif begun.waiting == 0:
            self._finish(begun)

    def _sampled(self, begun: _Begun, result: SliceResult) -> None:
        """After a first pass: the end of a unit in which it found nothing, and trouble neither.
        What it found is found again by the whole pass."""
        clean = result.sampled is not None and not result.problems and not result.unreadable
        if clean:
            settled = self._settle(add_up([result]))
            if not settled.findings:
                outcome = settle.first_pass(begun.unit, result)
                self.ledger.put_unit(self.job.run, begun.place, outcome, settled)
                self.listener.ended(outcome)
                return
        self._start(begun)

    def _settle(self, total: SliceResult) -> settle.Settled:
        return settle.settle(total, self.job.detectors, self.job.floor, self.job.distinct_limit)

    def _finish(self, begun: _Begun) -> None:
        total = add_up(begun.parts)
        settled = self._settle(total)
        outcome = settle.outcome(begun.unit, total)
        self.ledger.put_unit(self.job.run, begun.place, outcome, settled)
        self.listener.ended(outcome)


def _listed(parts: Sequence[SliceResult]) -> dict[str, dict[str, int]]:
    """How many values the first slice listed: the same whenever the others are read."""
    listed: dict[str, Counter[str]] = defaultdict(Counter)
    for part in parts:
        if part.index == 0:
            for tally in part.tallies:
                listed[tally.kind.detector][tally.kind.entity] += tally.count
    return {detector: dict(counts) for detector, counts in listed.items()}
