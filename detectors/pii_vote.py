"""The vote of a field: do its values pass a test as real ones would, or as chance would have it?"""

from __future__ import annotations

import math

from detectors.base import FieldCounts

_REAL = 0.97
"""share of real values that pass: typing errors are the rest"""
_SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
_PRIOR = (0.45, 0.03, 0.08, 0.1, 0.34)
_FEW = 8


def settle(
    score: float, why: tuple[str, ...], counts: FieldCounts | None, chance: float
) -> tuple[float, tuple[str, ...]]:
    """Probability of a value that passes, once the counts of its field are in.

    ``chance`` is the share of made-up values that pass. Below eight values a field says nothing.
    """
    if counts is None or counts.seen < _FEW or chance > 0.9:
        return score, why
    passed, seen = min(counts.luhn, counts.seen), counts.seen
    logs = []
    for share, prior in zip(_SHARES, _PRIOR, strict=True):
        p = share * _REAL + (1 - share) * chance
        logs.append(math.log(prior) + passed * math.log(p) + (seen - passed) * math.log(1 - p))
    top = max(logs)
    weights = [math.exp(value - top) for value in logs]
    shift = _odds(weights, chance) - _odds(list(_PRIOR), chance)
    score = min(max(score, 1e-6), 1 - 1e-6)
    score = 1 / (1 + math.exp(-(math.log(score / (1 - score)) + max(-30.0, min(30.0, shift)))))
    if abs(shift) < 0.5:
        return score, why
    told = f"{passed} of {seen} values in this field pass its test"
    return score, (told + (", as real ones do" if shift > 0 else ", as chance would"), *why)


def _odds(weights: list[float], chance: float) -> float:
    real = made_up = 1e-9
    for share, weight in zip(_SHARES, weights, strict=True):
        real += weight * share * _REAL
        made_up += weight * (1 - share) * chance
    return math.log(real / made_up)
