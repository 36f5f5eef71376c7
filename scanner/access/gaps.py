"""Hours without a record: a quiet time or a lost file, which the records do not tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from detectors.records import dataclass
from scanner.retention import Kept
from scanner.text import plural

_HOUR = timedelta(hours=1)
_SHOWN = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).toordinal() * 24


class Hours:
    """The hours of a window that records were seen in."""

    def __init__(self, window: tuple[datetime, datetime]) -> None:
        self.window = window
        self._seen: set[int] = set()
        self._hour = self._next = datetime.min.replace(tzinfo=UTC)  # of the last one seen
        self.first: datetime | None = None
        self.last: datetime | None = None

    @classmethod
    def known(
        cls, window: tuple[datetime, datetime], hours: Iterable[int], *ends: datetime | None
    ) -> Hours:
        """``hours`` since 1970 that records are known of, and when the first and last were."""
        made = cls(window)
        made._seen = {hour + _EPOCH for hour in hours}
        for end in filter(None, ends):
            made.first = end if made.first is None else min(made.first, end)
            made.last = end if made.last is None else max(made.last, end)
        return made

    def saw(self, when: datetime) -> None:
        """``when`` lies in the window."""
        if self.first is None or when < self.first:
            self.first = when
        if self.last is None or when > self.last:
            self.last = when
        if not self._hour <= when < self._next:
            self._hour = when.replace(minute=0, second=0, microsecond=0)
            self._next = self._hour + _HOUR
            self._seen.add(when.toordinal() * 24 + when.hour)

    def add(self, hours: Iterable[datetime]) -> None:
        """Hours with records, by their starts."""
        self._seen.update(hour.toordinal() * 24 + hour.hour for hour in hours)

    def silent(self) -> list[datetime]:
        """The hours of the window without any record. The last before its end does not count:
        delivery takes time."""
        start, end = self.window
        hour = start.replace(minute=0, second=0, microsecond=0)
        if hour < start:
            hour += _HOUR
        silent = []
        while hour + 2 * _HOUR <= end:
            if hour.toordinal() * 24 + hour.hour not in self._seen:
                silent.append(hour)
            hour += _HOUR
        return silent


_DAY = timedelta(days=1)


@dataclass(slots=True)
class Gaps:
    """What is missing of a window, in sentences, and what else is known of that."""

    limits: list[str]
    """that took hours of it, or may have taken a part of some"""
    quiet: list[str]
    """hours without a record of which no limit is the cause"""
    remarks: list[str]

    @property
    def causes(self) -> list[str]:
        return [*self.limits, *self.quiet]


def gaps(
    hours: Hours, kept: Kept, what: str = "record of any kind", *, begins: bool = False
) -> Gaps:
    """``kept``: how long the place of the logs keeps them. With ``begins`` a sentence more where
    the record begins a day or more after the window and nothing says why."""
    start, silent = hours.window[0], hours.silent()
    made = Gaps([], [], list(kept.remarks))
    rest = silent
    for limit in kept.limits:
        since, said = limit.since or start, limit.sentence
        lost = [hour for hour in silent if hour < since]
        if lost:
            said += f" ({plural(len(lost), 'hour')} of the window without a {what})"
        took = lost or (limit.part and start < since)
        (made.limits if took else made.remarks).append(said)
        if not limit.part:
            rest = [hour for hour in rest if hour >= since]
    made.quiet += _silence(rest, what, start if begins and rest == silent else None)
    return made


def _silence(silent: list[datetime], what: str, start: datetime | None) -> Iterator[str]:
    """A sentence on hours that follow one another, the longest spans named."""
    if not silent:
        return
    spans: list[tuple[datetime, datetime]] = []
    for hour in silent:
        if spans and spans[-1][1] == hour:
            spans[-1] = (spans[-1][0], hour + _HOUR)
        else:
            spans.append((hour, hour + _HOUR))
    begun, begin = spans[0]
    if start is not None and begun - start < _HOUR and begin - begun >= _DAY:
        yield (
            f"the record begins at {clock(begin)} only: what is older was deleted (retention of"
            " logs) or never written"
        )
    spans.sort(key=lambda span: span[0] - span[1])
    shown = ", ".join(f"{clock(a)} to {clock(b)}" for a, b in sorted(spans[:_SHOWN]))
    more = f" and {len(spans) - _SHOWN:,} more" if len(spans) > _SHOWN else ""
    yield (
        f"no {what} in {plural(len(silent), 'hour')} of the window ({shown}{more}): quiet hours or"
        " missing files"
    )


def clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
