"""One pass of the card detector: candidates judged, tracks recognised, overlaps decided."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from detectors import iin, track
from detectors.base import AFTER, CONFIRMED, Buffer, Bulk, FieldCounts, Hints, Match, NoHints, State
from detectors.candidates import Finder
from detectors.evidence import Candidate, judge, name_of
from detectors.marks import marks
from detectors.panbulk import Settled
from detectors.runs import Places
from detectors.testpans import is_test
from detectors.words import key_weight

_KEEP = 0.003
"""what is less likely than this before its field is known is dropped at once"""
_ENCODED = {
    "utf-16": 2,
    "utf-16-le": 2,
    "utf-16-be": 2,
    "ebcdic": 1,
    "hex": 2,
    "base64": 4 / 3,
    "escaped": 1,
}
"""layouts that hide the digits, with buffer bytes a character"""


class PanScan:
    """One pass over one slice. ``in_bulk`` as in ``base.Massing``."""

    def __init__(self) -> None:
        self._finder = Finder()
        self.in_bulk = False
        self._settled, self._fresh = Settled(), True
        self._bulk: list[Bulk] = []

    def fields(self) -> Mapping[int, FieldCounts]:
        return self._finder.counter.counts()

    def bulk(self) -> Sequence[Bulk]:
        return self._bulk

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        self._bulk = []
        if not self.in_bulk or isinstance(hints, NoHints):
            return self._find(data, lo, hi, hints)
        matches = []
        if self._fresh and hi - lo > 2 * _FIRST:
            # a part of the first window may settle columns for the rest of it
            self._fresh = False
            first = lo + _FIRST
            matches = self._find(data[: first + AFTER], lo, first, hints)
            self._settled.learn(matches, hints)
            lo = first
        if self._settled:
            whole = data if isinstance(data, bytes) else bytes(data)
            self._bulk = self._settled.bulk(whole, np.frombuffer(whole, np.uint8), lo, hi, hints)
        further = self._find(data, lo, hi, hints)
        self._settled.learn(further, hints)
        return matches + further

    def _find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        array = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
        known = _places(self._bulk)
        matches: list[Match] = []
        seen = marks(data, hints)
        for found in self._finder.candidates(array, lo, min(hi, len(array)), seen, known[0]):
            matches.extend(_matches(found, hints))
        return [
            match
            for match in _without_overlaps(matches)
            if lo <= match.start < hi and not _overlaps(match, *known)
        ]


_FIRST = 1 << 15
"""bytes of a window that are judged one by one before any column of it is settled"""


def _places(bulk: Sequence[Bulk]) -> tuple[Places, Places]:
    """Starts and ends of all values in bulk, in order."""
    starts = [np.empty(0, np.int64), *(some.starts for some in bulk)]
    ends = [np.empty(0, np.int64), *(some.ends for some in bulk)]
    return np.sort(np.concatenate(starts)), np.sort(np.concatenate(ends))


def _overlaps(match: Match, starts: Places, ends: Places) -> bool:
    """Whether a match has bytes in common with a value in bulk. These do not overlap each other."""
    if not len(starts):
        return False
    return bool(ends.searchsorted(match.start, "right") < starts.searchsorted(match.end, "left"))


def _matches(found: Candidate, hints: Hints) -> list[Match]:
    """The PAN, and the track around it, if they are likely enough."""
    stripe = track.around(found.before, found.after)
    column = None if isinstance(hints, NoHints) else hints.field_name(found.start)
    if found.groups and column is not None and _over_cells(found, column, hints):
        return []
    if not found.luhn and stripe is None:
        name = name_of(found, column)
        if name is None or key_weight(name) < 4:
            return []
    score, why = judge(found, column)
    # digits inside a longer token: the field it stands under says nothing
    torn = found.before[-1:].isalnum() or found.after[:1].isalnum()
    if found.layout == "lost-digit" and torn and stripe is None:
        return []  # a float stands alone in its cell
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
        field = 0 if stripe is not None or torn else found.field
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
                field if found.luhn else -field,
            )
        )
    if score >= CONFIRMED and stripe is None:
        out += _code_beside(found, hints)
    return out


def _over_cells(found: Candidate, column: str, hints: Hints) -> bool:
    """Whether the groups of a number stand in several cells of a table: then they are none."""
    return found.broken or hints.field_name(found.end - 1) != column


_BY = rb"[\"']?[ ]?[|,;:/\t ][ ]?[\"']?"
_BESIDE = re.compile(
    _BY
    + rb"(?:(?:0?[1-9]|1[0-2])[ ]?[|/\-,;: ][ ]?(?:20)?[2-4][0-9]"
    + _BY
    + rb"(?P<code>[0-9]{3,4})|(?P<first>[0-9]{3,4})"
    + _BY
    + rb"(?:0?[1-9]|1[0-2])[/\-](?:20)?[2-4][0-9])(?![0-9A-Za-z.])"
)


def _code_beside(found: Candidate, hints: Hints) -> list[Match]:
    """A verification code that has no name but its place: number, expiry, code, in a row."""
    if found.layout in ("escaped", "base64"):
        return []
    scale = int(_ENCODED.get(found.layout, 1))
    match = _BESIDE.match(found.after)
    if match is None:
        return []
    name = "code" if match["code"] else "first"
    if len(match[name]) != (4 if found.digits[:2] in ("34", "37") else 3):
        return []
    start = found.end + scale * match.start(name)
    end = start + scale * len(match[name])
    if hints.field_name(start):
        return []  # its column says what it is
    why = ("stands behind a PAN and its expiry date, where the verification code is written",)
    return [Match("pan", "CVV", start, end, 0.85, State.CLEAR, (), why, found.layout)]


def _state(found: Candidate) -> State:
    if is_test(found.digits):
        return State.TEST
    return State.ENCODED if found.layout in _ENCODED else State.CLEAR


def _without_overlaps(matches: list[Match]) -> list[Match]:
    """Of card numbers that overlap, the likeliest; none of those inside the rest of a track."""
    tracks = [m for m in matches if m.entity != "CREDIT_CARD"]
    cards = sorted(
        (m for m in matches if m.entity == "CREDIT_CARD"),
        key=lambda m: (-m.score, m.start - m.end, -m.start),
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
