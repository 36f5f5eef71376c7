"""Reading ahead gives the same items, in order, and never runs the source twice at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.ahead import ahead

ONCE = threading.Lock()


def numbers(last: int, breaks: int | None = None) -> Iterator[int]:
    for number in range(last + 1):
        assert ONCE.acquire(blocking=False), "made by two threads at once"
        try:
            if number == breaks:
                raise OSError("broken off")
        finally:
            ONCE.release()
        yield number


@given(st.integers(0, 20))
def test_the_same_items_in_order(last: int) -> None:
    assert list(ahead(numbers(last), lambda n: n < last)) == list(range(last + 1))


@given(st.integers(0, 9))
def test_a_fault_comes_after_the_items_before_it(breaks: int) -> None:
    got: list[int] = []
    with pytest.raises(OSError, match="broken off"):
        got.extend(ahead(numbers(10, breaks), lambda n: n < 10))
    assert got == list(range(breaks))


def test_the_next_is_made_while_the_last_is_used() -> None:
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        made.set()
        yield 1

    for item in ahead(items(), lambda n: n < 1):
        assert made.wait(10), item


def test_whoever_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    for item in ahead(numbers(10), lambda n: n < 10):
        if item == 3:
            break
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_one_item_starts_no_thread() -> None:
    before = threading.active_count()
    assert [threading.active_count() for _ in ahead(numbers(0), lambda n: False)] == [before]
