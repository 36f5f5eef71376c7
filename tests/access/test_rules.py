"""The rules on days made by hand, and what of them reaches a reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from scanner.access import rules
from scanner.access.answer import Answer, answer, question
from scanner.access.tally import Day, People, Person, Sketch
from scanner.known import Known, name_hash

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
END = FIRST + timedelta(days=30)
SINCE = FIRST - timedelta(days=100)
TODAY = FIRST + timedelta(days=10)


def usual(person: Person, reads: int = 10, days: int = 60, hour: int = 9) -> Person:
    """``reads`` on each of the days before TODAY."""
    for back in range(1, days + 1):
        _read(person, TODAY - timedelta(days=back), reads, hour)
    return person


def _read(person: Person, day: datetime, reads: int, hour: int = 9, objects: int = 1000) -> None:
    for number in range(reads):
        when = day + timedelta(hours=hour, seconds=number)
        person.read(when, when >= FIRST, name_hash(str(number % objects)))


def alarms(
    days: Mapping[int, Day], units: int | None = None, since: datetime = SINCE, **limits: Any
) -> dict[str, rules.Alarm]:
    found = rules.alarms(
        days, since.toordinal(), FIRST.toordinal(), units, rules.Thresholds(**limits)
    )
    return {alarm.rule: alarm for alarm in found}


def test_bulk_is_more_than_twice_ones_own_most() -> None:
    person = usual(Person(), 12)
    _read(person, TODAY, 24)
    assert alarms(person.days) == {}
    _read(person, TODAY + timedelta(days=1), 49)
    (alarm,) = alarms(person.days).values()
    assert (alarm.rule, alarm.day, alarm.volume) == ("bulk", date(2026, 3, 12), 49)
    assert alarm.sentence == (
        "read 49 records in a day, the most in the 56 days before being 24 on 2026-03-11"
        " (2026-03-12 09:00 to 09:00 UTC)"
    )
    assert alarms(person.days, bulk_factor=3.0) == {}


def test_bulk_asks_for_twenty_records_and_for_a_past() -> None:
    few = usual(Person(), 2)
    _read(few, TODAY, 19)
    assert alarms(few.days) == {}
    _read(few, TODAY, 1)
    assert "bulk" in alarms(few.days)
    assert alarms(few.days, since=TODAY - timedelta(days=13)) == {}


def test_rows_count_where_they_are_told() -> None:
    person = Person()
    for back in range(1, 30):
        person.read(TODAY - timedelta(days=back), True, 1, rows=100)
    person.read(TODAY, True, 1, rows=5000)
    assert "read 5,000 records" in alarms(person.days)["bulk"].sentence


def test_odd_hours_weigh_more_but_are_no_alarm_alone() -> None:
    by_day, by_night = usual(Person(), 30), usual(Person(), 30)
    _read(by_day, TODAY, 45)
    _read(by_night, TODAY, 45, hour=3)
    assert alarms(by_day.days) == {}
    assert "mostly at hours it had never read at" in alarms(by_night.days)["bulk"].sentence
    same = usual(Person(), 30)
    _read(same, TODAY, 30, hour=3)
    assert alarms(same.days) == {}


def test_share_of_a_store() -> None:
    person = usual(Person(), 600, days=20)
    _read(person, TODAY, 1000, objects=1000)
    _read(person, TODAY - timedelta(days=1), 0)
    assert "share" not in alarms(person.days, units=5000)
    assert "share" not in alarms(person.days)  # how much there is, is not known
    said = alarms(person.days, units=1100)["share"].sentence
    assert "of the 1,100 objects in a day" in said
    backup = Person()
    for back in range(-5, 60):
        _read(backup, TODAY - timedelta(days=back), 300, objects=300)
    assert alarms(backup.days, units=300) == {}


def test_first_time_needs_evidence_from_before() -> None:
    person = Person()
    _read(person, TODAY, 20)
    assert "after 110 days of evidence without it" in alarms(person.days)["first-time"].sentence
    assert alarms(person.days, since=TODAY - timedelta(days=27)) == {}
    shy = Person()
    _read(shy, TODAY, 19)
    assert alarms(shy.days) == {}


def test_dormant_then_used() -> None:
    person = Person()
    _read(person, TODAY - timedelta(days=89), 3)
    _read(person, TODAY, 1)
    assert alarms(person.days) == {}
    old = Person()
    _read(old, TODAY - timedelta(days=90), 3)
    _read(old, TODAY, 1)
    assert alarms(old.days)["dormant"].sentence.startswith("read 1 records after 90 days without")


def test_list_then_fetch() -> None:
    person = usual(Person(), 30)
    person.list(TODAY + timedelta(hours=2))
    _read(person, TODAY, 30)
    said = alarms(person.days)["list-then-fetch"].sentence
    found = re.match(r"listed the store at 02:00 and fetched about (\d+) objects; it had not", said)
    assert found and 28 <= int(found[1]) <= 32
    late = usual(Person(), 30)
    late.list(TODAY + timedelta(hours=23))
    _read(late, TODAY, 30)
    assert alarms(late.days) == {}
    tool = usual(Person(), 30)
    for back in range(40):
        tool.list(TODAY - timedelta(days=back))
    _read(tool, TODAY, 30)
    assert alarms(tool.days) == {}


def test_denied_then_success() -> None:
    person = usual(Person(), 30)
    for number in range(10):
        person.refuse(TODAY + timedelta(hours=8, minutes=number), True)
    assert alarms(person.days) == {}
    _read(person, TODAY, 1)
    assert (
        "was refused 10 times from 08:00 on, then read 1 records"
        in alarms(person.days)["denied-then-success"].sentence
    )
    for number in range(8):  # it is refused every day
        person.refuse(TODAY - timedelta(days=1, minutes=number), True)
    assert alarms(person.days) == {}


def test_days_before_the_window_raise_nothing() -> None:
    person = Person()
    _read(person, FIRST - timedelta(days=3), 500)
    assert alarms(person.days) == {}


# --- what reaches a reader ------------------------------------------------------------------------


def answered(people: People, units: int | None = None, **settings: Any) -> Answer:
    asked = question(settings, (FIRST, END), lambda name: name, {"s": Known(units)})
    asked.place(SINCE + timedelta(days=60))
    asked.since = SINCE
    return answer(people, asked, "s")


def _flags(result: Answer) -> dict[str, list[str]]:
    return {reads.principal: [flag.rule for flag in reads.flags] for reads in result.reads}


def test_sessions_of_a_role_are_one_actor_unless_they_are_people() -> None:
    people = People()
    for back in range(1, 40):
        _read(people.get("role/app", f"i-{back}"), TODAY - timedelta(days=back), 30)
    _read(people.get("role/app", "i-0"), TODAY, 31)
    _read(people.get("role/app", "i-x"), TODAY, 40)
    flags = _flags(answered(people))
    assert flags["role/app session i-x"] == ["bulk"] and flags["role/app session i-0"] == []
    sso = "arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Read_0"
    usual(people.get(sso, "ann"), 300)
    usual(people.get(sso, "bob"), 3)
    _read(people.get(sso, "bob"), TODAY, 200)
    flags = _flags(answered(people))
    assert flags[f"{sso} session bob"] == ["bulk"] and flags[f"{sso} session ann"] == []


def test_a_source_identity_is_one_actor_in_all_its_sessions() -> None:
    people = People()
    for back in range(1, 40):
        _read(
            people.get("role/x", f"a{back % 9}, source identity ann"), TODAY - timedelta(back), 300
        )
        _read(people.get("role/x", f"b{back % 9}, source identity bob"), TODAY - timedelta(back), 3)
    _read(people.get("role/x", "a0, source identity ann"), TODAY, 200)
    for session in "pq":  # neither of them is much
        _read(people.get("role/x", f"{session}, source identity bob"), TODAY, 15)
    flags = {name: rules for name, rules in _flags(answered(people)).items() if rules}
    assert list(flags.values()) == [["bulk"]] and "bob" in next(iter(flags))


def test_one_flag_a_rule_with_the_worst_day() -> None:
    people = People()
    person = usual(people.get("x", ""), 10)
    for day, reads in ((0, 25), (1, 60), (2, 130)):
        _read(person, TODAY + timedelta(days=day), reads)
    (reads,) = answered(people).reads
    (flag,) = reads.flags
    assert flag.sentence.startswith("read 130 records")
    assert flag.sentence.endswith("; the same on 2 other days")


def test_history_makes_no_reader() -> None:
    people = People()
    _read(people.get("gone", ""), FIRST - timedelta(days=20), 5)
    people.get("lister", "").list(TODAY)
    assert answered(people).reads == ()


MUTE = {"principal": "x", "reason": "yearly audit", "until": date(2026, 12, 31)}


def test_a_mute_hides_flags_and_says_so() -> None:
    people = People()
    _read(usual(people.get("x", ""), 10), TODAY, 100)
    muted = answered(people, mute=[MUTE])
    assert muted.reads[0].flags == ()
    assert "one flag of x muted until 2026-12-31 (yearly audit)" in muted.remarks
    other = answered(people, mute=[{**MUTE, "rule": "share"}, {**MUTE, "principal": "y"}])
    assert other.reads[0].flags
    over = answered(people, mute=[{**MUTE, "until": "2026-03-30"}])
    assert over.reads[0].flags and "the mute of x ended on 2026-03-30" in over.remarks


@pytest.mark.parametrize("missing", ["principal", "reason", "until"])
def test_a_mute_without_reason_or_end_is_not_obeyed(missing: str) -> None:
    people = People()
    _read(usual(people.get("x", ""), 10), TODAY, 100)
    part = {key: value for key, value in MUTE.items() if key != missing}
    for wrong in (part, {**part, missing: "never"} if missing == "until" else "x"):
        result = answered(people, mute=[wrong])
        assert result.reads[0].flags and any("not obeyed" in said for said in result.remarks)


def test_thresholds_come_from_the_settings() -> None:
    found = rules.thresholds(
        {"bulk_factor": 3.0, "dormant_days": 180, "uri": "x", "bulk_least": -4}
    )
    assert (found.bulk_factor, found.dormant_days, found.bulk_least) == (3.0, 180, 0)
    assert found.reach == 180


def test_sketch_is_near_and_never_depends_on_order() -> None:
    for size in (0, 1, 10, 60, 500, 20_000):
        sketch, parts = Sketch(), [Sketch(), Sketch()]
        for number in range(size):
            sketch.add(name_hash(str(number)))
            parts[number % 2].add(name_hash(str(size - 1 - number)))
        parts[0].merge(parts[1])
        assert parts[0].count() == sketch.count()
        assert abs(sketch.count() - size) <= 0.25 * size
