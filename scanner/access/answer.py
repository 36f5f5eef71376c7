"""From counts to what a report shows: readers with their numbers and flags, and remarks.

Every kind of evidence ends here, so that a flag means the same whatever the source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from detectors.records import dataclass
from scanner import statements
from scanner.access import identity, rules, snoops
from scanner.access.tally import Day, Exactly, People, Person
from scanner.batch import Who
from scanner.contracts import SealName
from scanner.factview import DayTotals, Totals, View
from scanner.known import Known
from scanner.model import Flag, Reads
from scanner.snooping import Lookout
from scanner.text import seal_around_accounts


@dataclass(slots=True)
class Question:
    """What one collection of evidence is about, the same for all its stores."""

    window: tuple[datetime, datetime]
    seal_name: SealName
    limits: rules.Thresholds = field(default_factory=rules.Thresholds)
    mutes: tuple[rules.Mute, ...] = ()
    faults: tuple[str, ...] = ()
    known: Mapping[str, Known] = field(default_factory=dict)
    lookout: Lookout | None = None
    """for single records; without one no value of a statement is noted"""
    since: datetime | None = None
    """the first record of any kind within reach: before it nothing is known of anybody"""

    reach: datetime = field(init=False)
    """from here on records count for the rules, from the window on they count"""

    def __post_init__(self) -> None:
        self.reach = self.window[0] - timedelta(days=self.limits.reach)

    def subjects(self, text: str, dialect: str, parameters: str = "") -> tuple[int, ...]:
        """The numbers of the values that a statement asks for."""
        if self.lookout is None:
            return ()
        values = statements.asked_for(text, dialect, parameters)
        return tuple(map(self.lookout.number, values))

    def place(self, when: datetime) -> bool | None:
        """True in the window, False in the time before it that is history, None elsewhere. Notes
        how far back the evidence goes."""
        if not self.reach <= when <= self.window[1]:
            return None
        if self.since is None or when < self.since:
            self.since = when
        return when >= self.window[0]


def question(
    settings: Mapping[str, Any],
    window: tuple[datetime, datetime],
    seal_name: SealName,
    known: Mapping[str, Known] | None,
) -> Question:
    mutes, faults = rules.mutes(settings)
    start, end = (moment.astimezone(UTC) for moment in window)
    return Question(
        *((start, end), seal_name, rules.thresholds(settings), mutes, faults, known or {}),
        lookout=settings.get("snooping"),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """``remarks`` are sentences for the evidence's detail."""

    reads: tuple[Reads, ...]
    remarks: tuple[str, ...]


_Key = tuple[str, str]
_MOST_PRINCIPALS, _MOST_SESSIONS, _MOST_OF_ONE = 2_000, 1_000, 50


def told(view: View, asked: Question, store: str, *, things: str = "objects") -> Answer:
    """``answer`` out of the fact store: the readers of one store, most reads first."""
    known = asked.known.get(store, Known())
    asked.since = view.since(asked.reach)
    names, entries = _entries(view.ranked(store))
    totals = view.totals(store, entries, known.cards or ())
    muted = _Muted(asked)
    alarms = _told_alarms(
        *(view, asked, store, known.units),
        {number: names[entry] for number, entry in entries.items()},
        objects=things == "objects",
    )
    people = [(names[entry], _person(found, names[entry])) for entry, found in totals.items()]
    reads = []
    for who, person in people:
        key = (who.principal, who.session)
        flags = [*_by_nature(person, things), *alarms.get(key, ())]
        reads.append(_reads(*key, person, muted.rest(*key, flags), asked, known))
    reads.sort(key=lambda each: (-(each.reads or 0), each.principal))
    everybody = [person for _, person in people]
    remarks = (
        *_card_remark(everybody, known, things),
        *_rolled_remark(view.rolled_until(store), things),
        *muted.remarks(),
        *asked.faults,
    )
    return Answer(tuple(reads), remarks)


def _entries(ranked: Sequence[tuple[int, Who]]) -> tuple[list[Who], dict[int, int]]:
    """What the answer lists, and for each principal's number its place in that. Past a limit the
    sessions of a role share one, and principals do."""
    names: dict[tuple[str, str], int] = {}
    entries: dict[int, int] = {}
    listed: list[Who] = []
    sessions: Counter[str] = Counter()
    for number, who in ranked:
        key = (who.principal, who.session)
        if key not in names:
            if who.principal not in sessions and len(sessions) >= _MOST_PRINCIPALS:
                key = (People.OTHERS, "")
            elif who.session and (
                sessions.total() >= _MOST_SESSIONS or sessions[who.principal] >= _MOST_OF_ONE
            ):
                key = (who.principal, "other sessions")
            if key[0] == who.principal:
                sessions[who.principal] += bool(who.session)
        if key not in names:
            names[key] = len(listed)
            same = key == (who.principal, who.session)
            listed.append(who if same else replace(who, principal=key[0], session=key[1]))
        entries[number] = place = names[key]
        entry = listed[place]
        if who.anonymous > entry.anonymous or (who.foreign and not entry.foreign):
            listed[place] = replace(
                entry,
                anonymous=entry.anonymous or who.anonymous,
                foreign=entry.foreign or who.foreign,
            )
    return listed, entries


