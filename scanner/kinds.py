"""What sealed counts are counted by: the kind of a value, and places in the order of a unit."""

from __future__ import annotations

import msgspec

from detectors.base import State
from scanner.model import Location


class Kind(msgspec.Struct, frozen=True):
    """What distinguishes tallies besides the value. ``field`` as in ``detectors.base.Match``."""

    detector: str
    entity: str
    state: State
    field: int


class Place(msgspec.Struct, frozen=True):
    """A location, the slice it is in, and its rank there. Lines count from the slice's start."""

    part: int
    rank: int
    where: Location


def short(fingerprint: bytes) -> int:
    """The 64 bits by which distinct values are counted: ten million collide with p < 1e-5."""
    return int.from_bytes(fingerprint[:8], "little")
