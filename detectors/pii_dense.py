"""Values that stand in a text by the thousand, tested all at once: e-mail addresses, telephone
numbers (of North America as columns and address books have them, and international ones in one
piece), social security numbers, IBANs. All of them are looked for at hits of the fast pass.

Exact, and careful: whatever is not plainly one is left to be looked at by itself. Used for what is
counted only, once so many values of a kind were listed (``PiiSettings.list_at_most``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import pii_checks, pii_email, pii_numbers
from detectors.base import State
from detectors.runs import Places

_WIDTH = 48
"""bytes of a domain, or of what stands before the @; longer ones are looked at by themselves"""


def _table(members: bytes) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(members)] = True
    return table


_ALNUM = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123))
_IS_ALNUM = _table(_ALNUM)
_IS_DIGIT = _table(bytes(range(48, 58)))
_IS_LOCAL = _table(_ALNUM + b"._-")
_IS_DOMAIN = _table(_ALNUM + b".-")
_ENDS = _table(b" \t\r\n,;|\"'<>)]}")
"""what may stand around a value that is plainly one"""
_FRONT = _ENDS | _table(b"=([{")
_WEIGHTS = np.random.default_rng(1).integers(1, 1 << 63, _WIDTH, dtype=np.uint64) | np.uint64(1)


class Emails:
    """Remembers the domains that were confirmed, by a hash of their bytes."""

    def __init__(self, state: Callable[[bytes], State | None]) -> None:
        self._state = state
        self._known: dict[int, bool] = {}

    def plain(self, data: bytes, hits: Places, lo: int, hi: int) -> tuple[Places, Places, Places]:
        """Starts, ends, and hits (each the end of one of the fast pass) of addresses that begin in
        ``lo``..``hi`` and are somebody's, no role such as ``webmaster``."""
        bytes_ = np.frombuffer(data, np.uint8)
        at = hits - 2  # where the @ is
        at = at[(at > _WIDTH) & (at < len(data) - _WIDTH - 1)]
        if not len(at):
            return at, at, at
        steps = np.arange(_WIDTH)
        front = bytes_[at[:, None] - 1 - steps]
        inside = _IS_LOCAL[front]
        size = np.argmin(inside, axis=1)
        within = steps < size[:, None]
        rows = np.arange(len(at))
        first = front[rows, np.maximum(size - 1, 0)]
        digits = (_IS_DIGIT[front] & within).sum(axis=1)
        dots = ((front == 46) & within)[:, 1:] & ((front == 46) & within)[:, :-1]
        good = (size > 0) & (size < 24) & ~inside[rows, size] & _FRONT[front[rows, size]]
        good &= (at - size >= lo) & (at - size < hi)
        good &= front[rows, size] != 39  # a quote may be a part of an address
        good &= _IS_ALNUM[first] & _IS_ALNUM[front[:, 0]]
        good &= (digits < 12) & ~dots.any(axis=1)
        for row in np.flatnonzero(good & (digits == 0)).tolist():  # no digit: it may be a role
            address = data[at[row] - size[row] : at[row] + 1]
            good[row] = pii_email.probability(address) == pii_email.SOMEBODY
        at, begin = at[good], (at - size)[good]
        behind = bytes_[at[:, None] + 1 + steps]
        inside = _IS_DOMAIN[behind]
        size = np.argmin(inside, axis=1)
        rows = np.arange(len(at))
        ended = (size > 3) & ~inside[rows, size] & _ENDS[behind[rows, size]]
        begin, at, behind, size = begin[ended], at[ended], behind[ended], size[ended]
        texts = np.where(steps < size[:, None], behind, 0).astype(np.uint64)
        prints = (texts * _WEIGHTS).sum(axis=1, dtype=np.uint64)
        distinct, where, which = np.unique(prints, return_index=True, return_inverse=True)
        known = [
            self._is_known(int(print_), data[at[i] + 1 : at[i] + 1 + size[i]])
            for print_, i in zip(distinct.tolist(), where.tolist(), strict=True)
        ]
        sure = np.array(known, np.bool_)[which]
        return begin[sure], (at + 1 + size)[sure], at[sure] + 2

    def _is_known(self, print_: int, domain: bytes) -> bool:
        if print_ not in self._known:
            if len(self._known) > 65536:
                self._known.clear()
            span = pii_email.span(b" a1@" + domain + b" ", 5)
            whole = span is not None and span[1] == 4 + len(domain)
            self._known[print_] = whole and self._state(b"a1@" + domain) is State.CLEAR
        return self._known[print_]