def _person(found: Totals, who: Who) -> Person:
    person = Person(
        **{name: getattr(found, name) for name in _SAME},
        card_reads=min(found.card_reads, found.reads),
        uncounted=found.asked,
        anonymous=who.anonymous,
        foreign=who.foreign or None,
    )
    person.objects = Exactly(found.objects)
    return person


_SAME = (
    *("reads", "bytes", "told_bytes", "rows", "told_rows", "denied", "nameless"),
    *("first", "last"),
)


def _told_alarms(
    view: View,
    asked: Question,
    store: str,
    units: int | None,
    entries: Mapping[int, Who],
    *,
    objects: bool,
) -> dict[_Key, list[Flag]]:
    """As ``_alarms``: flags by the entry that did most of it. ``objects``: a read names one."""
    numbers: dict[_Key, list[int]] = {}
    everybody = view.people(store)
    for number, who in everybody.items():
        own = identity.one_of_many(who.principal, who.session)
        numbers.setdefault((who.principal, own), []).append(number)
    actors = dict(enumerate(numbers.values()))
    acting = {number: actor for actor, people in actors.items() for number in people}
    first = asked.window[0].toordinal()
    start = first - asked.limits.reach
    acts = {
        actor: snoops.Acts(
            {number: everybody[number] for number in actors[actor]},
            {number: _day(each) for number, each in totals.items()},
        )
        for actor, totals in view.days(store, acting, start).items()
    }
    snoops.look(view, store, list(acts.values()), start, asked.lookout, objects=objects)
    since = (asked.since or asked.window[0]).toordinal()
    flags: dict[_Key, list[Flag]] = {}
    for actor, acted in acts.items():
        people = [number for number in actors[actor] if number in entries]
        worst: dict[str, list[rules.Alarm]] = {}
        for alarm in rules.alarms(acted.days, since, first, units, asked.limits):
            worst.setdefault(alarm.rule, []).append(alarm)
        for rule, raised in worst.items():
            top = max(raised, key=lambda alarm: (alarm.volume, alarm.day))
            doer = (
                people[0] if len(people) == 1 else view.busiest(store, people, top.day.toordinal())
            )
            if doer is not None:
                who = entries[doer]
                said = Flag(rule, _in_all(top, raised, len(people)))
                flags.setdefault((who.principal, who.session), []).append(said)
    return flags


def _day(found: DayTotals) -> Day:
    return Day(
        reads=found.reads,
        rows=found.rows,
        denied=found.denied,
        lists=found.lists,
        hours=found.hours,
        first=_moment(found.first),
        last=_moment(found.last),
        refused=_moment(found.refused),
        listed=_moment(found.listed),
        different=found.objects,
    )


def _moment(second: int) -> datetime | None:
    return None if second < 0 else datetime.fromtimestamp(second, UTC)


def answer(people: People, asked: Question, store: str, *, things: str = "objects") -> Answer:
    """The readers of one store as counted in memory, most reads first. ``things`` is what the
    source reads."""
    known = asked.known.get(store, Known())
    muted = _Muted(asked)
    shown = [(key, person) for *key, person in people if person.showed]
    alarms = _alarms(people, asked, known.units)
    reads = []
    for (principal, session), person in shown:
        flags = [*_by_nature(person, things), *alarms.get((principal, session), ())]
        reads.append(
            _reads(principal, session, person, muted.rest(principal, session, flags), asked, known)
        )
    reads.sort(key=lambda each: (-(each.reads or 0), each.principal))
    everybody = [person for _, person in shown]
    remarks = (
        *_card_remark(everybody, known, things),
        *_estimate_remark(everybody, things),
        *muted.remarks(),
        *asked.faults,
    )
    return Answer(tuple(reads), remarks)


def _reads(
    principal: str,
    session: str,
    person: Person,
    flags: tuple[Flag, ...],
    asked: Question,
    known: Known,
) -> Reads:
    name = seal_around_accounts(principal, asked.seal_name)
    if session:
        name += f" session {seal_around_accounts(session, asked.seal_name)}"
    return Reads(
        principal=name,
        reads=None if person.uncounted and not person.reads else person.reads,
        rows=person.rows if person.told_rows else None,
        bytes=person.bytes if person.told_bytes or not person.reads else None,
        objects=None if person.nameless else person.objects.count(),
        denied=person.denied,
        first=person.first,
        last=person.last,
        flags=flags,
        card_reads=None if known.cards is None else person.card_reads,
    )


