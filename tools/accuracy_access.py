"""``python tools/accuracy_access.py``: how much injected misuse the rules find, and at what price.

An account of 300 principals over 56 + 30 days, made from a seed: services with a rate of their own,
people with weekends and holidays, jobs of the month, backups that read everything, tools that list,
services whose permission is broken, newcomers, and on one day in a thousand up to four times the
usual work. None of that is misuse. Then one misuse of each kind is put into copies of many of
them, from plain to hardly visible. Alarms on days nobody misused anything are false.

    python tools/accuracy_access.py --seeds 5
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scanner.access import rules
from scanner.access.tally import Person, earlier, hash64, later

PRINCIPALS = 300
HISTORY, WATCHED = 56, 30
OBJECTS = 5_000
START = datetime(2026, 1, 5, tzinfo=UTC)
LONG_AGO = 120
"""days of evidence before the history, for what is dormant or comes once a quarter"""
FIRST = START + timedelta(days=HISTORY)
HASHES = [hash64(str(number)) for number in range(OBJECTS)]


@dataclass(slots=True)
class Principal:
    """Where its reads come from, day by day."""

    kind: str
    rate: float
    spread: float
    hours: tuple[int, int] = (0, 23)
    person: Person = field(default_factory=Person)


def principals(rng: random.Random) -> list[Principal]:
    made = []
    for number in range(PRINCIPALS):
        place = number / PRINCIPALS
        if place < 0.45:
            kind, rate, spread = "service", 10 ** rng.uniform(0, 3), rng.uniform(0.1, 0.45)
        elif place < 0.80:
            kind, rate, spread = "person", 10 ** rng.uniform(-0.5, 1.7), rng.uniform(0.4, 0.7)
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
        hours = (8, 17) if kind == "person" else (0, 23)
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
        if principal.kind == "person":
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
            principal.person.list(when + timedelta(hours=rng.randrange(24)))
        if principal.kind == "broken":
            for _ in range(poisson(rng, 30)):
                principal.person.refuse(when + timedelta(minutes=rng.randrange(1440)), True)
        read(principal, when, count, rng)


def read(
    principal: Principal,
    day: datetime,
    count: int,
    rng: random.Random,
    *,
    hours: tuple[int, int] | None = None,
) -> None:
    """``count`` reads of random objects (of one after the other, for a backup), straight into the
    day: the rules see no more of them."""
    if not count:
        return
    low, high = hours or principal.hours
    into = principal.person.day(day)
    into.reads += count
    for part in range(low, high + 1):
        share = count * (part - low + 1) // (high - low + 1) - count * (part - low) // (
            high - low + 1
        )
        if share:
            into.hours[part] = into.hours.get(part, 0) + share
            into.first = earlier(into.first, day + timedelta(hours=part))
            into.last = later(into.last, day + timedelta(hours=part, minutes=59))
    whole = principal.kind == "backup"
    for hashed in HASHES[:count] if whole else rng.choices(HASHES, k=min(count, OBJECTS)):
        into.objects.add(hashed)


# --- misuse ---------------------------------------------------------------------------------------

Misuse = Callable[[Principal, datetime, random.Random], None]


def bulk(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Two and a half to twenty-five times the usual amount, at least 25."""
    amount = principal.rate * 10 ** rng.uniform(0.4, 1.4)
    read(principal, day, max(25, round(amount)), rng)


def by_night(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Two to ten times the usual amount, in the small hours."""
    amount = max(25, round(principal.rate * rng.uniform(2, 10)))
    read(principal, day, amount, rng, hours=(1, 3))


def share(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Most of the store in a day."""
    chosen = rng.sample(HASHES, int(OBJECTS * rng.uniform(0.6, 1)))
    read(principal, day, len(chosen), rng)
    for hashed in chosen:
        principal.person.day(day).objects.add(hashed)


def first_time(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Somebody new helps himself."""
    principal.person = Person()
    read(principal, day, rng.randint(25, 300), rng)


def dormant(principal: Principal, day: datetime, rng: random.Random) -> None:
    """An old grant, forgotten, used again."""
    principal.person = Person()
    read(principal, day - timedelta(days=rng.randint(95, 140)), rng.randint(1, 30), rng)
    read(principal, day, rng.randint(3, 60), rng)


def list_then_fetch(principal: Principal, day: datetime, rng: random.Random) -> None:
    principal.person.list(day + timedelta(hours=principal.hours[0]))
    read(principal, day, rng.randint(40, 400), rng)


def denied_then_success(principal: Principal, day: datetime, rng: random.Random) -> None:
    for number in range(rng.randint(15, 80)):
        principal.person.refuse(day + timedelta(hours=8, seconds=number), True)
    read(principal, day, rng.randint(1, 20), rng, hours=(9, 12))


KINDS: tuple[Misuse, ...] = (
    *(bulk, by_night, share, first_time, dormant, list_then_fetch, denied_then_success),
)


# --- measuring ------------------------------------------------------------------------------------


def raised(person: Person, limits: rules.Thresholds) -> Iterator[rules.Alarm]:
    since = (START - timedelta(days=LONG_AGO)).toordinal()
    return rules.alarms(person.days, since, FIRST.toordinal(), OBJECTS, limits)


@dataclass(slots=True)
class Score:
    injected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    """principal-days with an alarm nobody meant, by rule"""
    false_days: int = 0
    days: int = 0

    @property
    def recall(self) -> float:
        return sum(self.found.values()) / max(1, sum(self.injected.values()))

    @property
    def false_a_day(self) -> float:
        return self.false_days / max(1, self.days)


def measure(seed: int, limits: rules.Thresholds, score: Score) -> None:
    rng = random.Random(seed)
    score.days += WATCHED
    everybody = principals(rng)
    for principal in everybody:
        live(principal, rng)
        alarms = list(raised(principal.person, limits))
        score.false_days += len({alarm.day for alarm in alarms})
        score.false.update(alarm.rule for alarm in alarms)
    for misuse in KINDS:
        name = misuse.__name__
        for template in rng.sample(everybody, 40):
            if template.kind in ("backup", "newcomer", "quarterly"):
                continue  # it reads everything anyway, or has no past
            victim = Principal(template.kind, template.rate, template.spread, template.hours)
            live(victim, rng)
            day = FIRST + timedelta(days=rng.randrange(WATCHED))
            misuse(victim, day, rng)
            score.injected[name] += 1
            hits = {alarm.day for alarm in raised(victim.person, limits)}
            score.found[name] += day.date() in hits


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bulk-factor", type=float, default=rules.Thresholds().bulk_factor)
    given = parser.parse_args()
    limits, score = rules.Thresholds(bulk_factor=given.bulk_factor), Score()
    for seed in range(given.seeds):
        measure(seed, limits, score)
    print(f"{'misuse':22}{'injected':>10}{'found':>8}{'':>3}share")
    for name, count in score.injected.items():
        print(f"{name:22}{count:>10}{score.found[name]:>8}{'':>3}{score.found[name] / count:.0%}")
    print(f"\nfound {score.recall:.1%} of {sum(score.injected.values())}; wanted 85 %")
    print(
        f"{score.false_a_day:.2f} false alarms a day among {PRINCIPALS} principals"
        f" ({score.days} days); wanted 0.20 at most"
    )
    for rule, count in score.false.most_common():
        print(f"  {rule:20}{count / score.days:.3f} a day")


if __name__ == "__main__":
    main()
