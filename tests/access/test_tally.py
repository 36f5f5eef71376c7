"""Counting in bounded memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.access.tally import Distinct, People, Seen
from scanner.known import name_hash


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=200), st.randoms())
def test_distinct_is_exact_while_it_can_be_and_never_depends_on_order(
    values: list[int], random: object
) -> None:
    one, other = Distinct(16), Distinct(16)
    for value in values:
        one.add(name_hash(str(value)))
    for value in sorted(values, key=lambda each: name_hash(f"x{each}")):
        other.add(name_hash(str(value)))
    assert (one.count(), one.exact) == (other.count(), other.exact)
    at_once = Distinct(16)
    at_once.add_all(map(name_hash, map(str, values)))
    assert (at_once.count(), at_once.exact) == (one.count(), one.exact)
    if len(set(values)) <= 32:
        assert one.exact and one.count() == len(set(values))


def test_an_estimate_is_near() -> None:
    distinct = Distinct()
    for i in range(200_000):
        distinct.add(name_hash(str(i % 100_000)))
    assert not distinct.exact
    assert abs(distinct.count() - 100_000) < 10_000


@settings(deadline=None)
@given(st.lists(st.integers(0, 1 << 64 - 1) | st.integers(0, 30), max_size=200))
def test_seen_tells_the_first_time(hashes: list[int]) -> None:
    seen, model = Seen(), set()
    for hashed in hashes:
        assert seen.first_time(hashed) is ((hashed or 1) not in model)
        model.add(hashed or 1)
    assert not seen.full


def test_seen_remembers_as_it_grows() -> None:
    seen = Seen()
    ids = [name_hash(str(i)) for i in range(20_000)]
    assert all(seen.first_time(each) for each in ids)
    assert not any(seen.first_time(each) for each in ids)


def test_seen_says_when_it_had_to_let_go() -> None:
    seen = Seen(limit=20)
    for i in range(20):
        assert seen.first_time(name_hash(str(i)))
    assert not seen.full and not seen.first_time(name_hash("3"))
    assert seen.first_time(name_hash("more")) and seen.full


def test_people_past_the_limit_share_an_entry() -> None:
    people = People(limit=4, sessions=5, of_one=2)
    for i in range(9):
        people.get("role", f"session {i}").reads += 1
        people.get("second", f"session {i}").reads += 1
        people.get("third", f"session {i}").reads += 1
    for i in range(9):
        people.get(f"user {i}", "").reads += 1
    assert sum(person.reads for _, _, person in people) == 36
    by = {(principal, session): person.reads for principal, session, person in people}
    assert by["role", "other sessions"] == by["second", "other sessions"] == 7
    assert by["third", "other sessions"] == 8  # there was room for one of its own
    assert by["user 0", ""] == 1 and by[People.OTHERS, ""] == 8
    assert [person.mixed for _, _, person in people].count(True) == 1


def test_a_table_that_grows_forgets_nothing() -> None:
    seen = Seen()
    assert all(map(seen.first_time, range(2, 60_002)))
    assert not any(map(seen.first_time, range(2, 60_002)))
    assert seen.first_time(60_002) and not seen.first_time(60_001)
