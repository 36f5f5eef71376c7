"""What a kind of personal data is: its shape, the recogniser that confirms it, the words near it.

``alone`` is the probability of a confirmed value by itself, ``near`` with one of its words near it
or in the name of its field. Where ``alone`` is 0 the shape says too little (nine digits): such
kinds are looked for behind a word and in columns with a fitting name only.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from detectors.records import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """``anchors`` are Hyperscan patterns whose end lies in the value (or right behind it);
    ``shape`` is the whole value, in Python's syntax, with what may not stand beside it."""

    entity: str
    recognizer: str
    shape: re.Pattern[bytes]
    alone: float
    near: float
    words: str = ""
    """regular expression of the words, matched in lower-case text"""
    anchors: tuple[bytes, ...] = ()
    regions: tuple[str, ...] = ()
    lead: str = ""
    """words to look behind; without, ``words`` if the shape says too little"""
    chance: float = 1.0
    """share of made-up numbers of this shape that pass the test; 1 when there is no test"""
    test: Callable[[str], bool] | None = None
    """exact and cheap, said to agree with the recogniser: for dense values"""
    presidio_entity: str = ""
    """Presidio's name where ours is another"""
    fit: Callable[[str], int] | None = None
    """length of the value at the start of a text that its shape may have taken too far; 0: none"""


# what may not touch a number or a code: letters, digits, and signs that make it part of a longer
# name, path, float or id
_L = rb"(?<![A-Za-z0-9_\-./@#$%+\\&])(?<![0-9] )"
_R = rb"(?![A-Za-z0-9_\-/@#$%\\&=]|[.:][0-9]| [0-9])"


def shape(body: bytes, flags: int = 0) -> re.Pattern[bytes]:
    """The whole of a value, with nothing beside it that would make it part of something else."""
    return re.compile(_L + rb"(?:" + body + rb")" + _R, flags)


def leads(kind: Kind) -> str:
    """Words to look behind for values that the anchors of a kind do not find."""
    if kind.lead:
        return kind.lead
    weak = kind.alone < 0.8 or b"[0-9]{9}" in kind.shape.pattern
    return kind.words if weak else ""
