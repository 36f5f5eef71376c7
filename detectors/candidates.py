"""From a buffer to the numbers worth judging: plain, grouped, escaped, encoded.

Everything up to Luhn and issuer runs over arrays; a ``Candidate`` is made only for what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from detectors import encodings, fieldcount
from detectors.base import AFTER, BEFORE
from detectors.compiled import native
from detectors.evidence import AHEAD, BACK, Candidate
from detectors.iin import SHORTEST
from detectors.layouts import Grouped, grouped
from detectors.marks import Marks
from detectors.onepiece import FEW, Window, candidate, in_decoded, in_one_piece, not_ids
from detectors.runs import Bytes, Frame, Places, Prefilter, Tokens, tokens
from detectors.sweep import Sweep

SPILL = 160
"""bytes: more than a track is long, or a code stands behind its PAN"""


class Finder:
    """Candidates of one slice, and the field counts that go with them."""

    def __init__(self) -> None:
        self.counter = fieldcount.Counter()
        self._signs: encodings.SignFinder | None = None
        self._prefilters: dict[str, Prefilter] = {}
        """by what they run over; like ``_signs`` made when needed: the compiled passes need none"""

    def candidates(
        self,
        data: Bytes,
        lo: int,
        hi: int,
        marks: Marks | None = None,
        bulk: Places | None = None,
    ) -> Iterator[Candidate]:
        """Those that start in ``lo`` .. ``hi`` or up to ``SPILL`` bytes outside, in no order; one
        number may come more than once. Only those inside are counted. Numbers in one piece that
        start at a place of ``bulk`` (in order) are counted, and do not come."""
        window = Window(max(0, lo - SPILL), min(len(data), hi + SPILL), lo, hi)
        yield from self._text("ascii", data, window, bulk=bulk)
        seen = self._seen(data) if marks is None else encodings.marked_signs(data, marks)
        until, phase = -1, 0
        for at in seen.base64:
            if at < until and at % 4 == phase:
                continue  # inside what was decoded last
            text = encodings.decode_base64(data, at)
            until, phase = min(at + encodings.STEP, text.origin[-1] - 24), at % 4
            yield from in_decoded(text, window, at - 4, at + encodings.STEP)
        until = -1
        for at in seen.script:
            if at >= until:
                yield from _escaped(data, at, window)
                until = at + encodings.STEP
        for begin, end in seen.wide:
            yield from self._wide(data, begin, end, window.clipped(begin, end))
        if seen.mainframe:
            yield from self._mainframe(data, window)

    def _seen(self, data: Bytes) -> encodings.Signs:
        if self._signs is None:
            self._signs = encodings.SignFinder()
        return self._signs.signs(data)

    def _text(
        self,
        what: str,
        data: Bytes,
        window: Window,
        counter: fieldcount.Counter | None = None,
        bulk: Places | None = None,
    ) -> Iterator[Candidate]:
        """Numbers in ASCII digits. ``data`` may be a narrowed copy."""
        counter = counter or self.counter
        if native is not None:
            seen = Sweep(native, data, window, counter)
            yield from seen.in_one_piece(bulk)
            for frame, runs in seen.frames():
                yield from _other(frame, data, runs, window, counter)
            return
        for block in self._prefilter(what).frames(data):
            runs = tokens(block)
            long = (runs.length >= SHORTEST).nonzero()[0]
            if len(long):
                start, length = runs.start, runs.length
                if len(long) < len(start):
                    start, length = start[long], length[long]
                yield from in_one_piece(block, data, start, length, window, counter, bulk)
            yield from _other(block, data, runs, window, counter)

    def _prefilter(self, what: str, zero: int = 48) -> Prefilter:
        if what not in self._prefilters:
            self._prefilters[what] = Prefilter(zero)
        return self._prefilters[what]

    def _wide(self, data: Bytes, begin: int, end: int, window: Window) -> Iterator[Candidate]:
        """Numbers in UTF-16 in one piece."""
        first, last = max(0, begin - BEFORE), min(len(data), end + AFTER)
        part = data[first:last]
        for name, phase in encodings.wide_phases(part):
            text = encodings.narrow(part, name, phase)
            base = first + phase
            # ASCII in UTF-16-LE is UTF-16-BE from the byte before on. It is read once, as pairs of
            # a digit and what follows, wherever the stream was cut.
            counter = self.counter if name == "utf-16-le" else fieldcount.Counter()
            for found in self._text("narrowed", text, window.moved(base, 2), counter):
                if found.layout not in ("plain", "grouped", "broken"):
                    continue
                found.start, found.end = base + 2 * found.start, base + 2 * found.end
                if data[found.start + (name == "utf-16-le") : found.end : 2].any():
                    found.layout = name
                elif name == "utf-16-le":
                    found.layout = "utf-16"
                else:
                    continue
                _wide_context(data, found, found.layout)
                yield found

    def _mainframe(self, data: Bytes, window: Window) -> Iterator[Candidate]:
        for frame in self._prefilter("ebcdic", 0xF0).frames(data):
            begin, end = frame.block
            first, last = max(0, begin - BEFORE), min(len(data), end + AFTER)
            text = encodings.from_ebcdic(data[first:last])
            here = window.clipped(begin, end).moved(first)
            inner = self._text("narrowed", text, here)
            for found in inner:
                if found.layout in ("plain", "grouped", "broken"):
                    found.start += first
                    found.end += first
                    found.layout = "ebcdic"
                    yield found


def _wide_context(data: Bytes, found: Candidate, encoding: str) -> None:
    """The text around a number in UTF-16, letters of every script included.

    Digits in ASCII do not say which byte comes first: the reading that gives text does."""
    shifts = {"utf-16": ((0, "utf-16-le"), (1, "utf-16-be"))}.get(encoding, ((0, encoding),))
    best = -(1 << 30)
    for shift, name in shifts:
        start, end = found.start - shift, found.end - shift
        before = data[max(start % 2, start - 2 * BACK) : start].tobytes().decode(name, "replace")
        after = data[end : end + 2 * AHEAD].tobytes().decode(name, "replace")
        text = before + after
        # read the wrong way round, the first and last letter of a word are of another script
        good = sum(c.isascii() or c.isalpha() for c in text) - 2 * sum(
            a.isalpha() and b.isalpha() and ord(a) >> 8 != ord(b) >> 8 for a, b in pairwise(text)
        )
        if good > best:
            best = good
            found.before = before.encode("utf-8", "replace")[-BACK:]
            found.after = after.encode("utf-8", "replace")[:AHEAD]


# --- in groups, escaped, encoded ----------------------------------------------------------------


def _other(
    frame: Frame, data: Bytes, runs: Tokens, window: Window, counter: fieldcount.Counter
) -> Iterator[Candidate]:
    """Numbers in groups, and with escapes in them."""
    groups, escaped = grouped(frame, runs)
    for some in groups:
        yield from _grouped(frame, data, some, window, counter)
    until = -1
    for at in (escaped + frame.origin).tolist():
        if at >= until:
            yield from _escaped(data, at, window)
            until = at + encodings.STEP


def _grouped(
    frame: Frame, data: Bytes, some: Grouped, window: Window, counter: fieldcount.Counter
) -> Iterator[Candidate]:
    position = some.start + frame.origin
    rows = ((position >= window.first) & (position < window.last)).nonzero()[0]
    if not len(rows):
        return
    start, good = some.start[rows], some.luhn[rows]
    field, sign = fieldcount.places(frame, data, start, some.length[rows], _GROUPED)
    counter.add(field, good, position[rows], window.lo, window.hi)
    take = good.nonzero()[0]
    if len(take) > FEW:
        none = np.zeros(len(good), np.bool_)
        take = take[not_ids(sign, take, good, none)]
    for index in take.tolist():
        row = int(rows[index])
        at, end = int(position[row]), int(some.end[row]) + frame.origin
        broken = bool(some.broken[row])
        found = candidate(data, at, end, "broken" if broken else "grouped")
        found.groups = tuple(int(size) for size in some.groups[row] if size)
        found.broken = broken
        gaps = re.findall(rb"[^0-9]+", data[at:end].tobytes())
        found.separator = next((gap for gap in gaps if b"\n" not in gap), b"")
        found.field = int(field[index])
        yield found


_GROUPED = 0x5A5A
"""keeps the fields of grouped numbers apart from those of numbers in one piece"""


def _escaped(data: Bytes, at: int, window: Window) -> Iterator[Candidate]:
    first = max(0, at - BACK - 64)
    last = min(len(data), at + encodings.STEP + 128 + AHEAD)
    text = encodings.unescape(data, first, last)
    yield from in_decoded(text, window, at - 4, at + encodings.STEP + 8)
