"""Packed rows of 64-bit fingerprints."""

from __future__ import annotations

import sys
from array import array

_FEW = 1 << 15
"""so many are sorted as they are: to load numpy takes longer, and numpy.unique loads more of it"""


def distinct(prints: bytes) -> bytes:
    """Each once, in order."""
    if len(prints) <= 8 * _FEW and sys.byteorder == "little":
        return array("Q", sorted(set(array("Q", prints)))).tobytes()
    import numpy as np

    rows = np.frombuffer(prints, "<u8").copy()
    rows.sort()
    first = np.ones(len(rows), np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=first[1:])
    return rows[first].tobytes()
