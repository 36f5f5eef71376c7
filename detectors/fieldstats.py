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
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from detectors.base import FieldCounts

NAMED = range(6)
"""kinds of characters in front that end a key, or the column before: ``= : , tab ; |``"""
FINE = 13
"""bits that tell fields of one group apart"""
GROUPS = 128


def length(field: int) -> int:
    """Digits of the numbers counted under a field."""
    return 12 + ((field - 1) >> (FINE + 4))


def _is_named(field: int) -> bool:
    """Whether numbers of a field stand behind a key, or in a column: what speaks for one of them
    speaks for all."""
    return (abs(field) - 1 >> FINE) & 15 in NAMED


class Evidence:
    """All counts of a unit, asked for one field at a time."""

    def __init__(self, fields: Mapping[int, FieldCounts]) -> None:
        self._fields = fields
        self._groups: dict[int, FieldCounts] | None = None

    def of(self, field: int) -> FieldCounts | None:
        """The counts that speak for ``field``: its own, or those of its group while it is rare.

        A negative field is that of a number with a bad check digit.
        """
        field = abs(field)
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
    score: float, why: tuple[str, ...], counts: FieldCounts | None, field: int = 0
) -> tuple[float, tuple[str, ...]]:
    """The probability of a number once its field is known, and the words for it.

    What the counts say adds to what speaks for the number itself. Where that is the name of a key
    or column, a number can still be no likelier a card than that any are there: of a column called
    ``card`` in which a tenth of the check digits are good, the name is no excuse.
    """
    if counts is None or counts.seen < 2:
        return score, why
    expected = counts.weight == 1.0 and score >= _EXPECTED and _is_named(field)
    mixes = _EXPECTED_MIXES if expected and field > 0 else _MIXES
    settled = sigmoid(logit(score) + shift(counts, mixes))
    if expected:
        settled *= _any(mixes, _weights(mixes, counts), logit(score))
    if abs(logit(settled) - logit(score)) < 0.5:
        return settled, why
    place = "in this field" if counts.weight == 1.0 else "of this kind"
    share = f"{counts.luhn} of {counts.seen} numbers {place} have a good check digit"
    return settled, (f"{share}, {_compared(counts, settled > score)}", *why)


def _compared(counts: FieldCounts, likelier: bool) -> str:
    """How counts that made a number likelier, or less likely, compare with those of chance."""
    if likelier and 10 * counts.luhn >= counts.seen:
        return "as cards do"
    if beyond_chance(counts.seen, counts.luhn):
        more = 10 * counts.luhn > counts.seen
        return "more than by chance" if more else "fewer than by chance: tokens made to fail it"
    return "as chance would"


def beyond_chance(seen: int, luhn: int) -> bool:
    """Whether that many good check digits are too many, or too few, for random numbers."""
    return abs(luhn - 0.1 * seen) > 3.5 * math.sqrt(0.09 * seen) + 1


# --- what counts say -------------------------------------------------------------------------


class _Mix(NamedTuple):
    """What a field may hold: a ``share`` of cards, and others of which ``passing`` satisfy Luhn."""

    share: float
    prior: float
    passing: float = 0.1


_CARD_LUHN = 0.985
"""share of stored card numbers that satisfy Luhn: typing errors and test rows are the rest"""
_TOKENS_LUHN = 0.0003
"""the same of tokens that are made to be told from card numbers by their check digit"""
_EXPECTED = 0.95
"""probability from which on a number stands where a card is expected"""
_MIXES = (
    _Mix(0.0, 0.45),
    _Mix(0.003, 0.04),
    _Mix(0.01, 0.03),
    _Mix(0.03, 0.03),
    _Mix(0.1, 0.03),
    _Mix(0.3, 0.03),
    _Mix(0.6, 0.04),
    _Mix(0.9, 0.05),
    _Mix(1.0, 0.30),
)
_TOKEN_SHARES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6)
_EXPECTED_MIXES = (
    _MIXES[0],
    *(mix._replace(prior=mix.prior / 2) for mix in _MIXES[1:-2]),
    *(_Mix(share, 0.001, _TOKENS_LUHN) for share in _TOKEN_SHARES),
    *_MIXES[-2:],
)
"""where a card is expected; ids that have few good check digits for a reason are no tokens"""
_SOME = 0.03
"""share of cards from which on good check digits are more than chance"""


def shift(counts: FieldCounts | None, mixes: Sequence[_Mix] = _MIXES) -> float:
    """What the counts of a field add to the log-odds that a number in it, issued and with a good
    check digit, is a card. 0 for none.

    Empirical Bayes: the share of cards in the field is unknown; each possible share is weighed by
    how well it explains how many numbers satisfy Luhn, and a number that passes is a card with
    the odds that share gives it.
    """
    if counts is None or counts.seen < 2:
        return 0.0
    # without the number itself: that it passes is known already
    value = counts.weight * (_odds(mixes, _weights(mixes, counts, without=1)) - _odds(mixes))
    # two in a row may be chance
    return value * min(1.0, (counts.seen - 1) / 4) if value > 0 else value


def _any(mixes: Sequence[_Mix], weights: Sequence[float], speaks: float) -> float:
    """The probability that a field holds cards, beyond what good check digits come by chance.
    ``speaks`` are the log-odds of one of its numbers by itself: a name that says so makes a field
    of nothing but cards as likely, and none of the mixes."""
    whole = weights[-1] * max(1.0, math.exp(speaks - _odds(mixes)))
    none = sum(
        weight
        for mix, weight in zip(mixes, weights, strict=True)
        if mix.share < _SOME and mix.passing != _TOKENS_LUHN
    )
    return 1.0 - none / (sum(weights[:-1]) + whole)


def _weights(mixes: Sequence[_Mix], counts: FieldCounts, without: int = 0) -> list[float]:
    """How likely each mix is by the numbers of a field, but for a common factor; ``without`` that
    many good ones."""
    good = max(0, min(counts.luhn, counts.seen) - without)
    bad = counts.seen - without - good
    logs = []
    for share, prior, passing in mixes:
        p = share * _CARD_LUHN + (1 - share) * passing
        logs.append(math.log(prior) + good * math.log(p) + bad * math.log(1 - p))
    top = max(logs)
    return [math.exp(value - top) for value in logs]


def _odds(mixes: Sequence[_Mix], weights: Sequence[float] | None = None) -> float:
    """Log-odds that a number with a good check digit is a card, by the prior where no weights are
    given."""
    cards = others = 1e-9
    for mix, weight in zip(mixes, weights or [mix.prior for mix in mixes], strict=True):
        cards += weight * mix.share
        others += weight * (1 - mix.share) * mix.passing
    return math.log(cards / others)
