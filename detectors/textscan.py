"""Candidates in a short decoded text, one by one: what is left when arrays have done their part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from detectors import iin, luhn
from detectors.iin import LONGEST, SHORTEST
from detectors.testpans import is_test

_RUN = re.compile(rb"[0-9]+")
_SEPARATOR = re.compile(rb"(?:[ \-./_\t\xa0]|  | - )\Z")
_LINE_END = re.compile(rb"[ \-]?\r?\n\Z")
_MOST_GROUPS = 6


class Piece(NamedTuple):
    """A number in a text: span, digits, group lengths (() for one piece), whether a gap is a line
    end, and the separator."""

    start: int
    end: int
    digits: str
    groups: tuple[int, ...]
    broken: bool
    separator: bytes


def numbers(text: bytes) -> Iterator[Piece]:
    """Issued numbers with a good check digit, in one piece or in groups."""
    runs = [match.span() for match in _RUN.finditer(text)]
    for index, (start, end) in enumerate(runs):
        if SHORTEST <= end - start <= LONGEST:
            piece = _piece(text, [(start, end)], False, b"")
            if piece:
                yield piece
        if 4 <= end - start <= 15:
            yield from _groups(text, runs, index)


def _groups(text: bytes, runs: list[tuple[int, int]], index: int) -> Iterator[Piece]:
    spans = [runs[index]]
    separator, broken = b"", False
    for span in runs[index + 1 : index + _MOST_GROUPS]:
        gap = text[spans[-1][1] : span[0]]
        if _LINE_END.match(gap) and not broken:
            broken = True
        elif gap and (gap == separator or (not separator and _SEPARATOR.match(gap))):
            separator = gap
        else:
            return
        spans.append(span)
        if len(spans) == 2 and span[1] - span[0] < 4:
            return
        total = sum(end - start for start, end in spans)
        if total > LONGEST:
            return
        if total >= SHORTEST:
            piece = _piece(text, spans, broken, separator)
            if piece:
                yield piece


def _piece(
    text: bytes, spans: list[tuple[int, int]], broken: bool, separator: bytes
) -> Piece | None:
    digits = b"".join(text[start:end] for start, end in spans).decode("ascii")
    if not luhn.valid(digits) or not (iin.brands(digits) or is_test(digits)):
        return None
    groups = tuple(end - start for start, end in spans) if len(spans) > 1 else ()
    return Piece(spans[0][0], spans[-1][1], digits, groups, broken, separator)
