"""What sealed counts are counted by: the kind of a value and the step of its probability, and
places in the order of a unit."""

from __future__ import annotations

from bisect import bisect_right

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


LEAST_SCORE = 0.003
"""below, a value is not counted under its field: no evidence of one makes it confirmed"""
_STEPS = 20
_UNLIKELY = (0.0, LEAST_SCORE, 0.005, 0.008, 0.013, 0.02, 0.03)
"""where steps below the first of ``_STEPS`` begin. There a factor is what counts: a field full of
card numbers makes 0.02 certain, and must not be asked about 0"""


def step_of(score: float) -> int:
    """The step a probability is in; negative for the fine ones of the unlikely."""
    step = int(score * _STEPS)
    return step if step else bisect_right(_UNLIKELY, score) - 1 - len(_UNLIKELY)


def least_of(step: int) -> float:
    """Where a step begins."""
    return step / _STEPS if step >= 0 else _UNLIKELY[step]
