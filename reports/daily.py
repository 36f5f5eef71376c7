"""Reads of a store by day as a picture: geometry of a bar chart, drawn by attributes alone.

A day of which nothing is known is drawn as that, never as a day without reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from detectors.records import dataclass
from reports import words
from scanner.model import DayReads

WIDTH, HEIGHT = 640, 118
_TOP, _BOTTOM, _MOST = 20, 24, 130
"""of more days, several are one bar"""


@dataclass(frozen=True, slots=True)
class Bar:
    """``height`` is None for what is not known; ``cards`` is the lower part of it."""

    x: float
    width: float
    y: float
    height: float | None
    cards: float
    cards_y: float


@dataclass(frozen=True, slots=True)
class Daily:
    bars: tuple[Bar, ...]
    sentence: str
    first: str
    last: str
    most: str
    unknown: bool
    least: bool
    """numbers are lower bounds"""
    cards: bool
    width: int = WIDTH
    height: int = HEIGHT
    top: int = _TOP
    baseline: int = HEIGHT - _BOTTOM


def daily(days: Sequence[DayReads]) -> Daily | None:
    """None when no day is known: there is nothing to draw."""
    if all(day.reads is None for day in days):
        return None
    step = -(-len(days) // _MOST)
    groups = [days[start : start + step] for start in range(0, len(days), step)]
    sums = [_sum([day.reads for day in group]) for group in groups]
    cards = [_sum([day.card_reads for day in group]) or 0 for group in groups]
    most = max(each or 0 for each in sums)
    return Daily(
        bars=_bars(sums, cards, most or 1),
        sentence=_sentence(days),
        first=days[0].day.isoformat(),
        last=days[-1].day.isoformat(),
        most=f"{words.number(most)}{'' if step == 1 else f' in {step} days'}",
        unknown=any(day.reads is None for day in days),
        least=not all(day.whole for day in days),
        cards=any(cards),
    )


def _sum(numbers: Sequence[int | None]) -> int | None:
    """What is known of several days; None when nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _bars(sums: Sequence[int | None], cards: Sequence[int], most: int) -> tuple[Bar, ...]:
    room, baseline, step = HEIGHT - _TOP - _BOTTOM, HEIGHT - _BOTTOM, WIDTH / len(sums)
    gap = step * 0.18 if step > 3 else 0
    bars = []
    for place, (reads, of_cards) in enumerate(zip(sums, cards, strict=True)):
        height = None if reads is None else max(room * reads / most, 1.5 if reads else 0)
        low = max(room * of_cards / most, 1.5) if of_cards else 0
        tall = room if height is None else height
        bars.append(
            Bar(
                x=round(place * step + gap / 2, 2),
                width=round(step - gap, 2),
                y=round(baseline - tall, 2),
                height=None if height is None else round(height, 2),
                cards=round(min(low, tall), 2),
                cards_y=round(baseline - min(low, tall), 2),
            )
        )
    return tuple(bars)


def _sentence(days: Sequence[DayReads]) -> str:
    known = [day for day in days if day.reads is not None]
    peak = max(known, key=lambda day: day.reads or 0)
    reading = sum(bool(day.reads) for day in known)
    said = f"Read on {reading:,} of {words.plural(len(days), 'day')}"
    if peak.reads:
        said += f", most on {peak.day.isoformat()}: {words.plural(peak.reads, 'read')}"
    unknown = len(days) - len(known)
    if unknown:
        said += f"; of {words.plural(unknown, 'day')} it is not known whether anybody read"
    return f"{said}."
