"""What is suspicious about reads: rules over the days of one principal in one store.

Pure functions; every source of evidence hands over the same days. Each rule is a sentence with its
numbers and the time they are of, no black box. A principal is compared with its own past, since
what is much differs by a thousandfold from one to the next. ``tools/accuracy_access.py`` measures
how much injected misuse the defaults find, and how many false alarms they raise.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from detectors.records import dataclass
from scanner.contracts import Wrong
from scanner.days import Day, Single
from scanner.text import plural, times
from scanner.whoread import SESSION, SOURCE

OPTIONS: Mapping[str, type] = {
    "history_days": int,
    "settled_days": int,
    "bulk_factor": float,
    "bulk_least": int,
    "share_percent": int,
    "share_least": int,
    "first_least": int,
    "dormant_days": int,
    "list_least": int,
    "denied_least": int,
    "same_least": int,
    "single_most": int,
    "mute": list,
}
"""Options of ``[[evidence]]`` that every kind of it understands, beside its own. With those of
``mute`` come the ones of ``[[mute]]``, which are for all evidence."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Numbers of the rules; the names are those of the options."""

    history_days: int = 56
    """a day is compared with so many before it"""
    settled_days: int = 28
    """evidence before a day that it takes to call something new"""
    bulk_factor: float = 2.0
    bulk_least: int = 20
    share_percent: int = 50
    share_least: int = 20
    first_least: int = 20
    dormant_days: int = 90
    list_least: int = 20
    denied_least: int = 10
    same_least: int = 10
    single_most: int = 500
    """reads of a day up to which they are looks at single records"""
    off_hours: float = 1.5
    """what a read counts when most of the day's are at hours of the day without any before"""

    @property
    def reach(self) -> int:
        """Days before the window that can matter."""
        return max(self.history_days, self.dormant_days, self.settled_days)


_DAYS = 36_500.0


def thresholds(settings: Mapping[str, Any]) -> Thresholds:
    """Out of the settings of an evidence table. A negative number counts as 0."""
    names = set(Thresholds.__dataclass_fields__) & set(OPTIONS)
    return Thresholds(**{name: max(settings[name], 0) for name in names & set(settings)})


@dataclass(frozen=True, slots=True)
class Alarm:
    """One rule on one day. ``volume`` is how much of what it is about there was, to tell the worst
    day."""

    rule: str
    day: date
    volume: int
    sentence: str


def alarms(
    days: Mapping[int, Day], since: int, first: int, units: int | None, limits: Thresholds
) -> Iterator[Alarm]:
    """The alarms of one principal, from day ``first`` on. ``since`` is the first day the evidence
    reaches; days are ordinals. ``units``: how many things can be read, None when not known."""
    order = sorted(days)
    for place, number in enumerate(order):
        if number < first:
            continue
        day = days[number]
        past = _Past(days, order, place, since, limits)
        for rule in _RULES:
            said = rule(day, past, units, limits)
            if said:
                name = _name(rule)
                single = _SINGLE[rule](day) if rule in _SINGLE else None
                amount = _AMOUNTS.get(rule, volume)(day) if single is None else single.reads
                sentence = f"{said} ({_when(day if single is None else single)})"
                yield Alarm(name, date.fromordinal(number), amount, sentence)


def volume(day: Day) -> int:
    """Records read: rows where the source tells them."""
    return max(day.rows, day.reads)


class _Past:
    """The days before one day."""

    __slots__ = ("_days", "_order", "_recent", "_week", "evidence_days", "last_read")

    def __init__(
        self,
        days: Mapping[int, Day],
        order: Sequence[int],
        place: int,
        since: int,
        limits: Thresholds,
    ) -> None:
        today = order[place]
        start = bisect_left(order, today - limits.history_days)
        self._days, self._recent = days, order[start:place]
        read = (number for number in reversed(order[:place]) if days[number].reads)
        before = next(read, None)
        self._week = start, bisect_left(order, today - 6)
        self._order = order
        self.evidence_days = today - since
        self.last_read = None if before is None else today - before
        """days ago, None: never"""

    def __iter__(self) -> Iterator[Day]:
        return (self._days[number] for number in self._recent)

    def busiest(self) -> tuple[int, date | None]:
        """The largest volume of a recent day, and which one."""
        best = max(self._recent, key=lambda n: volume(self._days[n]), default=None)
        if best is None:
            return 0, None
        return volume(self._days[best]), date.fromordinal(best)

    def same_record(self) -> int:
        """As ``Day.same``, the most of the weeks before this one."""
        start, end = self._week
        return max((self._days[number].same for number in self._order[start:end]), default=0)

    @property
    def reading_days(self) -> int:
        return sum(day.reads > 0 for day in self)


