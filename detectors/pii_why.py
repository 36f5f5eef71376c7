"""What decided, in words, of a value without a word near it."""

from __future__ import annotations

from functools import cache

from detectors.pii_kinds import KINDS

_WORDS = {
    "EMAIL_ADDRESS": "an address at a domain that can be",
    "PHONE_NUMBER": "a valid number, written as telephone numbers are",
    "IP_ADDRESS": "an address of the open internet",
}


@cache
def alone(entity: str) -> tuple[str, ...]:
    if entity in _WORDS:
        return (_WORDS[entity],)
    if any(kind.entity == entity and (kind.chance < 1 or kind.test) for kind in KINDS):
        return ("its form is right, and so are the digits that can be checked",)
    return ("its form is right",)
