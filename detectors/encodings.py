"""Seeing through encodings: where encoded digits may be, and what the text around them says.

Fixed-width encodings (UTF-16, EBCDIC) are turned into one byte a character, so that the same
array code runs over them. Everything else (base64, hexadecimal, escapes of URLs, HTML, JSON and
quoted-printable, digits of other scripts) is found by a signature and decoded around the hit,
giving a ``Decoded`` text that knows where each of its bytes came from.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from detectors.iin import SHORTEST
from detectors.marks import PIECE, Marks
from detectors.runs import REST, Bytes, Flags, Places, parts

_MARGIN = 64
STEP = 256
"""bytes behind a sign that are decoded with it in one go"""


class Decoded(NamedTuple):
    """Text in ASCII digits; ``origin[i]`` is the offset in the buffer of byte i, with one more
    element for the end."""

    text: bytes
    origin: list[int]
    layout: str


# --- signatures: where to look -----------------------------------------------------------------


class Signs(NamedTuple):
    """What one pass saw: pieces with enough NUL bytes for a number in UTF-16, whether there are
    enough bytes that are digits in EBCDIC, and where base64 of digits or digits of other scripts
    may begin."""

    wide: list[tuple[int, int]]
    mainframe: bool
    base64: list[int]
    script: list[int]


_QUAD = np.zeros((4, 256), np.bool_)
for _row, _chars in enumerate((b"MNO", b"DTjz", b"AEIMQUYcgk", b"wxyz012345")):
    _QUAD[_row, list(_chars)] = True


class SignFinder:
    """The pass for signatures, with its scratch arrays. For one thread at a time."""

    def __init__(self) -> None:
        size = PIECE + REST + _MARGIN
        self._raw, self._least = np.empty(size, np.uint8), np.empty(size, np.uint8)

    def signs(self, data: Bytes) -> Signs:
        """One pass over ``data`` in pieces that stay in cache."""
        wide: list[tuple[int, int]] = []
        mainframe = False
        quads: list[int] = []
        script: list[int] = []
        for begin, end in parts(0, len(data), PIECE):
            piece = data[begin : end + _MARGIN]
            quads.extend((self._base64_digits(piece) + begin).tolist())
            if int(piece.view(np.int8).min()) <= 0:  # one look for both NUL and high bytes
                if np.count_nonzero(piece == 0) >= SHORTEST - 1:
                    wide.append((begin, end))
                if int(piece.max()) >= 0x80:
                    digits = np.count_nonzero((piece - np.uint8(0xF0)) < 10)
                    mainframe = mainframe or int(digits) >= SHORTEST
                    script.extend((_script_digits(piece) + begin).tolist())
        return Signs(wide, mainframe, _leaders(quads, 4), _leaders(script, 12))

    def _base64_digits(self, piece: Bytes) -> Places:
        """Where three base64 quads in a row each stand for three digits."""
        n = len(piece)
        if n < 16:
            return np.empty(0, np.int64)
        raw, least = self._raw[:n], self._least[: n - 8]
        np.subtract(piece, 0x50, out=raw)  # M N O are now the highest three
        np.minimum(raw[:-8], raw[4:-4], out=least)
        np.minimum(least, raw[8:], out=least)
        if int(least.max()) <= 0xFC:
            return np.empty(0, np.int64)
        at = (least > 0xFC).nonzero()[0]
        at = at[at + 12 <= n]
        for step in range(12):
            at = at[_QUAD[step & 3][piece[at + step]]]
        return at


def marked_signs(data: Bytes, marks: Marks) -> Signs:
    """The same from the compiled pass."""
    wide: list[tuple[int, int]] = []
    mainframe = False
    script: list[int] = []
    rows = np.frombuffer(marks.pieces, np.int64).reshape(-1, 3)
    for number, (nuls, high, digits) in enumerate(rows.tolist()):
        begin = number * PIECE
        if nuls >= SHORTEST - 1:
            wide.append((begin, min(begin + PIECE, len(data))))
        if high:
            mainframe = mainframe or digits >= SHORTEST
            script.extend((_script_digits(data[begin : begin + PIECE + _MARGIN]) + begin).tolist())
    base64_digits = np.frombuffer(marks.base64, np.int64).tolist()
    return Signs(wide, mainframe, _leaders(base64_digits, 4), _leaders(script, 12))


def _script_digits(piece: Bytes) -> Places:
    """Where four full-width or Arabic-Indic digits in a row begin, in UTF-8."""
    if len(piece) < 16:
        return np.empty(0, np.int64)
    found: list[Places] = []
    for lead, last in ((0xD9, 0xA0), (0xDB, 0xB0)):
        digit = (piece[:-1] == lead) & ((piece[1:] - np.uint8(last)) < 10)
        found.append(_repeated(digit, 2))
    if (piece == 0xEF).any():
        digit = (piece[:-2] == 0xEF) & (piece[1:-1] == 0xBC)
        digit &= (piece[2:] - np.uint8(0x90)) < 10
        found.append(_repeated(digit, 3))
    return np.sort(np.concatenate(found))


def _repeated(digit: Flags, step: int) -> Places:
    if not digit.any():
        return np.empty(0, np.int64)
    four = digit[: -3 * step] & digit[step : -2 * step] & digit[2 * step : -step]
    four &= digit[3 * step :]
    return np.flatnonzero(four)


def _leaders(places: list[int], reach: int) -> list[int]:
    """The first of each row of places that follow each other within ``reach``."""
    out, last = [], -(1 << 30)
    for place in places:
        if place - last > reach:
            out.append(place)
        last = place
    return out


# --- fixed width -------------------------------------------------------------------------------


@cache
def _wide_table() -> Bytes:
    """Every UTF-16 unit as one byte."""
    table = np.full(65536, 1, np.uint8)
    table[:256] = np.arange(256)
    for code in range(0xA0, 0xD800):
        _classify(table, code)
    for code in range(0xFF00, 0xFFF0):
        _classify(table, code)
    return table


def _classify(table: Bytes, code: int) -> None:
    narrow = _narrow(chr(code))
    if len(narrow) == 1:
        table[code] = narrow[0]


@cache
def _ebcdic_table() -> Bytes:
    text = bytes(range(256)).decode("cp037").replace("\x85", "\n")
    return np.frombuffer(text.encode("latin-1", "replace"), np.uint8).copy()


def wide_phases(data: Bytes) -> list[tuple[str, int]]:
    """UTF-16 encodings and phases (0 or 1: where the first whole unit starts) in which eight
    digits of 12 bytes are seen alternating with NUL."""
    digit = (data - np.uint8(48)) < 10
    nul = data == 0
    out: list[tuple[str, int]] = []
    for name, pair in (("utf-16-le", digit[:-1] & nul[1:]), ("utf-16-be", nul[:-1] & digit[1:])):
        if len(pair) < 16 or not pair.any():
            continue
        four = pair[:-6] & pair[2:-4] & pair[4:-2] & pair[6:]
        out += [(name, phase) for phase in (0, 1) if four[phase::2].any()]
    return out


def narrow(data: Bytes, encoding: str, phase: int) -> Bytes:
    """UTF-16 as one byte a character: digits of every script as ASCII, separators as space and
    dash, what has no place in a byte as 1."""
    end = phase + (len(data) - phase) // 2 * 2
    units = np.frombuffer(data[phase:end].tobytes(), "<u2" if encoding == "utf-16-le" else ">u2")
    return _wide_table().take(units)


def from_ebcdic(data: Bytes) -> Bytes:
    """cp037 as Latin-1; digits, letters and space are the same in cp500."""
    return _ebcdic_table().take(data)


# --- around a hit ------------------------------------------------------------------------------

_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-]*")
_HEX = re.compile(rb"[0-9A-Fa-f]*")


def decode_base64(data: Bytes, at: int, back: int = 320, ahead: int = STEP + 200) -> Decoded:
    """The base64 text around ``at``, where a quad begins."""
    first = max(at - back, at % 4)
    first = at - (at - first) // 4 * 4
    raw = data[first : at + ahead].tobytes()
    split = at - first
    while split >= 4 and _BASE64.fullmatch(raw, split - 4, split):
        split -= 4
    run = _BASE64.match(raw, split)
    text = run[0] if run else b""
    text = text[: len(text) // 4 * 4 + (len(text) % 4 if len(text) % 4 > 1 else 0)]
    plain = base64.b64decode(text.translate(_URL_SAFE) + b"=" * (-len(text) % 4))
    begin = first + split
    # a byte begins in the character that has its first bits
    origin = [begin + i // 3 * 4 + i % 3 for i in range(len(plain) + 1)]
    return Decoded(plain, origin, "base64")


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def decode_hex(data: Bytes, at: int, back: int = 512, ahead: int = 320) -> Decoded:
    """The hexadecimal text around ``at``, where a pair begins."""
    first = at - min(back, at) // 2 * 2
    raw = data[first : at + ahead].tobytes()
    split = at - first
    while split >= 2 and _HEX.fullmatch(raw, split - 2, split):
        split -= 2
    run = _HEX.match(raw, split)
    text = run[0] if run else b""
    plain = binascii.unhexlify(text[: len(text) // 2 * 2])
    begin = first + split
    return Decoded(plain, [begin + 2 * i for i in range(len(plain) + 1)], "hex")


_ESCAPE = re.compile(
    rb"(?:%[0-9A-Fa-f]{2})+|&#[0-9]{1,6};|&#[xX][0-9A-Fa-f]{1,5};|&[A-Za-z]{2,8};"
    rb"|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\[nrt\"'/]|=\r?\n|=(?:A0|C2=A0|E2=80=[89][0-9A-F]|20(?==?\r?\n))|[\xc2-\xf4][\x80-\xbf]{1,3}"
)


def unescape(data: Bytes, first: int, last: int) -> Decoded:
    """``data[first:last]`` with escapes undone; digits of every script become ASCII digits, wide
    and narrow spaces a space, dashes a dash, a soft line break nothing."""
    raw = data[first:last].tobytes()
    out = bytearray()
    origin: list[int] = []
    at = 0
    for match in _ESCAPE.finditer(raw):
        start, end = match.span()
        out += raw[at:start]
        origin.extend(range(first + at, first + start))
        for byte in _undo(match[0]):
            out.append(byte)
            origin.append(first + start)
        at = end
    out += raw[at:]
    origin.extend(range(first + at, last + 1))
    return Decoded(bytes(out), origin, "escaped")


@lru_cache(4096)
def _undo(escape: bytes) -> bytes:
    lead = escape[:1]
    if lead == b"=" and escape[1:2] in (b"\r", b"\n"):
        return b""
    if lead in b"%=":
        text = bytes.fromhex(escape.decode("ascii").replace(chr(lead[0]), "")).decode(
            "utf-8", "replace"
        )
    elif lead == b"&":
        text = html.unescape(escape.decode("ascii"))
    elif lead == b"\\":
        text = _backslash(escape.decode("ascii"))
    else:
        text = escape.decode("utf-8", "replace")
    return b"".join(_narrow(char) for char in text)


def _backslash(escape: str) -> str:
    if escape[1] in "ux":
        return chr(int(escape[2:], 16))
    return {"n": "\n", "r": "\r", "t": "\t"}.get(escape[1], escape[1])


def _narrow(char: str) -> bytes:
    value = unicodedata.decimal(char, -1)
    if value >= 0:
        return b"%d" % value
    if char > "\x7f" and unicodedata.category(char) in ("Zs", "Pd"):
        return b" " if unicodedata.category(char) == "Zs" else b"-"
    return char.encode("utf-8", "replace")


# --- getting a value back ----------------------------------------------------------------------


def text_of(span: bytes, layout: str) -> str:
    """The text of a match's bytes: what its layout hides, undone."""
    array = np.frombuffer(span, np.uint8)
    if layout == "utf-16":
        layout = "utf-16-le"
    if layout in ("utf-16-le", "utf-16-be"):
        return narrow(array, layout, 0).tobytes().decode("latin-1")
    if layout == "ebcdic":
        return from_ebcdic(array).tobytes().decode("latin-1")
    if layout == "hex":
        return decode_hex(array, 0, 0, len(span)).text.decode("latin-1")
    if layout == "escaped":
        return unescape(array, 0, len(span)).text.decode("latin-1")
    return span.decode("latin-1")
