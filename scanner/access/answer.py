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
from scanner.batch import Who
from scanner.contracts import SealName
from scanner.days import Day
from scanner.factview import Totals, View
from scanner.known import Known
from scanner.model import Flag, Reads
from scanner.retention import AskKept, Kept
from scanner.snooping import Lookout
from scanner.text import plural, seal_around_accounts, some, times


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
    kept: AskKept = Kept
    """how long the place of the logs keeps them"""

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
        kept=settings.get("kept", Kept),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """``remarks`` are sentences for the evidence's detail."""

    reads: tuple[Reads, ...]
    remarks: tuple[str, ...]


_Key = tuple[str, str]
_OTHERS = "other principals"
_MOST_PRINCIPALS, _MOST_SESSIONS, _MOST_OF_ONE = 2_000, 1_000, 50


def told(view: View, asked: Question, store: str, *, things: str = "objects") -> Answer:
    """The readers of one store, most reads first. ``things`` is what the source reads."""
    known = asked.known.get(store, Known())
    names, entries = _entries(view.ranked(store))
    totals = view.totals(store, entries, known.cards or ()) if entries else {}
    muted = _Muted(asked)
    alarms = _flags(
        *(view, asked, store),
        {number: names[entry] for number, entry in entries.items()},
        objects=things == "objects",
    )
    reads = []
    for entry, found in totals.items():
        who = names[entry]
        key = (who.principal, who.session)
        flags = [*_by_nature(who, found, things), *alarms.get(key, ())]
        reads.append(_reads(who, found, muted.rest(*key, flags), asked, known))
    reads.sort(key=lambda each: (-(each.reads or 0), each.principal))
    remarks = (
        *_card_remark(reads, sum(each.nameless for each in totals.values()), known, things),
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
                key = (_OTHERS, "")
            elif who.session and (
                sessions.total() >= _MOST_SESSIONS or sessions[who.principal] >= _MOST_OF_ONE
            ):
                key = (who.principal, "other sessions")
            same = key == (who.principal, who.session)
            if key[0] == who.principal:
                sessions[who.principal] += same and bool(who.session)
            if key not in names:
                names[key] = len(listed)
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


def _reads(
    who: Who, found: Totals, flags: tuple[Flag, ...], asked: Question, known: Known
) -> Reads:
    name = seal_around_accounts(who.principal, asked.seal_name)
    if who.session:
        name += f" session {seal_around_accounts(who.session, asked.seal_name)}"
    unseen = found.asked and not found.reads  # it may have read, nobody knows what
    cards: int | None = min(found.card_reads, found.reads)
    if known.cards is None or unseen or (known.cards and found.nameless and not cards):
        cards = None
    return Reads(
        principal=name,
        reads=None if unseen else found.reads,
        rows=found.rows if found.told_rows else None,
        bytes=found.bytes if found.told_bytes or not found.reads else None,
        objects=None if found.nameless or unseen else found.objects,
        denied=found.denied,
        first=found.first,
        last=found.last,
        flags=flags,
        card_reads=cards,
    )


# --- flags ----------------------------------------------------------------------------------------


def _by_nature(who: Who, found: Totals, things: str) -> Iterator[Flag]:
    """Flags for who the caller is, whatever it did."""
    if not (who.anonymous or who.foreign):
        return
    if not found.reads:
        did = f"was refused {times(found.denied)}"
    else:
        did = f"read {times(found.reads)}"
        if not found.nameless:
            count = found.objects
            did += f", {some(count, things if count == 1 else f'different {things}')}"
        if found.told_bytes:
            did += f", {plural(found.bytes, 'byte')}"
    start, end = f"{found.first:%Y-%m-%d %H:%M}", f"{found.last:%Y-%m-%d %H:%M}"
    did += f", at {start} UTC" if start == end else f", between {start} and {end} UTC"
    if who.anonymous:
        yield Flag("anonymous", f"somebody without credentials {did}")
    if who.foreign:
        yield Flag("foreign-account", f"account {who.foreign}, not the bucket's own, {did}")


def _flags(
    view: View, asked: Question, store: str, entries: Mapping[int, Who], *, objects: bool
) -> dict[_Key, list[Flag]]:
    """Of the rules, by the entry that did most of it. ``objects``: a read names one."""
    flags: dict[_Key, list[Flag]] = {}
    if not entries:
        return flags  # whoever acted before the window is not listed
    for actor, alarms in raised(view, asked, store, objects=objects):
        people = [number for number in actor.people if number in entries]
        worst: dict[str, list[rules.Alarm]] = {}
        for alarm in alarms:
            worst.setdefault(alarm.rule, []).append(alarm)
        for rule, alike in worst.items():
            top = max(alike, key=lambda alarm: (alarm.volume, alarm.day))
            doer = (
                people[0] if len(people) == 1 else view.busiest(store, people, top.day.toordinal())
            )
            if doer is not None:
                who = entries[doer]
                said = Flag(rule, _in_all(top, alike, len(people)))
                flags.setdefault((who.principal, who.session), []).append(said)
    return flags


def raised(
    view: View, asked: Question, store: str, *, objects: bool
) -> Iterator[tuple[snoops.Acts, Iterator[rules.Alarm]]]:
    """What every actor did in one store, and the alarms about it. The sessions of a role are one
    actor, unless each is a person's."""
    numbers: dict[_Key, list[int]] = {}
    everybody = view.people(store)
    for number, who in everybody.items():
        own = identity.one_of_many(who.principal, who.session)
        numbers.setdefault((who.principal, own), []).append(number)
    actors = dict(enumerate(numbers.values()))
    acting = {number: actor for actor, people in actors.items() for number in people}
    first = asked.window[0].toordinal()
    start = first - asked.limits.reach
    before = view.last_read_before(store, acting, start)
    acts = [
        snoops.Acts(
            {number: everybody[number] for number in actors[actor]},
            # of the time before it matters only that and when it was read in
            ({before[actor]: Day(reads=1)} if actor in before else {}) | days,
        )
        for actor, days in view.days(store, acting, start).items()
    ]
    snoops.look(view, store, acts, start, asked.lookout, objects=objects)
    since = (view.since(asked.reach) or asked.window[0]).toordinal()
    units = asked.known.get(store, Known()).units
    for each in acts:
        yield each, rules.alarms(each.days, since, first, units, asked.limits)


def _in_all(top: rules.Alarm, alike: list[rules.Alarm], sessions: int) -> str:
    said = top.sentence
    if sessions > 1:
        said += ", all sessions of the role together"
    others = len({alarm.day for alarm in alike}) - 1
    return said + (f"; the same on {plural(others, 'other day')}" if others else "")


class _Muted:
    """Takes out the flags somebody has explained, and says how many."""

    def __init__(self, asked: Question) -> None:
        self._mutes, self._today = asked.mutes, asked.window[1].date()
        self._seal = asked.seal_name
        self._hidden: dict[rules.Mute, int] = {}

    def rest(self, principal: str, session: str, flags: list[Flag]) -> tuple[Flag, ...]:
        kept = []
        for flag in flags:
            by = next(
                (m for m in self._mutes if m.covers(principal, session, flag.rule, self._today)),
                None,
            )
            if by is None:
                kept.append(flag)
            else:
                self._hidden[by] = self._hidden.get(by, 0) + 1
        return tuple(kept)

    def remarks(self) -> Iterator[str]:
        for mute, count in self._hidden.items():
            who = seal_around_accounts(mute.principal, self._seal)
            why = self._seal(mute.reason)
            yield f"{plural(count, 'flag')} of {who} muted until {mute.until} ({why})"
        for mute in self._mutes:
            if mute.until < self._today:
                who = seal_around_accounts(mute.principal, self._seal)
                yield f"the mute of {who} ended on {mute.until}"


# --- remarks --------------------------------------------------------------------------------------


def _card_remark(
    readers: Sequence[Reads], nameless: int, known: Known, things: str
) -> Iterator[str]:
    """``nameless`` of the reads do not tell what they were of."""
    if not known.cards or not readers:
        return
    untold = nameless or any(each.reads is None for each in readers)
    if nameless < sum(each.reads or 0 for each in readers) or not untold:
        reads = sum(each.card_reads or 0 for each in readers)
        who = sum(bool(each.card_reads) for each in readers)
        cards = len(known.cards)
        yield (
            f"{reads:,} of the reads seen, by {plural(who, 'principal')},"
            f" {'was' if reads == 1 else 'were'} of the {some(cards, things)} that"
            f" {'holds' if cards == 1 else 'hold'} cards"
        )
    if nameless:
        yield f"which {things} {plural(nameless, 'read')} were of is not told"


def _rolled_remark(until: datetime | None, things: str) -> Iterator[str]:
    if until is not None:
        yield (
            f"reads up to {until:%Y-%m-%d} are kept as sums of days: which {things} they were of is"
            " not known any more"
        )
