"""The check digit of ISO/IEC 7812-1 annex B."""

from __future__ import annotations


def valid(digits: str) -> bool:
    """Whether a string of ASCII digits satisfies Luhn."""
    return _total(digits) % 10 == 0


def check_digit(body: str) -> str:
    """The digit that makes ``body`` (ASCII digits without a check digit) satisfy Luhn."""
    return str(-_total(body + "0") % 10)


_ONCE = bytes(48) + bytes(range(10)) + bytes(198)
_TWICE = bytes(48) + bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)) + bytes(198)


def _total(digits: str) -> int:
    data = digits.encode()
    return sum(data[-1::-2].translate(_ONCE)) + sum(data[-2::-2].translate(_TWICE))