def fresh(starts: Places, seen: list[int]) -> NDArray[np.bool_]:
    """Which of ``starts`` are not among ``seen``."""
    new: NDArray[np.bool_] = ~np.isin(starts, seen)
    return new


_LAYOUTS = (("(ddd) ddd-dddd", 9), ("(ddd)ddd-dddd", 8), ("ddd-ddd-dddd", 12))
"""and where, from the start of each, the hit of the fast pass ends"""
_TAILS = ("0000", "0199", "2345", "9999")
_UNKNOWN = -1
_FEW = np.array([bin(mask).count("1") <= 2 for mask in range(1024)])


class Phones:
    """Numbers of North America in the layouts that only telephone numbers have."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self._regions = tuple(region for region in regions if region in ("US", "CA"))
        self._known = np.full(10**6, _UNKNOWN, np.int8)

    def plain(self, data: bytes, hits: Places, lo: int, hi: int) -> tuple[Places, Places, Places]:
        """Starts, ends and hits of such numbers in ``lo``..``hi``."""
        bytes_ = np.frombuffer(data, np.uint8)
        found = [
            (self._layout(bytes_, hits - hit, lo, hi, each), len(each), hit)
            for each, hit in _LAYOUTS
        ]
        return (
            np.concatenate([at for at, _, _ in found]),
            np.concatenate([at + width for at, width, _ in found]),
            np.concatenate([at + hit for at, _, hit in found]),
        )

    def _layout(self, bytes_: Any, at: Places, lo: int, hi: int, layout: str) -> Places:
        width = len(layout)
        at = at[(at > 1) & (at >= lo) & (at < hi) & (at + width + 1 < len(bytes_))]
        for place, sign in enumerate(layout):
            seen = bytes_[at + place]
            at = at[_IS_DIGIT[seen] if sign == "d" else seen == ord(sign)]
        front, behind = bytes_[at - 1], bytes_[at + width]
        good = _ENDS[front] & _ENDS[behind]
        good &= (front != 32) | ~_IS_DIGIT[bytes_[at - 2]]
        good &= (behind != 32) | ~_IS_DIGIT[bytes_[at + width + 1]]
        at = at[good]
        places = np.array([place for place, sign in enumerate(layout) if sign == "d"])
        digits = (bytes_[at[:, None] + places] - 48).astype(np.int64)
        at, digits = _not_few(at, digits)
        heads = digits[:, :6] @ 10 ** np.arange(5, -1, -1)
        new = np.unique(heads[self._known[heads] == _UNKNOWN])
        self._known[new] = [self._is_number(head) for head in new.tolist()]
        known: Places = at[self._known[heads] == 1]
        return known

    def _is_number(self, head: int) -> bool:
        """By its first six digits: the rules of North America look no further, which four
        numbers of each are asked about."""
        first = f"{head:06}"
        return bool(self._regions) and all(
            pii_numbers.valid(first + tail, self._regions) for tail in _TAILS
        )


def _not_few(at: Places, digits: Places) -> tuple[Places, Places]:
    """Without numbers of one or two digits over and over."""
    many = ~_FEW[np.bitwise_or.reduce(1 << digits, axis=1)] if len(at) else np.zeros(0, np.bool_)
    return at[many], digits[many]


def plus(data: bytes, hits: Places) -> tuple[Places, Places, Places]:
    """Starts, ends and hits of telephone numbers that begin with a ``+`` and are digits from there
    on, which the rules of their country know."""
    bytes_ = np.frombuffer(data, np.uint8)
    hits = hits[(hits > 8) & (hits + 10 < len(bytes_))]
    starts = hits - 8
    digits = bytes_[starts[:, None] + np.arange(1, 18)]
    size = np.argmin(_IS_DIGIT[digits], axis=1)
    rows = np.arange(len(starts))
    # one that goes on with a sign may go on as a number
    good = (size >= 7) & (size <= 15) & _ENDS_PLUS[digits[rows, size]]
    good &= _BEFORE_PLUS[bytes_[starts - 1]]
    starts, hits, ends = starts[good], hits[good], (starts + 1 + size)[good]
    spans = zip((starts + 1).tolist(), ends.tolist(), strict=True)
    texts = [data[start:end].decode() for start, end in spans]
    real = [len(set(text)) > 2 and pii_numbers.valid_international(text) for text in texts]
    known = np.array(real, np.bool_)
    return starts[known], ends[known], hits[known]


_ENDS_PLUS = _table(b"\t\r\n;|\"'<>]}&")
_BEFORE_PLUS = ~_table(_ALNUM + b"+_/.-%")


def socials(data: bytes, hits: Places) -> tuple[Places, Places]:
    """Starts and ends of social security numbers written ``ddd-dd-dddd``, by the rules of
    ``pii_checks.ssn``. A hit is the end of one."""
    bytes_ = np.frombuffer(data, np.uint8)
    ends = hits[(hits > 12) & (hits + 1 < len(bytes_))]
    starts = ends - 11
    good = _BEFORE_NUMBER[bytes_[starts - 1]]
    good &= (bytes_[starts - 1] != 32) | ~_IS_DIGIT[bytes_[starts - 2]]
    behind = bytes_[ends]
    good &= _BEHIND_NUMBER[behind]
    good &= ~(_MAY_GO_ON[behind] & _IS_DIGIT[bytes_[ends + 1]])
    starts = starts[good]
    digits = (bytes_[starts[:, None] + _SOCIAL] - 48).astype(np.int64)
    starts, digits = _not_few(starts, digits)
    number = digits @ 10 ** np.arange(8, -1, -1)
    area, group = number // 10**6, number // 10**4 % 100
    good = (area != 0) & (area != 666) & (area < 900) & (group != 0) & (number % 10**4 != 0)
    starts = starts[good & ~np.isin(number, _NO_NUMBERS)]
    return starts, starts + 11


_SOCIAL = np.array([0, 1, 2, 4, 5, 7, 8, 9, 10])
_BEFORE_NUMBER = ~_table(_ALNUM + b"_-./@#$%+\\&")
_BEHIND_NUMBER = ~_table(_ALNUM + b"_-/@#$%\\&=")
_MAY_GO_ON = _table(b".: ")
_NO_NUMBERS = [
    *(int(number) for number in pii_checks.SAMPLE_SSN),
    *(int("01234567890123456789"[i : i + 9]) for i in range(12)),
]
"""what nobody has, and what is typed by counting up"""


def ibans(data: bytes, hits: Places) -> tuple[Places, Places]:
    """Starts and ends of IBANs in capitals and in one piece. A hit, of several, is twelve bytes
    behind a start."""
    bytes_ = np.frombuffer(data, np.uint8)
    starts = hits[(hits > 12) & (hits + 30 < len(bytes_))] - 12
    heads = bytes_[starts[:, None] + np.arange(2)].astype(np.int64) - 65
    good = ((heads >= 0) & (heads < 26)).all(axis=1) & ~_IS_WORD[bytes_[starts - 1]]
    starts, heads = starts[good], heads[good]
    size = _IBAN_SIZE[heads[:, 0], heads[:, 1]]
    found = []
    for width in np.unique(size[size > 0]).tolist():
        mine = starts[size == width]
        mine = mine[~_IS_WORD[bytes_[mine + width]]]
        values = _VALUE[bytes_[mine[:, None] + np.r_[4:width, 0:4]]]
        rest = np.zeros(len(mine), np.int64)
        for place in range(width):  # ISO 7064: the remainder by 97, a character at a time
            value = values[:, place]
            rest = (rest * np.where(value < 10, 10, 100) + value) % 97
        digits = (values[:, -2:] < 10).all(axis=1)
        found.append(mine[(rest == 1) & digits & (values < 36).all(axis=1)])
    begins = np.sort(np.concatenate([np.empty(0, np.int64), *found]))
    first = bytes_[begins].astype(np.int64) - 65, bytes_[begins + 1].astype(np.int64) - 65
    return begins, begins + _IBAN_SIZE[first]


_IS_WORD = _table(_ALNUM + b"_")
_IBAN_SIZE = np.zeros((26, 26), np.int64)
for _country, _length in pii_checks.IBAN_LENGTHS.items():
    _IBAN_SIZE[ord(_country[0]) - 65, ord(_country[1]) - 65] = _length
_VALUE = np.full(256, 99, np.int64)
_VALUE[48:58], _VALUE[65:91] = np.arange(10), np.arange(10, 36)
