"""What a scan has found out about a store, for the evidence of reads: reads of what matters.

"Reads of the bucket" is a weak answer where twelve of its million objects
hold cards; with this, evidence counts the reads of those twelve.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import field

from detectors.compiled import extension
from detectors.records import dataclass
from scanner.audits import Audits

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


def known(units: int | None, card_units: Iterable[str]) -> Known:
    """``card_units`` are the sealed names of the units with findings of card data."""
    names = set(card_units)
    cards = frozenset(map(name_hash, names)) if len(names) <= MOST else None
    return Known(units, cards)
