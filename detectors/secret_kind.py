"""What a kind of secret is: where to look, its shape, and what confirms it."""

from __future__ import annotations

import re
from collections.abc import Callable

from detectors.records import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """``anchor`` is a Hyperscan pattern that ends inside the secret or just in front of it;
    ``shape`` the whole in Python's syntax, the secret its group 1 if it has one. ``plugin`` is
    ``module.Class`` in ``detect_secrets.plugins``. ``judge`` gives the probability from shape."""

    entity: str
    anchor: bytes
    shape: re.Pattern[bytes]
    plugin: str
    judge: Callable[[str], float]
    caseless: bool = False
    reach: int = 96
    """bytes in front of the anchor's end at which the shape may begin; 0: it begins there"""


def shape(body: bytes, flags: int = 0) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![A-Za-z0-9])(?:" + body + rb")(?![A-Za-z0-9])", flags)
