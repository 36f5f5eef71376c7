"""What touches a number on either side: the evidence that it is part of something else."""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"(?:\\[nrtfb]|%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2})\Z")
_ESCAPE_AHEAD = re.compile(rb"\\[nrtfbu\"']|%[0-9A-Fa-f]{2}|&[a-z#]")
_IBAN = re.compile(rb"[A-Z]{2}[0-9]{2}[ \-]?(?:[0-9A-Z]{4}[ \-]?){0,6}[0-9A-Z]{0,4}\Z")
_ZEROS = re.compile(rb"\.0+(?![0-9])")
_HEX = b"0123456789abcdefABCDEF-"
_DIGEST = 13
"""characters beside a card number of 19 digits in the shortest digest, 32 characters (MD5)"""
_HEX_LETTER = re.compile(rb"[a-fA-F]")
_WORD_ENDS = b" \t\r\n\"'<>,;(){}[]|"
_LEFT = {b".": 1.5, b"_": 2.0, b"-": 2.0, b"/": 2.0, b"\\": 1.5, b"+": 2.5, b"@": 0.3, b"#": 0.3}


def escape_in_front(before: bytes) -> bytes:
    """The escape (``\\n``, ``%3D``, ``\\u00a0``) that ``before`` ends with, or nothing."""
    match = _ESCAPE.search(before[-6:])
    return match[0] if match else b""


def touching(before: bytes, after: bytes, card_key: bool, why: list[str]) -> float:
    """Log-odds for what touches a number. ``card_key`` says that what is glued to its left is the
    name of a card (``pan_4111``). Appends to ``why``."""
    escape = escape_in_front(before)
    if escape:
        before = before[: -len(escape)]
    left = b"" if escape else before[-1:]
    if _ESCAPE_AHEAD.match(after):
        after = b""
    right = after[:1]
    value = 0.0
    if (left.isalnum() and not card_key) or right.isalnum():
        value -= 4.0 if not (left.isalnum() and right.isalnum()) else 8.0
        why.append("letters or digits touch it")
    if left == b"." and not before[-2:-1].isalpha():  # 0.4539 and -.4539
        value -= 6.0
        why.append("the tail of a decimal number")
    elif not card_key:
        value -= _LEFT.get(left, 0.0)
    if right == b"." and after[1:2].isdigit() and not _ZEROS.match(after):
        value -= 4.0
        why.append("has a fraction")
    elif right in (b"_", b"-", b"/", b"\\", b"@") and after[1:2].isalnum():
        value -= 2.0
    return value + _inside(before, after, bool(escape), why)


def _inside(before: bytes, after: bytes, escaped: bool, why: list[str]) -> float:
    """A hexadecimal value, an IBAN, a path."""
    value = 0.0
    ahead = after[: len(after) - len(after.lstrip(_HEX))]
    behind = b"" if escaped else before[len(before.rstrip(_HEX)) :]
    token = behind + ahead
    if len(token) >= 3 and _HEX_LETTER.search(token):
        # no name makes a card of what a digest begins with: a column of hashes may be called pan
        value -= 9.0 if len(token) >= _DIGEST else 2.5
        why.append("inside a hexadecimal value")
    if _IBAN.search(before[-36:]):
        value -= 5.0
        why.append("part of an IBAN")
    if b"/" in before and _is_path(before[1 + max(before.rfind(end) for end in _WORD_ENDS) :]):
        value -= 2.0
        why.append("part of a path")
    return value


def _is_path(word: bytes) -> bool:
    return (b"://" in word or word.count(b"/") >= 2) and b"=" not in word
