"""Where digits may have been masked: the array pass in front of ``truncated``."""

from __future__ import annotations

import numpy as np

from detectors.base import Buffer
from detectors.marks import PIECE
from detectors.runs import REST, Bytes, Flags, Places, parts

_LOOK = 64
_DIGIT = np.isin(np.arange(256), list(b"0123456789"))
_PAIRS = tuple(char * 0x0101 for char in b"*xX#")
_BULLET = 0x80E2  # the first two of its three bytes


class MaskFinder:
    """Over arrays, where nothing is compiled; with its scratch array. For one thread at a time."""

    def __init__(self) -> None:
        self._equal = np.empty((PIECE + REST + _LOOK) // 2, np.bool_)

    def places(self, data: Buffer) -> list[int]:
        """Offsets at which four mask characters in a row begin (``*``, ``x``, ``X``, ``#`` or
        bullets) and a digit stands within 32 bytes: without one nothing of a number is left."""
        if len(data) < 12:
            return []
        array = np.frombuffer(data, np.uint8)
        out: list[int] = []
        for begin, end in parts(0, len(array), PIECE):
            piece = array[begin : end + _LOOK]
            if len(piece) >= 12:
                out.extend((self._in_piece(piece) + begin).tolist())
        return sorted(set(out))

    def _in_piece(self, piece: Bytes) -> Places:
        # four in a row hold an aligned pair, whatever they begin at: half the bytes to compare
        pairs = piece[: len(piece) & ~1].view("<u2")
        equal = self._equal[: len(pairs)]
        found = [np.empty(0, np.int64)]
        if any(np.equal(pairs, pair, out=equal).any() for pair in _PAIRS):
            lower = piece | np.uint8(32)  # * and # have the bit that makes letters small already
            mask = (lower == 120) | (piece == 42) | (piece == 35)
            two = mask[:-1] & mask[1:]
            found.append(_starts(piece, two[:-2] & two[2:]))
        if np.equal(pairs, _BULLET, out=equal).any():
            bullet = (piece[:-2] == 0xE2) & (piece[2:] == 0xA2)
            rows = bullet[:-9] & bullet[3:-6] & bullet[6:-3] & bullet[9:]
            found.append(_starts(piece, rows))
        return np.concatenate(found)


def _starts(piece: Bytes, rows: Flags) -> Places:
    at = rows.nonzero()[0]
    if not len(at):
        return at
    # of a row only its first: the one before it is not one
    first = np.ones(len(at), np.bool_)
    first[1:] = (at[1:] - at[:-1] != 1) & (at[1:] - at[:-1] != 3)
    at = at[first]
    near = np.zeros(len(at), np.bool_)
    for step in range(4, 33):
        near |= _DIGIT[piece[np.minimum(at + step, len(piece) - 1)]]
    return at[near]
