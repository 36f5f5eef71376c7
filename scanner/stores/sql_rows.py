r"""Rows that a database server put together into one text, as chunks.

Fields are parted by ``\x1f\t`` and rows by ``\x1e\n``: what a detector sees is tab-separated lines,
and tabs and line ends inside values do not confuse the naming of columns.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, TypeAlias, cast

from scanner import formats
from scanner.contracts import Chunk, KeyColumn, Member, Rows, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Location

NEW_FIELD, NEW_ROW = b"\x1f\t", b"\x1e\n"
_NO_SEPARATORS = bytes.maketrans(b"\x1e\x1f", b"  ")
_PACKED = 32
"""A value shorter than this is not looked at as an archive or a document."""
_KEY_LIMIT = 10**10
"""a key from here on could be a card number, and is not told"""


def chunks(
    data: bytes, lo: int, names: Sequence[str], keys: Sequence[KeyColumn]
) -> Iterator[Chunk]:
    """One, or none for no rows, which begin at ``lo``. ``names`` are those of the columns, ``keys``
    those of the primary key: one short whole number becomes the row of a location."""
    if lo == len(data):
        return
    key = keys[0].place if len(keys) == 1 and keys[0].whole else None

    def line_start(start: int) -> int:
        found = data.rfind(NEW_ROW, lo, start)
        return lo if found < 0 else found + len(NEW_ROW)

    def field(start: int) -> str | None:
        if start < lo:
            return None
        place = data.count(NEW_FIELD, line_start(start), start)
        return names[place] if place < len(names) else None

    def locate(start: int, end: int) -> Location:
        row = None
        if key is not None and start >= lo:
            first = line_start(start)
            last = data.find(NEW_ROW, first) % len(data)  # of the last row: its line end
            row = _row(data[first:last].split(NEW_FIELD), key)
        return Location(row=row, field=field(start))

    rows = Rows(names, NEW_FIELD, NEW_ROW, key=keys)
    yield Chunk(data, lo, len(data), locate, field, rows=rows)


def with_binary(
    text: bytes, values: Sequence[bytes | None], columns: Sequence[str], place: str
) -> tuple[bytes, list[Member]]:
    """A row of ``text``, which ends with ``NEW_FIELD``, and binary values after it: in the line as
    they are, or as a member named ``column@place`` when they begin like a format."""
    shown, members = [text], []
    for column, value in zip(columns, values, strict=True):
        if value and len(value) > _PACKED and formats.is_packed(value):
            name = f"{column}@{place}"
            members.append(Member(name, len(value), partial(_held, value, name)))
            value = b""
        shown.append((value or b"").translate(_NO_SEPARATORS) + NEW_FIELD)
    return b"".join(shown)[: -len(NEW_FIELD)], members


def place_of(key: Sequence[Any], read: int) -> str:
    """What tells a binary value from others of its column, where ``key`` is the one whole number
    that a primary key is, or nothing: names of members come out, and keys can be data."""
    number = int(key[0]) if key else -1
    return str(number) if 0 <= number < _KEY_LIMIT else f"#{read}"


def _held(value: bytes, name: str) -> Source:
    return Source(io.BytesIO(value), name, len(value))


def _row(values: Sequence[bytes], key: int) -> int | None:
    if key >= len(values) or not values[key].isdigit():
        return None
    number = int(values[key])
    return number if number < _KEY_LIMIT else None


# --- one large value ------------------------------------------------------------------------------

PIECE = 4 << 20
Ask: TypeAlias = Callable[[str], Sequence[tuple[Any, ...]]]
Select: TypeAlias = Callable[[int, int], str]
"""``select(start, size)``: what follows SELECT to get ``size`` bytes from offset ``start`` on."""


def pieces(ask: Ask, name: str, select: Select) -> Source:
    """A value as a file: each read is a statement of its own, and raises ``Unreadable``."""
    file = cast(BinaryIO, io.BufferedReader(_Pieces(ask, select), 1 << 16))
    return Source(file, name, None, seekable=False)


class _Pieces(io.RawIOBase):
    def __init__(self, ask: Ask, select: Select) -> None:
        self._ask, self._select = ask, select
        self._held, self._place, self._ended = b"", 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        if not self._held and not self._ended:
            rows = self._ask(f"SELECT {self._select(self._place, PIECE)}")
            if not rows:
                raise Unreadable(Reason.CHANGED, "the row was changed while it was read")
            self._held = rows[0][0] or b""
            self._place += len(self._held)
            self._ended = len(self._held) < PIECE
        data, self._held = self._held[: len(view)], self._held[len(view) :]
        view[: len(data)] = data
        return len(data)
