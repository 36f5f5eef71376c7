"""When the delivery of a bucket's access logs was on, off, or went elsewhere, as scans saw it.

A line that is not there shows nothing: only the setting tells that there could be none. A scan asks
for it (the fact ``access-logging``), and those before it have asked too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from scanner.audits import Audit
from scanner.model import Fact, Tri
from scanner.phrases import minute
from scanner.text import plural

SOURCE, CONTROL = "s3-access-logs", "access-logging"
_MOST = 5


def audit(seen: Sequence[tuple[datetime, Fact]], start: datetime) -> Audit:
    """``seen``: the fact by the time of the run that asked, oldest first, the last one now.
    ``start``: of the window; of what was seen before, the last counts, as it may have stayed so."""
    known = [each for each in seen if each[1].state is not Tri.UNKNOWN]
    before = [each for each in known if each[0] < start]
    changes = list(_changes([*before[-1:], *(each for each in known if each[0] >= start)]))
    more = (
        [f"and {plural(len(changes) - _MOST, 'more change')} of it"] if len(changes) > _MOST else []
    )
    when, fact = seen[-1]
    off = [f"{fact.detail} (asked {minute(when)})"] if fact.state is Tri.NO else []
    return Audit((*changes[:_MOST], *more, *off), () if off else (fact.detail,))


def _changes(seen: Sequence[tuple[datetime, Fact]]) -> Iterator[str]:
    for (then, was), (when, now) in pairwise(seen):
        if was.detail != now.detail:
            yield (
                f"at {minute(then)} {was.detail}, at {minute(when)} {now.detail}: requests of in"
                " between, and of while it was off, may be in no log"
            )
