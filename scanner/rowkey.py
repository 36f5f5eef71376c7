"""The primary key of a row as a location tells it, for whoever looks for the row.

A key can be data itself: an e-mail address, a number of a national id. Whole numbers are told in
clear where they are too short or too long for a card, a telephone or an id of a person, and so are
UUIDs; any other value is a fingerprint under the run's key, which is the same for the same value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from scanner.contracts import Chunk, Rows
from scanner.seal import Sealer

_ROW_DIGITS = 10
_WHOLE = re.compile(r"-?(\d{1,10}|\d{17,20})")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_ESCAPES = {b"\\\\": b"\\", b"\\t": b"\t", b"\\n": b"\n", b"\\r": b"\r"}
_ESCAPED = re.compile(rb"\\[\\tnr]")
_LONGEST = 1 << 16
"""bytes of a row on either side of a value in which its ends are looked for"""


def row_key(chunk: Chunk, start: int, sealer: Sealer) -> str | None:
    """``order = 17, item = ~ghpmnkq~`` of the row at ``start``; None where none is known, and
    where it is one short number, which is ``Location.row``."""
    rows = chunk.rows
    if rows is None or not rows.key:
        return None
    cells = _cells(chunk, rows, start)
    if max(part.place for part in rows.key) >= len(cells):
        return None
    if len(rows.key) == 1 and rows.key[0].whole and len(cells[rows.key[0].place]) <= _ROW_DIGITS:
        return None  # it is the row
    return told(
        ((rows.columns[p.place], _plain(cells[p.place], rows), p.whole) for p in rows.key), sealer
    )


def told(parts: Iterable[tuple[str, bytes, bool]], sealer: Sealer) -> str:
    """The parts of a key: name, value, whether it is of a type of whole numbers."""
    return ", ".join(
        f"{sealer.name(name)} = {_told(value, whole, sealer)}" for name, value, whole in parts
    )


def _cells(chunk: Chunk, rows: Rows, start: int) -> list[bytes]:
    lo, hi = max(chunk.lo, start - _LONGEST), min(len(chunk.data), start + _LONGEST)
    around = bytes(chunk.data[lo:hi])
    begin = around.rfind(rows.row_end, 0, start - lo)
    if begin < 0 and lo > chunk.lo:
        return []
    begin = 0 if begin < 0 else begin + len(rows.row_end)
    end = around.find(rows.row_end, start - lo)
    if end < 0 and hi < len(chunk.data):
        return []
    row = around[begin : end if end >= 0 else len(around)]
    return row.removesuffix(b"\n").split(rows.cell_end)


def _plain(cell: bytes, rows: Rows) -> bytes:
    if rows.cell_end == b"\t":  # text that is escaped, see ``tablerows``
        return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], cell)
    return cell


def _told(value: bytes, whole: bool, sealer: Sealer) -> str:
    text = value.decode("utf-8", "surrogateescape")
    if (whole and _WHOLE.fullmatch(text)) or _UUID.fullmatch(text):
        return sealer.name(text)
    return sealer.sealed(text)
