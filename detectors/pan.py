"""Card numbers in clear: issuer, length, Luhn, and what stands around them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from detectors import iin, luhn
from detectors.base import Buffer, Example, FieldCounts, Hints, Match, Scan, State, Value
from detectors.testpans import is_test

_CANDIDATE = re.compile(
    rb"(?<![0-9A-Za-z])(?:[0-9]{12,19}|[0-9]{4}([ \-./_\t])[0-9]{4,6}\1[0-9]{4,5}(?:\1[0-9]{1,4}){0,2})"
    rb"(?![0-9A-Za-z])"
)


class _PanScan:
    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        out = []
        for found in _CANDIDATE.finditer(data, max(0, lo - 1)):
            if found.start() >= hi:
                break
            digits = "".join(chr(c) for c in found[0] if 48 <= c <= 57)
            brands = iin.brands(digits)
            if found.start() < lo or not brands or not luhn.valid(digits):
                continue
            state = State.TEST if is_test(digits) else State.CLEAR
            layout = "plain" if found[1] is None else "grouped"
            why = ("issuer, length and check digit fit",)
            out.append(
                Match(
                    "pan",
                    "CREDIT_CARD",
                    found.start(),
                    found.end(),
                    0.9,
                    state,
                    brands,
                    why,
                    layout,
                )
            )
        return out

    def fields(self) -> Mapping[int, FieldCounts]:
        return {}


class _Pan:
    name = "pan"
    entities = ("CREDIT_CARD",)
    profiles = frozenset({"card", "full"})
    summary = "Primary account numbers of every brand of `detectors/iin.py`."
    limits = "Plain and simply grouped numbers."
    examples = (
        Example(b"card=4111111111111111;", "CREDIT_CARD", "4111111111111111", State.TEST),
        Example(b"pay 5555-5555-5555-4444 now", "CREDIT_CARD", "5555555555554444", State.TEST),
    )
    near_misses = (b"order 4111111111111112",)

    def scan(self) -> Scan:
        return _PanScan()

    def value(self, data: Buffer, match: Match) -> Value:
        digits = "".join(chr(c) for c in data[match.start : match.end] if 48 <= c <= 57)
        return Value(digits, digits)

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        return match.score, match.why


DETECTOR = _Pan()
