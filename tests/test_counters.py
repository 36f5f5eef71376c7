"""Differences of what servers count: reads between scans, and nothing that a reset made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scanner.contracts import EvidenceResult
from scanner.counters import (
    CLOSING,
    OPENING,
    Counter,
    Counts,
    Snapshot,
    evidence,
    pack,
    unpack,
)
from scanner.joining import join
from scanner.known import Known, known
from scanner.model import NOT_RECORDED, Access, Coverage, Reads

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = (START, START + timedelta(days=90))
CARDS = known(3, ["cards"])
LONG_AGO = START - timedelta(days=400)


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def table(reads: int, rows: int = 0, name: str = "cards") -> Counter:
    return Counter(name, (name,), None, reads, rows)


def counts(
    *counters: Counter, began: datetime | None = LONG_AGO, started: datetime | None = None
) -> Counts:
    return Counts("c", "scans", "blind", counters, began, started)


def snap(moment: str, day: float, given: Counts) -> tuple[str, Snapshot]:
    return moment, Snapshot(at(day), (given,))


def one(*snapshots: tuple[str, Snapshot], about: Known = CARDS) -> EvidenceResult:
    (found,) = evidence(snapshots, WINDOW, about)
    return found


def test_what_was_read_between_two_scans() -> None:
    result = one(
        snap(OPENING, 1, counts(table(100, 1000))),
        snap(CLOSING, 1.1, counts(table(103, 1500))),  # the scan's own
        snap(OPENING, 2, counts(table(110, 1600), table(4, 4, "other"))),
        snap(CLOSING, 2.1, counts(table(113, 2100), table(7, 9, "other"))),
        snap(OPENING, 3, counts(table(114, 2101), table(7, 9, "other"))),
    )
    assert result.reads == (Reads(NOT_RECORDED, 12, 105, objects=2, card_reads=8),)
    told = result.evidence
    assert (told.coverage, told.start, told.end) == (Coverage.PARTIAL, at(1.1), at(3))
    assert told.detail.startswith("12 scans and 105 rows from 2026-03-02 02:24 UTC to 2026-03-04")
    for said in ("by whom is not recorded", "8 of them of what holds cards", "2 spans", "blind"):
        assert said in told.detail
    assert "at least" not in told.detail


def test_the_first_snapshot_says_how_much_and_not_when() -> None:
    result = one(snap(OPENING, 1, counts(table(100, 1000))))
    assert result.evidence.coverage is Coverage.UNKNOWN and not result.reads
    assert "100 scans and 1,000 rows since 2025-01-25" in result.evidence.detail
    assert "not known when" in one(snap(OPENING, 1, counts(table(1), began=None))).evidence.detail


def test_counts_that_began_in_the_window_are_of_it() -> None:
    result = one(snap(OPENING, 5, counts(table(7, 70), began=at(2))))
    assert result.reads[0].reads == 7 and result.evidence.start == at(2)
    assert "nothing is known of the window before 2026-03-03" in result.evidence.detail
    nothing = one(snap(OPENING, 5, counts(table(0), began=at(2))))
    access = Access(evidence=(nothing.evidence,), did_read=nothing.reads)
    assert "no scans were counted" in nothing.evidence.detail and access.answer == "cannot-tell"


def test_a_reset_leaves_what_came_after_it() -> None:
    closing = snap(CLOSING, 1, counts(table(100)))
    reset = one(closing, snap(OPENING, 2, counts(table(30), began=at(1.5))))
    assert reset.reads[0].reads == 30
    assert "at least 30 scans" in reset.evidence.detail
    assert "began anew once" in reset.evidence.detail
    larger = one(closing, snap(OPENING, 2, counts(table(130), began=at(1.5))))
    assert larger.reads[0].reads == 130  # all of it is since the reset
    fell = one(closing, snap(OPENING, 2, counts(table(30))))
    assert fell.reads[0].reads == 30 and "1 counter went down" in fell.evidence.detail


def test_a_reset_that_may_be_of_single_counters_takes_nothing_for_new() -> None:
    """PostgreSQL tells of both in one time. A count that only a reset of all sets back tells them
    apart where it fell; where it did not, what is surely new is what was added."""
    was = counts(table(100), table(4, 4, "other"))
    closing = snap(CLOSING, 1, replace(was, whole=900))
    now = counts(table(130), table(1, 1, "other"), began=at(1.5))
    single = one(closing, snap(OPENING, 2, replace(now, whole=950)))
    assert single.reads[0].card_reads == 30 and single.reads[0].reads == 31
    assert "at least 31 scans" in single.evidence.detail
    assert "began anew once" in single.evidence.detail
    everything = one(closing, snap(OPENING, 2, replace(now, whole=50)))
    assert everything.reads[0].reads == 131
    first = one(snap(OPENING, 2, replace(now, whole=950)))
    assert first.evidence.coverage is Coverage.UNKNOWN and not first.reads


def test_counters_that_were_pushed_out_make_it_the_least_there_was() -> None:
    """One may have come back meanwhile, and be larger than it was."""
    closing = snap(CLOSING, 1, replace(counts(table(100)), pushed_out=7))
    same = one(closing, snap(OPENING, 2, replace(counts(table(130)), pushed_out=7)))
    assert "130" not in same.evidence.detail and same.evidence.detail.startswith("30 scans")
    more = one(closing, snap(OPENING, 2, replace(counts(table(130)), pushed_out=9)))
    assert more.evidence.detail.startswith("at least 30 scans")
    assert "2 statements pushed out for others meanwhile" in more.evidence.detail
    flushed = one(closing, snap(OPENING, 2, replace(counts(table(130)), pushed_out=7, cleared=1)))
    assert flushed.evidence.detail.startswith("at least 30 scans")
    assert "1 statement meanwhile may have set counts back" in flushed.evidence.detail
    itself = one(
        snap(CLOSING, 1, replace(counts(table(100)), cleared=8)),
        snap(OPENING, 2, replace(counts(table(130)), cleared=0)),
    )
    assert itself.evidence.detail.startswith("at least 30 scans")


def test_a_start_of_the_server_makes_it_the_least_there_was() -> None:
    closing = snap(CLOSING, 1, counts(table(100), started=at(0.5)))
    started = one(closing, snap(OPENING, 2, counts(table(130), started=at(1.2))))
    assert started.reads[0].reads == 30
    assert "at least 30 scans" in started.evidence.detail
    assert "the server was started once" in started.evidence.detail
    same = one(closing, snap(OPENING, 2, counts(table(130), started=at(0.5))))
    assert "at least" not in same.evidence.detail


def test_a_table_that_is_gone_is_said() -> None:
    result = one(
        snap(CLOSING, 1, counts(table(5), table(9, name="other"))),
        snap(OPENING, 2, counts(table(6))),
    )
    assert "at least 1 scan" in result.evidence.detail
    assert "1 counter is gone" in result.evidence.detail


def test_a_scan_that_was_killed_hides_what_it_read_itself() -> None:
    """Without a snapshot at its end, its own reads cannot be told from others'."""
    result = one(
        snap(CLOSING, 1, counts(table(5))),
        snap(OPENING, 2, counts(table(6))),
        snap(OPENING, 3, counts(table(500))),
    )
    assert result.reads[0].reads == 1