def _bulk(day: Day, past: _Past, units: int | None, limits: Thresholds) -> str:
    amount = volume(day)
    most, when = past.busiest()
    if not most or past.evidence_days < limits.settled_days // 2:
        return ""
    weight = limits.off_hours if _at_odd_hours(day, past) else 1.0
    weighed = amount * weight
    if weighed < limits.bulk_least or weighed <= limits.bulk_factor * most or amount <= most:
        return ""
    said = (
        f"read {plural(amount, 'record')} in a day, the most in the"
        f" {plural(limits.history_days, 'day')} before"
    )
    said += f" being {most:,} on {when}"
    return said + (", and mostly at hours it had never read at" if weight > 1 else "")


def _at_odd_hours(day: Day, past: _Past) -> bool:
    if past.reading_days < 14:
        return False
    known = set[int]().union(*(each.hours for each in past))
    odd = sum(reads for hour, reads in day.hours.items() if hour not in known)
    return 2 * odd > day.reads


def _share(day: Day, past: _Past, units: int | None, limits: Thresholds) -> str:
    if not units or day.reads < max(limits.share_least, limits.share_percent * units // 100):
        return ""
    seen = min(day.objects, units, day.reads)
    if seen < limits.share_least or 100 * seen < limits.share_percent * units:
        return ""
    if any(100 * each.objects >= limits.share_percent * units for each in past):
        return ""
    part = 100 * seen // units
    return (
        f"read about {seen:,} of the {plural(units, 'object')} in a day ({part} %), not done before"
    )


def _first_time(day: Day, past: _Past, units: int | None, limits: Thresholds) -> str:
    if past.last_read is not None or past.evidence_days < limits.settled_days:
        return ""
    if volume(day) < limits.first_least:
        return ""
    return (
        f"read {plural(volume(day), 'record')} on the first day it ever read here, after"
        f" {plural(past.evidence_days, 'day')} of evidence without it"
    )


def _dormant(day: Day, past: _Past, units: int | None, limits: Thresholds) -> str:
    if past.last_read is None or past.last_read < limits.dormant_days or not day.reads:
        return ""
    return (
        f"read {plural(volume(day), 'record')} after {plural(past.last_read, 'day')} without a read"
    )


def _list_then_fetch(day: Day, past: _Past, units: int | None, limits: Thresholds) -> str:
    if day.listed is None or day.last is None or day.listed > day.last:
        return ""
    fetched = min(day.objects, day.reads)
    if fetched < limits.list_least or past.evidence_days < limits.settled_days // 2:
        return ""
    if any(each.lists for each in past):
        return ""
    return (
        f"listed the store at {day.listed:%H:%M} and fetched about"
        f" {plural(fetched, 'object')} that day, the last at {day.last:%H:%M}; it had not"
        f" listed it in the {plural(min(past.evidence_days, limits.history_days), 'day')} before"
    )


def _denied_then_success(day: Day, past: _Past, units: int | None, limits: Thresholds) -> str:
    if day.refused is None or day.last is None or day.last < day.refused:
        return ""
    usual = max((each.denied for each in past), default=0)
    if day.denied < limits.denied_least or day.denied <= limits.bulk_factor * usual:
        return ""
    return (
        f"was refused {times(day.denied)} from {day.refused:%H:%M} on, and read"
        f" {plural(volume(day), 'record')} that day, the last at {day.last:%H:%M}"
    )


def _watch_list(day: Day, past: _Past, units: int | None, limits: Thresholds) -> str:
    seen = day.watched
    if seen is None or not _looks_singly(day, limits):
        return ""
    lines = sorted(seen.lines)
    shown = ", ".join(map(str, lines[:_SHOWN])) + (" ..." if len(lines) > _SHOWN else "")
    what, where = ("one subject", "line")
    if len(lines) > 1:
        what, where = plural(len(lines), "subject"), "lines"
    return (
        f"read {times(seen.reads)} of {what} of the watch list ({where} {shown}) among"
        f" {plural(day.reads, 'read')} of the day, without a ticket for it"
    )


def _no_ticket(day: Day, past: _Past, units: int | None, limits: Thresholds) -> str:
    seen = day.unticketed
    if seen is None:
        return ""
    return (
        f"read {times(seen.reads)} without a ticket for it, of {plural(day.reads, 'read')} of the"
        " day"
    )


def _same_record(day: Day, past: _Past, units: int | None, limits: Thresholds) -> str:
    if not _looks_singly(day, limits) or day.same < limits.same_least:
        return ""
    usual = past.same_record()
    if past.evidence_days < limits.settled_days // 2 or day.same <= limits.bulk_factor * usual:
        return ""
    return (
        f"read the same record {times(day.same)} in the seven days to this one, the most of any"
        f" record in a week of the {plural(limits.history_days, 'day')} before being {usual:,}"
    )


def _looks_singly(day: Day, limits: Thresholds) -> bool:
    return day.person and 0 < day.reads <= limits.single_most


_SHOWN = 5
_RULES = (
    *(_bulk, _share, _first_time, _dormant, _list_then_fetch, _denied_then_success),
    *(_watch_list, _no_ticket, _same_record),
)


def _name(rule: Callable[..., str]) -> str:
    return rule.__name__.strip("_").replace("_", "-")


NAMES = (*map(_name, _RULES), "foreign-account", "anonymous")
"""of all rules, as flags have them"""
_SINGLE: Mapping[Any, Callable[[Day], Single | None]] = {
    _watch_list: lambda day: day.watched,
    _no_ticket: lambda day: day.unticketed,
}
"""rules that are about some reads of a day"""
_AMOUNTS: Mapping[Any, Callable[[Day], int]] = {
    _denied_then_success: lambda day: day.denied,
    _same_record: lambda day: day.same,
}
"""what those rules count that are not about all that was read"""


def _when(day: Day | Single) -> str:
    first, last = day.first, day.last
    assert first is not None and last is not None  # every rule asks for reads
    until = f" to {last:%H:%M}" if f"{first:%H:%M}" != f"{last:%H:%M}" else ""
    return f"{first:%Y-%m-%d %H:%M}{until} UTC"


# --- mutes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mute:
    """Alarms of ``principal`` (``rule``: of that only) are not shown until a day. They are counted,
    with the reason."""

    principal: str
    reason: str
    until: date
    rule: str | None = None

    def covers(self, principal: str, session: str, rule: str, today: date) -> bool:
        # not by the name of a session alone: whoever takes a role chooses it
        name, _, source = session.partition(SOURCE)
        named = self.principal in (principal, f"{principal}{SESSION}{name}", source or principal)
        return named and self.rule in (None, rule) and today <= self.until


def mutes(settings: Mapping[str, Any]) -> tuple[tuple[Mute, ...], tuple[str, ...]]:
    """``mute = [{principal = "...", reason = "...", until = 2027-01-31}]`` with an optional
    ``rule``. What is wrong with one is a sentence, and it is not obeyed."""
    good, faults = [], []
    for number, entry in enumerate(settings.get("mute", ()), 1):
        mute = _mute(entry)
        if mute is None:
            faults.append(
                f"mute {number} is not obeyed: expected principal, reason and until (a date)"
            )
        else:
            good.append(mute)
    return tuple(good), tuple(faults)


def wrong(settings: Mapping[str, Any]) -> Iterator[Wrong]:
    """Options of the rules that cannot be right."""
    yield from wrong_mutes(settings.get("mute", ()))
    for name in sorted(set(Thresholds.__dataclass_fields__) & set(settings)):
        most = 100.0 if name == "share_percent" else _DAYS if name.endswith("_days") else math.inf
        if not 0 <= settings[name] <= most or settings[name] == math.inf:
            bound = "0 or more" if most == math.inf else f"from 0 to {most:,.0f}"
            yield Wrong(name, bound, str(settings[name]))


def wrong_mutes(mutes: Sequence[Any]) -> Iterator[Wrong]:
    """What keeps one from being obeyed."""
    for number, entry in enumerate(mutes):
        if _mute(entry) is None:
            expected = "a table with principal, reason and until (a date), and rule if only of one"
            yield Wrong(f"mute[{number}]", expected)
        elif not set(entry) <= {"principal", "reason", "until", "rule"}:
            unknown = next(key for key in entry if key not in Mute.__dataclass_fields__)
            yield Wrong(f"mute[{number}].{unknown}", "principal, reason, until or rule")
        elif entry.get("rule", NAMES[0]) not in NAMES:
            yield Wrong(f"mute[{number}].rule", f"one of {', '.join(NAMES)}", entry["rule"])


def _mute(entry: Any) -> Mute | None:
    if not isinstance(entry, Mapping):
        return None
    principal, reason, until = (entry.get(key) for key in ("principal", "reason", "until"))
    rule = entry.get("rule")
    if isinstance(until, datetime):
        until = until.date()
    if isinstance(until, str):
        try:
            until = datetime.fromisoformat(until).date()
        except ValueError:
            return None
    texts = isinstance(principal, str) and isinstance(reason, str) and principal and reason
    if not texts or not isinstance(until, date) or not (rule is None or isinstance(rule, str)):
        return None
    return Mute(str(principal), str(reason), until, rule)
