"""One large value of a PostgreSQL database as a file: each read is a statement of its own."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, TypeAlias, cast

from scanner.contracts import Source
from scanner.errors import Reason, Unreadable
from scanner.stores.postgres_session import Session

PIECE = 4 << 20
Select: TypeAlias = Callable[[int, int], str]
"""``select(start, size)``: what follows SELECT to get ``size`` bytes from offset ``start`` on."""


def pieces(session: Session, name: str, select: Select) -> Source:
    """Reading it raises ``Unreadable``."""
    file = cast(BinaryIO, io.BufferedReader(_Pieces(session, select), 1 << 16))
    return Source(file, name, None, seekable=False)


class _Pieces(io.RawIOBase):
    def __init__(self, session: Session, select: Select) -> None:
        self._session, self._select = session, select
        self._held, self._place, self._ended = b"", 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        if not self._held and not self._ended:
            rows = self._session.raw(f"SELECT {self._select(self._place, PIECE)}")
            if not rows:
                raise Unreadable(Reason.CHANGED, "the row was changed while it was read")
            self._held = rows[0][0] or b""
            self._place += len(self._held)
            self._ended = len(self._held) < PIECE
        data, self._held = self._held[: len(view)], self._held[len(view) :]
        view[: len(data)] = data
        return len(data)
