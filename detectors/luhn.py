"""The check digit of ISO/IEC 7812-1 annex B."""

from __future__ import annotations


def valid(digits: str) -> bool:
    """Whether a string of ASCII digits satisfies Luhn."""
    total = 0
    for i, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        total += value if i % 2 == 0 else (value * 2 if value < 5 else value * 2 - 9)
    return total % 10 == 0


def check_digit(body: str) -> str:
    """The digit that makes ``body`` (ASCII digits without a check digit) satisfy Luhn."""
    return next(d for d in "0123456789" if valid(body + d))
