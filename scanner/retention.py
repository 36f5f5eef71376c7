"""How long the place of a log keeps it: what bounds how far back evidence can reach.

A log group deletes events after so many days, a bucket's lifecycle deletes files or moves them to
where they cannot be read. The place is asked at each scan, which says how it is *now*; what it does
not tell is unknown, with the permission that would tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

from detectors.records import dataclass
from scanner.phrases import minute
from scanner.text import plural


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that takes logs away. ``said``: what does, as a sentence without an end. ``since``:
    what was written before is not kept, None: nothing is taken yet. ``part``: of some of the logs
    only, so that an hour with records can lack others."""

    said: str
    since: datetime | None = None
    part: bool = False

    @property
    def sentence(self) -> str:
        if self.since is None:
            return self.said
        some = "some of what" if self.part else "what"
        return f"{self.said}: {some} was written before {minute(self.since)} is kept no longer"


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is known of one place; ``remarks``: that no limit is set, what could not be asked,
    what keeps logs from being deleted."""

    limits: Sequence[Limit] = ()
    remarks: Sequence[str] = ()


AskKept: TypeAlias = Callable[[], Kept]


def days(number: int) -> str:
    return plural(number, "day")


@runtime_checkable
class Keeps(Protocol):
    """A ``contracts.OpenStore`` that says how long it keeps what lies in it."""

    def kept(self) -> Kept:
        """Asked after connecting. Never raises."""
        ...