def test_a_server_that_counts_nothing_says_why() -> None:
    nothing = Counts("c", "scans", "blind", lacking="track_counts is off")
    told = one(("opening", Snapshot(at(1), (nothing,)))).evidence
    assert (told.coverage, told.detail) == (Coverage.NONE, "track_counts is off")


def test_roles_are_named_and_doubt_is_kept() -> None:
    def by(calls: int) -> Counts:
        return counts(
            Counter("1", ("cards",), "alice", calls, 10 * calls),
            Counter("2", (), "bob", calls, None, True),
        )

    result = one(snap(CLOSING, 1, by(1)), snap(OPENING, 2, by(4)))
    alice, bob = result.reads
    assert (alice.principal, alice.reads, alice.rows, alice.card_reads) == ("alice", 3, 30, 3)
    assert (bob.principal, bob.reads) == ("bob", None)
    assert "3 of the statements may read more than they name" in result.evidence.detail


def test_reads_with_a_name_stand_for_those_without() -> None:
    nobody, alice = Reads(NOT_RECORDED, 9), Reads("alice", 3)
    assert join([[nobody], [alice]]) == (alice,)
    assert join([[nobody], [Reads("alice", 0)]])[0] == nobody
    assert join([[nobody]]) == (nobody,)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_sum_over_any_number_of_scans_is_what_others_read(steps: list[tuple[int, int]]) -> None:
    total, snapshots = 50, [snap(CLOSING, 0, counts(table(50)))]
    for day, (others, own) in enumerate(steps, 1):
        total += others
        snapshots.append(snap(OPENING, day, counts(table(total))))
        total += own
        snapshots.append(snap(CLOSING, day + 0.5, counts(table(total))))
    result = one(*snapshots)
    assert sum(each.reads or 0 for each in result.reads) == sum(others for others, _ in steps)


def test_a_snapshot_is_kept_as_it_is() -> None:
    _, snapshot = snap(OPENING, 1, counts(table(3), Counter("x", (), "bob", None, 4, True)))
    assert unpack(pack(snapshot)) == snapshot
