"""Ids met before, in bounded memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.access.seen import Seen
from scanner.known import name_hash


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


def test_a_table_that_grows_forgets_nothing() -> None:
    seen = Seen()
    assert all(map(seen.first_time, range(2, 60_002)))
    assert not any(map(seen.first_time, range(2, 60_002)))
    assert seen.first_time(60_002) and not seen.first_time(60_001)
