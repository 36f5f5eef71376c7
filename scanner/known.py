"""What a scan has found out about a store, for the evidence of reads: reads of what matters.

"Reads of the bucket" is a weak answer where twelve of its million objects
hold cards; with this, evidence counts the reads of those twelve.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import field, replace

from detectors.compiled import extension
from detectors.records import dataclass
from scanner.audits import Audits
from scanner.reach import Door, leading

_names = extension("scanner._names")
_blake2b = hashlib.blake2b


@dataclass(frozen=True, slots=True)
class Known:
    """Of one store. ``units``: how many there are, None when the listing broke off.
    ``cards``: ``name_hash`` of the names of those with findings of card data, None when they are
    too many to hand over (``MOST``) or nothing of the store was read."""

    units: int | None = None
    cards: frozenset[int] | None = None
    audits: Audits = field(default_factory=dict)
    """how the server is set to log reads"""
    parents: frozenset[int] = frozenset()
    views: frozenset[int] = frozenset()
    """names of what opens units with cards, see ``reach.Door``"""

    def of(self, source: str) -> Known:
        """With all names in ``cards`` by which a kind of evidence calls a read of card data."""
        if not self.cards or source in COUNTS_TABLES:
            return self
        views = self.views if source in NAMES_NO_BASE else frozenset()
        return replace(self, cards=self.cards | self.parents | views)


NAMES_NO_BASE = frozenset(
    {"log-statement", "general-log", "slow-log", "mongodb-audit", "pg_stat_statements"}
)
"""evidence that names a view and not what lies under it; any other names both, if at all"""
COUNTS_TABLES = frozenset({"table-counters", "performance_schema", "userstat"})
"""evidence that knows tables as they are stored: a partition and not its parent"""


MOST = 1_000_000
"""units with cards of one store that are handed over; about 64 bytes each"""


def name_hash(name: str) -> int:
    """64 bits of a sealed ``Unit.name``."""
    data = name.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def name_hashes(names: Sequence[str]) -> Sequence[int]:
    """``name_hash`` of each; compiled (``native/``) where that was built."""
    try:
        if _names is not None:
            return array("Q", _names.hashes(list(names)))
        digests = [_blake2b(name.encode(), digest_size=8).digest() for name in names]
    except UnicodeEncodeError:  # half a surrogate pair
        return [name_hash(name) for name in names]
    return list(struct.unpack(f">{len(digests)}Q", b"".join(digests)))


def known(units: int | None, card_units: Iterable[str], doors: Iterable[Door] = ()) -> Known:
    """``card_units`` are the sealed names of the units with findings of card data."""
    names = set(card_units)
    if len(names) > MOST:
        return Known(units, None)
    opening: dict[bool, set[int]] = {False: set(), True: set()}
    for door in leading(names, doors):
        opening[door.view].add(name_hash(door.name))
    parents, views = frozenset(opening[False]), frozenset(opening[True])
    return Known(units, frozenset(map(name_hash, names)), parents=parents, views=views)
