"""Who reads what in an ordinary account, and the misuse that is put among it, all from a seed.

Services with a rate of their own, people with weekends and holidays, jobs of the month, backups
that read everything, tools that list, services whose permission is broken, newcomers, and on one
day in a thousand up to four times the usual work. People have records they come back to; some look
up what is on the watch list, with a ticket that is forgotten once in fifty times.
``tools/accuracy_access.py`` measures how much of the misuse is found.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from scanner.batch import Verb, Who
from scanner.snooping import Number, Ticket
from tools.diary import Diary

PRINCIPALS = 300
HISTORY, WATCHED = 56, 30
OBJECTS = 5_000
START = datetime(2026, 1, 5, tzinfo=UTC)
FIRST = START + timedelta(days=HISTORY)
SUBJECTS = 20
"""records that are on the watch list"""
FORGOTTEN = 0.02
"""of honest looks at those have no ticket"""
PERSON = "person"
MACHINES = ("service", "monthly", "backup", "lister", "broken", "newcomer", "quarterly")


@dataclass(slots=True)
class Principal:
    """Where its reads come from, day by day."""

    kind: str
    rate: float
    spread: float
    hours: tuple[int, int] = (0, 23)
    acts: list[tuple[Verb, Any, Any]] = field(default_factory=list)
    """seconds since 1970, and the record of each"""
    records: dict[datetime, Counter[int]] = field(default_factory=dict)
    """of people, what they read by day and have tickets for"""
    forgotten: set[tuple[datetime, int]] = field(default_factory=set)
    """looks at the watch list that have none"""
    by_ticket: bool = False
    """whether it has one for all else"""

    def write(self, diary: Diary, name: str) -> None:
        for act in self.acts:
            diary.note(Who(name), *act)

    def forget(self) -> None:
        self.acts.clear()
        self.records.clear()


def principals(rng: random.Random) -> list[Principal]:
    made = []
    for number in range(PRINCIPALS):
        place = number / PRINCIPALS
        if place < 0.45:
            kind, rate, spread = "service", 10 ** rng.uniform(0, 3), rng.uniform(0.1, 0.45)
        elif place < 0.80:
            kind, rate, spread = PERSON, 10 ** rng.uniform(-0.5, 1.7), rng.uniform(0.4, 0.7)
        elif place < 0.87:
            kind, rate, spread = "monthly", 10 ** rng.uniform(1, 2.5), 0.25
        elif place < 0.90:
            kind, rate, spread = "backup", OBJECTS, 0.02
        elif place < 0.94:
            kind, rate, spread = "lister", 10 ** rng.uniform(1, 2.5), 0.3
        elif place < 0.97:
            kind, rate, spread = "broken", 10 ** rng.uniform(0.5, 1.5), 0.4
        elif place < 0.99:
            kind, rate, spread = "newcomer", 10 ** rng.uniform(0, 1.2), 0.5
        else:
            kind, rate, spread = "quarterly", 10 ** rng.uniform(1, 2), 0.3
        hours = (8, 17) if kind == PERSON else (0, 23)
        made.append(Principal(kind, rate, spread, hours))
    return made


def poisson(rng: random.Random, mean: float) -> int:
    if mean > 200:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count, product = count + 1, product * rng.random()
    return count


def live(principal: Principal, rng: random.Random) -> None:
    """Ordinary life, all days of it."""
    joins = rng.randrange(HISTORY, HISTORY + WATCHED) if principal.kind == "newcomer" else 0
    holiday = rng.randrange(HISTORY + WATCHED)
    for number in range(HISTORY + WATCHED):
        when = START + timedelta(days=number)
        if number < joins:
            continue
        mean = principal.rate * math.exp(rng.gauss(0, principal.spread))
        if principal.kind == PERSON:
            if when.weekday() > 4 or holiday <= number < holiday + 10:
                continue
        elif principal.kind == "monthly":
            if when.day not in (1, 2):
                mean *= 0.05
        elif principal.kind == "quarterly" and number % 45 != 20:
            continue
        if rng.random() < 0.001:
            mean *= rng.uniform(1.5, 4)  # life is like that
        count = poisson(rng, mean)
        if principal.kind == "lister":
            note(principal, Verb.LIST, [when + timedelta(hours=rng.randrange(24))])
        if principal.kind == "broken":
            minutes = [rng.randrange(1440) for _ in range(poisson(rng, 30))]
            note(principal, Verb.DENIED, [when + timedelta(minutes=each) for each in minutes])
        take(principal, when, count, rng)
    forget_tickets(principal, rng)


def note(principal: Principal, verb: Verb, moments: Sequence[datetime]) -> None:
    principal.acts.append((verb, [int(each.timestamp()) for each in moments], -1))


def take(
    principal: Principal,
    day: datetime,
    count: int,
    rng: random.Random,
    hours: tuple[int, int] | None = None,
) -> None:
    """Reads any records, one after the other for a backup, and some often by a person."""
    if principal.kind == "backup":
        chosen = [number % OBJECTS for number in range(count)]
    else:
        chosen = rng.choices(range(OBJECTS), k=count)
    if principal.kind == PERSON:
        own = random.Random(principal.rate).sample(range(SUBJECTS, OBJECTS), 8)
        chosen = [rng.choice(own) if rng.random() < 0.3 else record for record in chosen]
        principal.records.setdefault(day, Counter()).update(chosen)
    read(principal, day, chosen, hours)


def read(
    principal: Principal,
    day: datetime,
    records: Sequence[int],
    hours: tuple[int, int] | None = None,
) -> None:
    """Reads the records one after the other, as many in each of the hours."""
    low, high = hours or principal.hours
    places = np.arange(len(records))
    hour = low + places * (high - low + 1) // max(1, len(records))
    seconds = int(day.timestamp()) + hour * 3600 + places * 7919 % 3600
    principal.acts.append((Verb.READ, seconds, records))


def forget_tickets(principal: Principal, rng: random.Random) -> None:
    for day, records in principal.records.items():
        for record in range(SUBJECTS):
            if records[record] and rng.random() < FORGOTTEN:
                principal.forgotten.add((day, record))


def tickets(principal: Principal, name: str, number: Number) -> Iterator[Ticket]:
    """For what people look up on the watch list. Most do not work by ticket, which is who has one
    under its own name: theirs are of a pattern."""
    holder = name if principal.by_ticket else f"{name}*"
    for day, records in principal.records.items():
        start = int(day.timestamp())
        for record in records:
            honest = record < SUBJECTS and (day, record) not in principal.forgotten
            if principal.by_ticket or honest:
                yield Ticket(holder, number(str(record)), start, start + 86_399)


# --- misuse ---------------------------------------------------------------------------------------

Misuse = Callable[[Principal, datetime, random.Random], None]


def bulk(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Two and a half to twenty-five times the usual amount, at least 25."""
    amount = principal.rate * 10 ** rng.uniform(0.4, 1.4)
    take(principal, day, max(25, round(amount)), rng)


