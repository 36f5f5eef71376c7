"""What stands in one record with a card number: expiry, name of the holder, service code, and the
verification code and PIN block that ``sad`` finds.

The first three are no findings by themselves, and PCI DSS lets them stay; beside a PAN they decide
what it is worth to a thief. Looked for only where a card number was found, in its own record.
``PERSON`` is Presidio's name for the name of a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from detectors.sad import entity_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXPIRY, HOLDER, SERVICE_CODE = "EXPIRY_DATE", "PERSON", "SERVICE_CODE"

_EXPIRY_NAME = re.compile(
    r"(?:card|cc|credit)*(?:exp|expiry|expires|expiration|validthru|validuntil|validto|goodthru"
    r"|ablaufdatum|gueltigbis|gültigbis|vencimiento|caducidad|scadenza|validade|dateexpiration)"
    r"(?:date|month|year|mm|yy|yyyy|mmyy|yymm)?"
)
_HOLDER_NAME = re.compile(
    r"(?:card|cc)?holder(?:name)?|nameoncard|cardname|ccname|emboss(?:ed|ing)?name"
    r"|karteninhaber|titular|titulaire|intestatario"
    r"|(?:customer|client|buyer|payer|billing|shipping|member|patient|account)?"
    r"(?:first|last|full|given|family|sur|middle)name|(?:customer|client|buyer|payer|billing)name"
)
_SERVICE_NAME = re.compile(r"(?:card)?(?:service|svc)code")
_EXPIRY_VALUE = re.compile(
    rb"[0-9]{1,4}(?:[ ]?[/\-.][ ]?[0-9]{1,4}){0,2}(?:[ T][0-9:.]+)?(?![0-9A-Za-z])"
)
_NONE = rb"(?!(?i:null|none|nil|true|false|undefined|unknown|empty)(?![A-Za-z]))"
_WORD = rb"[A-Za-z\x80-\xff.'\-]++(?![0-9_])"
_NAME_VALUE = re.compile(
    _NONE + rb"(?=[A-Za-z\x80-\xff]{2})" + _WORD + rb"(?:[ ,]+" + _WORD + rb")*"
)
_TWO_WORDS = re.compile(_NONE + _WORD + rb"(?:[ ,]++" + _WORD + rb"(?!\s{0,2}[:=]))+")
_SERVICE_VALUE = re.compile(rb"[0-9]{3}(?![0-9])")
_SAD_VALUES = {
    "CVV": re.compile(rb"[0-9]{3,4}(?![0-9A-Za-z._\-])"),
    "PIN_BLOCK": re.compile(rb"[0-9A-Fa-f]{16}(?![0-9A-Za-z])"),
}
_CODE_KEY = re.compile(r"(?:card)?c(?:vv|vc|vn)2?(?:code|number|num|no|nr|value|val)?")
_LONGEST = 64


@lru_cache(4096)
def _kind(name: str) -> tuple[str, re.Pattern[bytes]] | None:
    """What a column or key of this name holds, and what a value of it looks like."""
    plain = re.sub(r"[\W_]+", "", name).casefold()
    if _EXPIRY_NAME.fullmatch(plain):
        return EXPIRY, _EXPIRY_VALUE
    if _HOLDER_NAME.fullmatch(plain):
        return HOLDER, _NAME_VALUE
    if plain in ("name", "customer", "holder", "person"):
        return HOLDER, _TWO_WORDS
    if _SERVICE_NAME.fullmatch(plain):
        return SERVICE_CODE, _SERVICE_VALUE
    entity = entity_of(name)
    return None if entity is None else (entity, _SAD_VALUES[entity])


@lru_cache(4096)
def _key_kind(name: str) -> tuple[str, re.Pattern[bytes]] | None:
    """The same of a key in text, where other short names (``cid``) mean other things."""
    kind = _kind(name)
    plain = re.sub(r"[\W_]+", "", name).casefold()
    return None if kind and kind[0] == "CVV" and not _CODE_KEY.fullmatch(plain) else kind


class Columns:
    """Which columns of a table hold the company of a card number, by their names."""

    def __init__(self, names: Sequence[str]) -> None:
        kinds = ((place, _kind(name)) for place, name in enumerate(names))
        self._wanted = [(place, *kind) for place, kind in kinds if kind is not None]

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def beside(self, cells: Sequence[bytes]) -> set[str]:
        """The kinds that a row has. ``cells`` are its values in the order of the columns."""
        found = set()
        for place, kind, value in self._wanted:
            if place < len(cells) and kind not in found and _fits(cells[place], value):
                found.add(kind)
        return found

    def column_wise(
        self, data: bytes, edges: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """As ``beside`` of many rows, a column at a time: a kind, and which of ``rows`` have it.
        ``edges`` as in ``pii_grid.Grid``."""
        import numpy as np

        for place, kind, value in self._wanted:
            if place < edges.shape[1] - 1:
                begins = edges[rows, place].tolist()
                ends = (edges[rows, place + 1] - 1).tolist()
                cells = [data[a:b] for a, b in zip(begins, ends, strict=True)]
                # names, dates and codes come again and again: each is looked at once
                fits = {cell: _fits(cell, value) for cell in set(cells)}
                yield kind, np.array([fits[cell] for cell in cells], np.bool_)


def _fits(cell: bytes, value: re.Pattern[bytes]) -> bool:
    cell = cell.strip(b" \"'")
    return len(cell) <= _LONGEST and value.fullmatch(cell) is not None


_KEY = re.compile(
    rb"([A-Za-z\x80-\xff][A-Za-z0-9\x80-\xff_\-]{1,32})[\"'`]?\s{0,3}(?:=>|[:=>]|%3D)\s{0,3}[\"'`]?"
)
_BARE = re.compile(
    rb"(?<![0-9/\-.])(?:(?:0[1-9]|1[0-2])[ ]?[/\-|][ ]?(?:20)?[2-4][0-9]"
    rb"|20[2-4][0-9][/\-](?:0[1-9]|1[0-2]))(?![0-9/\-.:])"
)
_NEAR = 40
"""bytes from the number in which an expiry date needs no name"""


def beside(record: bytes, start: int, end: int) -> set[str]:
    """The kinds that stand in ``record`` with the number at ``start`` .. ``end`` of it."""
    found = set()
    for key in _KEY.finditer(record):
        kind = _key_kind(key[1].decode("utf-8", "replace"))
        if kind is not None and kind[1].match(record, key.end()):
            found.add(kind[0])
    if EXPIRY not in found and (
        _BARE.search(record, end, min(len(record), end + _NEAR))
        or _BARE.search(record, max(0, start - _NEAR), start)
    ):
        found.add(EXPIRY)
    return found
