"""What the card detector must find and must leave alone: run by the contract suite."""

from __future__ import annotations

from detectors.base import Example, State

_T = State.TEST
_VISA = "4111111111111111"

EXAMPLES: tuple[Example, ...] = (Example(b"card=4111111111111111;", "CREDIT_CARD", _VISA, _T),)
NEAR_MISSES: tuple[bytes, ...] = (b"order 4111111111111112",)
