"""Rows of a book under way, and the numbers that tell their events apart."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import compress
from typing import Any

from detectors.records import dataclass
from scanner.batch import Verb, Who
from scanner.known import name_hash, name_hashes

_EVENT = 36
"""characters of the ids that are hashed many at a time: UUIDs"""
_MUCH = 1 << 56
"""bytes or rows: no more are believed"""


@dataclass(slots=True)
class Rows:
    """Columns under way; ``events`` are texts until the end of a file."""

    store: array[int] = field(default_factory=lambda: array("H"))
    verb: array[int] = field(default_factory=lambda: array("B"))
    who: array[int] = field(default_factory=lambda: array("L"))
    object: array[int] = field(default_factory=lambda: array("Q"))
    moment: array[int] = field(default_factory=lambda: array("q"))
    """seconds since 1970"""
    sent: array[int] = field(default_factory=lambda: array("q"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    event: list[str] = field(default_factory=list)

    def add(
        self,
        verb: Verb,
        who: int,
        moment: int,
        named: int = 0,
        sent: int | None = None,
        rows: int | None = None,
        event: str = "",
        store: int = 0,
    ) -> None:
        """``moment``: in seconds since 1970; ``named``: see ``Book.named``."""
        self.store.append(store)
        self.verb.append(verb)
        self.who.append(who)
        self.object.append(named)
        self.moment.append(moment)
        self.sent.append(-1 if sent is None else sent if 0 <= sent <= _MUCH else _within(sent))
        self.rows.append(-1 if rows is None else rows if 0 <= rows <= _MUCH else _within(rows))
        self.event.append(event)

    def __len__(self) -> int:
        return len(self.event)


def _within(count: int) -> int:
    return min(max(count, 0), _MUCH)


def told_apart(alike: Any, before: Any = ()) -> Any:
    """Numbers of events that have none of their own, out of what they have in common
    (``alikeness``) and the how manieth of them each is. Read again, they have the same ones.
    ``before``: the same of those that come before them."""
    import numpy as np

    base = np.append(np.array(before, "u8"), alike)
    order = np.argsort(base, kind="stable")
    ordered = base[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    lengths = np.diff(np.append(starts, len(ordered)))
    times = np.empty(len(base), "u8")
    times[order] = (np.arange(len(base)) - np.repeat(starts, lengths)).astype("u8")
    return mixed(base ^ mixed(times + np.uint64(1)))[len(before) :]


def alikeness(columns: Mapping[str, Any], stores: Sequence[str], people: Sequence[Who]) -> Any:
    """A number for what was done to what by whom in which second."""
    import numpy as np

    of_store = np.array([name_hash(uri) for uri in stores], "u8")
    who = np.array([name_hash(f"{each.principal}\0{each.session}") for each in people], "u8")
    second = columns["hour"].astype("u8") * np.uint64(3600) + columns["second"]
    base = np.zeros(len(second), "u8")
    for part in (
        *(of_store[columns["store"]], who[columns["who"]]),
        *(columns["object"], second, columns["verb"].astype("u8")),
    ):
        base = mixed(base ^ part)
    return base


def events_hashed(events: Sequence[str]) -> Any:
    """64 bits of each id, 0 for an empty one. UUIDs, which CloudTrail makes itself, are mixed all
    at once; what a client can choose goes through a real hash, or a collision could hide an
    event."""
    import numpy as np

    hashed = np.zeros(len(events), "u8")
    usual = np.fromiter((len(e) == _EVENT and e.isascii() for e in events), bool, len(events))
    others = [place for place in np.flatnonzero(~usual).tolist() if events[place]]
    if others:
        numbers = np.array(name_hashes([events[place] for place in others]), "u8")
        numbers[numbers == 0] = 1
        hashed[others] = numbers
    chosen = events if usual.all() else list(compress(events, usual.tolist()))
    if chosen:
        words = np.array(chosen, "S40").view("u8").reshape(-1, 5)
        found = np.zeros(len(chosen), "u8")
        for column in range(5):
            found = mixed(found ^ words[:, column])
        found[found == 0] = 1
        hashed[usual] = found
    return hashed


def mixed(numbers: Any) -> Any:
    """Each number so that every bit of it changes every bit (the end of splitmix64)."""
    import numpy as np

    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
