"""Single records and who looks at them: what the rules on snooping see of a day.

Only people look at single records. A machine is whoever the configuration calls one, a service of
AWS, and who has read at more than ``_HOURS`` different hours of the day within reach. What a record
is depends on the source: an object, or the value that a statement asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from detectors.records import dataclass
from scanner.batch import READS, Verb, Who
from scanner.days import Day, Single
from scanner.factview import EPOCH, View
from scanner.snooping import Lookout, Snooping, forms

_HOURS = 16
_SERVICE = ".amazonaws.com"


def is_machine(who: Who, days: Mapping[int, Day], against: Snooping) -> bool:
    """``days``: all that are known of the principal."""
    if who.principal.endswith(_SERVICE) or against.is_machine(who.principal, who.session):
        return True
    return len(set[int]().union(*(day.hours for day in days.values()))) > _HOURS


@dataclass(frozen=True, slots=True)
class Acts:
    """What one actor did: its principals by number, and its days."""

    people: Mapping[int, Who]
    days: Mapping[int, Day]


def look(
    view: View,
    store: str,
    actors: Sequence[Acts],
    since: int,
    lookout: Lookout | None,
    *,
    objects: bool,
) -> None:
    """Notes in the days what is about single records. ``objects``: those are what a read names;
    else the values that statements ask for."""
    against = lookout.against if lookout else Snooping()
    people: list[Acts] = []
    for actor in actors:
        if any(is_machine(who, actor.days, against) for who in actor.people.values()):
            for day in actor.days.values():
                day.person = False
        else:
            people.append(actor)
    verbs = READS if objects else (Verb.ABOUT,)
    numbers = {number: place for place, actor in enumerate(people) for number in actor.people}
    for place, number, most in view.same(store, numbers, since, verbs):
        if number in people[place].days:
            people[place].days[number].same = most
    if lookout is not None:
        _Held(view, store, since, lookout, objects).hold(actors, people)


class _Held:
    """Holds single reads against the watch list and the tickets."""

    def __init__(self, view: View, store: str, since: int, lookout: Lookout, objects: bool) -> None:
        self._view, self._store, self._since = view, store, since
        self._against, self._verbs = lookout.against, READS if objects else (Verb.ABOUT,)
        self._objects = objects
        self._subjects: dict[int, frozenset[int]] = {}
        """of the objects that are about any of the list or of a ticket"""
        wanted = self._against.named()
        for number, name in view.object_names(store, since) if objects and wanted else ():
            about = wanted.intersection(map(lookout.number, set(forms(name))))
            if about:
                self._subjects[number] = about

    def hold(self, actors: Sequence[Acts], people: Sequence[Acts]) -> None:
        against = self._against
        if against.subjects:
            for actor, number, who, count, first, last in self._reads(people):
                lines = {
                    against.subjects[each] for each in self._of(number) if each in against.subjects
                }
                if lines and not self._covered(who, number, first, last):
                    self._note(actor, first, last, count, _watched, lines)
        if against.tickets is not None:
            named = [
                Acts(only, actor.days)
                for actor in actors
                if (only := {n: w for n, w in actor.people.items() if self._by_ticket(w)})
            ]
            for actor, number, who, count, first, last in self._reads(named, alike=True):
                if not self._covered(who, number, first, last):
                    self._note(actor, first, last, count, _unticketed)

    def _by_ticket(self, who: Who) -> bool:
        return self._against.works_by_ticket(who.principal, who.session)

    def _reads(self, actors: Sequence[Acts], alike: bool = False) -> list[_Row]:
        """Reads of single records; ``alike``: and of what tells no record, where nothing of the
        source does."""
        whose = {number: actor for actor in actors for number in actor.people}
        verbs = self._verbs
        rows = self._view.single(self._store, whose, self._since, verbs)
        if alike and not self._objects:
            known = {(who, first // 3600) for who, _, _, first, _ in rows}
            rows += [
                (who, 0, count, first, last)
                for who, _, count, first, last in self._view.single(
                    self._store, whose, self._since, READS
                )
                if (who, first // 3600) not in known
            ]
        return [
            (whose[who], number, whose[who].people[who], count, first, last)
            for who, number, count, first, last in rows
        ]

    def _of(self, number: int) -> frozenset[int]:
        return self._subjects.get(number, frozenset()) if self._objects else frozenset((number,))

    def _covered(self, who: Who, number: int, first: int, last: int) -> bool:
        subjects = self._of(number) if number else None
        return self._against.has_ticket(who.principal, who.session, subjects, first, last)

    def _note(
        self,
        actor: Acts,
        first: int,
        last: int,
        count: int,
        which: Callable[[Day], Single],
        lines: set[int] = frozenset(),  # type: ignore[assignment]  # never changed
    ) -> None:
        day = actor.days.get(first // 86_400 + EPOCH)
        if day is not None:
            which(day).add(count, _moment(first), _moment(last), lines)


_Row = tuple[Acts, int, Who, int, int, int]


def _watched(day: Day) -> Single:
    day.watched = day.watched or Single()
    return day.watched


def _unticketed(day: Day) -> Single:
    day.unticketed = day.unticketed or Single()
    return day.unticketed


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
