"""Card numbers and magnetic-stripe tracks: the detector that ties the parts together.

``candidates`` finds numbers in every layout and encoding, ``evidence`` turns what stands around
one into a probability, ``fieldstats`` knows the fields, ``track`` recognises stripe data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from detectors import encodings, fieldstats, iin, track
from detectors.base import (
    Buffer,
    Example,
    FieldCounts,
    Hints,
    Match,
    NoHints,
    Scan,
    State,
    Value,
)
from detectors.candidates import Finder
from detectors.evidence import Candidate, judge, logit, name_of, sigmoid
from detectors.luhn import check_digit
from detectors.panexamples import EXAMPLES, NEAR_MISSES
from detectors.testpans import is_test
from detectors.textscan import numbers
from detectors.words import key_weight

_KEEP = 0.01
"""what is less likely than this before its field is known is dropped at once"""
_ENCODED = {"utf-16-le": 2, "utf-16-be": 2, "ebcdic": 1, "hex": 2, "base64": 4 / 3, "escaped": 1}
"""layouts that hide the digits, with buffer bytes a character"""


class PanScan:
    """One pass over one slice."""

    def __init__(self) -> None:
        self._finder = Finder()

    def fields(self) -> Mapping[int, FieldCounts]:
        return self._finder.counter.counts()

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        array = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
        matches: list[Match] = []
        for found in self._finder.candidates(array, lo, min(hi, len(array))):
            matches.extend(_matches(found, hints))
        return _without_overlaps(matches)


def _matches(found: Candidate, hints: Hints) -> list[Match]:
    """The PAN, and the track around it, if they are likely enough."""
    stripe = track.around(found.before, found.after)
    column = None if isinstance(hints, NoHints) else hints.field_name(found.start)
    if not found.luhn and stripe is None:
        name = name_of(found, column)
        if name is None or key_weight(name) < 4:
            return []
    score, why = judge(found, column)
    if found.layout in ("lost-digit", "scientific") and not found.luhn:
        score = 0.9 if column else 0.6
        why = ("a number stored as a float: the last digit follows from the others", *why)
    out = []
    if stripe is not None:
        score = max(score, stripe.sure) if found.luhn else stripe.sure * 0.9
        why = (f"inside {stripe.entity.replace('_', ' ').lower()} data", *why)
        scale = _ENCODED.get(found.layout, 1)
        out.append(
            Match(
                "pan",
                stripe.entity,
                found.start - int(stripe.ahead * scale),
                found.end + int(stripe.behind * scale),
                stripe.sure,
                _state(found),
                iin.brands(found.digits),
                ("a PAN, expiry and service code in the order of a magnetic stripe",),
                found.layout,
            )
        )
    if score >= _KEEP:
        out.append(
            Match(
                "pan",
                "CREDIT_CARD",
                found.start,
                found.end,
                score,
                _state(found),
                iin.brands(found.digits),
                why,
                found.layout,
                found.field if stripe is None else 0,
            )
        )
    return out


def _state(found: Candidate) -> State:
    if is_test(found.digits):
        return State.TEST
    return State.ENCODED if found.layout in _ENCODED else State.CLEAR


def _without_overlaps(matches: list[Match]) -> list[Match]:
    """Of card numbers that overlap, the likeliest; none of those inside the rest of a track."""
    tracks = [m for m in matches if m.entity != "CREDIT_CARD"]
    cards = sorted(
        (m for m in matches if m.entity == "CREDIT_CARD"),
        key=lambda m: (-m.score, m.start, m.start - m.end),
    )
    kept: list[Match] = []
    taken: dict[int, list[tuple[int, int]]] = {}
    for match in cards:
        cells = range(match.start >> 7, (match.end >> 7) + 1)
        if any(a < match.end and match.start < b for c in cells for a, b in taken.get(c, ())):
            continue
        if any(t.start + 4 < match.start < t.end for t in tracks):
            continue
        kept.append(match)
        for cell in cells:
            taken.setdefault(cell, []).append((match.start, match.end))
    unique = {(m.start, m.end, m.entity): m for m in tracks}
    return sorted([*kept, *unique.values()], key=lambda m: (m.start, m.end, m.entity))


class Pan:
    """The plug-in."""

    name = "pan"
    entities = ("CREDIT_CARD", "TRACK_1", "TRACK_2")
    profiles = frozenset({"card", "full"})
    summary = (
        "Primary account numbers of every brand of `detectors/iin.py`, plain, grouped, escaped or"
        " encoded; magnetic-stripe track 1 and track 2 and the chip's equivalent of it."
    )
    limits = (
        "Packed decimal (BCD), encryption and compression are not seen through; nor is base64"
        " broken by a line end inside the number."
    )
    examples: tuple[Example, ...] = EXAMPLES
    near_misses: tuple[bytes, ...] = NEAR_MISSES

    def scan(self) -> Scan:
        return PanScan()

    def value(self, data: Buffer, match: Match) -> Value:
        span = bytes(data[match.start : match.end])
        if match.layout == "base64":
            return _base64_value(data, match)
        text = encodings.text_of(span, match.layout)
        if match.entity != "CREDIT_CARD":
            return _track_value(text)
        digits = "".join(c for c in text if "0" <= c <= "9")
        if match.layout == "lost-digit":
            digits = digits[:15] + check_digit(digits[:15])
        elif match.layout == "scientific":
            body, _, exponent = re.sub(r"[.+]", "", text).lower().partition("e")
            digits = body if len(body) > int(exponent) else body + check_digit(body)
        return Value(digits, digits)

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        if match.entity != "CREDIT_CARD" or (match.state is State.TEST and match.score > 0.5):
            return match.score, match.why
        value = fieldstats.shift(counts)
        score = sigmoid(logit(match.score) + value)
        if counts is None or abs(value) < 0.5:
            return score, match.why
        share = f"{counts.luhn} of {counts.seen} numbers in this field have a good check digit"
        return score, (share + (", as cards do" if value > 0 else ", as chance would"), *match.why)


def _track_value(text: str) -> Value:
    body = text.strip("%;?").removeprefix("B").removeprefix("b").rstrip("F")
    digits = re.match(r"[0-9]*", body)
    pan = digits[0] if digits else ""
    return Value(body, pan)


def _base64_value(data: Buffer, match: Match) -> Value:
    """A byte does not say where quads begin: the phase that gives a card number is the one."""
    for back in range(min(4, match.start + 1)):
        span = bytes(data[match.start - back : match.end + 3])
        array = np.frombuffer(span, np.uint8)
        text = encodings.decode_base64(array, 0, 0, len(span)).text
        for piece in numbers(text):
            if match.entity == "CREDIT_CARD":
                return Value(piece.digits, piece.digits)
            return _track_value(text[piece.start :].decode("latin-1"))
    return Value("", None)


DETECTOR = Pan()
