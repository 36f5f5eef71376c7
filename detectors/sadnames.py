"""Where a name of authentication data may stand: the array pass in front of ``sad``."""

from __future__ import annotations

import numpy as np

from detectors.base import Buffer
from detectors.runs import PIECE, Bytes, Places, parts

_LOOK = 8
_THIRD = np.isin(np.arange(256), list(b"vcnVCN"))
_FOURTH = np.isin(np.arange(256), list(b"bB_- "))


def places(data: Buffer) -> list[int]:
    """Offsets of ``cvv``, ``cvc``, ``cvn``, ``pinb``, ``pin_`` in any case."""
    if len(data) < _LOOK:
        return []
    array = np.frombuffer(data, np.uint8)
    out: list[int] = []
    for begin, end in parts(0, len(array), PIECE):
        piece = array[begin : end + _LOOK]
        if len(piece) >= _LOOK:
            out.extend((_in_piece(piece) + begin).tolist())
    return sorted(set(out))


def _in_piece(piece: Bytes) -> Places:
    lower = piece | np.uint8(32)
    found = np.empty(0, np.int64)
    code = lower[:-1] == 99
    code &= lower[1:] == 118
    if code.any():
        at = code.nonzero()[0]
        at = at[at + 2 < len(piece)]
        found = at[_THIRD[piece[at + 2]]]
    pin = lower[:-2] == 112
    pin &= lower[1:-1] == 105
    pin &= lower[2:] == 110
    if pin.any():
        at = pin.nonzero()[0]
        at = at[at + 3 < len(piece)]
        found = np.concatenate((found, at[_FOURTH[piece[at + 3]]]))
    return found
