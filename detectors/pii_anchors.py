"""Hits of two kinds of anchors of the fast pass, found over arrays: those of e-mail addresses and
of national telephone numbers, which stand in a table by the ten thousand a megabyte. There each
costs Hyperscan a call of Python; here they cost as much as the bytes.

Exact: the same ends as those of ``pii_email.ANCHOR`` and ``pii_phone.NATIONAL``. A test compares
both on texts of any kind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.pii_fastpass import BITS
from detectors.pii_targets import EMAIL, PHONE
from detectors.runs import Flags, Places

FOUND_HERE = frozenset({EMAIL, PHONE})


def _table(members: bytes) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(members)] = True
    return table


_ALNUM = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123))
_HIGH = bytes(range(128, 256))
_BEFORE_AT = _table(_ALNUM + b"_%+'-" + _HIGH)
_BEHIND_AT = _table(_ALNUM + _HIGH)
_WORD = _table(_ALNUM + b"_")
_SIGN = _table(b" .-")
_LAYOUTS = ((b"-", b"-"), (b".", b"."), (b" ", b" -"))
"""ddd-ddd-dddd and so on: what stands between the parts"""
_BEYOND = 12


def hits(data: bytes) -> Places:
    """``end << BITS | target`` of every hit, in no order, each once."""
    bytes_ = np.frombuffer(data, np.uint8)
    return np.concatenate([_emails(bytes_) << BITS | EMAIL, _phones(bytes_) << BITS | PHONE])


def _emails(bytes_: NDArray[np.uint8]) -> Places:
    at = np.flatnonzero(bytes_ == 64)
    at = at[(at > 0) & (at < len(bytes_) - 1)]
    ends: Places = at[_BEFORE_AT[bytes_[at - 1]] & _BEHIND_AT[bytes_[at + 1]]] + 2
    return ends


def _phones(bytes_: NDArray[np.uint8]) -> Places:
    # so that what is looked at beside a place is always there; a zero is in none of the classes
    padded = np.zeros(len(bytes_) + 2 * _BEYOND, np.uint8)
    padded[_BEYOND : _BEYOND + len(bytes_)] = bytes_
    digit: Flags = padded - np.uint8(48) < 10
    ends = [_in_brackets(padded, digit)]
    for first, second in _LAYOUTS:
        ends.append(_three_three_four(padded, digit, first, second))
    return np.unique(np.concatenate(ends)) - _BEYOND


def _in_brackets(padded: NDArray[np.uint8], digit: Flags) -> Places:
    """``\\([0-9]{2,5}\\)[ .\\-]?[0-9]{3}``"""
    close = np.flatnonzero(padded == 41)
    inside = np.zeros(len(close), np.bool_)
    run = digit[close - 1].copy()
    for size in range(2, 6):
        run &= digit[close - size]
        inside |= run & (padded[close - size - 1] == 40)
    close = close[inside]
    begin = close + 1 + _SIGN[padded[close + 1]]
    ends: Places = begin[digit[begin] & digit[begin + 1] & digit[begin + 2]] + 3
    return ends


def _three_three_four(
    padded: NDArray[np.uint8], digit: Flags, first: bytes, second: bytes
) -> Places:
    """``\\b[0-9]{3}-[0-9]{3}-[0-9]{4}``, the signs being ``first`` and one of ``second``."""
    signs = padded[:-_BEYOND] == first[0]
    signs[1:] &= digit[: -_BEYOND - 1]
    signs &= digit[1 : 1 - _BEYOND]
    at = np.flatnonzero(signs)
    at = at[_table(second)[padded[at + 4]]]
    good = ~_WORD[padded[at - 4]]
    for place in (-3, -2, 2, 3, 5, 6, 7, 8):
        good &= digit[at + place]
    ends: Places = at[good] + 9
    return ends
