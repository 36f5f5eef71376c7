"""Counting by field, over arrays: see ``fieldstats`` for what a field is and what counts say.

``Counter`` keeps counts in tables of fixed size that add up exactly, in any order: bounded memory,
and the same sums wherever a stream was cut.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from detectors.base import FieldCounts
from detectors.fieldstats import FINE, GROUPS, beyond_chance, length
from detectors.runs import Bytes, Flags, Frame, Places, Words

_U = np.uint64
REACH = 1024
"""bytes back to the start of a line when columns are counted"""

KINDS = np.full(256, 15, np.uint8)
for _code, _chars in enumerate((b"=", b":", b",", b"\t", b";", b"|", b" ", b"/", b"[", b"(", b">")):
    KINDS[_chars[0]] = _code
KINDS[[0, 10, 13]] = 11
for _char in b"_-.#":
    KINDS[_char] = 12
for _char in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
    KINDS[_char] = 13
_KEYED = np.isin(np.arange(256), list(b"=:"))
_DELIMITERS = (b",", b"\t", b";", b"|")


class Counter:
    """Counts by field: a dictionary, and tables of fixed size for what that cannot hold."""

    def __init__(self) -> None:
        self._counts: dict[int, list[int]] = {}
        self._tables: npt.NDArray[np.int32] | None = None
        self._so_far: dict[int, list[int]] = {}

    def add(self, field: Places, luhn: Flags, position: Places, lo: int, hi: int) -> None:
        """``field`` of each number of an issued prefix and length; which satisfy Luhn. Only those
        whose ``position`` is in ``lo`` .. ``hi`` count."""
        if len(position) and (position[0] < lo or position[-1] >= hi):
            inside = (position >= lo) & (position < hi)
            field, luhn = field[inside], luhn[inside]
        fields, which = np.unique(field, return_inverse=True)
        seen, valid = np.bincount(which), np.bincount(which, weights=luhn).astype(np.int64)
        rows = zip(seen.tolist(), valid.tolist(), strict=True)
        self.add_counts(dict(zip(fields.tolist(), rows, strict=True)))

    def add_counts(self, fields: Mapping[int, tuple[int, int]]) -> None:
        """By field, how many numbers were seen and satisfy Luhn."""
        for name, (seen, valid) in fields.items():
            counts = self._counts.setdefault(name, [0, 0])
            counts[0] += seen
            counts[1] += valid
        if len(self._counts) > _HELD:
            self._spill()

    def _spill(self) -> npt.NDArray[np.int32]:
        if self._tables is None:
            self._tables = np.zeros(((GROUPS << FINE) + 1, 2), np.int32)
        if self._counts:
            fields = np.fromiter(self._counts, np.int64, len(self._counts))
            self._tables[fields] += np.array(list(self._counts.values()), np.int32)
            self._counts.clear()
        return self._tables

    def unlike_ids(self, field: Places, good: Flags, zero: Flags, take: Places) -> Flags:
        """Which of the rows ``take`` do not stand in a field that is ``still_ids``.

        Costs a look at each field with a good number; where ids come thinly, as in most logs, it
        saves a closer look at each of them.
        """
        fields = field[take]
        keep = np.ones(len(take), np.bool_)
        for name in set(fields.tolist()):
            same = field == name
            seen, valid = int(np.count_nonzero(same)), int(np.count_nonzero(same & good))
            if self.still_ids(name, seen, valid, int(np.count_nonzero(same & zero))):
                keep[fields == name] = False
        return keep

    def still_ids(self, name: int, seen: int, valid: int, zeros: int) -> bool:
        """Whether a field has been full of ids so far, and is in the numbers just ``seen``: a few
        good check digits (``valid``) among many.

        Numbers that lost their last digit fail Luhn as ids do, but all end in 0 (``zeros``): a
        field where most do is none.
        """
        if len(self._so_far) > _MOST:
            self._so_far.clear()
        before = self._so_far.setdefault(name, [0, 0])
        before[0] += seen
        before[1] += valid
        few = before[0] >= _SO_FAR and valid <= max(2, seen * _STILL)
        return few and 2 * zeros <= seen and is_ids(*before)

    def counts(self) -> Mapping[int, FieldCounts]:
        """Counts by field number."""
        if self._tables is None and len(self._counts) <= _MOST:
            rows = self._counts.items()
            return {name: _counts(name, *row) for name, row in rows if row[0]}
        tables = self._spill()
        fields = np.flatnonzero(tables[:, 0])
        return _as_counts(fields, tables[fields, 0], tables[fields, 1])


_HELD = 65536
_SO_FAR, _STILL = 200, 0.3


_MOST = 20_000
"""fields told apart in one slice; text in which every number stands under another name has more"""


def _as_counts(
    fields: Places, seen: npt.NDArray[np.int32], valid: npt.NDArray[np.int32]
) -> dict[int, FieldCounts]:
    if len(fields) > _MOST:
        # the rarest become one nameless field for each group
        rare = np.argsort(seen, kind="stable")[: len(fields) - _MOST]
        fields[rare] = 1 + (((fields[rare] - 1) >> FINE) << FINE)
        fields, which = np.unique(fields, return_inverse=True)
        seen = np.bincount(which, weights=seen).astype(np.int32)
        valid = np.bincount(which, weights=valid).astype(np.int32)
    rows = zip(fields.tolist(), seen.tolist(), valid.tolist(), strict=True)
    return {field: _counts(field, s, v) for field, s, v in rows}


def _counts(field: int, seen: int, valid: int) -> FieldCounts:
    return FieldCounts(seen, valid, seen, {length(field): seen})


# --- the field of a number -------------------------------------------------------------------


def places(
    frame: Frame, data: Bytes, start: Places, size: Places, salt: int = 0
) -> tuple[Places, Words]:
    """Field number and an exact 64-bit signature for each number at ``start`` in the frame.

    ``data`` is the buffer the frame was taken from. Looks at most ``REACH`` bytes back. Another
    ``salt`` gives other fields for the same places.
    """
    word = _without_digits(frame.load(start - 8))
    before = _last_byte(word)
    quoted = (before == 34) | (before == 39)
    if quoted.any():
        before = np.where(quoted, _last_byte(word << _U(8)), before)
    spaced = np.flatnonzero(before == 32)
    if len(spaced):
        # ": 4111" and ", '4111" belong to the colon and the comma
        further = _last_byte(word[spaced] << np.where(quoted[spaced], _U(16), _U(8)))
        inner = _last_byte(word[spaced] << np.where(quoted[spaced], _U(24), _U(16)))
        further = np.where(further == 34, inner, further)
        take = (further == 44) | (further == 58) | (further == 61)
        before[spaced[take]] = further[take]
    first = (before == 91).nonzero()[0]
    first = first[_before_a_number(data, (start + size)[first] + frame.origin)]
    before[first] = 44  # the first of a list is one like the others
    keyed = _KEYED.take(before)
    if keyed.all():
        word = _key_only(word)
    else:
        word = np.where(keyed, _key_only(word), _from_line_start(word))
        for delimiter in _DELIMITERS:
            columns = np.flatnonzero(before == delimiter[0])
            if not len(columns):
                continue
            position = start[columns] + frame.origin
            number = _column(data, position, delimiter[0])
            word[columns] = number.view(np.uint64) + _U(delimiter[0] << 32)
        word[first] = _U(_UNKNOWN | 44 << 32)
        word[(before == 10) | (before == 0) | (before == 13)] = _U(10)
    group = ((size - 12) << 4) + (14 if salt else KINDS.take(before))
    word = (word ^ (size.view(np.uint64) << _U(58)) ^ _U(salt)) * _U(0x9E3779B97F4A7C15)
    fine = ((word ^ (word >> _U(29))) * _U(0xBF58476D1CE4E5B9)) >> _U(64 - FINE)
    return 1 + ((group << FINE) | fine.view(np.int64)), word


def _last_byte(word: Words) -> Places:
    return (word >> _U(56)).view(np.int64)


_HIGH = _U(0x8080808080808080)
_LOW7 = _U(0x7F7F7F7F7F7F7F7F)


def _without_digits(word: Words) -> Words:
    """Every digit becomes 0."""
    x = word ^ _U(0x3030303030303030)
    other = (((x & _LOW7) + _U(0x7676767676767676)) | x) & _HIGH
    return word & ~(((other ^ _HIGH) >> _U(7)) * _U(0x0F))


def _key_only(word: Words) -> Words:
    """Clears what stands in front of the key: all up to the last space, quote, comma or other
    character below the dash that is not one of the last three bytes (these are the quote, colon
    and space behind the key)."""
    keeps = ((word & _LOW7) + _U(0x5353535353535353)) | word
    return _after(word, ~keeps & _U(0x0000008080808080))


def _from_line_start(word: Words) -> Words:
    """Clears what stands on the line before."""
    return _after(word, _equal(word, 10))


def _equal(word: Words, char: int) -> Words:
    """0x80 in every byte that equals ``char``."""
    x = word ^ _U(char * 0x0101010101010101)
    flags: Words = ~(((x & _LOW7) + _LOW7) | x | _LOW7)
    return flags


def _after(word: Words, ends: Words) -> Words:
    """Clears all bytes up to the last one marked with 0x80."""
    for step in (8, 16, 32):
        ends = ends | (ends >> _U(step))
    return word & ~((ends >> _U(7)) * _U(0xFF))


_UNKNOWN = 1 << 20


def _column(data: Bytes, position: Places, delimiter: int) -> Places:
    """How many delimiters stand between the start of the line and each position; where the line
    starts further back than ``REACH``, since the last bracket; else ``_UNKNOWN``. That also where
    numbers follow each other in a JSON list: they are all of one kind, and no columns."""
    first = max(0, int(position[0]) - REACH)
    part = data[first : int(position[-1])]
    at = position - first
    rank = _Rank(part, delimiter)
    out = np.full(len(at), _UNKNOWN, np.int64)
    lines = (part == 10).nonzero()[0]
    _since(lines, at, rank, out)
    if first == 0:  # the first line has no line end in front of it
        head = at < (min(int(lines[0]), REACH - 1) + 1 if len(lines) else REACH)
        out[head] = rank(at[head])
    rest = (out == _UNKNOWN).nonzero()[0]
    if len(rest):
        some = out[rest]
        _since((part == 40).nonzero()[0], at[rest], rank, some)
        out[rest] = some
    out[_in_list(part, lines, at) & _after_a_number(data, position, delimiter)] = _UNKNOWN
    return out


def _in_list(part: Bytes, lines: Places, at: Places) -> Flags:
    """Which places have a square bracket in front that opens, and neither one that closes nor a
    line end behind it."""
    opens = (part == 91).nonzero()[0]
    if not len(opens):
        return np.zeros(len(at), np.bool_)
    begin = _last(opens, at)
    end = np.maximum(_last((part == 93).nonzero()[0], at), _last(lines, at))
    return (begin > end) & (at - begin <= REACH)


def _last(of: Places, at: Places) -> Places:
    """The last of some places in front of each of others; -1 for none."""
    index = np.searchsorted(of, at) - 1
    return np.where(index >= 0, of.take(np.maximum(index, 0)) if len(of) else -1, -1)


def _after_a_number(data: Bytes, at: Places, delimiter: int) -> Flags:
    """Which places come behind twelve digits, a delimiter, and at most a space and quotes."""
    at = at - 1
    for _ in range(2):
        at = at - _BETWEEN.take(_byte(data, at))
    found: Flags = _byte(data, at) == delimiter
    at = at - 1
    return found & _twelve_digits(data, at - _QUOTES.take(_byte(data, at)), -1)


def _before_a_number(data: Bytes, at: Places) -> Flags:
    """Which ends of numbers are followed by a comma and twelve digits, with at most a space and
    quotes between."""
    at = at + _QUOTES.take(_byte(data, at))
    found: Flags = _byte(data, at) == 44
    at = at + 1
    for _ in range(2):
        at = at + _BETWEEN.take(_byte(data, at))
    return found & _twelve_digits(data, at, 1)


def _twelve_digits(data: Bytes, at: Places, step: int) -> Flags:
    found = np.ones(len(at), np.bool_)
    for _ in range(12):
        found &= _byte(data, at) - np.uint8(48) <= 9
        at = at + step
    return found


def _byte(data: Bytes, at: Places) -> Bytes:
    """The byte at each place, 0 where there is none."""
    inside = (at >= 0) & (at < len(data))
    return np.where(inside, data.take(at, mode="clip"), np.uint8(0))


_QUOTES = np.isin(np.arange(256), list(b"\"'")).view(np.int8)
_BETWEEN = np.isin(np.arange(256), list(b"\"' ")).view(np.int8)


def _since(opens: Places, at: Places, rank: _Rank, out: Places) -> None:
    """Fills in the delimiters since the last of ``opens``, where that is not too far back."""
    if not len(opens):
        return
    index = np.searchsorted(opens, at) - 1
    begin = opens.take(np.maximum(index, 0))
    near = ((index >= 0) & (at - begin <= REACH)).nonzero()[0]
    out[near] = rank(at[near]) - rank(begin[near])


class _Rank:
    """How many bytes equal to ``char`` stand in front of a position: 64 to a word, and summed."""

    def __init__(self, part: Bytes, char: int) -> None:
        bits = np.zeros(len(part) // 64 + 1, np.uint64)
        packed = np.packbits(part == char, bitorder="little")
        bits.view(np.uint8)[: len(packed)] = packed
        self._bits = bits
        self._sums = np.zeros(len(bits) + 1, np.int64)
        np.cumsum(np.bitwise_count(bits), out=self._sums[1:])

    def __call__(self, at: Places) -> Places:
        word = at >> 6
        below = (_U(1) << (at & 63).view(np.uint64)) - _U(1)
        count: Places = self._sums.take(word) + np.bitwise_count(self._bits.take(word) & below)
        return count


def all_lost_a_digit(seen: int, zeros: int) -> bool:
    """Whether the numbers of a field, in one block, are cards a spreadsheet kept fifteen digits of:
    ``zeros`` of them end in 0. One in ten ids does."""
    return seen >= 3 and 10 * zeros >= 9 * seen


def may_have_lost_a_digit(seen: int, valid: int, zeros: int) -> bool:
    """Whether what fails Luhn in a field, in one block, may be cards that lost their last digit:
    then most of it ends in 0. ``zeros`` counts those that satisfy it, too: one in ten of them."""
    return 2 * (zeros - valid / 10) >= seen - valid


def is_ids(seen: int, valid: int) -> bool:
    """Whether a field holds ids beyond doubt: enough seen, Luhn share like chance. Where fewer
    numbers satisfy it, they may be tokens made to fail it, with cards among them."""
    return seen >= _ENOUGH and not beyond_chance(seen, valid)


_ENOUGH = 96
