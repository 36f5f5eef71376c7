"""Numbers in groups: ``4111 1111 1111 1111`` and its kin, over arrays.

A grouped number is two to six digit runs with the same separator throughout; one gap may instead
be a line end, for a number broken over two lines. All groupings that reach 12 to 19 digits are
tried from every start, also inside longer chains (a PAN followed by expiry and CVV in one style);
how usual a grouping is goes into the evidence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.iin import LONGEST, SHORTEST
from detectors.runs import (
    Bytes,
    Flags,
    Frame,
    Places,
    Tokens,
    Words,
    issued,
    prefixes,
    trailing_zeros,
)

_U = np.uint64
MAX_GROUPS = 6
_GAP = 4
"""bytes in the longest separator below"""

SEPARATORS: tuple[bytes, ...] = (
    *(bytes([c]) for c in b" -./_\t"),
    b"  ",
    b" - ",
    b"\xa0",  # no-break space: Latin-1
    *(
        char.encode("utf-8")
        for char in "\u00a0\u2002\u2003\u2007\u2009\u202f\u2010\u2011\u2012\u2013\u2014\u2212\u00b7"
    ),
)
LINE_ENDS: tuple[bytes, ...] = (
    b"\n",
    b"\r\n",
    b" \n",
    b"-\n",
    b"=\n",
    b"=\r\n",
    b" \r\n",
    b" =\n",
    b" =\r\n",
)
_PLAIN, _LINE, _ESCAPE = 1, 2, 3
KIND = np.zeros(256, np.uint8)
"""what the first byte of a gap may begin: a separator; a separator or line end; an escape of a
URL, HTML, JSON or quoted-printable, which has to be decoded first"""
KIND[[text[0] for text in SEPARATORS]] = _PLAIN
KIND[[text[0] for text in LINE_ENDS]] = _LINE
KIND[list(b"%&\\=#")] = _ESCAPE


_NEED = np.full(128 + 1, 15, np.uint64)
"""by the size of the first group, and with 64 added when a line end follows it, the digits that
the second group has to begin with"""
_NEED[64 + 5 : 64 + 8] = 31
_DELIMITER = np.isin(np.arange(256), list(b",;|\t"))


def _word(text: bytes) -> int:
    return int.from_bytes(text, "little")


_SEPARATOR_WORDS = np.array(sorted(_word(text) for text in SEPARATORS), np.uint64)
_LINE_WORDS = np.array(sorted(_word(text) for text in LINE_ENDS), np.uint64)


def _among(words: Words, sorted_words: Words) -> Flags:
    found: Flags = sorted_words.take(np.searchsorted(sorted_words, words), mode="clip") == words
    return found


USUAL: frozenset[tuple[int, ...]] = frozenset(
    {
        (4, 4, 4, 4),
        (4, 6, 5),
        (4, 6, 4),
        (4, 4, 4),
        (4, 4, 4, 1),
        (4, 4, 4, 2),
        (4, 4, 4, 3),
        (4, 4, 5),
        (4, 4, 4, 5),
        (4, 4, 4, 6),
        (4, 4, 4, 7),
        (4, 4, 4, 4, 1),
        (4, 4, 4, 4, 2),
        (4, 4, 4, 4, 3),
        (4, 5, 6),
        (6, 13),
        (8, 8),
    }
)
"""groupings that are printed on cards or typed by people"""


def _code(groups: tuple[int, ...]) -> int:
    return sum(size << (5 * place) for place, size in enumerate(groups))


_USUAL_CODES = np.array(sorted(_code(groups) for groups in USUAL))


class Grouped(NamedTuple):
    """Issued numbers of one frame. ``groups`` has the group lengths, zeros behind; ``broken`` says
    that a gap is a line end."""

    start: Places
    end: Places
    length: Places
    luhn: Flags
    groups: Bytes
    broken: Flags


def grouped(frame: Frame, tokens: Tokens) -> tuple[list[Grouped], Places]:
    """Issued candidates in groups, by number of groups; and the starts of runs followed by an
    escape, whose surroundings have to be decoded before anything can be said."""
    size = tokens.length
    lead = frame.data.take(tokens.start + size)
    kind = KIND.take(lead)
    # the map behind a gap of one byte: a second group of four digits, after a line end enough to
    # make a number; or else a digit within nine bytes
    behind = tokens.map >> ((size + 1) & 63).view(np.uint64)
    need = _NEED.take(size + ((lead == 10) << 6))
    follows = (behind & need == need) | ((behind & _U(0x1FF)) > (behind & _U(1)) * _U(0x1FF))
    near = (follows & (kind != 0) & (size <= 15)).nonzero()[0]
    if len(near):
        near = near[_not_a_year(size[near], lead[near], behind[near])]
    if not len(near):
        return [], near
    start, size, kind, lead = tokens.start[near], size[near], kind[near], lead[near]
    rest = tokens.map[near] >> size.view(np.uint64)
    gap = trailing_zeros(rest)
    escaped = (kind == _ESCAPE) & (gap <= 9)
    second = rest >> (gap & 63).view(np.uint64)
    # the second group has four digits, too; after a line end, enough to make a number
    need = _NEED.take(size + (((lead == 10) | (lead == 13)) << 6))
    keep = (gap <= _GAP) & (second & need == need) & ((size <= 8) | (kind == _LINE))
    line = (keep & (kind >= _LINE)).nonzero()[0]
    if len(line):
        keep[line] = _over_line(frame, start[line], size[line], gap[line], second[line])
    row = keep.nonzero()[0]
    out: list[Grouped] = []
    if len(row):
        _chains(frame, start[row], size[row], rest[row], gap[row], out)
    return out, start[escaped]


def _not_a_year(size: Places, lead: Bytes, behind: Words) -> Flags:
    """False for four digits at the end of a line when the next line begins with four that stand
    alone, as years do: neither 4-4-4, 4-5-6 nor 4-6-5 goes on so, nor has it eight digits more."""
    flags: Flags = (size != 4) | (lead != 10)
    for goes_on in (0x1EF, 0x3DF, 0x7BF, 0xFF):
        flags |= behind & _U(goes_on) == goes_on
    return flags


def _over_line(frame: Frame, start: Places, size: Places, gap: Places, second: Words) -> Flags:
    """Whether a gap that may be a line end can be one inside a number. In a log nearly every line
    ends in a number and the next begins with a year: over a line end only what makes a whole
    number, or begins as one in fours does."""
    ahead = trailing_zeros(~second)
    whole = (size + ahead >= SHORTEST) & (size + ahead <= LONGEST)
    left = second >> (ahead & 63).view(np.uint64)
    third = left >> (trailing_zeros(left) & 63).view(np.uint64)
    begun = (size == 4) & (ahead >= 4) & (ahead <= 6) & (third & _U(15) == 15)
    # the last cell of one row and the first of the next
    after = frame.data.take(start + size + gap + ahead)
    cells = _DELIMITER.take(frame.data.take(start - 1)) & _DELIMITER.take(after)
    one_line = (frame.data.take(start + size + gap - 1) != 10) & (size <= 8)
    flags: Flags = ((whole | begun) & ~cells) | one_line
    return flags


def _chains(
    frame: Frame, start: Places, size: Places, rest: Words, gap: Places, out: list[Grouped]
) -> None:
    """Follows the groups from each start, all starts at once, one group a round."""
    sizes: list[Places] = [size]
    gaps: list[Places] = []
    total, at = size, start + size
    separator = np.zeros(len(start), np.uint64)
    broken = np.zeros(len(start), np.bool_)
    for _ in range(MAX_GROUPS - 1):
        # zeros of a map that has run out look like a long gap
        word = frame.load(at) & ((_U(1) << (np.minimum(gap, 7) << 3).view(np.uint64)) - _U(1))
        line = _among(word, _LINE_WORDS)
        same = (word == separator) | (separator == 0) & _among(word, _SEPARATOR_WORDS)
        good = np.flatnonzero((gap <= _GAP) & (same | (line & ~broken)))
        if not len(good):
            return
        start, total, at, rest, gap = start[good], total[good], at[good], rest[good], gap[good]
        line, word = line[good], word[good]
        separator = np.where(line, separator[good], word)
        broken = broken[good] | line
        sizes, gaps = [s[good] for s in sizes], [g[good] for g in gaps]
        at = at + gap
        rest = rest >> gap.view(np.uint64)
        size = trailing_zeros(~rest)
        sizes.append(size)
        gaps.append(gap)
        total = total + size
        at = at + size
        fits = np.flatnonzero((total >= SHORTEST) & (total <= LONGEST))
        if len(fits):
            _collect(frame, fits, start, at, total, sizes, gaps, broken, out)
        more = np.flatnonzero(total < LONGEST)
        if not len(more):
            return
        start, total, at, size = start[more], total[more], at[more], size[more]
        rest = rest[more] >> (size & 63).view(np.uint64)
        gap = trailing_zeros(rest)
        separator, broken = separator[more], broken[more]
        sizes, gaps = [s[more] for s in sizes], [g[more] for g in gaps]


def _collect(
    frame: Frame,
    fits: Places,
    start: Places,
    at: Places,
    total: Places,
    sizes: list[Places],
    gaps: list[Places],
    broken: Flags,
    out: list[Grouped],
) -> None:
    fits = fits[_sensible([s[fits] for s in sizes], broken[fits])]
    if not len(fits):
        return
    fits = fits[issued(_prefix(frame, start[fits], sizes[0][fits], gaps[0][fits]), total[fits])]
    if not len(fits):
        return
    start, end, total = start[fits], at[fits], total[fits]
    groups = np.zeros((len(fits), MAX_GROUPS), np.uint8)
    # where digit number j from the left stands: start + j + the gaps before it
    number = np.arange(LONGEST) - (LONGEST - total)[:, None]
    where = start[:, None] + number
    border = np.zeros(len(fits), np.int64)
    for column, size in enumerate(sizes):
        groups[:, column] = size[fits]
        border = border + size[fits]
        if column < len(gaps):
            where += gaps[column][fits][:, None] * (number >= border[:, None])
    digits: Bytes = frame.data[np.maximum(where, 0)] & np.uint8(15)
    digits[number < 0] = 0
    out.append(Grouped(start, end, total, luhn_rows(digits), groups, broken[fits]))


def _prefix(frame: Frame, start: Places, size: Places, gap: Places) -> Places:
    """The first six digits of numbers whose first group has ``size`` digits, at least four."""
    held = np.minimum(size, 7)
    bits = (held << 3).view(np.uint64)
    first = frame.load(start) & ((_U(1) << bits) - _U(1))
    return prefixes(np.where(size < 6, first | (frame.load(start + size + gap) << bits), first))


def _sensible(sizes: list[Places], broken: Flags) -> Flags:
    """The usual groupings; and others, unless a group is shorter than three digits (dates, times)
    or several groups go over a line end (the end of one record and the start of the next)."""
    code = np.zeros(len(broken), np.int64)
    short = np.zeros(len(broken), np.bool_)
    for place, size in enumerate(sizes):
        code |= size << (5 * place)
        short |= size < 3
    usual = _USUAL_CODES.take(np.searchsorted(_USUAL_CODES, code), mode="clip") == code
    other = ~broken if len(sizes) > 2 else np.ones(len(broken), np.bool_)
    flags: Flags = usual | (other & ~short)
    return flags


_DOUBLED = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9, 0, 0, 0, 0, 0, 0], np.uint8)


def luhn_rows(digits: Bytes) -> Flags:
    """Luhn for rows of right-aligned digits."""
    single = digits[:, ::-1][:, ::2].sum(1, dtype=np.int64)
    double = _DOUBLED[digits[:, ::-1][:, 1::2]].sum(1, dtype=np.int64)
    result: Flags = (single + double) % 10 == 0
    return result