# --- flags ----------------------------------------------------------------------------------------


def _by_nature(person: Person, things: str) -> Iterator[Flag]:
    """Flags for who the caller is, whatever it did."""
    if not (person.anonymous or person.foreign):
        return
    if not person.reads:
        did = f"was refused {person.denied:,} times"
    else:
        did = f"read {person.reads:,} times"
        if not person.nameless:
            did += f", {person.objects.count():,} different {things}"
        if person.told_bytes:
            did += f", {person.bytes:,} bytes"
    first, last = person.first, person.last
    when = f"between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC" if first and last else ""
    if person.anonymous:
        yield Flag("anonymous", f"somebody without credentials {did}, {when}")
    if person.foreign:
        yield Flag(
            "foreign-account", f"account {person.foreign}, not the bucket's own, {did}, {when}"
        )


def _alarms(people: People, asked: Question, units: int | None) -> dict[_Key, list[Flag]]:
    """Flags of the rules, by the entry that did most of it. The sessions of a role are one actor,
    unless each is a person's."""
    actors: dict[_Key, list[tuple[_Key, Person]]] = {}
    for principal, session, person in people:
        if person.mixed:
            continue  # many: their past is nobody's
        own = identity.one_of_many(principal, session)
        actors.setdefault((principal, own), []).append(((principal, session), person))
    since = (asked.since or asked.window[0]).toordinal()
    first = asked.window[0].toordinal()
    flags: dict[_Key, list[Flag]] = {}
    for entries in actors.values():
        days = _days([person for _, person in entries])
        worst: dict[str, list[rules.Alarm]] = {}
        for alarm in rules.alarms(days, since, first, units, asked.limits):
            worst.setdefault(alarm.rule, []).append(alarm)
        for rule, raised in worst.items():
            top = max(raised, key=lambda alarm: (alarm.volume, alarm.day))
            day = top.day.toordinal()
            doer = max(entries, key=lambda entry: _volume(entry[1], day))[0]
            flags.setdefault(doer, []).append(Flag(rule, _in_all(top, raised, len(entries))))
    return flags


def _days(people: list[Person]) -> Mapping[int, Day]:
    if len(people) == 1:
        return people[0].days
    together: dict[int, Day] = {}
    for person in people:
        for number, day in person.days.items():
            together.setdefault(number, Day()).add(day)
    return together


def _volume(person: Person, day: int) -> int:
    return rules.volume(person.days[day]) if day in person.days else -1


def _in_all(top: rules.Alarm, raised: list[rules.Alarm], sessions: int) -> str:
    said = top.sentence
    if sessions > 1:
        said += ", all sessions of the role together"
    others = len({alarm.day for alarm in raised}) - 1
    return said + (f"; the same on {others} other days" if others else "")


class _Muted:
    """Takes out the flags somebody has explained, and says how many."""

    def __init__(self, asked: Question) -> None:
        self._mutes, self._today = asked.mutes, asked.window[1].date()
        self._seal = asked.seal_name
        self._hidden: dict[rules.Mute, int] = {}

    def rest(self, principal: str, session: str, flags: list[Flag]) -> tuple[Flag, ...]:
        name = f"{principal} session {session}" if session else principal
        kept = []
        for flag in flags:
            by = next((m for m in self._mutes if m.covers(name, flag.rule, self._today)), None)
            if by is None:
                kept.append(flag)
            else:
                self._hidden[by] = self._hidden.get(by, 0) + 1
        return tuple(kept)

    def remarks(self) -> Iterator[str]:
        for mute, count in self._hidden.items():
            who = seal_around_accounts(mute.principal, self._seal)
            why = self._seal(mute.reason)
            some = "one flag" if count == 1 else f"{count:,} flags"
            yield f"{some} of {who} muted until {mute.until} ({why})"
        for mute in self._mutes:
            if mute.until < self._today:
                who = seal_around_accounts(mute.principal, self._seal)
                yield f"the mute of {who} ended on {mute.until}"


# --- remarks --------------------------------------------------------------------------------------


def _card_remark(people: list[Person], known: Known, things: str) -> Iterator[str]:
    if not known.cards or not people:
        return
    reads = sum(person.card_reads for person in people)
    who = sum(person.card_reads > 0 for person in people)
    yield (
        f"{reads:,} of the reads seen, by {who:,} principals, were of the {len(known.cards):,}"
        f" {things} that hold cards"
    )


def _rolled_remark(until: datetime | None, things: str) -> Iterator[str]:
    if until is not None:
        yield (
            f"reads up to {until:%Y-%m-%d} are kept as sums of days: which {things} they were of is"
            " not known any more"
        )


def _estimate_remark(people: list[Person], things: str) -> Iterator[str]:
    if not all(person.objects.exact for person in people):
        yield f"counts of {things} above 2,048 are estimates (3 %)"
