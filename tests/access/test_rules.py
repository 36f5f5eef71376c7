"""The rules, and what of them reaches a reader: on acts made by hand, through the fact store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from scanner.access import answer, rules
from scanner.access.answer import Answer, question, told
from scanner.batch import Verb, Who
from scanner.facts import Facts
from scanner.factview import View
from scanner.known import Known
from tools.diary import Diary

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
END = FIRST + timedelta(days=30)
SINCE = FIRST - timedelta(days=90)
TODAY = FIRST + timedelta(days=10)
ANN, ROLE = Who("ann"), "role/app"
_SOURCES = count()


@pytest.fixture(scope="module")
def facts() -> Iterator[Facts]:
    """One for all: each question is to a source of its own."""
    with closing(Facts(None)) as facts:
        yield facts


class Acts:
    """Of anybody in one store; the evidence begins with somebody's call at ``since``."""

    def __init__(self, facts: Facts, since: datetime = SINCE) -> None:
        self._facts, self._diary = facts, Diary()
        self._diary.note(Who("first"), Verb.LIST, [_second(since)])

    def read(
        self,
        day: datetime,
        reads: int,
        who: Who = ANN,
        *,
        hour: int = 9,
        objects: int = 1000,
        rows: int = -1,
    ) -> None:
        start = _second(day) + hour * 3600
        numbers = range(reads)
        self._diary.note(
            *(who, Verb.READ, [start + each for each in numbers]),
            *([each % objects for each in numbers], rows),
        )

    def usual(
        self, reads: int = 10, who: Who = ANN, *, days: int = 60, objects: int = 1000
    ) -> None:
        """``reads`` on each of the days before TODAY."""
        for back in range(1, days + 1):
            self.read(TODAY - timedelta(days=back), reads, who, objects=objects)

    def list(self, when: datetime, who: Who = ANN) -> None:
        self._diary.note(who, Verb.LIST, [_second(when)])

    def refuse(self, *moments: datetime) -> None:
        self._diary.note(ANN, Verb.DENIED, list(map(_second, moments)))

    def answer(self, units: int | None = None, **settings: Any) -> Answer:
        source = f"source {next(_SOURCES)}"
        self._facts.add(self._diary.batch(source, source))
        asked = question(settings, (FIRST, END), str, {source: Known(units)})
        return told(View(self._facts, source, (FIRST, END)), asked, source)

    def flags(self, units: int | None = None, **settings: Any) -> dict[str, str]:
        """Sentences by rule, when there is one reader."""
        (reads,) = self.answer(units, **settings).reads
        return {flag.rule: flag.sentence for flag in reads.flags}


def _second(when: datetime) -> int:
    return int(when.timestamp())


def test_bulk_is_more_than_twice_ones_own_most(facts: Facts) -> None:
    acts = Acts(facts)
    acts.usual(12)
    acts.read(TODAY, 24)
    assert acts.flags() == {}
    acts.read(TODAY + timedelta(days=1), 49)
    assert acts.flags() == {
        "bulk": "read 49 records in a day, the most in the 56 days before being 24 on 2026-03-11"
        " (2026-03-12 09:00 UTC)"
    }
    assert acts.flags(bulk_factor=3.0) == {}


def test_bulk_asks_for_twenty_records_and_for_a_past(facts: Facts) -> None:
    def few(reads: int, since: datetime = SINCE) -> dict[str, str]:
        acts = Acts(facts, since)
        acts.usual(2, days=10)
        acts.read(TODAY, reads)
        return acts.flags()

    assert few(19) == {}
    assert "bulk" in few(20)
    assert few(20, since=TODAY - timedelta(days=13)) == {}


def test_rows_count_where_they_are_told(facts: Facts) -> None:
    acts = Acts(facts)
    for back in range(1, 30):
        acts.read(TODAY - timedelta(days=back), 1, rows=100)
    acts.read(TODAY, 1, rows=5000)
    assert "read 5,000 records" in acts.flags()["bulk"]


def test_odd_hours_weigh_more_but_are_no_alarm_alone(facts: Facts) -> None:
    def flags(reads: int, hour: int) -> dict[str, str]:
        acts = Acts(facts)
        acts.usual(30)
        acts.read(TODAY, reads, hour=hour)
        return acts.flags()

    assert flags(45, hour=9) == {}
    assert "mostly at hours it had never read at" in flags(45, hour=3)["bulk"]
    assert flags(30, hour=3) == {}


def test_share_of_a_store(facts: Facts) -> None:
    acts = Acts(facts)
    acts.usual(600, days=20, objects=400)
    acts.read(TODAY, 1000)
    assert "share" not in acts.flags(units=5000)
    assert "share" not in acts.flags()  # how much there is, is not known
    assert "of the 1,100 objects in a day" in acts.flags(units=1100)["share"]
    backup = Acts(facts)
    for back in range(-5, 60):
        backup.read(TODAY - timedelta(days=back), 300, objects=300)
    assert backup.flags(units=300) == {}