def by_night(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Two to ten times the usual amount, in the small hours."""
    amount = max(25, round(principal.rate * rng.uniform(2, 10)))
    take(principal, day, amount, rng, hours=(1, 3))


def share(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Most of the store in a day."""
    read(principal, day, rng.sample(range(OBJECTS), int(OBJECTS * rng.uniform(0.6, 1))))


def first_time(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Somebody new helps himself."""
    principal.forget()
    take(principal, day, rng.randint(25, 300), rng)


def dormant(principal: Principal, day: datetime, rng: random.Random) -> None:
    """An old grant, forgotten, used again."""
    principal.forget()
    take(principal, day - timedelta(days=rng.randint(95, 140)), rng.randint(1, 30), rng)
    take(principal, day, rng.randint(3, 60), rng)


def list_then_fetch(principal: Principal, day: datetime, rng: random.Random) -> None:
    note(principal, Verb.LIST, [day + timedelta(hours=principal.hours[0])])
    take(principal, day, rng.randint(40, 400), rng)


def denied_then_success(principal: Principal, day: datetime, rng: random.Random) -> None:
    seconds = range(rng.randint(15, 80))
    note(principal, Verb.DENIED, [day + timedelta(hours=8, seconds=each) for each in seconds])
    take(principal, day, rng.randint(1, 20), rng, hours=(9, 12))


def watch_list(principal: Principal, day: datetime, rng: random.Random) -> None:
    """One to five looks at a record that nobody is to look up."""
    read(principal, day, [rng.randrange(SUBJECTS)] * rng.randint(1, 5))


def same_record(principal: Principal, day: datetime, rng: random.Random) -> None:
    """One record 14 to 40 times within a week."""
    record, days = rng.randrange(SUBJECTS, OBJECTS), rng.randint(1, 6)
    for back in range(days):
        times = rng.randint(14, 40) // days + 1
        read(principal, day - timedelta(days=back), [record] * times)


def no_ticket(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Somebody who works by ticket, and has none for this."""
    principal.by_ticket = True
    read(principal, day, rng.choices(range(SUBJECTS, OBJECTS), k=rng.randint(1, 5)))


KINDS: tuple[Misuse, ...] = (
    *(bulk, by_night, share, first_time, dormant, list_then_fetch, denied_then_success),
)
SNOOPING: tuple[Misuse, ...] = (watch_list, same_record, no_ticket)
"""what people do"""
