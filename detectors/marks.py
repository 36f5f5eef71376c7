"""The compiled pass that several detectors share: each asks for it, the first has it run."""

from __future__ import annotations

from array import array
from typing import NamedTuple

from detectors.base import Buffer, NoHints
from detectors.compiled import native

PIECE = 128 * 1024
"""bytes by which odd ones are counted; and that passes over arrays take at a time: with their
scratch they stay in the second-level cache"""


class Marks(NamedTuple):
    """Rows of 64-bit words: places of base64 digits; for each ``PIECE`` how many bytes are NUL, are
    not ASCII, are digits in EBCDIC; places of names of authentication data; places of masks."""

    base64: bytes
    pieces: bytes
    names: bytes
    masks: bytes


def marks(data: Buffer, hints: object) -> Marks | None:
    """What the pass found in ``data``, or found before if ``hints`` has kept it
    (``Hints.shared``); None where nothing is compiled."""
    if native is None:
        return None
    shared: dict[str, tuple[Buffer, Marks]] | None = getattr(hints, "shared", None)
    if shared is None:
        return Marks(*native.marks(data, PIECE))
    of, found = shared.get("marks", (None, None))
    if found is None or of is not data:
        found = Marks(*native.marks(data, PIECE))
        shared["marks"] = data, found
    return found


def places(packed: bytes) -> list[int]:
    """The places in a row of words."""
    return array("q", packed).tolist() if packed else []


class OneBuffer(NoHints):
    """Nothing is known of the one buffer that is searched with it."""

    def __init__(self) -> None:
        self.shared: dict[str, tuple[Buffer, Marks]] = {}