def test_first_time_needs_evidence_from_before(facts: Facts) -> None:
    def flags(reads: int, since: datetime = SINCE) -> dict[str, str]:
        acts = Acts(facts, since)
        acts.read(TODAY, reads)
        return acts.flags()

    assert "after 100 days of evidence without it" in flags(20)["first-time"]
    assert flags(20, TODAY - timedelta(days=27)) == {}
    assert flags(19) == {}


def test_dormant_then_used(facts: Facts) -> None:
    def flags(days: int, reads: int = 1) -> dict[str, str]:
        acts = Acts(facts)
        acts.read(TODAY - timedelta(days=days), 3)
        acts.read(TODAY, reads)
        return acts.flags()

    assert flags(89) == {}
    assert flags(90)["dormant"].startswith("read 1 record after 90 days without")
    # longer ago than anything else is compared with: it is not the first time
    (flag,) = flags(200, reads=20).items()
    assert flag[0] == "dormant" and flag[1].startswith("read 20 records after 200 days without")


def test_list_then_fetch(facts: Facts) -> None:
    def flags(*lists: datetime) -> dict[str, str]:
        acts = Acts(facts)
        acts.usual(30)
        acts.read(TODAY, 30)
        for when in lists:
            acts.list(when)
        return acts.flags()

    assert flags(TODAY + timedelta(hours=2))["list-then-fetch"].startswith(
        "listed the store at 02:00 and fetched about 30 objects that day, the last at 09:00; it had"
    )
    assert flags(TODAY + timedelta(hours=23)) == {}
    assert flags(*(TODAY - timedelta(days=back) for back in range(40))) == {}


def test_denied_then_success(facts: Facts) -> None:
    acts = Acts(facts)
    acts.usual(30)
    acts.refuse(*(TODAY + timedelta(hours=8, minutes=number) for number in range(10)))
    assert acts.flags() == {}
    acts.read(TODAY, 1)
    assert (
        "was refused 10 times from 08:00 on, and read 1 record that day, the last at 09:00"
        in acts.flags()["denied-then-success"]
    )
    # it is refused every day
    acts.refuse(*(TODAY - timedelta(days=1, minutes=number) for number in range(8)))
    assert acts.flags() == {}


def test_the_worst_day_is_that_of_most_of_what_a_rule_is_about(facts: Facts) -> None:
    acts = Acts(facts)
    acts.usual(30)
    for day, refusals, reads in ((TODAY, 10, 6), (TODAY + timedelta(days=1), 21, 1)):
        acts.refuse(*(day + timedelta(hours=8, minutes=number) for number in range(refusals)))
        acts.read(day, reads)
    assert "was refused 21 times" in acts.flags()["denied-then-success"]


def test_days_before_the_window_raise_nothing(facts: Facts) -> None:
    acts = Acts(facts)
    acts.read(FIRST - timedelta(days=3), 500)
    acts.read(FIRST, 1)
    assert acts.flags() == {}


# --- what reaches a reader ------------------------------------------------------------------------


def _flags(result: Answer) -> dict[str, list[str]]:
    return {reads.principal: [flag.rule for flag in reads.flags] for reads in result.reads}


def test_sessions_of_a_role_are_one_actor_unless_they_are_people(facts: Facts) -> None:
    acts = Acts(facts)
    for back in range(1, 40):
        acts.read(TODAY - timedelta(days=back), 30, Who(ROLE, f"i-{back}"))
    acts.read(TODAY, 31, Who(ROLE, "i-0"))
    acts.read(TODAY, 40, Who(ROLE, "i-x"))
    sso = "arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Read_0"
    acts.usual(300, Who(sso, "cleo"))
    acts.usual(3, Who(sso, "bob"))
    acts.read(TODAY, 200, Who(sso, "bob"))
    flags = _flags(acts.answer())
    assert flags[f"{ROLE} session i-x"] == ["bulk"] and flags[f"{ROLE} session i-0"] == []
    assert flags[f"{sso} session bob"] == ["bulk"] and flags[f"{sso} session cleo"] == []


def test_a_source_identity_is_one_actor_in_all_its_sessions(facts: Facts) -> None:
    def who(session: str) -> Who:
        name = "cleo" if session[0] == "a" else "bob"
        return Who("role/x", f"{session}, source identity {name}")

    acts = Acts(facts)
    for back in range(1, 40):
        acts.read(TODAY - timedelta(back), 300, who(f"a{back % 9}"))
        acts.read(TODAY - timedelta(back), 3, who(f"b{back % 9}"))
    acts.read(TODAY, 200, who("a0"))
    for session in "pq":  # neither of them is much
        acts.read(TODAY, 15, who(session))
    flags = {name: rules for name, rules in _flags(acts.answer()).items() if rules}
    assert list(flags.values()) == [["bulk"]] and "bob" in next(iter(flags))


