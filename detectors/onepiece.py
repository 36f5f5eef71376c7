"""Numbers in one piece, over arrays: from the digit runs of a frame to candidates.

Where a field of a block is beyond doubt full of ids, its numbers that pass by chance are dropped
here, still as arrays: a log of ids costs no Python object a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from detectors import encodings, fieldcount
from detectors.encodings import Decoded
from detectors.evidence import AHEAD, BACK, Candidate
from detectors.iin import LONGEST, NOT_LUHN, SHORTEST, brands
from detectors.luhn import check_digit, valid
from detectors.runs import (
    Bytes,
    Flags,
    Frame,
    Places,
    Words,
    issued,
    luhn_ok,
    maybe_issued,
    prefixes,
)
from detectors.textscan import numbers

_U = np.uint64


class Window(NamedTuple):
    """Which starts are wanted, ``first`` .. ``last``, and which of them are counted by field,
    ``lo`` .. ``hi``: a track or a code may begin on the other side of the edge from its PAN."""

    first: int
    last: int
    lo: int
    hi: int

    def moved(self, base: int, scale: int = 1) -> Window:
        """The same window in the units of a narrowed copy that begins at ``base``."""
        return Window(*(-((base - edge) // scale) for edge in self))

    def clipped(self, lo: int, hi: int) -> Window:
        """The part of it between ``lo`` and ``hi``."""
        return Window(*(min(max(edge, lo), hi) for edge in self))


def in_one_piece(
    frame: Frame,
    data: Bytes,
    start: Places,
    length: Places,
    window: Window,
    counter: fieldcount.Counter,
    bulk: Places | None = None,
) -> Iterator[Candidate]:
    """Candidates among runs of twelve digits or more; none at the places ``bulk``."""
    yield from _long(frame, data, start, length, window)
    before, behind = frame.data.take(start - 1), frame.data.take(start + length)
    yield from _scientific(frame, data, start, length, before, behind, window)
    start, length, chip = _strip(frame, start, length, before, behind)
    position = start + frame.origin
    if (
        length.max() > LONGEST
        or length.min() < SHORTEST
        or position[0] < window.first
        or position[-1] >= window.last
    ):
        keep = (length >= SHORTEST) & (length <= LONGEST)
        keep &= (position >= window.first) & (position < window.last)
        start, length, chip = start[keep], length[keep], chip[keep]
    first = frame.load(start)
    # by the first four digits, which is quick, and then by all six
    known = maybe_issued(first, length).nonzero()[0]
    if not len(known):
        return
    start, length, chip, first = start[known], length[known], chip[known], first[known]
    prefix = prefixes(first)
    keep = issued(prefix, length)
    if not keep.all():
        start, length, chip = start[keep], length[keep], chip[keep]
        first, prefix = first[keep], prefix[keep]
    good = luhn_ok(frame, start, length, first)
    field, sign = fieldcount.places(frame, data, start, length)
    counter.add(field, good, start + frame.origin, window.lo, window.hi)
    stripe = _STRIPE.take(frame.data.take(start + length))
    zero = (frame.data.take(start + length - 1) == 48) & (length == 16)
    other = ~good & (zero | stripe | _may_lack_luhn(prefix))
    take = (good | other).nonzero()[0]
    if bulk is not None and len(bulk):
        take = take[~np.isin(start[take] + frame.origin, bulk)]
    if len(take) > FEW:
        take = take[not_ids(sign, take, good, zero)]
    if len(take):
        take = take[stripe[take] | counter.unlike_ids(field, good, zero, take)]
    counts: dict[int, tuple[int, int, int]] = {}  # of a field in this block
    for row in take.tolist():
        at, size = int(start[row]) + frame.origin, int(length[row])
        layout = "emv" if chip[row] else "plain"
        found = candidate(data, at, at + size, layout)
        found.field = int(field[row])
        found.luhn = bool(good[row])
        if zero[row] and not stripe[row]:
            if (name := int(sign[row])) not in counts:
                same = sign == sign[row]
                counts[name] = int(same.sum()), int((same & good).sum()), int((same & zero).sum())
            if not lost_digit(found, *counts[name]):
                continue
        yield found


FEW = 8
_MOST_FIELDS = 12
_LEADS = np.isin(np.arange(256), list(b"%uxABCDEFabcdef"))
_STRIPE = np.isin(np.arange(256), list(b"^=D"))


def candidate(data: Bytes, start: int, end: int, layout: str) -> Candidate:
    text = data[start:end].tobytes()
    digits = text if text.isdigit() else re.sub(rb"[^0-9]", b"", text)
    return Candidate(
        start,
        end,
        digits.decode("ascii"),
        layout,
        data[max(0, start - BACK) : start].tobytes(),
        data[end : end + AHEAD].tobytes(),
    )


def lost_digit(found: Candidate, seen: int, valid: int, zeros: int) -> bool:
    """Gives its last digit back to a number that ends in 0 and fails Luhn; no for one whose digits
    were blanked, or that stands among others which fail it. Where all the field has lost theirs
    (``zeros`` of ``seen`` end in 0), what share of it satisfies Luhn says nothing: its numbers then
    count for no field."""
    if not found.luhn:
        if found.digits.endswith("0000"):
            return False
        if not fieldcount.may_have_lost_a_digit(seen, valid, zeros):
            return False
        found.layout = "lost-digit"
        found.digits = found.digits[:15] + check_digit(found.digits[:15])
    if fieldcount.all_lost_a_digit(seen, zeros):
        found.field = 0
    return True


def _may_lack_luhn(prefix: Places) -> Flags:
    """UnionPay, and the Maestro ranges of ``iin.NOT_LUHN``."""
    flags: Flags = (prefix >= 620000) & (prefix < 630000)
    flags |= (prefix >= int(NOT_LUHN[0])) & (prefix <= int(NOT_LUHN[-1]))
    return flags


def not_ids(sign: Words, take: Places, good: Flags, zero: Flags) -> Flags:
    """Which of the rows ``take`` do not stand in a field that, in this block, is full of ids.

    Numbers that lost their last digit satisfy Luhn as ids do, but all end in 0: they stay.
    """
    signs = sign[take]
    keep = np.ones(len(take), np.bool_)
    left = np.arange(len(take))
    for _ in range(_MOST_FIELDS):
        if len(left) <= FEW:
            break
        name = signs[left[0]]
        mine = signs[left] == name
        same = sign == name
        seen = int(np.count_nonzero(same))
        if fieldcount.is_ids(seen, int(np.count_nonzero(good & same))):
            rows = left[mine]
            keep[rows] = False
            if 2 * np.count_nonzero(zero & same) > seen:
                keep[rows] = zero[take[rows]]
        left = left[~mine]
    return keep


def _strip(
    frame: Frame, start: Places, length: Places, before: Bytes, behind: Bytes
) -> tuple[Places, Places, Flags]:
    """Takes off digits that belong to what stands in front: ``%20``, ``\\u00a0``, ``\\x20``, and
    tag and length of chip data (5A, 57). ``before`` and ``behind`` are the bytes around each run.
    The last array says where that was chip data."""
    data = frame.data
    chip = np.zeros(len(start), np.bool_)
    lead = _LEADS.take(before).nonzero()[0]
    if len(lead):
        at, size, one = start[lead], length[lead], before[lead]
        two = data[at - 2]
        letter = (one != 37) & (one != 117) & (one != 120)
        off = np.where(one == 37, 2, 0)
        off[letter & (two == 37)] = 1
        off[letter & (data[at - 5] == 92) & (data[at - 4] == 117)] = 1
        off[(one == 117) & (two == 92)] = 4
        off[(one == 120) & (two == 92)] = 2
        off[behind[lead] == 94] = 0  # track 1 begins with %B
        size = size - off
        tag = (one == 65) & (two == 53) & (data[at] == 48)  # 5A, length in bytes, PAN
        off[tag] = 2
        size[tag] = np.minimum(size - 2, 2 * (data[at + 1] & 15).astype(np.int64))[tag]
        nineteen = (one == 65) & (two == 48) & (data[at - 3] == 65) & (data[at - 4] == 53)
        start, length = start.copy(), length.copy()
        start[lead] += off
        length[lead] = size
        chip[lead] = tag | nineteen
    lead = ((behind == 68) & (length >= 16) & (length <= 23)).nonzero()[0]
    if len(lead):
        at = start[lead]
        tag = (data[at] == 53) & (data[at + 1] == 55) & (data[at + 2] <= 49)
        lead = lead[tag]
        start, length = start.copy(), length.copy()
        start[lead] += 4  # 57, length in bytes, PAN, D
        length[lead] -= 4
        chip[lead] = True
    return start, length, chip


def _long(
    frame: Frame, data: Bytes, start: Places, length: Places, window: Window
) -> Iterator[Candidate]:
    """Runs that may be digits written in hexadecimal: ``34313131`` for 4111."""
    long = np.flatnonzero(length >= 24)
    if not len(long):
        return
    start = start[long]
    position = start + frame.origin
    inside = (position >= window.first - 64) & (position < window.last)
    long, start = long[inside], start[inside]
    even = np.zeros(len(start), np.bool_)
    odd = np.zeros(len(start), np.bool_)
    for step in range(0, 64, 8):
        word = frame.load(np.minimum(start + step, len(frame.data) - 16))
        even |= word & _U(0x00FF00FF00FF00FF) == _U(0x0033003300330033)
        odd |= word & _U(0xFF00FF00FF00FF00) == _U(0x3300330033003300)
    for flags, phase in ((even, 0), (odd, 1)):
        for at in (start[flags] + frame.origin).tolist():
            text = encodings.decode_hex(data, at + phase)
            yield from in_decoded(text, window, at - 4, at + 128)


_SCIENTIFIC = re.compile(rb"(?<![0-9.])([1-9])\.([0-9]{12,18})[eE]\+?(1[1-8])(?![0-9])")


def _scientific(
    frame: Frame,
    data: Bytes,
    start: Places,
    length: Places,
    before: Bytes,
    behind: Bytes,
    window: Window,
) -> Iterator[Candidate]:
    """``4.11111111111111E+15``: the first fifteen digits fix the sixteenth."""
    marks = ((before == 46) & ((behind == 69) | (behind == 101))).nonzero()[0]
    for at, size in zip(
        (start[marks] + frame.origin - 2).tolist(), length[marks].tolist(), strict=True
    ):
        yield from scientific(data, at, size, window)


def scientific(data: Bytes, at: int, size: int, window: Window) -> Iterator[Candidate]:
    """The number written so at ``at``, with ``size`` digits behind its point."""
    if not max(0, window.first) <= at < window.last:
        return
    match = _SCIENTIFIC.match(data[at : at + size + 8].tobytes())
    if match is None:
        return
    known, digits = (match[1] + match[2]).decode("ascii"), int(match[3]) + 1
    if not digits - 1 <= len(known) <= digits:
        return
    found = candidate(data, at, at + match.end(), "scientific")
    found.luhn = len(known) == digits and valid(known)
    found.digits = known if len(known) == digits else known + check_digit(known)
    if brands(found.digits) and (found.luhn or len(known) < digits):
        yield found


def in_decoded(decoded: Decoded, window: Window, first: int, last: int) -> Iterator[Candidate]:
    """Numbers of a decoded text that start in ``first`` .. ``last`` and are not there undecoded."""
    text, origin, layout = decoded
    for piece in numbers(text):
        start, end = origin[piece.start], origin[piece.end]
        if layout == "base64":
            end = origin[piece.end - 1] + 2  # the character with its last bits
        if not (window.first <= start < window.last and first <= start <= last):
            continue
        if layout == "escaped" and end - start == piece.end - piece.start:
            continue  # nothing in it is escaped: found without decoding
        yield Candidate(
            start,
            end,
            piece.digits,
            layout,
            text[max(0, piece.start - BACK) : piece.start],
            text[piece.end : piece.end + AHEAD],
            piece.groups,
            piece.broken,
            piece.separator,
        )
