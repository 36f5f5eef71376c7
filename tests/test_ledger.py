"""The ledger: what was acknowledged is there, what was not is not, and nothing is there twice."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from detectors.base import State
from scanner import ledger as ledger_module
from scanner.assemble import assemble, summary
from scanner.counters import CLOSING, OPENING, Snapshot
from scanner.errors import LedgerError, LedgerWriteError
from scanner.ledger import Ledger, RunAbout, StoreAbout, now
from scanner.model import Access, Location, Outcome, Status, Store
from scanner.settle import Settled, UnitFinding
from scanner.tally import SliceResult

ABOUT = RunAbout("0", "card", "digest", "key", ("pan",), ("file:///s",), {}, False)
STORE = Store("file:///s", "files")
FINDING = UnitFinding(
    detector="pan",
    entity="CREDIT_CARD",
    brands=("visa",),
    masked="411111******1111",
    fingerprint="ab" * 16,
    distinct=1,
    count=2,
    confidence=0.97,
    state=State.CLEAR,
    locations=(Location(line=1, field="f"),),
    why=("fits",),
)


def prints(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)


def ended(name: str, status: Status = Status.SCANNED, reason: str | None = None) -> Outcome:
    return Outcome(STORE.uri, name, status, reason, "", 10, 10, None, "v1")


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    book = Ledger(tmp_path / "state" / "ledger.db", create=True)
    book.begin("r1", now(), ABOUT)
    book.put_store("r1", 0, StoreAbout(STORE, (), Access()))
    return book


def again(book: Ledger) -> Ledger:
    book.close()
    return Ledger(book.path, create=False)


def test_a_finished_unit_is_there_after_reopening(book: Ledger) -> None:
    book.put_unit("r1", 0, ended("a"), Settled([FINDING], prints(1, 2)))
    book = again(book)
    assert list(book.outcomes("r1", 0)) == [(ended("a"), [FINDING])]
    assert book.stores("r1")[0].pans == 2


def test_runs_of_one_second_stay_in_their_order(book: Ledger) -> None:
    moment = now()
    for name in ("z", "m", "a"):
        book.begin(name, moment, ABOUT)
    assert [row.id for row in book.runs()][-3:] == ["z", "m", "a"]
    assert {row.started for row in book.runs()[-3:]} == {moment}
    for name in ("z", "m"):
        book.finish(name, moment, summary(assemble(book, book.run(name))), 0)
    assert [each.id for each in assemble(book, book.run("a")).earlier] == ["z", "m"]
    assert [each.id for each in assemble(book, book.run("m")).earlier] == ["z"]


def test_a_transaction_that_fails_leaves_nothing(book: Ledger) -> None:
    with pytest.raises(RuntimeError), book.transaction():
        book.put_unit("r1", 0, ended("a"), Settled([FINDING], prints(1)))
        raise RuntimeError
    assert list(book.outcomes("r1", 0)) == []
    assert book.stores("r1")[0].pans == 0


def test_the_same_unit_twice_counts_once(book: Ledger) -> None:
    for _ in range(2):
        book.put_unit("r1", 0, ended("a"), Settled([FINDING], prints(1, 2)))
    assert len(list(book.outcomes("r1", 0))) == 1
    assert book.stores("r1")[0].pans == 2


def test_slices_are_kept_until_the_unit_is_done(book: Ledger) -> None:
    unit = ended("a")
    key = ledger_module.unit_id(STORE.uri, "a")
    for part in (0, 2):
        book.put_slice("r1", 0, "v1", SliceResult(key, part, bytes=part))
    book = again(book)
    assert [each.index for each in book.slices("r1", 0, key, "v1")] == [0, 2]
    book.put_unit("r1", 0, unit, Settled([], b""))
    assert book.slices("r1", 0, key, "v1") == []


def test_slices_of_another_version_are_thrown_away(book: Ledger) -> None:
    book.put_slice("r1", 0, "v1", SliceResult("u", 0))
    assert book.slices("r1", 0, "u", "v2") == []
    assert book.slices("r1", 0, "u", "v1") == []


def test_reopen_makes_transient_failures_open_again(book: Ledger) -> None:
    book.put_outcome("r1", 0, ended("gone", Status.FAILED, "endpoint-unreachable"))
    book.put_outcome("r1", 0, ended("denied", Status.FAILED, "access-denied"))
    book.reopen("r1", ("endpoint-unreachable",))
    assert [outcome.unit for outcome, _ in book.outcomes("r1", 0)] == ["denied"]
    assert book.last_unfinished() is not None


def test_runs_by_beginning_and_last(book: Ledger) -> None:
    book.begin("r2x", now(), ABOUT)
    assert book.run("r2").id == "r2x"
    assert book.run("last").id == "r2x"
    with pytest.raises(LedgerError, match="2 runs named r"):
        book.run("r")
    with pytest.raises(LedgerError, match="no run named zz"):
        book.run("zz")


def test_trend_is_made_of_finished_runs_over_the_same_targets(book: Ledger) -> None:
    book.put_unit("r1", 0, ended("a"), Settled([FINDING], prints(1)))
    row = book.run("r1")
    book.finish("r1", now(), summary(assemble(book, row)), 3)
    book.begin("r2", now(), ABOUT)
    book.put_store("r2", 0, StoreAbout(STORE, (), Access()))
    (before,) = assemble(book, book.run("r2")).earlier
    assert (before.id, before.distinct_pans, before.findings) == ("r1", 1, 1)


@pytest.mark.parametrize("limit", [64, 100])
def test_distinct_pans_are_exact_up_to_the_limit_and_close_beyond(
    book: Ledger, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(ledger_module, "EXACT_PANS", limit)
    rng = random.Random(limit)
    values = [rng.getrandbits(64) for _ in range(20 * limit)]
    book.put_unit("r1", 0, ended("a"), Settled([], prints(*values[:limit])))
    assert (book.stores("r1")[0].pans, book.stores("r1")[0].pans_estimated) == (limit, False)
    for start in range(limit, len(values), limit):
        part = values[start : start + limit]
        book.put_unit("r1", 0, ended(f"u{start}"), Settled([], prints(*part)))
    row = book.stores("r1")[0]
    assert row.pans_estimated
    assert 0.5 < row.pans / len(values) < 1.6


def test_one_process_at_a_time(book: Ledger) -> None:
    with pytest.raises(LedgerError, match="another cardtrail is using it"):
        Ledger(book.path, create=False)


def test_missing_foreign_and_newer_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="nothing has been scanned"):
        Ledger(tmp_path / "none.db", create=False)
    text = tmp_path / "text.db"
    text.write_text("not a database, but long enough to look like a header of one" * 9)
    with pytest.raises(LedgerError, match="expected a Cardtrail ledger"):
        Ledger(text, create=True)
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(LedgerError, match="found 99"):
        Ledger(newer, create=True)


def test_only_the_owner_can_read_it(book: Ledger) -> None:
    os.umask(0o022)
    assert stat.S_IMODE(book.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(book.path.parent.stat().st_mode) == 0o700


def test_a_full_disk_rolls_back_and_goes_on_later(book: Ledger) -> None:
    book.put_unit("r1", 0, ended("a"), Settled([FINDING], prints(1)))
    book._db.execute(f"PRAGMA max_page_count={book._db.execute('PRAGMA page_count').fetchone()[0]}")
    many = Settled([FINDING] * 2_000, prints(*range(5_000)))
    with pytest.raises(LedgerWriteError, match=r"full.*scan --resume"):
        book.put_unit("r1", 0, ended("b"), many)
    assert [outcome.unit for outcome, _ in book.outcomes("r1", 0)] == ["a"]
    book._db.execute("PRAGMA max_page_count=1000000")
    book.put_unit("r1", 0, ended("b"), many)
    assert book.stores("r1")[0].pans == 5_000


def test_snapshots_of_one_second_come_in_the_order_of_the_run(book: Ledger) -> None:
    moment = datetime(2026, 11, 24, 14, 0, 12, tzinfo=UTC)
    for run in ("20261124T140010Z-a", "20261124T140011Z-b"):
        for which in (CLOSING, OPENING):
            book.put_snapshot(run, "mysql://h/d", which, Snapshot(moment, ()))
    moments = [which for which, _ in book.snapshots("mysql://h/d")]
    assert moments == [OPENING, CLOSING, OPENING, CLOSING]