def test_one_flag_a_rule_with_the_worst_day(facts: Facts) -> None:
    acts = Acts(facts)
    acts.usual(10)
    for day, reads in ((0, 25), (1, 60), (2, 130)):
        acts.read(TODAY + timedelta(days=day), reads)
    sentence = acts.flags()["bulk"]
    assert sentence.startswith("read 130 records")
    assert sentence.endswith("; the same on 2 other days")


def test_history_makes_no_reader(facts: Facts) -> None:
    acts = Acts(facts)
    acts.read(FIRST - timedelta(days=20), 5, Who("gone"))
    acts.list(TODAY, Who("lister"))
    assert acts.answer().reads == ()


def test_principals_past_the_limit_share_an_entry(
    facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, most in (("_MOST_PRINCIPALS", 4), ("_MOST_SESSIONS", 5), ("_MOST_OF_ONE", 2)):
        monkeypatch.setattr(answer, name, most)
    acts = Acts(facts)
    for number in range(9):
        for reads, role in enumerate(("third", "second", "first"), 2):
            acts.read(TODAY, reads, Who(role, f"session {number}"))
        acts.read(TODAY, 1, Who(f"user {number}"))
    by = {reads.principal: reads.reads for reads in acts.answer().reads}
    assert sum(filter(None, by.values())) == 9 * (4 + 3 + 2 + 1)
    assert by["first session other sessions"] == 7 * 4
    assert by["second session other sessions"] == 7 * 3
    assert by["third session other sessions"] == 8 * 2  # there was room for one of its own
    assert by["user 0"] == 1 and by["other principals"] == 8


MUTE = {"principal": "ann", "reason": "yearly audit", "until": date(2026, 12, 31)}


@pytest.fixture
def much(facts: Facts) -> Acts:
    acts = Acts(facts)
    acts.usual(10)
    acts.read(TODAY, 100)
    return acts


def test_a_mute_hides_flags_and_says_so(much: Acts) -> None:
    muted = much.answer(mute=[MUTE])
    assert muted.reads[0].flags == ()
    assert "1 flag of ann muted until 2026-12-31 (yearly audit)" in muted.remarks
    other = much.answer(mute=[{**MUTE, "rule": "share"}, {**MUTE, "principal": "y"}])
    assert other.reads[0].flags
    over = much.answer(mute=[{**MUTE, "until": "2026-03-30"}])
    assert over.reads[0].flags and "the mute of ann ended on 2026-03-30" in over.remarks


@pytest.mark.parametrize(
    ("named", "hides"),
    [
        ("role/x", True),
        ("role/x session a", True),
        ("ann", True),
        ("a", False),  # whoever takes the role chooses that
        ("role", False),
        ("role/x session", False),
    ],
)
def test_a_mute_names_a_role_a_session_or_who_is_behind_it(named: str, hides: bool) -> None:
    mute = rules.Mute(named, "yearly", date(2026, 12, 31))
    assert mute.covers("role/x", "a, source identity ann", "bulk", date(2026, 12, 31)) is hides
    assert not mute.covers("role/x", "a, source identity ann", "bulk", date(2027, 1, 1))
    assert not mute.covers("role/y", "", "bulk", date(2026, 1, 1))


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("share_percent", 101, "from 0 to 100"),
        ("history_days", 10**9, "from 0 to 36,500"),
        ("bulk_factor", float("nan"), "0 or more"),
        ("bulk_factor", float("inf"), "0 or more"),
        ("bulk_least", -1, "0 or more"),
        ("mute", [{**MUTE, "rule": "blk"}], "one of bulk, share, first-time"),
        ("mute", [{**MUTE, "until": "2026-12-31 or so"}], "a table with principal"),
    ],
)
def test_what_cannot_be_right_is_told(option: str, value: object, expected: str) -> None:
    (wrong,) = rules.wrong({option: value})
    assert wrong.expected.startswith(expected)


def test_what_is_right_is_taken() -> None:
    settings = {"mute": [{**MUTE, "rule": name} for name in rules.NAMES], "share_percent": 100}
    assert list(rules.wrong({**settings, "bulk_factor": 3, "history_days": 0})) == []


@pytest.mark.parametrize("missing", ["principal", "reason", "until"])
def test_a_mute_without_reason_or_end_is_not_obeyed(missing: str, much: Acts) -> None:
    part = {key: value for key, value in MUTE.items() if key != missing}
    for wrong in (part, {**part, missing: "never"} if missing == "until" else "x"):
        result = much.answer(mute=[wrong])
        assert result.reads[0].flags and any("not obeyed" in said for said in result.remarks)


def test_thresholds_come_from_the_settings() -> None:
    found = rules.thresholds(
        {"bulk_factor": 3.0, "dormant_days": 180, "uri": "x", "bulk_least": -4}
    )
    assert (found.bulk_factor, found.dormant_days, found.bulk_least) == (3.0, 180, 0)
    assert found.reach == 180
