"""The statistics of a field: what tells a column of order ids from a column of cards.

A *field* is the place a number stands under: the key in front of it (``order_id=``,
``"pan": "``), the column of a delimited line, or the text in front of it in a log line, with
digits left out of account; and the length of the number. Of random numbers one in ten satisfies
Luhn, of cards nearly all do, so some twenty values settle which a field holds.

A field number is ``1 + (group << FINE | fine)``. A group is the length and the kind of character in
front; where a field is too rare to say anything, ``Evidence`` falls back on its group.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from detectors.base import FieldCounts

FINE = 13
"""bits that tell fields of one group apart"""
GROUPS = 128


def length(field: int) -> int:
    """Digits of the numbers counted under a field."""
    return 12 + ((field - 1) >> (FINE + 4))


class Evidence:
    """All counts of a unit, asked for one field at a time."""

    def __init__(self, fields: Mapping[int, FieldCounts]) -> None:
        self._fields = fields
        self._groups: dict[int, FieldCounts] | None = None

    def of(self, field: int) -> FieldCounts | None:
        """The counts that speak for ``field``: its own, or those of its group while it is rare."""
        own = self._fields.get(field)
        if not field or (own is not None and own.seen >= _RARE):
            return own
        if self._groups is None:
            self._groups = self._grouped()
        group = self._groups.get((field - 1) >> FINE)
        return group if group is not None and group.seen >= _ENOUGH else own

    def _grouped(self) -> dict[int, FieldCounts]:
        groups: dict[int, FieldCounts] = {}
        for field, counts in self._fields.items():
            if field:
                groups.setdefault((field - 1) >> FINE, FieldCounts(weight=_SHARE)).add(counts)
        return groups


_RARE, _ENOUGH = 20, 50
_SHARE = 0.35
"""weight of the counts of a group, which is many fields in one"""


def sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, value))))


def logit(score: float) -> float:
    score = min(max(score, 1e-9), 1 - 1e-9)
    return math.log(score / (1 - score))


def settle(
    score: float, why: tuple[str, ...], counts: FieldCounts | None
) -> tuple[float, tuple[str, ...]]:
    """The probability of a number once its field is known, and the words for it."""
    value = shift(counts)
    score = sigmoid(logit(score) + value)
    if counts is None or abs(value) < 0.5:
        return score, why
    place = "in this field" if counts.weight == 1.0 else "of this kind"
    share = f"{counts.luhn} of {counts.seen} numbers {place} have a good check digit"
    return score, (share + (", as cards do" if value > 0 else ", as chance would"), *why)


# --- what counts say -------------------------------------------------------------------------

_SHARES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 1.0)
_PRIOR = (0.45, 0.04, 0.03, 0.03, 0.03, 0.03, 0.04, 0.05, 0.30)
_CARD_LUHN = 0.985
"""share of stored card numbers that satisfy Luhn: typing errors and test rows are the rest"""


def shift(counts: FieldCounts | None) -> float:
    """What the counts of a field add to the log-odds that a number in it, issued and with a good
    check digit, is a card. 0 for none.

    Empirical Bayes: the share of cards in the field is unknown; each possible share is weighed by
    how well it explains how many numbers satisfy Luhn, and a number that passes is a card with
    the odds that share gives it.
    """
    if counts is None or counts.seen < 2:
        return 0.0
    # without the number itself: that it passes is known already
    good = max(0, min(counts.luhn, counts.seen) - 1)
    n = counts.seen - 1
    logs = []
    for share, prior in zip(_SHARES, _PRIOR, strict=True):
        p = share * _CARD_LUHN + (1 - share) * 0.1
        logs.append(math.log(prior) + good * math.log(p) + (n - good) * math.log(1 - p))
    top = max(logs)
    weights = [math.exp(value - top) for value in logs]
    value = counts.weight * (_odds(weights) - _odds(_PRIOR))
    return value * min(1.0, n / 4) if value > 0 else value  # two in a row may be chance


def _odds(weights: Iterable[float]) -> float:
    cards = others = 1e-9
    for share, weight in zip(_SHARES, weights, strict=True):
        cards += weight * share
        others += weight * (1 - share) * 0.1
    return math.log(cards / others)
