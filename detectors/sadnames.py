"""Where a name of authentication data may stand: the array pass in front of ``sad``."""

from __future__ import annotations

import numpy as np

from detectors.base import Buffer
from detectors.marks import PIECE
from detectors.runs import REST, Bytes, Flags, Places, parts

_LOOK = 8
_SHORTEST = 3
_THIRD = np.isin(np.arange(256), list(b"vcnVCN"))
_FOURTH = np.isin(np.arange(256), list(b"bB_- "))


class NameFinder:
    """Over arrays, where nothing is compiled; with its scratch arrays. For one thread at a time."""

    def __init__(self) -> None:
        size = PIECE + REST + _LOOK
        self._lower = np.empty(size, np.uint8)
        self._one, self._two = np.empty(size, np.bool_), np.empty(size, np.bool_)

    def places(self, data: Buffer) -> list[int]:
        """Offsets of ``cvv``, ``cvc``, ``cvn``, ``pinb``, ``pin_``, ``pin-`` in any case."""
        if len(data) < _SHORTEST:
            return []
        array = np.frombuffer(data, np.uint8)
        out: list[int] = []
        for begin, end in parts(0, len(array), PIECE):
            piece = array[begin : end + _LOOK]
            if len(piece) >= _SHORTEST:
                out.extend((self._in_piece(piece) + begin).tolist())
        return sorted(set(out))

    def _in_piece(self, piece: Bytes) -> Places:
        n = len(piece)
        lower = np.bitwise_or(piece, 32, out=self._lower[:n])
        found = np.empty(0, np.int64)
        code = self._pair(lower, b"cv")
        if code.any():
            at = code.nonzero()[0]
            at = at[at + 2 < n]
            found = at[_THIRD[piece[at + 2]]]
        pin = self._pair(lower, b"pi")
        pin = pin[:-1]
        pin &= np.equal(lower[2:], 110, out=self._two[: n - 2])
        if pin.any():
            at = pin.nonzero()[0]
            at = at[at + 3 < n]
            found = np.concatenate((found, at[_FOURTH[piece[at + 3]]]))
        return found

    def _pair(self, lower: Bytes, letters: bytes) -> Flags:
        one, two = self._one[: len(lower) - 1], self._two[: len(lower) - 1]
        np.equal(lower[:-1], letters[0], out=one)
        np.equal(lower[1:], letters[1], out=two)
        return np.logical_and(one, two, out=one)
