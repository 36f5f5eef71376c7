"""Issuer ranges (ISO/IEC 7812-1): which brands could have issued a number.

One table, pure standard library. Ranges overlap (65 is Discover, RuPay, Troy, Elo or Verve), so a
number has a *set* of possible brands, longest prefix first. Sources: braintree/credit-card-type
10.3.0, activemerchant and the brands' public range lists.

The table is flattened once into segments of the first six digits that have the same rules
throughout; ``brands`` bisects them and ``length_masks`` spreads them out for array code.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from typing import NamedTuple

SHORTEST, LONGEST = 12, 19
"""digits in a PAN, from old Maestro to the ISO maximum"""


class Rule(NamedTuple):
    """Prefixes ``low`` .. ``high`` (same number of digits) of ``brand`` at these ``lengths``."""

    brand: str
    low: str
    high: str
    lengths: tuple[int, ...]


_L16 = (16,)
_L16_19 = (16, 17, 18, 19)
_L12_19 = tuple(range(12, 20))

_TABLE: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("visa", "4", (13, 16, 19)),
    ("mastercard", "51-55 222100-272099", _L16),
    ("amex", "34 37", (15,)),
    ("discover", "6011 644-649 65 622126-622925", _L16_19),
    ("diners", "300-305 309 36 38 39", (14, 16, 19)),
    ("jcb", "3528-3589", _L16_19),
    ("jcb", "3088", _L16),
    ("jcb", "2131 1800", (15,)),
    ("unionpay", "62 8100-8171", _L16_19),
    ("maestro", "50 56-59 63 67", _L12_19),
    ("rupay", "60 65 81 82 508 353 356", _L16),
    ("mir", "2200-2204", _L16_19),
    (
        "elo",
        "401178-401179 431274 438935 451416 457393 457631-457632 504175 506699-506778"
        " 509000-509999 627780 636297 636368 650031-650033 650035-650051 650405-650439"
        " 650485-650538 650541-650598 650700-650718 650720-650727 650901-650978 651652-651679"
        " 655000-655019 655021-655058",
        _L16,
    ),
    ("hipercard", "606282", _L16),
    ("hiper", "637095 637568 637599 637609 637612", _L16),
    ("troy", "9792 65", _L16),
    ("verve", "506099-506198 507865-507964 650002-650027", (16, 18, 19)),
    ("mada", "968201-968211 5043 5081 5852 588", _L16),
    ("dankort", "5019 4571", _L16),
    ("bancontact", "6703", _L16_19),
    ("uatp", "1", (15,)),
    ("uzcard", "8600 5614", _L16_19),
    ("humo", "9860", _L16_19),
    ("napas", "9704", _L16_19),
    ("t-union", "31", (19,)),
    ("lankapay", "357111", _L16_19),
    ("borica", "25", _L16_19),
    ("interpayment", "636", _L16_19),
    ("instapayment", "637-639", _L16_19),
)


def _rules() -> tuple[Rule, ...]:
    out = []
    for brand, prefixes, lengths in _TABLE:
        for prefix in prefixes.split():
            low, _, high = prefix.partition("-")
            out.append(Rule(brand, low, high or low, lengths))
    return tuple(out)


RULES: tuple[Rule, ...] = _rules()
BRANDS: tuple[str, ...] = tuple(dict.fromkeys(rule.brand for rule in RULES))

NOT_LUHN: tuple[str, ...] = ("501080", "501081", "501082")
"""Maestro ranges whose numbers carry no Luhn digit. Some UnionPay numbers do not either, in
ranges that are not published."""


@cache
def _segments() -> tuple[list[int], list[tuple[Rule, ...]]]:
    """Starts of the segments in 0 .. 999999 and, for each, its rules, longest prefix first."""
    spans = [(int(r.low.ljust(6, "0")), int(r.high.ljust(6, "9")) + 1, r) for r in RULES]
    starts = sorted({0} | {edge for low, high, _ in spans for edge in (low, high)} - {10**6})
    rules = [
        tuple(
            sorted(
                (rule for low, high, rule in spans if low <= start < high),
                key=lambda rule: -len(rule.low),
            )
        )
        for start in starts
    ]
    return starts, rules


def brands(digits: str) -> tuple[str, ...]:
    """Brands that could have issued this number of this length, longest prefix first.

    ``digits`` is ASCII digits; anything else, or a length no brand uses, gives ``()``.
    Luhn is not looked at.
    """
    if not (SHORTEST <= len(digits) <= LONGEST and digits.isascii() and digits.isdigit()):
        return ()
    starts, rules = _segments()
    found = rules[bisect_right(starts, int(digits[:6])) - 1]
    return tuple(dict.fromkeys(rule.brand for rule in found if len(digits) in rule.lengths))


def prefix_brands(prefix: str) -> tuple[str, ...]:
    """Brands of any length for a prefix of at least six ASCII digits: what a mask still shows."""
    if len(prefix) < 6 or not (prefix.isascii() and prefix.isdigit()):
        return ()
    starts, rules = _segments()
    return tuple(dict.fromkeys(r.brand for r in rules[bisect_right(starts, int(prefix[:6])) - 1]))


@cache
def length_masks() -> bytes:
    """For each of the 10**6 six-digit prefixes one byte: bit ``n - 12`` says length n is issued."""
    starts, rules = _segments()
    out = []
    for start, stop, found in zip(starts, [*starts[1:], 10**6], rules, strict=True):
        mask = 0
        for rule in found:
            for length in rule.lengths:
                mask |= 1 << (length - SHORTEST)
        out.append(bytes([mask]) * (stop - start))
    return b"".join(out)
