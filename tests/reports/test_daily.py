"""The picture of reads by day: unknown days look unknown, and nothing is drawn of nothing."""

from __future__ import annotations

from datetime import date, timedelta

from reports.daily import HEIGHT, WIDTH, Daily, daily
from scanner.model import DayReads

FIRST = date(2026, 1, 1)


def drawn(*reads: int | None, cards: int | None = 0, whole: bool = True) -> Daily:
    days = [
        DayReads(FIRST + timedelta(days=n), each, None if each is None else cards, whole)
        for n, each in enumerate(reads)
    ]
    picture = daily(days)
    assert picture is not None
    return picture


def test_a_day_not_known_is_no_day_without_reads() -> None:
    picture = drawn(3, None, 0)
    assert [bar.height for bar in picture.bars] == [74.0, None, 0]
    assert picture.unknown and "of 1 day it is not known" in picture.sentence
    assert picture.sentence.startswith("Read on 1 of 3 days, most on 2026-01-01: 3 reads;")
    assert not drawn(1, 0).unknown


def test_nothing_known_is_no_picture() -> None:
    assert daily([]) is None
    assert daily([DayReads(FIRST, None, None, False)]) is None


def test_few_reads_beside_many_can_be_seen() -> None:
    low, high = drawn(1, 1_000_000).bars
    assert low.height == 1.5 and high.height is not None and high.height > 50


def test_reads_of_cards_are_part_of_the_bar() -> None:
    (bar,) = drawn(100, cards=25).bars
    assert bar.height is not None and bar.cards == bar.height / 4
    assert drawn(100, cards=25).cards and not drawn(100).cards


def test_a_long_window_fits() -> None:
    picture = drawn(*([5] * 399), None)
    assert len(picture.bars) == 100 and "in 4 days" in picture.most
    for bar in picture.bars:
        assert bar.x >= 0 and bar.x + bar.width <= WIDTH and 0 <= bar.y <= HEIGHT
    assert picture.bars[-1].height is not None  # three of its days are known


def test_gaps_make_it_at_least() -> None:
    assert drawn(1, whole=False).least and not drawn(1).least
