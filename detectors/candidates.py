"""From a buffer to the numbers worth judging: plain, grouped, escaped, encoded.

Everything up to Luhn and issuer runs over arrays; a ``Candidate`` is made only for what is left.
Where a field of a block is beyond doubt full of ids, its numbers that pass by chance are dropped
here, still as arrays: a log of ids costs no Python object a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from detectors import encodings, fieldcount
from detectors.base import AFTER, BEFORE
from detectors.evidence import AHEAD, BACK, Candidate
from detectors.iin import brands
from detectors.layouts import Grouped, grouped
from detectors.luhn import check_digit, valid
from detectors.runs import (
    PIECE,
    Bytes,
    Flags,
    Frame,
    Places,
    Prefilter,
    Words,
    issued,
    luhn_ok,
    prefixes,
    tokens,
)
from detectors.textscan import numbers

_U = np.uint64


class Finder:
    """Candidates of one slice, and the field counts that go with them."""

    def __init__(self) -> None:
        self.counter = fieldcount.Counter()
        self._ascii = Prefilter()
        self._narrow: Prefilter | None = None
        self._ebcdic: Prefilter | None = None

    def candidates(self, data: Bytes, lo: int, hi: int) -> Iterator[Candidate]:
        """Those that start in ``lo`` .. ``hi``, in no order; one number may come more than once."""
        yield from self._text(self._ascii, data, lo, hi)
        seen = encodings.signs(data)
        for at in seen.base64:
            yield from _decoded(encodings.decode_base64(data, at), lo, hi, at - 4, at + 4)
        for at in seen.script:
            yield from _escaped(data, at, lo, hi)
        if seen.nul:
            yield from self._wide(data, lo, hi)
        if seen.high:
            yield from self._mainframe(data, lo, hi)

    def _text(
        self,
        prefilter: Prefilter,
        data: Bytes,
        lo: int,
        hi: int,
        counter: fieldcount.Counter | None = None,
    ) -> Iterator[Candidate]:
        """Numbers in ASCII digits. ``data`` may be a narrowed copy."""
        counter = counter or self.counter
        for frame in prefilter.frames(data):
            runs = tokens(frame)
            long = np.flatnonzero(runs.length >= 12)
            if len(long):
                start, length = runs.start[long], runs.length[long]
                yield from _plain(frame, data, start, length, lo, hi, counter)
            groups, escaped = grouped(frame, runs)
            for some in groups:
                yield from _grouped(frame, data, some, lo, hi, counter)
            last = -(1 << 30)
            for at in (escaped + frame.origin).tolist():
                if at > last + _ESCAPE_STEP:
                    yield from _escaped(data, at, lo, hi)
                    last = at

    def _wide(self, data: Bytes, lo: int, hi: int) -> Iterator[Candidate]:
        for begin in range(lo, hi, PIECE):
            end = min(begin + PIECE, hi)
            first, last = max(0, begin - BEFORE), min(len(data), end + AFTER)
            part = data[first:last]
            for name, phase in encodings.wide_phases(part):
                self._narrow = self._narrow or Prefilter()
                text = encodings.narrow(part, name, phase)
                base = first + phase
                # ASCII in UTF-16-LE is UTF-16-BE from the byte before on. It is read once, as
                # pairs of a digit and what follows, wherever the stream was cut.
                counter = self.counter if name == "utf-16-le" else fieldcount.Counter()
                inner = self._text(
                    self._narrow, text, -((base - begin) // 2), -((base - end) // 2), counter
                )
                for found in inner:
                    if found.layout in ("plain", "grouped", "broken"):
                        found.start = base + 2 * found.start
                        found.end = base + 2 * found.end
                        if data[found.start + (name == "utf-16-le") : found.end : 2].any():
                            found.layout = name
                        elif name == "utf-16-le":
                            found.layout = "utf-16"
                        else:
                            continue
                        _wide_context(data, found, name)
                        yield found

    def _mainframe(self, data: Bytes, lo: int, hi: int) -> Iterator[Candidate]:
        self._ebcdic = self._ebcdic or Prefilter(0xF0)
        for frame in self._ebcdic.frames(data):
            begin, end = frame.block
            first, last = max(0, begin - BEFORE), min(len(data), end + AFTER)
            text = encodings.from_ebcdic(data[first:last])
            self._narrow = self._narrow or Prefilter()
            inner = self._text(self._narrow, text, max(lo, begin) - first, min(hi, end) - first)
            for found in inner:
                if found.layout in ("plain", "grouped", "broken"):
                    found.start += first
                    found.end += first
                    found.layout = "ebcdic"
                    yield found


def _wide_context(data: Bytes, found: Candidate, encoding: str) -> None:
    """The text around a number in UTF-16, letters of every script included."""
    before = data[max(found.start % 2, found.start - 2 * BACK) : found.start].tobytes()
    after = data[found.end : found.end + 2 * AHEAD].tobytes()
    found.before = before.decode(encoding, "replace").encode("utf-8", "replace")[-BACK:]
    found.after = after.decode(encoding, "replace").encode("utf-8", "replace")[:AHEAD]


# --- in one piece --------------------------------------------------------------------------------


def _plain(
    frame: Frame,
    data: Bytes,
    start: Places,
    length: Places,
    lo: int,
    hi: int,
    counter: fieldcount.Counter,
) -> Iterator[Candidate]:
    yield from _long(frame, data, start, length, lo, hi)
    before, behind = frame.data.take(start - 1), frame.data.take(start + length)
    yield from _scientific(frame, data, start, length, before, behind, lo, hi)
    start, length, chip = _strip(frame, start, length, before, behind)
    position = start + frame.origin
    keep = ((length >= 12) & (length <= 19) & (position >= lo) & (position < hi)).nonzero()[0]
    if not len(keep):
        return
    if len(keep) < len(start):
        start, length, chip = start[keep], length[keep], chip[keep]
    first = frame.load(start)
    prefix = prefixes(first)
    known = issued(prefix, length).nonzero()[0]
    if not len(known):
        return
    start, length, prefix, first = start[known], length[known], prefix[known], first[known]
    good = luhn_ok(frame, start, length, first)
    field, sign = fieldcount.places(frame, data, start, length)
    counter.add(field, good)
    stripe = _STRIPE.take(frame.data.take(start + length))
    zero = (frame.data.take(start + length - 1) == 48) & (length == 16)
    other = ~good & (zero | stripe | _may_lack_luhn(prefix))
    take = (good | other).nonzero()[0]
    if len(take) > _FEW:
        take = take[_not_ids(sign, take, good, zero, other)]
    for row in take.tolist():
        at, size = int(start[row]) + frame.origin, int(length[row])
        layout = "emv" if chip[known[row]] else "plain"
        found = _candidate(data, at, at + size, layout)
        found.field = int(field[row])
        found.luhn = bool(good[row])
        if zero[row] and not good[row] and not stripe[row]:
            found.layout = "lost-digit"
            found.digits = found.digits[:15] + check_digit(found.digits[:15])
        yield found


_FEW = 8
_LEADS = np.isin(np.arange(256), list(b"%uxABCDEFabcdef"))
_STRIPE = np.isin(np.arange(256), list(b"^=D"))


def _candidate(data: Bytes, start: int, end: int, layout: str) -> Candidate:
    text = data[start:end].tobytes()
    digits = (
        text if len(text) == sum(48 <= c <= 57 for c in text) else re.sub(rb"[^0-9]", b"", text)
    )
    return Candidate(
        start,
        end,
        digits.decode("ascii"),
        layout,
        data[max(0, start - BACK) : start].tobytes(),
        data[end : end + AHEAD].tobytes(),
    )


def _may_lack_luhn(prefix: Places) -> Flags:
    """UnionPay, and the Maestro ranges of ``iin.NOT_LUHN``."""
    flags: Flags = (prefix // 10000 == 62) | ((prefix >= 501080) & (prefix <= 501082))
    return flags


def _not_ids(sign: Words, take: Places, good: Flags, zero: Flags, other: Flags) -> Flags:
    """Which of the rows ``take`` do not stand in a field that, in this block, is full of ids.

    Numbers that lost their last digit fail Luhn as ids do, but all end in 0: they stay.
    """
    names, which = np.unique(sign[take], return_inverse=True)
    index = np.minimum(np.searchsorted(names, sign), len(names) - 1)
    same = names[index] == sign
    index = index[same]
    seen = np.bincount(index, minlength=len(names))
    valid = np.bincount(index, weights=good[same], minlength=len(names))
    zeros = np.bincount(index, weights=zero[same], minlength=len(names))
    ids = fieldcount.is_ids(seen, valid)
    keep: Flags = ~ids[which] | (other[take] & zero[take] & (2 * zeros > seen)[which])
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
    frame: Frame, data: Bytes, start: Places, length: Places, lo: int, hi: int
) -> Iterator[Candidate]:
    """Runs that may be digits written in hexadecimal: ``34313131`` for 4111."""
    long = np.flatnonzero(length >= 24)
    if not len(long):
        return
    start = start[long]
    position = start + frame.origin
    long = long[(position >= lo - 64) & (position < hi)]
    start = start[(position >= lo - 64) & (position < hi)]
    even = np.zeros(len(start), np.bool_)
    odd = np.zeros(len(start), np.bool_)
    for step in range(0, 64, 8):
        word = frame.load(np.minimum(start + step, len(frame.data) - 16))
        even |= word & _U(0x00FF00FF00FF00FF) == _U(0x0033003300330033)
        odd |= word & _U(0xFF00FF00FF00FF00) == _U(0x3300330033003300)
    for flags, phase in ((even, 0), (odd, 1)):
        for at in (start[flags] + frame.origin).tolist():
            text = encodings.decode_hex(data, at + phase)
            yield from _decoded(text, lo, hi, at - 4, at + 128)


_SCIENTIFIC = re.compile(rb"(?<![0-9.])([1-9])\.([0-9]{12,18})[eE]\+?(1[1-8])(?![0-9])")


def _scientific(
    frame: Frame,
    data: Bytes,
    start: Places,
    length: Places,
    before: Bytes,
    behind: Bytes,
    lo: int,
    hi: int,
) -> Iterator[Candidate]:
    """``4.11111111111111E+15``: the first fifteen digits fix the sixteenth."""
    marks = ((before == 46) & ((behind == 69) | (behind == 101))).nonzero()[0]
    for at, size in zip(
        (start[marks] + frame.origin - 2).tolist(), length[marks].tolist(), strict=True
    ):
        if not max(0, lo) <= at < hi:
            continue
        match = _SCIENTIFIC.match(data[at : at + size + 8].tobytes())
        if match is None:
            continue
        known, digits = (match[1] + match[2]).decode("ascii"), int(match[3]) + 1
        if not digits - 1 <= len(known) <= digits:
            continue
        found = _candidate(data, at, at + match.end(), "scientific")
        found.luhn = len(known) == digits and valid(known)
        found.digits = known if len(known) == digits else known + check_digit(known)
        if brands(found.digits) and (found.luhn or len(known) < digits):
            yield found


# --- in groups, escaped, encoded ----------------------------------------------------------------


def _grouped(
    frame: Frame, data: Bytes, some: Grouped, lo: int, hi: int, counter: fieldcount.Counter
) -> Iterator[Candidate]:
    position = some.start + frame.origin
    rows = ((position >= lo) & (position < hi)).nonzero()[0]
    if not len(rows):
        return
    start, good = some.start[rows], some.luhn[rows]
    field, sign = fieldcount.places(frame, data, start, some.length[rows], _GROUPED)
    counter.add(field, good)
    take = good.nonzero()[0]
    if len(take) > _FEW:
        none = np.zeros(len(good), np.bool_)
        take = take[_not_ids(sign, take, good, none, none)]
    for index in take.tolist():
        row = int(rows[index])
        at, end = int(position[row]), int(some.end[row]) + frame.origin
        broken = bool(some.broken[row])
        found = _candidate(data, at, end, "broken" if broken else "grouped")
        found.groups = tuple(int(size) for size in some.groups[row] if size)
        found.broken = broken
        gaps = re.findall(rb"[^0-9]+", data[at:end].tobytes())
        found.separator = next((gap for gap in gaps if b"\n" not in gap), b"")
        found.field = int(field[index])
        yield found


_GROUPED = 0x5A5A
"""keeps the fields of grouped numbers apart from those of numbers in one piece"""


_ESCAPE_STEP = 64


def _escaped(data: Bytes, at: int, lo: int, hi: int) -> Iterator[Candidate]:
    first, last = max(0, at - BACK - 64), min(len(data), at + _ESCAPE_STEP + 128 + AHEAD)
    text = encodings.unescape(data, first, last)
    yield from _decoded(text, lo, hi, at - 4, at + _ESCAPE_STEP + 8)


def _decoded(
    decoded: encodings.Decoded, lo: int, hi: int, first: int, last: int
) -> Iterator[Candidate]:
    """Numbers of a decoded text that start in ``first`` .. ``last`` and are not there undecoded."""
    text, origin, layout = decoded
    for piece in numbers(text):
        start, end = origin[piece.start], origin[piece.end]
        if layout == "base64":
            end = origin[piece.end - 1] + 2  # the character with its last bits
        if not (lo <= start < hi and first <= start <= last):
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
