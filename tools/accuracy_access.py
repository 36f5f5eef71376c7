"""``python tools/accuracy_access.py``: how much injected misuse the rules find, and at what price.

An account of 300 principals over 56 + 30 days, made from a seed: services with a rate of their own,
people with weekends and holidays, jobs of the month, backups that read everything, tools that list,
services whose permission is broken, newcomers, and on one day in a thousand up to four times the
usual work. People have records they come back to; some look up what is on the watch list, with a
ticket that is forgotten once in fifty times. None of that is misuse. Then one misuse of each kind
is put into copies of many of them, from plain to hardly visible. Alarms on days nobody misused
anything are false.

After that, smaller accounts of four months are written down in every form of log there is
(``tools/accounts.py`` and its neighbours): the counts have to come out exactly, each kind of gap to
be named without a zero anywhere, each kind of misuse to be found. What is not is printed by name.

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
from scanner.access.tally import Day, Person, Single, earlier, later
from scanner.known import name_hash
from tools.account_callers import wrong_callers
from tools.account_checks import can_be_complete, case, misuse, wrong_counts, zeros
from tools.account_doors import wrong_doors
from tools.account_gaps import gaps, wrong_gaps
from tools.account_logs import FORMATS
from tools.account_rights import wrong_rights
from tools.accounts import account

PRINCIPALS = 300
HISTORY, WATCHED = 56, 30
OBJECTS = 5_000
SETTINGS = 40
"""accounts of callers, and buckets behind doors, for each seed"""
START = datetime(2026, 1, 5, tzinfo=UTC)
SUBJECTS = 20
"""records that are on the watch list"""
FORGOTTEN = 0.02
"""of honest looks at those have no ticket"""
LONG_AGO = 120
"""days of evidence before the history, for what is dormant or comes once a quarter"""
FIRST = START + timedelta(days=HISTORY)
HASHES = [name_hash(str(number)) for number in range(OBJECTS)]


@dataclass(slots=True)
class Principal:
    """Where its reads come from, day by day."""

    kind: str
    rate: float
    spread: float
    hours: tuple[int, int] = (0, 23)
    person: Person = field(default_factory=Person)
    records: dict[int, Counter[int]] = field(default_factory=dict)
    """of people, what they read by day: records by number"""


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
    settle(principal, rng)


def settle(principal: Principal, rng: random.Random) -> None:
    """What the days say of single records, once all of them are there."""
    for number, day in principal.person.days.items():
        day.person = principal.kind == "person"
        week = Counter[int]()
        for back in range(7):
            week.update(principal.records.get(number - back, {}))
        day.same = max(week.values(), default=0)
        for record in range(SUBJECTS):
            seen = principal.records.get(number, Counter())[record]
            if seen and rng.random() < FORGOTTEN and day.first and day.last:
                look(day, seen, record)


def look(day: Day, times: int, record: int) -> None:
    assert day.first is not None and day.last is not None  # it has reads
    day.watched = day.watched or Single()
    day.watched.add(times, day.first, day.last, {record})


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
    chosen = range(count) if whole else rng.choices(range(OBJECTS), k=min(count, OBJECTS))
    if principal.kind == "person":
        own = random.Random(principal.rate).sample(range(SUBJECTS, OBJECTS), 8)
        chosen = [rng.choice(own) if rng.random() < 0.3 else record for record in chosen]
        principal.records.setdefault(day.toordinal(), Counter()).update(chosen)
    for record in chosen:
        into.objects.add(HASHES[record % OBJECTS])


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


def watch_list(principal: Principal, day: datetime, rng: random.Random) -> None:
    """One to five looks at records that nobody is to look up."""
    times = rng.randint(1, 5)
    read(principal, day, times, rng)
    look(principal.person.day(day), times, rng.randrange(SUBJECTS))


def same_record(principal: Principal, day: datetime, rng: random.Random) -> None:
    """One record 14 to 40 times within a week."""
    record, days = rng.randrange(SUBJECTS, OBJECTS), rng.randint(1, 6)
    for back in range(days):
        times = rng.randint(14, 40) // days + 1
        when = day - timedelta(days=back)
        read(principal, when, times, rng)
        principal.records[when.toordinal()][record] += times


def no_ticket(principal: Principal, day: datetime, rng: random.Random) -> None:
    """Somebody who works by ticket, and has none for this."""
    times = rng.randint(1, 5)
    read(principal, day, times, rng)
    into = principal.person.day(day)
    assert into.first is not None and into.last is not None  # it was read just now
    into.unticketed = Single()
    into.unticketed.add(times, into.first, into.last)


KINDS: tuple[Misuse, ...] = (
    *(bulk, by_night, share, first_time, dormant, list_then_fetch, denied_then_success),
)
SNOOPING: tuple[Misuse, ...] = (watch_list, same_record, no_ticket)
"""what people do"""


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
    names: list[str] = field(default_factory=list)
    """what was missed, and what was found and is no misuse"""

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
        about = f"a {principal.kind} of about {principal.rate:.1f} reads a day"
        score.names += [f"false: {each.rule}: {about} {each.sentence}" for each in alarms]
    for does in (*KINDS, *SNOOPING):
        name = does.__name__
        people = [each for each in everybody if each.kind == "person"]
        for template in rng.sample(people if does in SNOOPING else everybody, 40):
            if template.kind in ("backup", "newcomer", "quarterly"):
                continue  # it reads everything anyway, or has no past
            victim = Principal(template.kind, template.rate, template.spread, template.hours)
            live(victim, rng)
            day = FIRST + timedelta(days=rng.randrange(WATCHED))
            does(victim, day, rng)
            settle(victim, rng)
            score.injected[name] += 1
            alarms = list(raised(victim.person, limits))
            hits = {alarm.day for alarm in alarms if does not in SNOOPING or _says(alarm, name)}
            score.found[name] += day.date() in hits
            if day.date() not in hits:
                rate = f"about {template.rate:.1f} reads a day"
                score.names.append(f"missed: {name} by a {template.kind} of {rate}, {day:%d %B}")


def _says(alarm: rules.Alarm, name: str) -> bool:
    return alarm.rule == name.replace("_", "-")


def logs(seed: int) -> bool:
    """Prints how each form of log comes out; False when anything does not."""
    months, days = account(seed), account(seed, days=12, window=10, people=3, misuse=False)
    faults: list[str] = []
    injected = missed = 0
    print(f"\n{len(months.acts):,} acts of 120 days in {len(FORMATS)} forms of log (seed {seed})")
    print(f"{'form':24}{'counts':>8}{'gaps named':>12}{'misuse found':>14}{'false':>7}")
    for name, form in FORMATS.items():
        made = case(months, name)
        wrong = [*wrong_counts(made), *zeros(made, complete=can_be_complete(name))]
        holes, score = list(wrong_gaps(days, name)), misuse(made)
        some = len(list(gaps(form, name)))
        named = some - len({text.split(": ")[1] for text in holes})
        injected, missed = injected + len(score.injected), missed + len(score.missed)
        found = len(score.injected) - len(score.missed)
        print(
            f"{name:24}{'exact' if not wrong else 'WRONG':>8}{f'{named} of {some}':>12}"
            f"{f'{found} of {len(score.injected)}':>14}{len(score.wrong):>7}"
        )
        faults += [*wrong, *holes, *(f"missed: {each}" for each in score.missed), *score.wrong]
    rights = list(wrong_rights(months))
    faults += rights
    print(f"who could and who did: {'exact' if not rights else 'WRONG'}")
    strangers = [text for each in range(SETTINGS) for text in wrong_callers(seed * 100 + each)]
    print(f"callers of every kind, {SETTINGS} accounts: {'exact' if not strangers else 'WRONG'}")
    doors = [text for each in range(SETTINGS) for text in wrong_doors(seed * 100 + each)]
    print(f"who could, {SETTINGS} buckets behind doors: {'exact' if not doors else 'WRONG'}")
    faults += [*strangers, *doors]
    print(f"found {injected - missed} of {injected} injected; not as it should be: {len(faults)}")
    for fault in faults:
        print(f"  {fault}")
    return not faults


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bulk-factor", type=float, default=rules.Thresholds().bulk_factor)
    parser.add_argument("--no-logs", action="store_true", help="the rules only")
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
    for text in score.names[:20]:
        print(f"  {text}")
    if not given.no_logs:
        sound = [logs(seed) for seed in range(1, given.seeds + 1)]
        sys.exit(not all(sound))


if __name__ == "__main__":
    main()
