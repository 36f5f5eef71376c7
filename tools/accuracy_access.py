"""``python tools/accuracy_access.py``: how much injected misuse the rules find, and at what price.

An account of 300 principals over 56 + 30 days (``tools/account_lives.py``), some of them odd but
none of them bad. Then one misuse of each kind is put into copies of many of them, from plain to
hardly visible. All reads go into a store of facts, and what is asked of that is what a scan asks.
Alarms on days nobody misused anything are false.

After that, smaller accounts of four months are written down in every form of log there is
(``tools/accounts.py`` and its neighbours): the counts have to come out exactly, each kind of gap to
be named without a zero anywhere, each kind of misuse to be found. What is not is printed by name.

    python tools/accuracy_access.py --seeds 5
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scanner.access import rules
from scanner.access.answer import question, raised
from scanner.batch import Verb, Who
from scanner.facts import Facts
from scanner.factview import View
from scanner.known import Known
from scanner.seal import Sealer
from scanner.snooping import Lookout, Snooping, Ticket, numbering
from tools import account_lives as lives
from tools.account_callers import wrong_callers
from tools.account_checks import can_be_complete, case, misuse, wrong_counts, zeros
from tools.account_doors import wrong_doors
from tools.account_gaps import gaps, wrong_gaps
from tools.account_lives import FIRST, KINDS, SNOOPING, Misuse, Principal
from tools.account_logs import FORMATS
from tools.account_rights import wrong_rights
from tools.accounts import account
from tools.diary import Diary

SETTINGS = 40
"""accounts of callers, and buckets behind doors, for each seed"""
LONG_AGO = 120
"""days of evidence before the history, for what is dormant or comes once a quarter"""
WINDOW = (FIRST, FIRST + timedelta(days=lives.WATCHED))
SEALER = Sealer(b"k" * 32)
NUMBER = numbering(SEALER.fingerprint, SEALER.name)


# --- measuring ------------------------------------------------------------------------------------


class Case:
    """Everybody in one store, and what is said of them."""

    def __init__(self, everybody: Sequence[Principal]) -> None:
        self._diary, self._tickets = Diary(), dict[str, list[Ticket]]()
        first = lives.START - timedelta(days=LONG_AGO)
        days = [first + timedelta(days=day) for day in range((WINDOW[1] - first).days)]
        self._diary.note(Who("heartbeat"), Verb.READ, [int(day.timestamp()) for day in days])
        self._named = {f"{each.kind}-{place:04}": each for place, each in enumerate(everybody)}
        for name, principal in self._named.items():
            principal.write(self._diary, name)
            for ticket in lives.tickets(principal, name, NUMBER):
                self._tickets.setdefault(ticket.principal, []).append(ticket)

    def alarms(self, settings: Mapping[str, Any]) -> list[tuple[Principal, list[rules.Alarm]]]:
        lookout = Lookout(
            Snooping(
                {NUMBER(str(record)): record for record in range(lives.SUBJECTS)},
                self._tickets,
                machines=tuple(f"{kind}-*" for kind in lives.MACHINES),
            ),
            NUMBER,
        )
        with closing(Facts(None)) as facts:
            facts.add(self._diary.batch("source", "store"))
            asked = question(
                {**settings, "snooping": lookout},
                *(WINDOW, SEALER.name, {"store": Known(lives.OBJECTS)}),
            )
            view = View(facts, "source", WINDOW)
            said = raised(view, asked, "store", objects=True)
            return [
                (self._named[who.principal], list(alarms))
                for actor, alarms in said
                for who in actor.people.values()
                if who.principal in self._named
            ]


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


def measure(seed: int, settings: Mapping[str, Any], score: Score) -> None:
    rng = random.Random(seed)
    score.days += lives.WATCHED
    everybody = lives.principals(rng)
    for principal in everybody:
        lives.live(principal, rng)
    for principal, alarms in Case(everybody).alarms(settings):
        score.false_days += len({alarm.day for alarm in alarms})
        score.false.update(alarm.rule for alarm in alarms)
        about = f"a {principal.kind} of about {principal.rate:.1f} reads a day"
        score.names += [f"false: {each.rule}: {about} {each.sentence}" for each in alarms]
    victims: list[tuple[Misuse, Principal, datetime]] = []
    for does in (*KINDS, *SNOOPING):
        people = [each for each in everybody if each.kind == lives.PERSON]
        for template in rng.sample(people if does in SNOOPING else everybody, 40):
            if template.kind in ("backup", "newcomer", "quarterly"):
                continue  # it reads everything anyway, or has no past
            victim = Principal(template.kind, template.rate, template.spread, template.hours)
            lives.live(victim, rng)
            day = FIRST + timedelta(days=rng.randrange(lives.WATCHED))
            does(victim, day, rng)
            victims.append((does, victim, day))
    case = Case([victim for _, victim, _ in victims])
    said = {id(victim): alarms for victim, alarms in case.alarms(settings)}
    for does, victim, day in victims:
        name = does.__name__
        score.injected[name] += 1
        hits = {each.day for each in said[id(victim)] if does not in SNOOPING or _says(each, name)}
        score.found[name] += day.date() in hits
        if day.date() not in hits:
            rate = f"about {victim.rate:.1f} reads a day"
            score.names.append(f"missed: {name} by a {victim.kind} of {rate}, {day:%d %B}")


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
    settings, score = {"bulk_factor": given.bulk_factor}, Score()
    for seed in range(given.seeds):
        measure(seed, settings, score)
    print(f"{'misuse':22}{'injected':>10}{'found':>8}{'':>3}share")
    for name, count in score.injected.items():
        print(f"{name:22}{count:>10}{score.found[name]:>8}{'':>3}{score.found[name] / count:.0%}")
    print(f"\nfound {score.recall:.1%} of {sum(score.injected.values())}; wanted 85 %")
    print(
        f"{score.false_a_day:.2f} false alarms a day among {lives.PRINCIPALS} principals"
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
