"""Sensitive authentication data in fields that are named so: card verification codes, PIN blocks.

PCI DSS 3.3.1.2 and 3.3.1.3: neither may be kept after authorisation, not even encrypted. A code of
three digits can only be told by its name (``cvv=``, ``"cvc2":``, a column called CVV2); one that
stands unnamed beside a PAN and its expiry is found by the ``pan`` detector.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from detectors.base import (
    Buffer,
    Example,
    FieldCounts,
    Hints,
    Match,
    NoHints,
    Scan,
    Value,
)
from detectors.marks import marks, places

if TYPE_CHECKING:
    from detectors.sadnames import NameFinder

_CODE_NAME = rb"(?:cvv2?|cvc2?|cvn2?)"
_CODE = re.compile(
    rb"(?<![A-Za-z])(?:card[_\- ]?)?"
    + _CODE_NAME
    + rb"(?:[_\- ]?(?:code|number|num|no|nr|value|val))?[\"'`]?"
    rb"(?P<by>\s{0,3}(?::|=>|=|>|%3D)\s{0,3}[\"'`]?|\s(?:is\s)?|\t)(?P<value>[0-9]{3,4})(?![0-9A-Za-z._\-])",
    re.IGNORECASE,
)
_PIN = re.compile(
    rb"(?<![A-Za-z])(?:encrypted[_\- ]?)?pin[_\- ]?(?:block|blk)(?:[_\- ]?[a-z0-9]{1,8})?[\"'`]?"
    rb"\s{0,3}(?::|=>|=|>|%3D)\s{0,3}[\"'`]?(?P<value>[0-9A-F]{16})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_COLUMN_CODE = re.compile(
    r"(?:card|cc|credit)*(?:cvv2?|cvc2?|cvn2?|cav2|csc|cid|securitycode|verification(?:code|value)"
    r"|cardverificationvalue2?|prüfnummer|pruefnummer|kartenprüfnummer|cryptogramme)(?:code|number|no)?"
)
_COLUMN_PIN = re.compile(r"(?:encrypted|enc)?pin(?:block|blk)(?:data|hex)?")
_WINDOW_BACK, _WINDOW_AHEAD = 32, 64
_LONGEST_ROW = 4096


class _SadScan:
    def __init__(self) -> None:
        self._finder: NameFinder | None = None

    def fields(self) -> Mapping[int, FieldCounts]:
        return {}

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        found = {}
        seen = marks(data, hints)
        names = self._over_arrays(data) if seen is None else places(seen.names)
        for match in _named(data, lo, hi, names):
            found[match.start] = match
        if not isinstance(hints, NoHints):
            for match in _in_columns(data, lo, hi, hints):
                found[match.start] = match
        return [found[start] for start in sorted(found)]

    def _over_arrays(self, data: Buffer) -> list[int]:
        from detectors.sadnames import NameFinder

        self._finder = self._finder or NameFinder()
        return self._finder.places(data)


def _named(data: Buffer, lo: int, hi: int, places: list[int]) -> Iterator[Match]:
    """Values with their name in front."""
    for at in places:
        first = max(0, at - _WINDOW_BACK)
        window = bytes(data[first : at + _WINDOW_AHEAD])
        for pattern, entity in ((_CODE, "CVV"), (_PIN, "PIN_BLOCK")):
            for hit in pattern.finditer(window):
                start, end = hit.span("value")
                if not (hit.start() <= at - first < start and lo <= first + start < hi):
                    continue
                close = entity == "PIN_BLOCK" or hit["by"].strip() != b""
                name = "a PIN block" if entity == "PIN_BLOCK" else "a card verification code"
                why = (f"stands under a name of {name}",)
                yield Match("sad", entity, first + start, first + end, _score(close), why=why)


def _score(close: bool) -> float:
    """A key with its value; or a word followed by a number, which may be about something else."""
    return 0.96 if close else 0.85


def _in_columns(data: Buffer, lo: int, hi: int, hints: Hints) -> Iterator[Match]:
    """Cells of columns that are named so. The first rows tell which columns these are."""
    text = bytes(data) if isinstance(data, memoryview) else data
    start = text.rfind(b"\n", max(0, lo - _LONGEST_ROW), lo) + 1
    wanted: dict[int, str] = {}
    looked = 0
    while start < hi:
        end = text.find(b"\n", start, start + _LONGEST_ROW)
        end = min(len(text), start + _LONGEST_ROW) if end < 0 else end
        cells = list(_cells(text, start, end))
        if looked < 3:
            looked += 1
            for number, (at, _) in enumerate(cells):
                entity = entity_of(hints.field_name(at))
                if entity:
                    wanted[number] = entity
        elif not wanted:
            return
        for number in wanted:
            if number < len(cells):
                yield from _cell(text, cells[number], lo, hi, hints)
        start = end + 1


def _cells(text: bytes | bytearray, start: int, end: int) -> Iterator[tuple[int, int]]:
    row = text[start:end]
    delimiter = max((b"\t", b",", b";", b"|"), key=row.count)
    at = start
    for cell in row.split(delimiter):
        lead = len(cell) - len(cell.lstrip(b" \"'"))
        yield at + lead, at + max(lead, len(cell.rstrip(b" \"'\r")))
        at += len(cell) + 1


def _cell(
    text: bytes | bytearray, cell: tuple[int, int], lo: int, hi: int, hints: Hints
) -> Iterator[Match]:
    start, end = cell
    if not lo <= start < hi:
        return
    entity = entity_of(hints.field_name(start))
    value = text[start:end]
    if entity == "CVV" and re.fullmatch(rb"[0-9]{3,4}", value):
        why = ("stands in a column of card verification codes",)
        yield Match("sad", "CVV", start, end, 0.97, why=why)
    elif entity == "PIN_BLOCK" and re.fullmatch(rb"[0-9A-Fa-f]{16}", value):
        why = ("stands in a column of PIN blocks",)
        yield Match("sad", "PIN_BLOCK", start, end, 0.97, why=why)


def entity_of(name: str | None) -> str | None:
    """What a column of this name holds: ``CVV``, ``PIN_BLOCK`` or neither."""
    if not name:
        return None
    plain = re.sub(r"[\W_]+", "", name).casefold()
    if _COLUMN_CODE.fullmatch(plain):
        return "CVV"
    return "PIN_BLOCK" if _COLUMN_PIN.fullmatch(plain) else None


class Sad:
    """The plug-in."""

    name = "sad"
    entities = ("CVV", "PIN_BLOCK")
    profiles = frozenset({"card", "full"})
    summary = "Card verification codes (CVV, CVC, CVN) and PIN blocks in fields named so."
    limits = (
        "A code without a name is a number like any other; beside a PAN and its expiry the `pan`"
        " detector finds it. Clear PINs are not looked for."
    )
    examples = (
        Example(b'{"card":"x","cvv":"123"}', "CVV", "123"),
        Example(b"cvv2=4321&x=1", "CVV", "4321"),
        Example(b"<cardCVC>987</cardCVC>", "CVV", "987"),
        Example(b"exp 12/29, CVV: 555", "CVV", "555"),
        Example(b"PIN_BLOCK=0412AC89ABCDEF67;", "PIN_BLOCK", "0412AC89ABCDEF67"),
        Example(b'"pinBlock": "04a2ac89abcdef67"', "PIN_BLOCK", "04A2AC89ABCDEF67"),
    )
    near_misses: tuple[bytes, ...] = (
        b"recv 1234 bytes",
        b"cvv_result=200",
        b"cvv: ***",
        b"see CVE-2024-1234 and cvs 1.11",
        b"pin_block=missing, pin_count=0412AC89ABCDEF67",
        b"cvv=12345",
    )

    def scan(self) -> Scan:
        return _SadScan()

    def value(self, data: Buffer, match: Match) -> Value:
        return Value(bytes(data[match.start : match.end]).decode("latin-1").upper(), None)

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        return match.score, match.why


DETECTOR = Sad()
