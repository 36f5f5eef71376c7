"""The loop under bad luck: lost workers, broken listings, units that come in slices."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scanner.assemble import assemble
from scanner.contracts import EvidenceResult, Ignore
from scanner.engine import Executor, InProcess, Processes
from scanner.errors import ExitCode, Reason, Stopped, Unreadable
from scanner.flow import Job
from scanner.ledger import Ledger, RunAbout, now
from scanner.model import (
    Access,
    Coverage,
    Evidence,
    Fact,
    Outcome,
    Reads,
    Run,
    Slice,
    Status,
    Store,
    Tri,
    Unit,
)
from scanner.pipeline import LISTING, scan
from scanner.progress import Quiet
from scanner.tally import SliceResult
from scanner.work import EvidenceDone, EvidenceTask, ScanTask

STORE = Store("fake://s", "fake")
ABOUT = RunAbout("0", "card", "d", "k", (), (STORE.uri,), {}, False)


class Fake:
    """A store whose units, and what happens to them, are in its list."""

    kind = "fake"

    def __init__(
        self,
        items: Sequence[str | Outcome | Unreadable],
        size: int = 100,
        slices: bool = False,
    ) -> None:
        self.items, self.size, self.slices = items, size, slices

    def connect(self, store: Store, seal_name: Callable[[str], str]) -> Fake:
        if self.items and self.items[0] == "unreachable":
            raise Unreadable(Reason.UNREACHABLE, "nobody answers")
        return self

    def units(self, ignore: Ignore) -> Iterator[Unit | Outcome]:
        for item in self.items:
            if isinstance(item, Unreadable):
                raise item
            if isinstance(item, Outcome):
                yield item
            else:
                yield Unit(STORE.uri, item, item, self.size, "v1", self.slices)

    def facts(self) -> tuple[Fact, ...]:
        return (Fact("public-access", Tri.NO, "asked"),)

    def access(self) -> Access:
        return Access(public=Tri.NO)

    def close(self) -> None:
        pass


def make(parts_seen: str = "") -> Callable[[Any], Any]:
    """The task function: what a unit is called is what happens."""

    def run(tasks: Any) -> Any:
        if isinstance(tasks, EvidenceTask):
            evidence = Evidence(tasks.kind, Coverage.COMPLETE, None, None, "whole")
            return EvidenceDone({STORE.uri: EvidenceResult(evidence, (Reads("someone", 3),))})
        return [one(task) for task in tasks]

    def one(task: ScanTask) -> SliceResult:
        if task.unit.key.startswith("abort"):
            os.abort()
        if task.unit.key.startswith("hang"):
            time.sleep(60)
        if parts_seen:
            with Path(parts_seen).open("a") as out:
                out.write(f"{task.unit.key}:{task.part.index}:{task.part.start}:{task.part.end}\n")
        return read_whole(task.unit, task.part)

    return run


def read_whole(unit: Unit, part: Slice) -> SliceResult:
    size = ((unit.size if part.end is None else part.end) or 0) - part.start
    return SliceResult(unit.id, part.index, True, size, size, start=part.start, end=part.end)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.db", create=True)
    ledger.begin("r", now(), ABOUT)
    yield ledger
    ledger.close()


def job(fake: Fake, slice_bytes: int = 1 << 20, resumed: bool = False) -> Job:
    window = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    return Job(
        run="r",
        stores=[STORE],
        evidence=[EvidenceTask("fake-log", {}, (STORE,), window)],
        kinds={"fake": fake},  # type: ignore[dict-item]  # only connect() is used
        detectors={},
        ignore=lambda store: lambda name, folder: False,
        seal_name=str,
        floor=0.3,
        distinct_limit=10,
        slice_bytes=slice_bytes,
        quick=False,
        window=window,
        resumed=resumed,
    )


def run(given: Job, executor: Executor, ledger: Ledger) -> Run:
    scan(given, executor, ledger, Quiet(), lambda: None)
    return assemble(ledger, ledger.run("r"))


def test_a_worker_that_dies_or_hangs_costs_one_unit_also_out_of_a_batch(ledger: Ledger) -> None:
    names = [f"u{i:02}" for i in range(40)]
    names[7], names[20], names[33] = "abort-1", "hang", "abort-2"
    pool = Processes(2, make, (), seconds=2)
    document = run(job(Fake(names)), pool, ledger)
    pool.close(now=True)
    lost = {o.unit: o.reason for o in document.outcomes if o.status is not Status.SCANNED}
    assert lost == {"abort-1": "worker-died", "abort-2": "worker-died", "hang": "timed-out"}
    assert document.coverage.units == 40 and document.coverage.failed == 3


def test_a_listing_that_breaks_off_keeps_what_came_before_and_says_so(ledger: Ledger) -> None:
    denied = Outcome(STORE.uri, "folder", Status.FAILED, "access-denied")
    items = ["a", denied, "b", Unreadable(Reason.THROTTLED, "slow down")]
    document = run(job(Fake(items)), InProcess(make()), ledger)
    found = {o.unit: (o.status, o.reason) for o in document.outcomes}
    assert found == {
        "a": (Status.SCANNED, None),
        "b": (Status.SCANNED, None),
        "folder": (Status.FAILED, "access-denied"),
        LISTING: (Status.FAILED, "throttled"),
    }
    assert [fact.control for fact in document.stores[0].protection] == ["public-access"]


def test_a_store_that_does_not_answer_is_one_failed_outcome(ledger: Ledger) -> None:
    document = run(job(Fake(["unreachable"])), InProcess(make()), ledger)
    (outcome,) = document.outcomes
    assert (outcome.unit, outcome.reason) == (LISTING, "endpoint-unreachable")
    assert document.stores[0].distinct_pans is None


def test_evidence_is_joined_and_the_answer_follows(ledger: Ledger) -> None:
    document = run(job(Fake(["a"])), InProcess(make()), ledger)
    access = document.stores[0].access
    assert (access.answer, access.did_read[0].reads) == ("read", 3)
    assert access.public is Tri.NO


@pytest.mark.parametrize("slices", [False, True])
@pytest.mark.parametrize("size", [1, 124, 125, 126, 999, 1000, 1001, 1124, 1125, 1126, 9999])
def test_every_byte_is_read_once_however_a_unit_is_cut(
    ledger: Ledger, size: int, slices: bool
) -> None:
    given = job(Fake(["u"], size, slices), slice_bytes=1000)
    document = run(given, InProcess(make()), ledger)
    (outcome,) = document.outcomes
    assert (outcome.status, outcome.bytes) == (Status.SCANNED, size)


def slices_of(path: Path) -> list[Slice]:
    lines = [line.split(":")[1:] for line in path.read_text().splitlines()]
    return sorted(
        (Slice(int(index), int(start), int(end)) for index, start, end in lines),
        key=lambda part: part.index,
    )


def resumed(
    ledger: Ledger, folder: Path, already: Sequence[int], size_before: int
) -> tuple[list[Slice], list[Slice], int]:
    """A run that has some slices of a unit of 450 bytes goes on: slices as they were cut when its
    size was another, those that are read now, and bytes of the outcome."""
    whole, seen = folder / "whole", folder / "seen"
    seen.touch()
    with contextlib.closing(Ledger(folder / "other.db", create=True)) as other:
        other.begin("r", now(), ABOUT)
        run(job(Fake(["big"], size_before), 100), InProcess(make(str(whole))), other)
    fake = Fake(["big"], size=450)
    (unit,) = fake.units(lambda name, folder: False)
    assert isinstance(unit, Unit)
    parts = slices_of(whole)
    for index in already:
        ledger.put_slice("r", 0, "v1", read_whole(unit, parts[index]))
    document = run(job(fake, 100, resumed=True), InProcess(make(str(seen))), ledger)
    (outcome,) = document.outcomes
    assert outcome.status is Status.SCANNED
    return parts, slices_of(seen), outcome.bytes


@pytest.mark.parametrize("already", [[], [0], [1, 3], [0, 2], range(12)])
def test_a_resume_reads_only_the_slices_that_are_missing(
    ledger: Ledger, tmp_path: Path, already: Sequence[int]
) -> None:
    parts, read, size = resumed(ledger, tmp_path, already, 450)
    assert (len(parts), size) == (12, 450)
    if 0 in already:
        assert read == [part for part in parts if part.index not in already]
    else:  # the first slice tells whether it can be cut at all: the rest counts for nothing
        assert read == parts


@pytest.mark.parametrize("already", [[0], [1, 3], [0, 2], [0, 1, 2, 3, 4, 5]])
def test_slices_that_were_cut_otherwise_are_read_again(
    ledger: Ledger, tmp_path: Path, already: list[int]
) -> None:
    """A table that was vacuumed since has less blocks, and the same version."""
    parts, read, size = resumed(ledger, tmp_path, already, 520)
    kept = [parts[index] for index in already if parts[index].index not in {p.index for p in read}]
    joined = sorted([*kept, *read], key=lambda part: part.start)
    assert [part.start for part in joined] == [0, *(part.end for part in joined[:-1])]
    assert (joined[-1].end, size) == (450, 450)


@pytest.mark.parametrize("size", [101, 450, 6_700, 100_000])
def test_the_last_slices_are_short_and_few(ledger: Ledger, tmp_path: Path, size: int) -> None:
    """So that the workers end together: no slice is more than a third of what comes with it and
    after it, the last ones, an eighth of the usual, but for the remainder."""
    seen = tmp_path / "seen"
    run(job(Fake(["u"], size, slices=True), 100), InProcess(make(str(seen))), ledger)
    parts = slices_of(seen)
    sizes = [(part.end or 0) - part.start for part in parts]
    assert sum(sizes) == size and max(sizes) <= 100
    assert len(sizes) <= 12 + size // 100
    for place, this in enumerate(sizes[1:], 1):
        assert this <= max(sum(sizes[place:]) / 3, 2 * 12)


def test_stopping_keeps_what_came_back_and_a_resume_does_the_rest(
    ledger: Ledger, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    names = [f"u{i:03}" for i in range(200)]
    calls = iter([None] + [ExitCode.SIGTERM] * 1000)
    with pytest.raises(Stopped) as stopped:
        scan(
            job(Fake(names)),
            InProcess(make(str(seen))),
            ledger,
            Quiet(),
            lambda: next(calls),
        )
    assert stopped.value.exit_code is ExitCode.SIGTERM
    done = [outcome.unit for outcome, _ in ledger.outcomes("r", 0)]
    assert 0 < len(done) < 200
    seen.unlink()
    document = run(job(Fake(names), resumed=True), InProcess(make(str(seen))), ledger)
    assert document.coverage.scanned == 200
    again = {line.split(":")[0] for line in seen.read_text().splitlines()}
    assert again == set(names) - set(done)
