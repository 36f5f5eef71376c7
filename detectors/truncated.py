"""PANs with digits missing, and hashes that give the missing digits back.

A truncated or masked PAN is not a clear one: it is reported as what it is. But an unkeyed hash of
the whole PAN beside its truncation undoes the truncation (PCI DSS 3.5.1, 3.5.1.1): there are
100,000 card numbers to a first six and last four. Where the two stand in one record the detector
proves it on a sample, by running through them, and reports the hash, never the number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from detectors import iin
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
from detectors.hashes import Prover, beside
from detectors.marks import marks, places
from detectors.words import key_weight, text_weight

if TYPE_CHECKING:
    from detectors.masks import MaskFinder

_BACK, _AHEAD = 24, 48
_MASKED = re.compile(
    rb"(?<![0-9A-Za-z*#])(?P<first>[0-9](?:[ \-]?[0-9]){3,7})?[ \-]?"
    rb"(?P<gone>(?:\*|[xX#]|\xe2\x80\xa2)(?:[ \-]?(?:\*|[xX#]|\xe2\x80\xa2)){3,14})"
    rb"[ \-]?(?P<last>[0-9](?:[ \-]?[0-9]){3})(?![0-9A-Za-z*#])"
)


def _parts(text: bytes) -> tuple[str, int, str]:
    """Leading digits, how many are missing, last digits of a masked number."""
    match = _MASKED.fullmatch(text)
    if match is None:
        return "", 0, ""
    first = re.sub(rb"[^0-9]", b"", match["first"] or b"").decode("ascii")
    last = re.sub(rb"[^0-9]", b"", match["last"]).decode("ascii")
    gone = len(re.findall(rb"\*|[xX#]|\xe2\x80\xa2", match["gone"]))
    return first, gone, last


class _TruncatedScan:
    def __init__(self) -> None:
        self._prover = Prover()
        self._finder: MaskFinder | None = None

    def fields(self) -> Mapping[int, FieldCounts]:
        return {}

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        found: dict[tuple[int, int], Match] = {}
        seen = marks(data, hints)
        for at in self._over_arrays(data) if seen is None else places(seen.masks):
            first = max(0, at - _BACK)
            window = bytes(data[first : at + _AHEAD])
            for hit in _MASKED.finditer(window):
                if not hit.start() <= at - first < hit.end():
                    continue
                for match in self._matches(data, first + hit.start(), first + hit.end(), hints):
                    if lo <= match.start < hi:
                        found[match.start, match.end] = match
        return [found[key] for key in sorted(found)]

    def _over_arrays(self, data: Buffer) -> list[int]:
        from detectors.masks import MaskFinder

        self._finder = self._finder or MaskFinder()
        return self._finder.places(data)

    def _matches(self, data: Buffer, start: int, end: int, hints: Hints) -> Iterator[Match]:
        first, gone, last = _parts(bytes(data[start:end]))
        total = len(first) + gone + len(last)
        if not 12 <= total <= 19:
            return
        column = None if isinstance(hints, NoHints) else hints.field_name(start)
        score, why = _judge(data, start, end, first, total, column)
        if score >= 0.3:
            brands = _brands(first, total)
            yield Match(
                "truncated",
                "CREDIT_CARD",
                start,
                end,
                score,
                State.TRUNCATED,
                brands,
                why,
                "masked",
            )
        if score < 0.8 or len(first) < 6:
            return
        for at, stop, algorithm in beside(data, start, end):
            digest = bytes(data[at:stop]).decode("ascii").lower()
            proof = self._prover.proof(first, gone, last, digest, algorithm)
            if proof is not None:
                sure, words = proof
                yield Match(
                    "truncated", "PAN_HASH", at, stop, sure, State.HASHED, (), words, algorithm
                )


def _brands(first: str, total: int) -> tuple[str, ...]:
    """Brands whose prefix is shown and whose length fits."""
    if len(first) < 6:
        return ()
    return iin.brands(first[:6] + "0" * (total - 6))


def _judge(
    data: Buffer, start: int, end: int, first: str, total: int, column: str | None
) -> tuple[float, tuple[str, ...]]:
    before = bytes(data[max(0, start - 80) : start]).decode("utf-8", "replace")
    after = bytes(data[end : end + 40]).decode("utf-8", "replace")
    words, good, _ = text_weight(before, after)
    named = key_weight(column) if column else 0.0
    friendly = words >= 1.5 or named >= 4
    why = [f"{len(first)} digits, a mask, 4 digits" if first else "a mask and the last 4 digits"]
    if good or named >= 4:
        why.append(f"“{good or column}” stands near")
    if len(first) >= 6:
        if not _brands(first, total):
            return (0.4 if friendly else 0.1), tuple(why)
        return (0.98 if friendly else 0.9), tuple(why)
    return (0.9 if friendly else 0.5 if total in (15, 16) else 0.2), tuple(why)


class Truncated:
    """The plug-in."""

    name = "truncated"
    entities = ("CREDIT_CARD", "PAN_HASH")
    profiles = frozenset({"card", "full"})
    summary = (
        "Truncated and masked PANs, as such; and unkeyed MD5, SHA-1 and SHA-256 hashes of PANs"
        " beside their truncation, proved by running through what fits."
    )
    limits = (
        "A hash is proved only in the record of its truncation (first six or more and last four"
        " digits), in hexadecimal, over the bare digits; keyed hashes are no finding."
    )
    examples = (
        Example(b"card 411111******1111", "CREDIT_CARD", "411111******1111", State.TRUNCATED),
        Example(b"411111XXXXXX1111", "CREDIT_CARD", "411111******1111", State.TRUNCATED),
        Example(b"pan: 4111 11** **** 1111", "CREDIT_CARD", "411111******1111", State.TRUNCATED),
        Example(b"visa **** **** **** 1111", "CREDIT_CARD", "************1111", State.TRUNCATED),
        Example(b"amex 378282*****0005", "CREDIT_CARD", "378282*****0005", State.TRUNCATED),
        Example(
            b"411111******1111,9bbef19476623ca56c17da75fd57734dbf82530686043a6e491c6d71befe8f6e",
            "PAN_HASH",
            "9bbef19476623ca56c17da75fd57734dbf82530686043a6e491c6d71befe8f6e",
            State.HASHED,
        ),
    )
    near_misses: tuple[bytes, ...] = (
        b"********** warning **********",
        b"-rwxr-xr-x 1 root root 4096",
        b"order 999999******1234 shipped",
        b"phone xxx-xxx-1234",
        b"411111****1111",
        b"password: ************",
    )

    def scan(self) -> Scan:
        return _TruncatedScan()

    def value(self, data: Buffer, match: Match) -> Value:
        text = bytes(data[match.start : match.end])
        if match.entity == "PAN_HASH":
            return Value(text.decode("ascii").lower(), None)
        first, gone, last = _parts(text)
        shown = first + "*" * gone + last
        return Value(shown, shown)

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        return match.score, match.why


DETECTOR = Truncated()
