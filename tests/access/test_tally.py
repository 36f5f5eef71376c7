"""Counting in bounded memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.access.tally import Distinct, People, Seen, hash64


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=200), st.randoms())
def test_distinct_is_exact_while_it_can_be_and_never_depends_on_order(
    values: list[int], random: object
) -> None:
    one, other = Distinct(16), Distinct(16)
    for value in values:
        one.add(hash64(str(value)))
    for value in sorted(values, key=lambda each: hash64(f"x{each}")):
        other.add(hash64(str(value)))
    assert (one.count(), one.exact) == (other.count(), other.exact)
    if len(set(values)) <= 32:
        assert one.exact and one.count() == len(set(values))


def test_an_estimate_is_near() -> None:
    distinct = Distinct()
    for i in range(200_000):
        distinct.add(hash64(str(i % 100_000)))
    assert not distinct.exact
    assert abs(distinct.count() - 100_000) < 10_000


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=200))
def test_seen_tells_the_first_time_across_batches(values: list[int]) -> None:
    seen, model = Seen(batch=5), set()
    for value in values:
        hashed = hash64(str(value))
        assert seen.first_time(hashed) is (value not in model)
        model.add(value)
    assert not seen.full


def test_seen_says_when_it_had_to_let_go() -> None:
    seen = Seen(limit=20, batch=10)
    for i in range(100):
        seen.first_time(hash64(str(i)))
    assert seen.full


def test_people_past_the_limit_share_an_entry() -> None:
    people = People(limit=3, sessions=2)
    for i in range(9):
        people.get("role", f"session {i}").reads += 1
    for i in range(9):
        people.get(f"user {i}", "").reads += 1
    assert sum(person.reads for _, _, person in people) == 18
    assert len(people) <= 4
