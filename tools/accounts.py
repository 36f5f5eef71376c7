"""Accounts made from a seed: who reads what, for months, and one of each kind of misuse among them.

    made = account(seed=1, days=120, window=30)
    made.acts                      # what everybody did, in no order
    made.misused                   # principal and the rule that should say so

Nothing here knows a format of logs: ``tools/account_logs.py`` writes the acts down in each of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

END = datetime(2026, 6, 29, tzinfo=UTC)
ZONE, LOCAL = "Asia/Kolkata", timezone(timedelta(hours=5, minutes=30))
"""of the servers whose logs tell times of their own"""
RECORDS = 60
"""objects, or records of the tables"""
TABLES = ("cards", "orders", "notes")
WATCHED = tuple(str(number) for number in range(50, 56))
"""records that nobody is to look up"""
READ, DENIED, LIST = "read", "denied", "list"
OTHER, ABROAD, NOBODY = "robot", "stranger", ""
"""principals: a service that reads something else all day; one of another account; anonymous"""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing somebody did. ``record`` is its number; ``other``: it is of another store. What
    the caller is free to write, and may write to mislead: ``agent``, ``said`` (in the name of the
    object, or in the statement)."""

    when: datetime
    who: str
    what: str = READ
    record: int = 0
    sent: int = 100
    rows: int = 1
    other: bool = False
    agent: str = 'a "quoted" agent'
    said: str = ""

    @property
    def key(self) -> str:
        """Of the object, with what makes names hard to read."""
        return f"customers in %/{self.record}{self.said}.ü.json"

    @property
    def table(self) -> str:
        return TABLES[self.record % len(TABLES)]


@dataclass(slots=True)
class Account:
    start: datetime
    """of the time there is a record of"""
    window: tuple[datetime, datetime]
    acts: list[Act] = field(default_factory=list)
    misused: dict[str, str] = field(default_factory=dict)
    """principal and the rule that should name it"""
    tickets: list[tuple[str, str, datetime, datetime]] = field(default_factory=list)
    """principal, record, from, to"""

    def inside(self, act: Act) -> bool:
        return self.window[0] <= act.when <= self.window[1]


def account(
    seed: int, days: int = 120, window: int = 30, people: int = 8, misuse: bool = True
) -> Account:
    """``days`` of record, of which the last ``window`` are asked about."""
    rng = random.Random(seed)
    start = END - timedelta(days=days)
    made = Account(start, (END - timedelta(days=window), END))
    for hour in range(24 * days):
        made.acts.append(Act(start + timedelta(hours=hour, minutes=30), OTHER, other=True))
    for number in range(people):
        made.acts += life(f"clerk-{number:02}", made, rng)
    if misuse:
        day = made.window[0] + timedelta(days=(window * 2) // 3)
        for rule, does in MISUSE.items():
            who = {"anonymous": NOBODY, "foreign-account": ABROAD}.get(rule, f"misuse-{rule}")
            made.acts += does(who, day, made, rng)
            made.misused[who] = rule
        # whoever has a ticket of its own, and keeps to it, is no misuse
        when = day + timedelta(hours=10)
        made.acts += [*life("agent", made, rng, tickets=True), Act(when, "agent", record=50)]
        made.tickets.append(("agent", "50", when, when + timedelta(minutes=5)))
    rng.shuffle(made.acts)
    return made


def life(who: str, made: Account, rng: random.Random, tickets: bool = False) -> Iterator[Act]:
    """Some records on each working day, a refusal now and then; nothing that is watched."""
    rate = rng.uniform(2, 5)
    day = made.start
    while day < END:
        if day.weekday() < 5:
            for _ in range(1 + min(round(rng.expovariate(1 / rate)), 3 + round(rate))):
                when = day + timedelta(hours=8, seconds=rng.randrange(9 * 3600))
                what = DENIED if rng.random() < 0.1 else READ
                record, sent = rng.randrange(50), rng.randrange(5_000)
                yield Act(when, who, what, record, sent, rng.randint(1, 3))
                if tickets:
                    made.tickets.append((who, str(record), when, when + timedelta(minutes=1)))
        day += timedelta(days=1)


# --- misuse, by the rule that says so -------------------------------------------------------------


def _reads(who: str, when: datetime, records: list[int], apart: int = 40) -> Iterator[Act]:
    for place, record in enumerate(records):
        yield Act(when + timedelta(seconds=apart * place), who, record=record)


def bulk(who: str, day: datetime, made: Account, rng: random.Random) -> Iterator[Act]:
    yield from life(who, made, rng)
    yield from _reads(who, day + timedelta(hours=9), rng.choices(range(25), k=60))


def share(who: str, day: datetime, made: Account, rng: random.Random) -> Iterator[Act]:
    yield from life(who, made, rng)
    yield from _reads(who, day + timedelta(hours=9), rng.sample(range(50), 45))


def first_time(who: str, day: datetime, made: Account, rng: random.Random) -> Iterator[Act]:
    yield from _reads(who, day + timedelta(hours=9), rng.choices(range(50), k=30))


def dormant(who: str, day: datetime, made: Account, rng: random.Random) -> Iterator[Act]:
    yield from _reads(who, day - timedelta(days=95), [3, 4])
    yield from _reads(who, day + timedelta(hours=9), [5, 6, 7])


def list_then_fetch(who: str, day: datetime, made: Account, rng: random.Random) -> Iterator[Act]:
    yield from life(who, made, rng)
    yield Act(day + timedelta(hours=8), who, LIST)
    yield from _reads(who, day + timedelta(hours=9), rng.sample(range(50), 28))


def denied_then_success(
    who: str, day: datetime, made: Account, rng: random.Random
) -> Iterator[Act]:
    yield from life(who, made, rng)
    for place in range(25):
        yield Act(day + timedelta(hours=7, minutes=place), who, DENIED, place)
    yield from _reads(who, day + timedelta(hours=9), [1, 2])


def foreign_account(who: str, day: datetime, made: Account, rng: random.Random) -> Iterator[Act]:
    yield from _reads(who, day + timedelta(hours=9), [1, 2])


def watch_list(who: str, day: datetime, made: Account, rng: random.Random) -> Iterator[Act]:
    yield from life(who, made, rng)
    yield from _reads(who, day + timedelta(hours=9), [51, 52])


def same_record(who: str, day: datetime, made: Account, rng: random.Random) -> Iterator[Act]:
    """Three times a day, for five days."""
    yield from life(who, made, rng)
    for back in range(5):
        yield from _reads(who, day - timedelta(days=back, hours=-11), [33] * 3, apart=600)


def no_ticket(who: str, day: datetime, made: Account, rng: random.Random) -> Iterator[Act]:
    yield from life(who, made, rng, tickets=True)
    yield from _reads(who, day + timedelta(hours=19), [12])


MISUSE: dict[str, Callable[[str, datetime, Account, random.Random], Iterator[Act]]] = {
    "bulk": bulk,
    "share": share,
    "first-time": first_time,
    "dormant": dormant,
    "list-then-fetch": list_then_fetch,
    "denied-then-success": denied_then_success,
    "foreign-account": foreign_account,
    "anonymous": foreign_account,
    "watch-list": watch_list,
    "same-record": same_record,
    "no-ticket": no_ticket,
}
