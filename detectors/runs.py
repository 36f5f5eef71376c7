"""Finding digits with arrays: from a buffer to the few places that could be a number of 12 digits.

Three steps, each over far less than the one before:

1. ``Prefilter`` runs over every byte, in pieces that stay in the second-level cache, and keeps
   the places where a run of eight digits or more begins, or one of four with another of four not
   far behind it. Every grouping whose first two groups have four digits or more begins so; time
   stamps, addresses and most of a log do not.
2. ``tokens`` lists the digit runs that begin in such places, each with a 64-bit map of which of
   the 64 bytes from its start on are digits.
3. ``luhn_ok`` and ``issued`` test whole arrays of runs, eight digits to a machine word.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from detectors import iin
from detectors.marks import PIECE
from detectors.testpans import TEST_PANS

Bytes: TypeAlias = npt.NDArray[np.uint8]
Words: TypeAlias = npt.NDArray[np.uint64]
Places: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

BLOCK = 4 * PIECE
"""bytes that are worked on together once something in them is hot"""
REST = 8 * 1024
"""what is left over at the end of a buffer is taken along with the last piece up to this size"""
MARGIN = 128
"""bytes in front of and behind a block that a frame holds: room for any run, and for padding"""

_U = np.uint64


def parts(begin: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """``begin`` .. ``end`` in parts of ``size`` bytes, the last of up to ``size + REST``."""
    while begin < end:
        stop = begin + size if end - begin > size + REST else end
        yield begin, stop
        begin = stop


class Frame:
    """Bytes in which array code needs no edge cases: at the places that are asked about, there is
    room on both sides. Positions count from the start of ``data``; ``origin`` is what to add to
    get one in the buffer.
    """

    __slots__ = ("_ahead", "_words", "data", "origin")

    def __init__(self, data: Bytes, origin: int) -> None:
        self.data = data
        self.origin = origin
        self._words = data[: len(data) & ~7].view("<u8")
        self._ahead = self._words[1:]

    @classmethod
    def padded(cls, data: Bytes, first: int, last: int) -> Frame:
        """A copy of ``data`` around the places ``first`` .. ``last``, zeros beyond its ends."""
        begin, end = max(0, first - MARGIN), min(len(data), last + 2 * MARGIN)
        copy = np.zeros(last - first + 3 * MARGIN + 64, np.uint8)
        left = begin - (first - MARGIN)
        copy[left : left + end - begin] = data[begin:end]
        return cls(copy, first - MARGIN)

    def load(self, at: Places) -> Words:
        """The eight bytes from each place on, as little-endian words."""
        # two aligned loads and shifts: half the time of indexing an unaligned view
        word, bit = at >> 3, ((at & 7) << 3).view(np.uint64)
        low = self._words.take(word) >> bit
        return low | ((self._ahead.take(word) << _U(1)) << (_U(63) - bit))


class Block(Frame):
    """A block with hot places in it, copied: ``MARGIN`` bytes, the block, ``MARGIN`` bytes (zeros
    beyond the ends of the buffer). ``digits`` is its digit map, 64 bytes a word; ``hot`` the places
    where a run begins that may be worth a look. The arrays are used again for the next block.
    """

    __slots__ = ("block", "digits", "hot")

    def __init__(self) -> None:
        room = MARGIN + BLOCK + REST + MARGIN
        super().__init__(np.zeros(room + 64, np.uint8), 0)
        self.digits = np.zeros(room // 64 + 3, np.uint64)
        self.hot: Places = np.empty(0, np.int64)
        self.block = (0, 0)


class Tokens(NamedTuple):
    """Digit runs of a frame: where each starts, its length (64 for "64 or more") and the digit map
    from its start (bit i says that byte start + i is a digit)."""

    start: Places
    length: Places
    map: Words


class Prefilter:
    """The pass over every byte, with its scratch arrays. One per scan, for one thread at a time."""

    def __init__(self, base: int = 48) -> None:
        """``base`` is the byte of the digit zero: 48, or 0xF0 for EBCDIC."""
        self._over = (base + 10) & 255
        size = PIECE + REST + MARGIN + 4
        self._digit, self._pair, self._four, self._start = (
            np.zeros(size, np.bool_) for _ in range(4)
        )
        self._begins, self._full, self._soon, self._near = (
            np.zeros(size // 4, np.bool_) for _ in range(4)
        )
        self._frame: Block | None = None

    def frames(self, data: Bytes) -> Iterator[Block]:
        """Frames for the hot blocks of ``data``, each to be done with before the next is taken."""
        for begin, end in parts(0, len(data), BLOCK):
            frame = None
            for at, stop in parts(begin, end, PIECE):
                piece = data[at : stop + MARGIN]
                places = self._hot(piece, stop - at)
                if places is None:
                    continue
                if at and len(places) and places[0] == 0 and self._is_digit(data[at - 1]):
                    places = places[1:]
                if not len(places):
                    continue
                if frame is None:
                    frame = self._fill(data, begin, end)
                offset = MARGIN + at - begin
                packed = np.packbits(self._digit[: len(piece)], bitorder="little")
                frame.digits.view(np.uint8)[offset // 8 : offset // 8 + len(packed)] = packed
                places += offset
                frame.hot = np.concatenate((frame.hot, places)) if len(frame.hot) else places
            if frame is not None:
                yield frame

    def _hot(self, piece: Bytes, size: int) -> Places | None:
        """Where in the first ``size`` bytes a run of eight digits or more begins, or one that is
        followed by another of four.

        Byte by byte only what has to be; the rest four bytes at a time: runs of four digits begin
        at least five bytes apart, so a cell of four bytes holds one beginning at most.
        """
        n = len(piece)
        if n < iin.SHORTEST:
            return None
        digit, pair = self._digit[:n], self._pair
        four, start = self._four, self._start
        raw = digit.view(np.uint8)
        np.subtract(piece, self._over, out=raw)
        np.greater(raw, 245, out=digit)
        np.logical_and(digit[:-1], digit[1:], out=pair[: n - 1])
        np.logical_and(pair[: n - 3], pair[2 : n - 1], out=four[: n - 3])
        np.greater(four[1 : n - 3], digit[: n - 4], out=start[1 : n - 3])
        start[0] = four[0]
        end = (n + 3) & ~3
        start[n - 3 : end] = four[n - 3 : end] = False
        starts = start[:end].view(np.uint32)
        cells = len(starts)
        begins = np.not_equal(starts, 0, out=self._begins[:cells])
        if cells > 8:
            full = self._full[:cells]
            np.equal(four[:end].view(np.uint32), 0x01010101, out=full)
            soon = np.logical_or(begins[1:-1], begins[2:], out=self._soon[: cells - 2])
            near = self._near[: cells - 5]
            np.logical_or(soon[: cells - 5], soon[2 : cells - 3], out=near)
            near |= full[1 : cells - 4]
            begins[: cells - 5] &= near  # the last cells cannot see far enough: they stay
        at = begins[: (size + 3) // 4].nonzero()[0]
        if not len(at):
            return None
        places: Places = at * 4 + (np.bitwise_count(starts[at] - np.uint32(1)) >> 3)
        return places

    def _is_digit(self, byte: int) -> bool:
        return (int(byte) - self._over) & 255 > 245

    def _fill(self, data: Bytes, begin: int, end: int) -> Block:
        if self._frame is None:
            self._frame = Block()
        frame = self._frame
        first, last = max(0, begin - MARGIN), min(len(data), end + MARGIN)
        left = first - begin + MARGIN
        right = left + last - first
        frame.data[:left] = 0
        frame.data[left:right] = data[first:last]
        frame.data[right:] = 0
        frame.origin = begin - MARGIN
        frame.block = (begin, end)
        frame.digits.fill(0)
        frame.hot = frame.hot[:0]
        return frame


def tokens(frame: Block) -> Tokens:
    """The digit runs that begin at the hot places of the block, in order."""
    start = frame.hot
    word, bit = start >> 6, (start & 63).view(np.uint64)
    low = frame.digits.take(word) >> bit
    map_ = low | ((frame.digits.take(word + 1) << _U(1)) << (_U(63) - bit))
    return Tokens(start, trailing_ones(map_), map_)


def trailing_zeros(words: Words) -> Places:
    """Number of zero bits below the lowest set bit; 64 for zero."""
    return np.bitwise_count(~words & (words - _U(1))).astype(np.int64)


def trailing_ones(words: Words) -> Places:
    return np.bitwise_count(words & ~(words + _U(1))).astype(np.int64)


# --- tests over arrays of runs --------------------------------------------------------------

_NIBBLES = _U(0x0F0F0F0F0F0F0F0F)
_SINGLE = _U(0x0F000F000F000F00)  # the rightmost digit is the highest byte of a little-endian word
_DOUBLE = _U(0x000F000F000F000F)
_TEN = np.arange(256) % 10 == 0


def luhn_ok(frame: Frame, start: Places, length: Places, first: Words) -> Flags:
    """Luhn for contiguous runs of 12 to 19 digits; ``first`` is ``frame.load(start)``."""
    end = start + length
    total = _lanes(frame.load(end - 8))
    # the digits before the last eight, moved up so that the rightmost is in the highest byte
    if not (length == 16).all():
        first = first << ((16 - np.minimum(length, 16)) << 3).view(np.uint64)
    total += _lanes(first)
    long = (length > 16).nonzero()[0]
    if len(long):
        middle, first = frame.load(end[long] - 16), first[long]
        shift = ((24 - length[long]) << 3).view(np.uint64)
        total[long] += _lanes(middle) + _lanes(first << shift) - _lanes(first)
    ok: Flags = _TEN.take(((total * _U(0x0001000100010001)) >> _U(48)).view(np.int64))
    return ok


def _lanes(word: Words) -> Words:
    """Luhn sums of eight digits in four 16-bit lanes."""
    double = (word & _DOUBLE) << _U(1)
    carry = ((double + _U(0x0006000600060006)) >> _U(4)) & _U(0x0001000100010001)
    lanes: Words = ((word & _SINGLE) >> _U(8)) + double - carry * _U(9)
    return lanes


def prefixes(first: Words) -> Places:
    """The first six digits, as a number, of words of eight digits."""
    word = first & _NIBBLES
    word = (word * _U(10) + (word >> _U(8))) & _U(0x00FF00FF00FF00FF)
    word = (word * _U(100) + (word >> _U(16))) & _U(0x0000FFFF0000FFFF)
    word = (word * _U(10000) + (word >> _U(32))) & _U(0xFFFFFFFF)
    return (word // _U(100)).view(np.int64)


def maybe_issued(first: Words, length: Places) -> Flags:
    """``issued`` by the first four digits alone: quicker, and true where that is."""
    word = first.astype(np.uint32) & np.uint32(0x0F0F0F0F)
    word = (word * np.uint32(10) + (word >> np.uint32(8))) & np.uint32(0x00FF00FF)
    word = (word * np.uint32(100) + (word >> np.uint32(16))) & np.uint32(0xFFFF)
    masks = prefix_table().take(word)
    return ((masks >> (length - iin.SHORTEST).astype(np.uint8)) & 1).view(np.bool_)


@cache
def prefix_table() -> Bytes:
    """``issue_table`` by the first four digits alone."""
    table: Bytes = np.bitwise_or.reduce(issue_table().reshape(10_000, 100), axis=1)
    return table


@cache
def whole_prefix_table() -> Bytes:
    """Lengths in which all six-digit prefixes that begin with four digits are issued."""
    table: Bytes = np.bitwise_and.reduce(issue_table().reshape(10_000, 100), axis=1)
    return table


@cache
def issue_table() -> Bytes:
    """``iin.length_masks`` as an array, with the published test numbers outside any range added."""
    table = np.frombuffer(iin.length_masks(), np.uint8).copy()
    for pan in TEST_PANS:
        table[int(pan[:6])] |= 1 << (len(pan) - iin.SHORTEST)
    return table


def issued(prefix: Places, length: Places) -> Flags:
    """Whether some issuer has numbers of this six-digit prefix and length (12 to 19)."""
    masks = issue_table().take(prefix)
    return ((masks >> (length - iin.SHORTEST).astype(np.uint8)) & 1).view(np.bool_)
