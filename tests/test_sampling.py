"""The chance that is stated is never exceeded, however the cards lie."""

from __future__ import annotations

import heapq
import math

import pytest

from scanner import sampling
from scanner.sampling import CHANCE, DRAWN, SHARE, WORTH_IT, draw


@pytest.mark.parametrize("parts", [WORTH_IT * DRAWN, 12_345, 100_001, 7_654_321])
def test_one_part_of_each_run_is_drawn(parts: int) -> None:
    drawn = list(draw(parts) or ())
    assert len(drawn) == DRAWN
    for i, part in enumerate(drawn):
        assert i * parts // DRAWN <= part < (i + 1) * parts // DRAWN
    assert drawn != list(draw(parts) or ())


def test_every_part_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "DRAWN", 3)
    seen = {part for _ in range(500) for part in draw(11) or ()}
    assert seen == set(range(11))


def test_a_table_that_is_too_small_is_not_sampled() -> None:
    assert draw(WORTH_IT * DRAWN - 1) is None


@pytest.mark.parametrize("parts", [WORTH_IT * DRAWN, 11_507, 13_000, 100_001, 2_000_003])
def test_the_chance_to_miss_is_at_most_what_is_said(parts: int) -> None:
    """One part in ``SHARE`` holds cards, laid where they are hardest to hit: each goes to the run
    where it raises the chance least. The chance is a sum of concave functions, so that is worst."""
    sizes = [(i + 1) * parts // DRAWN - i * parts // DRAWN for i in range(DRAWN)]
    waiting = [(math.log(size / (size - 1)), size, 1) for size in sizes]
    heapq.heapify(waiting)
    missed = 0.0
    for _ in range(math.ceil(parts / SHARE)):
        cost, size, held = heapq.heappop(waiting)
        missed -= cost
        if held < size - 1:
            further = math.log((size - held) / (size - held - 1))
            heapq.heappush(waiting, (further, size, held + 1))
    assert math.exp(missed) <= CHANCE
    assert math.exp(missed) > CHANCE / 20  # and what is said is no exaggeration
