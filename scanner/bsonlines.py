"""Documents of MongoDB as text: a document a line, keys before their values, nested in braces.

Shared by what reads a server and what reads its dumps. Works on the bytes of BSON; a place in the
text leads to the dotted path it stands under (``payment.cards[].number``).
Format: https://bsonspec.org/spec.html; decimals: IEEE 754-2008, binary integer form.
"""

from __future__ import annotations

import io
import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from scanner import formats
from scanner.contracts import Chunk, Member, Source
from scanner.model import Location
from scanner.windows import BEFORE

LARGEST = 64 << 20
"""of a document; the server itself allows 16 MiB"""
_DEPTH = 200
_PACKED = 32
"""A value shorter than this is not looked at as an archive or a document."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT32, _INT64, _DOUBLE = struct.Struct("<i"), struct.Struct("<q"), struct.Struct("<d")


class Damaged(ValueError):
    """Bytes that are no BSON; its text holds nothing of them."""


class Documents:
    """Documents on their way into one chunk. ``member`` goes into the locations."""

    def __init__(self, member: str | None = None) -> None:
        self.members: list[Member] = []
        self.size = 0
        self._member = member
        self._parts: list[bytes] = []
        self._starts, self._paths = array("q"), list[str]()
        self._rows, self._row_starts = list[int | None](), array("q")

    def add(self, raw: bytes, row: int | None, place: str) -> None:
        """One document: the number it is told by, None when it has none that may be told, and the
        end of the names of its members. Raises ``Damaged``; what came before the damage stays."""
        self._rows.append(row)
        self._row_starts.append(self.size)
        try:
            self._document(raw, 0, len(raw), "", place, 0)
        except (struct.error, IndexError, ValueError):
            raise Damaged("a document is damaged") from None
        finally:
            self._put(b"\n", "")

    def chunk(self, before: bytes) -> Chunk:
        data, lo = before + b"".join(self._parts), len(before)
        starts, paths = self._starts, self._paths

        def field(start: int) -> str | None:
            index = bisect_right(starts, start - lo) - 1
            return paths[index] or None if index >= 0 else None

        def locate(start: int, end: int) -> Location:
            index = bisect_right(self._row_starts, start - lo) - 1
            row = self._rows[index] if index >= 0 else None
            return Location(row=row, field=field(start), member=self._member)

        return Chunk(data, lo, len(data), locate, field, data.count(b"\n", lo))

    def tail(self, before: bytes) -> bytes:
        taken, size = [], 0
        for part in reversed(self._parts):
            taken.append(part)
            size += len(part)
            if size >= BEFORE:
                break
        return (before + b"".join(reversed(taken)))[-BEFORE:]

    def _put(self, text: bytes, path: str) -> None:
        if not self._paths or self._paths[-1] != path:
            self._starts.append(self.size)
            self._paths.append(path)
        self._parts.append(text)
        self.size += len(text)

    def _document(
        self, raw: bytes, start: int, end: int, path: str, place: str, depth: int, kind: int = 0x03
    ) -> None:
        """The elements of a document, or of an array (0x04), that begins at ``start``."""
        (length,) = _INT32.unpack_from(raw, start)
        if length < 5 or start + length > end or raw[start + length - 1] or depth > _DEPTH:
            raise ValueError
        at, end, listed = start + 4, start + length - 1, kind == 0x04
        while at < end:
            kind = raw[at]
            stop = raw.index(0, at + 1, end)
            key = raw[at + 1 : stop]
            at = stop + 1
            own = path if listed else _join(path, key)
            if not listed:
                self._put(key + b": ", own)
            if kind in (0x03, 0x04):
                self._put(b"{", own)
                inner = own + "[]" if kind == 0x04 else own
                self._document(raw, at, end, inner, place, depth + 1, kind)
                self._put(b"}\t", own)
                at += _INT32.unpack_from(raw, at)[0]
                continue
            at = self._value(raw, kind, at, end, own, place)

    def _value(self, raw: bytes, kind: int, at: int, end: int, path: str, place: str) -> int:
        """Puts one value and says where the next begins."""
        if kind in _SIZED:
            size, text = _SIZED[kind]
            stop = at + size
            value = text(raw[at:stop])
        elif kind in (0x02, 0x0D, 0x0E):  # string, code, symbol
            stop = at + 4 + _length(raw, at, end)
            value = raw[at + 4 : stop - 1]
        elif kind == 0x05:
            stop = at + 5 + _length(raw, at, end - 1)
            value = self._binary(raw[at + 4], raw[at + 5 : stop], path, place)
        elif kind == 0x0B:  # regular expression: two strings
            middle = raw.index(0, at, end)
            stop = raw.index(0, middle + 1, end) + 1
            value = raw[at:stop].replace(b"\0", b" ")
        elif kind == 0x0C:  # pointer: a string and an id
            stop = at + 4 + _length(raw, at, end) + 12
            value = raw[at + 4 : stop - 13]
        elif kind == 0x0F:  # code with a scope: the scope is a document of its own
            stop = at + _length(raw, at, end)
            code = at + 8 + _length(raw, at + 4, end)
            self._put(raw[at + 8 : code - 1] + b"\t", path)
            self._document(raw, code, stop, path, place, _DEPTH // 2)
            return stop
        else:
            raise ValueError
        if stop > end:
            raise ValueError
        self._put(value + b"\t", path)
        return stop

    def _binary(self, subtype: int, value: bytes, path: str, place: str) -> bytes:
        if subtype == 2:  # the old form: its length once more
            value = value[4:]
        if subtype in (3, 4) and len(value) == 16:
            return value.hex().encode()
        if len(value) > _PACKED and formats.is_packed(value):
            name = f"{path}@{place}"
            if self._member is not None:
                name = f"{self._member}!{name}"
            self.members.append(Member(name, len(value), partial(_held, value, name)))
            return b""
        return value


def _join(path: str, key: bytes) -> str:
    name = key.decode("utf-8", "replace")
    return f"{path}.{name}" if path else name


def _length(raw: bytes, at: int, end: int) -> int:
    (length,) = _INT32.unpack_from(raw, at)
    if length < 0 or at + 4 + length > end + 4:
        raise ValueError
    return int(length)


def _held(value: bytes, name: str) -> Source:
    return Source(io.BytesIO(value), name, len(value))


# --- values of a fixed size ---------------------------------------------------------------------


def _double(raw: bytes) -> bytes:
    (value,) = _DOUBLE.unpack(raw)
    if value.is_integer() and abs(value) < 9e18:  # a number of 16 digits as they are
        return b"%d" % int(value)
    return repr(value).encode()


def _decimal(raw: bytes) -> bytes:
    low, high = struct.unpack("<2Q", raw)
    if (high >> 61) & 3 == 3:  # infinity, no number, or a coefficient too large to be one
        return (
            b"NaN" if (high >> 58) & 31 == 31 else b"Infinity" if (high >> 58) & 30 == 30 else b"0"
        )
    exponent = ((high >> 49) & 0x3FFF) - 6176
    digits = ((high & 0x1FFFFFFFFFFFF) << 64) | low
    value = Decimal(digits).scaleb(exponent)
    shown = f"{value:f}" if -40 < exponent < 20 else str(value)
    return (b"-" if high >> 63 else b"") + shown.encode()


def _date(raw: bytes) -> bytes:
    (milliseconds,) = _INT64.unpack(raw)
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat().encode()
    except OverflowError:
        return b"%d" % milliseconds


def _int32(raw: bytes) -> bytes:
    return b"%d" % _INT32.unpack(raw)[0]


def _int64(raw: bytes) -> bytes:
    return b"%d" % _INT64.unpack(raw)[0]


def _hex(raw: bytes) -> bytes:
    return raw.hex().encode()


def _bool(raw: bytes) -> bytes:
    return b"true" if raw[0] else b"false"


def _nothing(raw: bytes) -> bytes:
    return b""


_SIZED: dict[int, tuple[int, Callable[[bytes], bytes]]] = {
    0x01: (8, _double),
    0x06: (0, _nothing),
    0x07: (12, _hex),
    0x08: (1, _bool),
    0x09: (8, _date),
    0x0A: (0, _nothing),
    0x10: (4, _int32),
    0x11: (8, _hex),
    0x12: (8, _int64),
    0x13: (16, _decimal),
    0x7F: (0, _nothing),
    0xFF: (0, _nothing),
}
