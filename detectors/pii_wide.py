"""Text in UTF-16, seen by a scan that knows bytes: every other byte of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from detectors.base import (
    Buffer,
    Bulk,
    Counting,
    Fallible,
    FieldCounts,
    Hints,
    Massing,
    Match,
    NoHints,
    State,
)

LAYOUT = "utf-16"
_SHARE = 0.3
"""of all bytes that are zero, at even or at odd places: Latin text in UTF-16 has half"""


class Wide:
    """A ``Scan`` around another one: what is not UTF-16 goes straight through."""

    def __init__(self, scan: Any) -> None:
        self.scan = scan
        self._bulk: Sequence[Bulk] = ()

    @property
    def in_bulk(self) -> bool:
        return bool(self.scan.in_bulk)

    @in_bulk.setter
    def in_bulk(self, on: bool) -> None:
        self.scan.in_bulk = on

    def bulk(self) -> Sequence[Bulk]:
        return self._bulk

    def _inner_bulk(self) -> Sequence[Bulk]:
        bulk: Sequence[Bulk] = self.scan.bulk() if isinstance(self.scan, Massing) else ()
        return bulk

    def fields(self) -> Mapping[int, FieldCounts]:
        counts: Mapping[int, FieldCounts] = self.scan.fields()
        return counts

    def more(self) -> Mapping[tuple[str, int, float], int]:
        return self.scan.more() if isinstance(self.scan, Counting) else {}

    def go_on(self, listed: Mapping[str, int]) -> None:
        if isinstance(self.scan, Counting):
            self.scan.go_on(listed)

    def problems(self) -> Sequence[str]:
        return self.scan.problems() if isinstance(self.scan, Fallible) else ()

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        text = data if isinstance(data, bytes) else bytes(data)
        phase = _phase(text)
        if phase is None:
            found: list[Match] = self.scan.find(text, lo, hi, hints)
            self._bulk = self._inner_bulk()
            return found
        self._bulk = ()
        narrow = text[phase::2]
        first, last = (lo - phase + 1) // 2, (hi - phase + 1) // 2
        named: Hints = hints if isinstance(hints, NoHints) else _Named(hints, phase)
        matches = self.scan.find(narrow, max(0, first), max(0, last), named)
        matches += [some.one(i) for some in self._inner_bulk() for i in range(len(some.starts))]
        return [
            replace(
                match,
                start=match.start * 2 + phase,
                end=match.end * 2 + phase,
                state=State.ENCODED if match.state is State.CLEAR else match.state,
                layout=LAYOUT,
            )
            for match in sorted(matches, key=lambda match: match.start)
        ]


class _Named:
    def __init__(self, hints: Hints, phase: int) -> None:
        self._hints, self._phase = hints, phase

    def field_name(self, start: int) -> str | None:
        return self._hints.field_name(start * 2 + self._phase)


def _phase(text: bytes) -> int | None:
    """Where the characters of UTF-16 text stand: at even (0) or odd (1) places; None for other
    text. Mostly one look for a zero, at the speed of memory."""
    if b"\0" not in text or text.count(0) < _SHARE * len(text) or len(text) < 16:
        return None
    even, odd = text[0::2].count(0), text[1::2].count(0)
    if max(even, odd) < 2 * _SHARE * (len(text) // 2) or min(even, odd) > 0.1 * max(even, odd):
        return None  # zeros of a binary format stand anywhere
    return 0 if odd > even else 1


def narrow(data: Buffer, match: Match) -> bytes:
    """The bytes of a match as the inner scan saw them."""
    raw = bytes(data[match.start : match.end])
    return raw[::2] if match.layout == LAYOUT else raw
