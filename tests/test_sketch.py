"""Distinct values: exact while they are few, near the truth beyond, the same in any order."""

from __future__ import annotations

import random

import numpy as np  # noqa: F401 - loaded before anything is timed
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.sketch import Counting, Sketch

PRINTS = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 50).map(lambda n: n << 20))
MOST = 16


def sketch(prints: list[int]) -> Sketch:
    counting = Counting(MOST)
    for each in prints:
        counting.add(each)
    return counting.done()


@given(PRINTS)
def test_exact_while_they_fit(prints: list[int]) -> None:
    made = sketch(prints)
    if len(set(prints)) <= MOST:
        assert made.exact and made.count == len(set(prints))
    assert len(made.prints) <= 8 * MOST


@given(st.lists(PRINTS, min_size=1, max_size=5), st.randoms())
def test_pieces_add_up_to_the_whole_in_any_order(
    pieces: list[list[int]], rng: random.Random
) -> None:
    whole = sketch([each for piece in pieces for each in piece])
    for _ in range(3):
        rng.shuffle(pieces)
        total = Sketch(MOST)
        for piece in pieces:
            total = total.add(sketch(piece))
        assert total == whole


@given(PRINTS, PRINTS, PRINTS)
def test_adding_is_associative_and_idempotent(a: list[int], b: list[int], c: list[int]) -> None:
    one, two, three = sketch(a), sketch(b), sketch(c)
    assert one.add(two).add(three) == one.add(two.add(three))
    assert one.add(one) == one


@pytest.mark.parametrize("true", [3_000, 100_000])
def test_an_estimate_is_near(true: int) -> None:
    rng = random.Random(3)
    counting = Counting(2048)
    for _ in range(true):
        counting.add(rng.getrandbits(64))
    assert not counting.done().exact
    assert counting.done().count == pytest.approx(true, rel=0.08)
