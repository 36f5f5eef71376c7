"""Hours without a record: a quiet time or a lost file, which nothing tells apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

_HOUR = timedelta(hours=1)
_SHOWN = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).toordinal() * 24


class Hours:
    """The hours of a window that records were seen in."""

    def __init__(self, window: tuple[datetime, datetime]) -> None:
        self._window = window
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
        start, end = self._window
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


def silence(
    silent: list[datetime], what: str = "record of any kind", since: datetime | None = None
) -> Iterator[str]:
    """A sentence on hours that follow one another, the longest spans named. With ``since``, the
    start of the window, another where the record begins a day or more later: that long logs are
    not kept, or were not written."""
    if not silent:
        return
    spans: list[tuple[datetime, datetime]] = []
    for hour in silent:
        if spans and spans[-1][1] == hour:
            spans[-1] = (spans[-1][0], hour + _HOUR)
        else:
            spans.append((hour, hour + _HOUR))
    begun, begins = spans[0]
    if since is not None and begun - since < _HOUR and begins - begun >= _DAY:
        yield (
            f"the record begins at {clock(begins)} only: what is older was deleted (retention of"
            " logs) or never written"
        )
    spans.sort(key=lambda span: span[0] - span[1])
    shown = ", ".join(f"{clock(a)} to {clock(b)}" for a, b in sorted(spans[:_SHOWN]))
    more = f" and {len(spans) - _SHOWN:,} more" if len(spans) > _SHOWN else ""
    yield (
        f"no {what} in {len(silent):,} hours of the window ({shown}{more}): quiet hours or"
        " missing files"
    )


def clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
