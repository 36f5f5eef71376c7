"""What a detector is: the types between a detector and whoever runs it. Standard library only.

A detector sees bytes and answers with spans. It never returns text: the raw value is asked for
once, by the sealer, with ``Detector.value``. Nothing here imports ``scanner``, so ``detectors``
is usable as a library on its own.

Seams. Whoever cuts a stream into buffers keeps ``BEFORE`` bytes in front of the part that is
new and ``AFTER`` bytes behind it (less only at the ends of the stream). A detector looks at no
byte outside ``start - BEFORE`` .. ``start + AFTER`` of a match, which is what makes the answer
independent of where a stream was cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from enum import IntEnum, StrEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable

from detectors.records import dataclass

Buffer: TypeAlias = bytes | bytearray | memoryview

BEFORE = 1024
"""bytes: so far back the start of a line is looked for when the column of a number is counted"""
AFTER = 768
"""bytes: room for what is decoded around a sign of an encoding"""

CONFIRMED = 0.8
"""A match at or above this probability is *confirmed*."""
POSSIBLE = 0.3
"""From here up to ``CONFIRMED`` it is *possible*; below, it is not written unless asked for."""


class State(StrEnum):
    """In what form a value lies there."""

    CLEAR = "clear"
    ENCODED = "encoded"  # base64, hex, UTF-16, EBCDIC, escapes: readable by anyone who decodes
    TEST = "test"  # a published test PAN
    TRUNCATED = "truncated"  # masked or cut: digits are missing
    HASHED = "hashed"


@dataclass(frozen=True, slots=True)
class Match:
    """One value found: a span and what speaks for it; no text.

    ``start``/``end`` are byte offsets in the buffer given to ``find``. ``score`` is the
    probability, from what stands around the value alone, that the match is real. ``field`` is
    a 64-bit hash of the place it stands under (JSON key, ``key=``, column, position in a log
    line), 0 where there is none, negative for a card number with a bad check digit:
    ``Scan.fields()`` has counts under the same number, and
    ``Detector.settle`` turns both into the final probability. ``layout`` names how the value
    is written (``plain``, ``grouped``, ``utf-16-le``, ``base64`` ...), which is also how
    ``Detector.value`` knows what to undo.
    """

    detector: str
    entity: str
    start: int
    end: int
    score: float
    state: State = State.CLEAR
    brands: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    layout: str = "plain"
    field: int = 0


@dataclass(slots=True)
class FieldCounts:
    """What was seen under one field in all, hits and misses: the evidence of the field.

    Counts only, so that slices and workers can be added up in any order.
    """

    seen: int = 0
    """numbers that begin with a known issuer prefix and have a length of that issuer"""
    luhn: int = 0
    """of these, how many satisfy Luhn"""
    issued: int = 0
    """the same as ``seen``, for detectors that count other numbers too"""
    lengths: dict[int, int] = field(default_factory=dict)
    weight: float = 1.0
    """how far they speak for the field in question: less than 1 when they are those of several"""

    def add(self, other: FieldCounts) -> None:
        self.seen += other.seen
        self.luhn += other.luhn
        self.issued += other.issued
        for length, count in other.lengths.items():
            self.lengths[length] = self.lengths.get(length, 0) + count


@dataclass(frozen=True, slots=True, repr=False)
class Value:
    """A raw value on its way to the sealer. Its repr shows a length, so no trace holds it.

    ``text`` is canonical (for a PAN: ASCII digits; truncated: with ``*`` for what is missing)
    and is what the fingerprint is made of. ``pan`` is the card number whose mask may be shown:
    the value itself for a PAN, the PAN inside a track, None for a CVV, PIN block or secret.
    """

    text: str
    pan: str | None

    def __repr__(self) -> str:
        return f"Value(<{len(self.text)} characters>)"


class Hints(Protocol):
    """What a reader knows about the structure of a buffer. All optional to use.

    May have ``shared``, a dict that lives as long as the content of the one buffer it was made for:
    there detectors keep what several of them need (``marks``).
    """

    def field_name(self, start: int) -> str | None:
        """Name of the column or key that the byte at ``start`` belongs to, if it is known."""
        ...


class NoHints:
    """Plain text: nothing is known beyond the bytes."""

    def field_name(self, start: int) -> str | None:
        return None


class Scan(Protocol):
    """One pass over one slice; holds the field counts of that slice."""

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        """Matches whose start lies in ``lo <= start < hi``, in order of start.

        Bytes outside lo..hi are context. Never raises on any input.
        """
        ...

    def fields(self) -> Mapping[int, FieldCounts]:
        """Counts so far, by ``Match.field``."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A scan that lists only so many values of an entity and counts the rest."""

    def more(self) -> Mapping[tuple[str, int, float], int]:
        """By entity, field and score: values that were confirmed and are in no ``Match``."""
        ...

    def go_on(self, listed: Mapping[str, int]) -> None:
        """Before the first ``find``: so many values of each entity were listed of the same unit,
        and count towards what is listed."""
        ...


class Form(IntEnum):
    """How the text of a value in bulk becomes the canonical one, as ``Detector.value`` gives it."""

    PLAIN = 0
    EMAIL = 1  # the domain, behind the @, in small letters
    COMPACT = 2  # letters, digits and "+" only, letters in capitals


@dataclass(frozen=True, slots=True)
class Bulk:
    """Values of one window that differ in their text only, confirmed by an exact test.

    ``match`` stands for each; its span is that of the first. ``starts``/``ends`` are arrays of
    int64, offsets in the buffer given to ``find``, in order. The values are ASCII. ``column`` is
    the name of the column all of them stand in, None where that differs or is not known.
    """

    match: Match
    starts: Any
    ends: Any
    form: Form = Form.PLAIN
    column: str | None = None

    def one(self, index: int) -> Match:
        return replace(self.match, start=int(self.starts[index]), end=int(self.ends[index]))


@runtime_checkable
class Massing(Protocol):
    """A scan that, when told so before its first ``find``, gives what is plainly one of very many
    in ``bulk`` instead of as a ``Match`` each: the path of a single value costs a hundred times
    the test. Off, the same values come one by one."""

    in_bulk: bool

    def bulk(self) -> Sequence[Bulk]:
        """Of the last ``find``; in none of its matches."""
        ...


@runtime_checkable
class Fallible(Protocol):
    """A scan that may be unable to settle something, and then says so."""

    def problems(self) -> Sequence[str]:
        """In words without content; each makes the outcome of the unit *sampled*."""
        ...


class Detector(Protocol):
    """A plug-in module has ``DETECTOR``, an object of this shape, and that is all."""

    name: str
    """also ``Match.detector``"""
    entities: tuple[str, ...]
    profiles: frozenset[str]
    """profiles it runs in: ``card``, ``full``"""
    summary: str
    """what it finds, one line of Markdown, for docs/detectors.md"""
    limits: str
    """what it cannot see, likewise"""
    examples: Sequence[Example]
    near_misses: Sequence[bytes]

    def scan(self) -> Scan: ...

    def value(self, data: Buffer, match: Match) -> Value:
        """The raw value of a match, for the sealer only. ``data`` as it was given to ``find``."""
        ...

    def settle(self, match: Match, counts: FieldCounts | None) -> tuple[float, tuple[str, ...]]:
        """Final probability and the words for it, once all counts of the field are in.

        ``match`` may be a stand-in rebuilt from a sealed finding: its span means nothing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Example:
    """Text that holds exactly these entities, confirmed, with this value: run by the tests."""

    data: bytes
    entity: str
    value: str
    state: State = State.CLEAR
