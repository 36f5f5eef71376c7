"""The trend over runs as a picture: geometry of a bar chart, drawn by attributes alone."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.records import dataclass
from reports import words
from reports.figures import utc
from scanner.model import Run, RunSummary, Status, Verdict

RUNS = 12
"""The newest so many runs are drawn."""

WIDTH, HEIGHT = 640, 176
_TOP, _BOTTOM, _BAR = 26, 34, 34


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    middle: float
    label: str
    day: str
    current: bool


@dataclass(frozen=True, slots=True)
class Trend:
    """``rows`` are the runs, newest first, this one included; ``bars`` the same, oldest first."""

    rows: tuple[RunSummary, ...]
    bars: tuple[Bar, ...]
    sentence: str
    width: int = WIDTH
    height: int = HEIGHT
    baseline: int = HEIGHT - _BOTTOM


def this_run(run: Run) -> RunSummary:
    """``run`` as one more entry of its own history."""
    return RunSummary(
        id=run.id,
        started=run.started,
        finished=run.finished,
        status=run.status,
        profile=run.profile,
        units=run.coverage.units,
        not_read=sum(o.status is not Status.SCANNED for o in run.outcomes),
        findings=len(run.findings),
        distinct_pans=sum(s.distinct_pans or 0 for s in run.stores),
        unprotected=sum(s.verdict is Verdict.UNPROTECTED for s in run.stores),
    )


def trend(run: Run) -> Trend | None:
    """None for a first run: one bar is no trend."""
    if not run.earlier:
        return None
    now = this_run(run)
    series = (*run.earlier, now)[-RUNS:]
    return Trend(tuple(reversed(series)), _bars(series), _sentence(run.earlier[-1], now))


def _bars(series: Sequence[RunSummary]) -> tuple[Bar, ...]:
    most = max(s.distinct_pans for s in series) or 1
    room = HEIGHT - _TOP - _BOTTOM
    step = WIDTH / len(series)
    width = min(_BAR * 2, step * 0.62)
    # runs of one day are told apart by the hour
    label = "%H:%M" if len({words.day(s.started) for s in series}) == 1 else "%d %b"
    bars = []
    for i, summary in enumerate(series):
        height = room * summary.distinct_pans / most
        if summary.distinct_pans:
            height = max(height, 2)
        middle = step * (i + 0.5)
        bars.append(
            Bar(
                x=round(middle - width / 2, 1),
                y=round(HEIGHT - _BOTTOM - height, 1),
                width=round(width, 1),
                height=round(height, 1),
                middle=round(middle, 1),
                label=words.number(summary.distinct_pans),
                day=utc(summary.started).strftime(label),
                current=i == len(series) - 1,
            )
        )
    return tuple(bars)


def _sentence(before: RunSummary, now: RunSummary) -> str:
    change = now.distinct_pans - before.distinct_pans
    if change == 0:
        said = "As many distinct card numbers as in the run before"
    else:
        more = "more" if change > 0 else "fewer"
        count = words.plural(abs(change), f"{more} distinct card number")
        said = f"{count} than in the run before"
    unlike = now.units != before.units or now.not_read != before.not_read
    return f"{said} ({words.day(before.started)})" + (
        "; not the same units were read, so compare with care." if unlike else "."
    )
