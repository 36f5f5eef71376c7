"""From counts to findings and the one outcome."""

from __future__ import annotations

import pytest

from detectors.base import FieldCounts, Match, State
from scanner.errors import Reason
from scanner.model import Location, Status, Unit
from scanner.prints import distinct
from scanner.settle import outcome, settle
from scanner.tally import Crowd, Kind, Place, SealedProblem, SliceResult, Tally

UNIT = Unit("file:///s", key="k", name="k", size=1000, version="v1")


class ByField:
    """Settles like the real thing in one respect: a field of ids takes a match down."""

    name = "pan"

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        if counts is not None and counts.seen >= 20 and counts.luhn < counts.seen / 2:
            return 0.01, (*match.why, "the field holds ids")
        return match.score, match.why


DETECTORS = {"pan": ByField()}


def tally(
    number: int, score: float = 0.95, field: int = 0, state: State = State.CLEAR, part: int = 0
) -> Tally:
    place = Place(part, number, Location(offset=number, line=number))
    return Tally(
        kind=Kind("pan", "CREDIT_CARD", state, field),
        fingerprint=number.to_bytes(16, "little"),
        masked="411111******1111",
        brands=("visa",),
        score=score,
        why=("fits",),
        layout="plain",
        count=1,
        places=[place],
    )


def total(*tallies: Tally, **more: object) -> SliceResult:
    return SliceResult("u", 0, tallies=list(tallies), **more)  # type: ignore[arg-type]  # test data


def settled(result: SliceResult, floor: float = 0.3, limit: int = 1000):  # type: ignore[no-untyped-def]  # short
    return settle(result, DETECTORS, floor, limit)  # type: ignore[arg-type]  # only settle() is used


def test_findings_come_in_order_of_place() -> None:
    found = settled(total(tally(5), tally(2), tally(9))).findings
    assert [f.locations[0].line for f in found] == [2, 5, 9]


def test_a_field_of_ids_takes_its_matches_away_but_not_those_elsewhere() -> None:
    ids = {7: FieldCounts(seen=500, luhn=50)}
    result = total(tally(1, field=7), tally(1, field=0), tally(2, field=7), fields={"pan": ids})
    (finding,) = settled(result).findings
    assert finding.fingerprint == (1).to_bytes(16, "little").hex()
    assert finding.count == 1


def test_below_the_floor_nothing_is_written_unless_asked() -> None:
    low = total(tally(1, score=0.2))
    assert settled(low).findings == []
    assert len(settled(low, floor=0.0).findings) == 1


def test_past_the_limit_the_rest_are_one_finding_and_every_occurrence_counts() -> None:
    crowd_prints = distinct(b"".join(n.to_bytes(8, "little") for n in (3, 4, 5, 6)))
    crowd = Crowd(Kind("pan", "CREDIT_CARD", State.CLEAR, 0), 0.9, 9, crowd_prints)
    result = settled(total(tally(1), tally(2), tally(3), crowds=[crowd]), limit=2)
    rest = [f for f in result.findings if f.fingerprint is None]
    assert len(result.findings) == 3 and len(rest) == 1
    assert rest[0].masked is None and not rest[0].locations
    assert rest[0].distinct == 4  # 3, 4, 5, 6: the 3 of the crowd is the 3 of the tally
    assert sum(f.count for f in result.findings) == 3 + 9
    assert len(result.pans) == 8 * 6


@pytest.mark.parametrize(
    ("state", "score", "counts"),
    [
        (State.CLEAR, 0.95, True),
        (State.ENCODED, 0.8, True),
        (State.CLEAR, 0.79, False),
        (State.TEST, 0.99, False),
        (State.TRUNCATED, 0.99, False),
    ],
)
def test_only_confirmed_readable_pans_count_as_pans(
    state: State, score: float, counts: bool
) -> None:
    assert bool(settled(total(tally(1, score=score, state=state))).pans) is counts


@pytest.mark.parametrize(
    ("result", "status", "reason", "fraction"),
    [
        (SliceResult("u", 0, bytes=1000), Status.SCANNED, None, None),
        (
            SliceResult("u", 0, unreadable=SealedProblem(Reason.ACCESS_DENIED)),
            Status.FAILED,
            "access-denied",
            None,
        ),
        (
            SliceResult("u", 0, unreadable=SealedProblem(Reason.ENCRYPTED)),
            Status.SKIPPED,
            "encrypted",
            None,
        ),
        (
            SliceResult(
                "u", 0, bytes=250, searched=250, problems=[SealedProblem(Reason.TRUNCATED)]
            ),
            Status.SAMPLED,
            "truncated",
            0.25,
        ),
        (
            SliceResult(
                "u", 0, bytes=1000, searched=9, problems=[SealedProblem(Reason.ENCRYPTED, "", "a")]
            ),
            Status.SAMPLED,
            "encrypted",
            None,
        ),
        (
            SliceResult(
                "u", 0, bytes=500, searched=500, unreadable=SealedProblem(Reason.UNREACHABLE)
            ),
            Status.SAMPLED,
            "endpoint-unreachable",
            0.5,
        ),
    ],
)
def test_outcome(
    result: SliceResult, status: Status, reason: str | None, fraction: float | None
) -> None:
    ended = outcome(UNIT, result)
    assert (ended.status, ended.reason) == (status, reason)
    assert ended.fraction == fraction


def test_detail_names_the_first_problems_and_counts_the_rest() -> None:
    problems = [SealedProblem(Reason.ENCRYPTED, "", f"m{i}") for i in range(5)]
    text = outcome(
        UNIT, SliceResult("u", 0, bytes=9, searched=9, problems=problems, problems_more=7)
    ).detail
    assert text == "m0: encrypted; m1: encrypted; m2: encrypted; and 9 more"
