"""The surroundings of a candidate: the words in front of it, and the field it stands in."""

from __future__ import annotations

import re
from functools import cache
from zlib import crc32

REACH = 96
"""bytes in front of a value in which a word speaks for it; within this line and the one before"""
BEHIND = 32
"""and behind it, within the line"""
LINE = 1000
"""bytes back to the start of a line: a little less than ``base.BEFORE``"""
FIELDS = 1 << 61
"""our field numbers start here, out of the way of other detectors'"""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_KEY = re.compile(rb"([A-Za-z_][A-Za-z0-9_.\-]{0,40})[\"']?[ \t]{0,2}[=:][ \t]{0,2}[\"'(\[]?\Z")


def plain(text: str) -> str:
    """Lower case, ``camelCase`` taken apart, ``_`` a space: so words are words in keys too."""
    return _CAMEL.sub(" ", text).replace("_", " ").lower()


@cache
def words(expression: str) -> re.Pattern[str]:
    """What finds one of the words in ``plain`` text, as a whole word."""
    return re.compile(rf"(?<![^\W_])(?:{expression})(?![^\W\d_])")


def before(data: bytes, start: int) -> str:
    """Text in front of ``start``, plain: at most ``REACH`` bytes, of this line and the last."""
    piece = data[max(0, start - REACH) : start]
    cut = piece.rfind(b"\n", 0, max(0, piece.rfind(b"\n")))
    return plain(piece[cut + 1 :].decode("utf-8", "replace"))


def behind(data: bytes, end: int) -> str:
    """Text behind ``end``, plain: at most ``BEHIND`` bytes, to the end of the line."""
    piece = data[end : end + BEHIND]
    cut = piece.find(b"\n")
    return plain((piece if cut < 0 else piece[:cut]).decode("utf-8", "replace"))


def key(data: bytes, start: int) -> bytes:
    """Name of the key in front of a value (``key=``, ``"key": "``): b"" for none."""
    piece = data[max(0, start - 48) : start]
    line = piece[piece.rfind(b"\n") + 1 :]
    if not line[-6:].rstrip(b" \t\"'([").endswith((b"=", b":")):
        return b""
    found = _KEY.search(line)
    return found[1] if found else b""


def place(data: bytes, start: int, name: str | None) -> bytes:
    """The field a value stands in: column if the reader knows it, else the key in front of it, the
    place in a delimited line, or the text in front of it without its digits."""
    if name is not None:
        return b"column " + name.encode("utf-8", "replace")
    piece = data[max(0, start - LINE) : start]
    line = piece[piece.rfind(b"\n") + 1 :]
    named = key(data, start)
    if named:
        return named.lower()
    bare = line.rstrip(b"\"' ")
    if bare.endswith((b"\t", b",", b";", b"|")):
        return b"%c%d" % (bare[-1], line.count(bare[-1:]))
    return line[-12:].translate(None, b"0123456789")


def field(entity: str, data: bytes, start: int, name: str | None) -> int:
    """Number of the ``place`` of a value."""
    return number(entity, place(data, start, name))


def number(entity: str, key: bytes) -> int:
    """Of a ``place``: some thousand for each entity, so that counts stay few whatever the
    data."""
    return FIELDS | crc32(entity.encode()) << 28 & FIELDS - 1 | (crc32(key) >> 19 << 13)


def window(data: bytes, start: int, end: int, reach: int = 64) -> tuple[str, int, int]:
    """Text around a value, cut at white space, for a recogniser; and where the value is in it.

    Bytes are taken as Latin-1 when they are not UTF-8, so that positions stay in step for the
    value itself, which is ASCII.
    """
    first = max(0, start - reach)
    head = data[first:start]
    if first:
        space = max(head.find(b" "), head.find(b"\n"), head.find(b"\t"))
        head = head[space + 1 :] if space >= 0 else b""
    tail = data[end : end + reach]
    for space in (tail.find(b"\n"), tail.find(b" ", 1)):
        if space >= 0:
            tail = tail[:space]
    front = head.decode("utf-8", "replace")
    value = data[start:end].decode("utf-8", "replace")
    return front + value + tail.decode("utf-8", "replace"), len(front), len(front) + len(value)
