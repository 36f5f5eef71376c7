"""The check digit of ISO/IEC 7812-1 annex B."""

from __future__ import annotations


def valid(digits: str) -> bool:
    """Whether a string of ASCII digits satisfies Luhn."""
    return _total(digits) % 10 == 0


def check_digit(body: str) -> str:
    """The digit that makes ``body`` (ASCII digits without a check digit) satisfy Luhn."""
    return str(-_total(body + "0") % 10)


def _total(digits: str) -> int:
    total = 0
    for i, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        total += value if i % 2 == 0 else (value * 2 if value < 5 else value * 2 - 9)
    return total
