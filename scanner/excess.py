"""Rights to read cards that nobody used, widest first.

A grant of one statement (a policy, a role, PUBLIC) lets in a number of principals; those that never
read in a window that the evidence covers are exposure without use. Ranked by card numbers exposed
times principals that never used it; what is open to anybody stands before all else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field
from datetime import datetime
from typing import Any

from detectors.records import dataclass
from scanner.model import Grant, StoreReport
from scanner.phrases import day, time_text
from scanner.text import plural
from scanner.whoread import Relation, people


@dataclass(slots=True)
class Excess:
    """One statement of one store. ``cards``: distinct card numbers there, None when not known.
    ``unused``: principals that could and never did ``since``; ``untold``: of whom that cannot be
    said."""

    store: str
    via: str
    cards: int | None
    estimated: bool
    since: datetime | None
    public: bool = False
    at_most: bool = False
    """some of them are let in to a part of the store only"""
    unused: list[str] = field(default_factory=list)
    used: int = 0
    untold: int = 0

    @property
    def exposed(self) -> int | None:
        """Card numbers times principals without need of them."""
        return None if self.cards is None else self.cards * len(self.unused)

    @property
    def sentence(self) -> str:
        """``2 of 5 principals never used it since 2026-01-01; 9 card numbers lie open to each``."""
        about = ("up to " if self.at_most else "") + ("about " if self.estimated else "")
        cards = "an unknown number of" if self.cards is None else f"{about}{self.cards:,}"
        said = ["open to anybody"] if self.public else []
        if self.unused:
            since = f"since {day(self.since)}" if self.since else "in the window"
            whole = len(self.unused) + self.used + self.untold
            said.append(
                f"{len(self.unused):,} of {plural(whole, 'principal')} never used it {since}"
            )
        lie = "card number lies" if self.cards == 1 else "card numbers lie"
        return f"{', '.join(said)}; {cards} {lie} open to each"


def excesses(reports: Iterable[StoreReport]) -> list[Excess]:
    """Of all stores that hold cards, or of which that is not known. Only what is open to anybody or
    was left unused by somebody."""
    found = [
        each
        for report in reports
        if report.distinct_pans != 0
        for each in _of(report)
        if each.public or each.unused
    ]
    return sorted(
        found,
        key=lambda e: (
            not e.public,
            -(e.exposed or 0),
            -(e.cards or 0),
            -len(e.unused),
            e.store,
            e.via,
        ),
    )


def _of(report: StoreReport) -> list[Excess]:
    by: dict[str, Excess] = {}
    for each in people(report.access):
        if each.grant is None:
            continue
        via = statement(each.grant)
        known = by.get(via)
        if known is None:
            known = by[via] = Excess(
                report.store.uri,
                via,
                report.distinct_pans,
                report.distinct_pans_estimated,
                report.access.window_start,
            )
        known.at_most = known.at_most or each.grant.part
        if each.relation is Relation.OPEN:
            known.public = True
        elif each.relation is Relation.NEVER:
            known.unused.append(each.principal)
        elif each.did:
            known.used += 1
        else:
            known.untold += 1
    return list(by.values())


def record(excess: Excess) -> dict[str, Any]:
    """As plain data."""
    return {
        "store": excess.store,
        "via": excess.via,
        "public": excess.public,
        "distinct_pans": excess.cards,
        "distinct_pans_estimated": excess.estimated,
        "at_most": excess.at_most,
        "since": time_text(excess.since),
        "unused": len(excess.unused),
        "used": excess.used,
        "cannot_tell": excess.untold,
        "exposed": excess.exposed,
        "principals": excess.unused,
    }


def statement(grant: Grant) -> str:
    """What a grant rests on, without the objects and conditions it goes on about. An inline policy
    is its principal's own: one of the same name elsewhere is another one."""
    if grant.held:
        return grant.via.partition("; ")[0].partition(": ")[0]
    via = grant.via.partition("; ")[0]
    return f"{via} of {grant.principal}" if _OWN.match(via) else via


_OWN = re.compile(r"inline policy \S+, ")
"""of a user or a role; that of a group says so behind its name"""
