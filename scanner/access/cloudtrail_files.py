"""CloudTrail files: from the bytes of a file to events, in bounded memory, whatever the bytes.

A file as delivered is gzip of ``{"Records": [...]}``; copies made by people are plain, a bare list,
one record a line, one record a file, or EventBridge envelopes. A file of ordinary size is decoded
at once and fast; any other, and any that is damaged, piece by piece. What looked like a record and
was not is counted, never dropped in silence.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from functools import partial
from typing import Any, BinaryIO, TypeAlias, cast

import msgspec

from detectors.records import dataclass
from scanner.access import cloudtrail_exports, digests, lines
from scanner.access.cloudtrail_records import UNDECODABLE, Event, event_from, event_of
from scanner.access.digests import Digest
from scanner.access.shapes import Samples
from scanner.contracts import Source
from scanner.errors import Unreadable

WHOLE = 32 << 20
"""bytes up to which an unpacked file is decoded at once; CloudTrail's own stay under it"""
LARGEST_RECORD = 2 << 20
"""characters; CloudTrail's own limit is 256 KB"""
UNPACKED = 4 << 30
"""bytes read of one file; what holds more is no log file of CloudTrail but a bomb"""
_STEP = lines.STEP


class _Whole(msgspec.Struct, rename={"records": "Records"}):
    records: list[Event]


class _File(msgspec.Struct, rename={"records": "Records"}):
    records: list[msgspec.Raw]


_AS_DELIVERED = msgspec.json.Decoder(_Whole)
_WHOLE_FILE = msgspec.json.Decoder(_File)


@dataclass(slots=True)
class AtHand(Samples):
    """``Samples`` of records, which are shown only when they are asked for."""

    show: Callable[[int], tuple[str, int, bytes]] = field(
        default=lambda number: ("record", number, b""), repr=False
    )
    """of the how manieth that is looked at by itself: what it is called and its number in the file,
    and its text"""

    def take_it(self) -> None:
        if self.wanted:
            self.thing, at, record = self.show(self.at)
            self.take(record, at)


@dataclass(slots=True)
class Notes:
    """What came up while reading files."""

    files: int = 0
    """with at least one record"""
    other: int = 0
    empty: int = 0
    """without any: digests, and what is not of CloudTrail"""
    broken: int = 0
    """cut off or corrupt; what came before the damage was read"""
    records: int = 0
    aggregated: int = 0
    """summaries of events over five minutes, which are not added to the events themselves"""
    digests: int = 0
    exported: int = 0
    """rows that a query of somebody's chose, and put out"""
    unparsed: int = 0
    samples: AtHand = field(default_factory=AtHand)

    @classmethod
    def of(cls, count: Callable[[str], int]) -> Notes:
        """As they were counted before."""
        made = cls()
        for name in COUNTS:
            setattr(made, name, count(name))
        return made

    def lost(self) -> None:
        """The record at hand was not understood."""
        self.unparsed += 1
        self.samples.take_it()


COUNTS = tuple(name for name in Notes.__dataclass_fields__ if name != "samples")


def digest(source: Source, notes: Notes) -> Digest | None:
    """The digest in a file that has the name of one. Raises ``Unreadable`` if the source does."""
    data, damaged = lines.read(lines.unpacked(source.file), WHOLE)
    found = None if damaged else digests.parse(data)
    notes.files += 1
    notes.digests += found is not None
    notes.broken += found is None
    return found


Sift: TypeAlias = Callable[[bytes], tuple[bytes, int] | None]
"""Takes events out of a file as delivered: what is left of it and how many they were, or None."""


def events(
    source: Source,
    notes: Notes,
    whole: Callable[[str], None] | None = None,
    sift: Sift = lambda data: None,
) -> Iterator[Event]:
    """The events of one file, but for those that ``sift`` takes. ``whole`` gets the SHA-256 of what
    it holds, unpacked, at the end. Raises ``Unreadable`` if the source does."""
    file, counted = lines.unpacked(source.file), Notes(samples=notes.samples)
    hashed = None
    if lines.begins(file, cloudtrail_exports.PARQUET):
        found = _of_parquet(replace(source, file=cast(BinaryIO, file)), counted)
    else:
        hashed = lines.Hashed(file) if whole is not None else None
        found = _of_json(hashed or file, counted, sift)
    try:
        for counted.samples.at, event in enumerate(found, 1):
            plausible = type(event.name) is str and type(event.source) is str
            if plausible and event.category != "Aggregated":
                counted.records += 1
                yield event
                continue
            if not plausible and isinstance(event.detail, dict):
                event = event_from(event.detail)
                plausible = isinstance(event.name, str) and isinstance(event.source, str)
            if event.category == "Aggregated":
                counted.records += 1
                counted.aggregated += 1
            elif plausible:
                counted.records += 1
                yield event
            else:
                counted.lost()
    finally:
        counted.empty *= source.piece != ""
        _add(counted, notes)
    if whole is not None and hashed is not None:
        whole(hashed.sha256())


def _of_json(file: lines.Bytes, notes: Notes, sift: Sift) -> Iterator[Event]:
    head, damaged = lines.read(file, WHOLE + 1)
    notes.empty += not head
    if cloudtrail_exports.is_table(head):
        return _of_table(_Feed(head, file, damaged), notes)
    found = None
    if len(head) <= WHOLE and not damaged:
        whole, sifted = head, sift(head)
        if sifted is not None:
            head, taken = sifted
            notes.records += taken
        notes.samples.show = partial(_of_list, whole, head)
        found = _at_once(head)
    return found or _pieces(_Window(_Feed(head, file, damaged)), notes)


def _of_parquet(source: Source, notes: Notes) -> Iterator[Event]:
    """Raises ``Unreadable`` when not a row of it could be read."""
    try:
        yield from _of_rows(cloudtrail_exports.parquet_rows(source), notes)
    except Unreadable:
        if not notes.exported:
            raise
        notes.broken += 1


def _of_table(feed: _Feed, notes: Notes) -> Iterator[Event]:
    yield from _of_rows(cloudtrail_exports.csv_rows(feed.more), notes)
    notes.broken += feed.damaged


def _of_rows(rows: Iterator[dict[str, Any]], notes: Notes) -> Iterator[Event]:
    row: dict[str, Any] = {}
    notes.samples.show = lambda number: ("row", number, msgspec.json.encode(row))
    for row in rows:
        records = cloudtrail_exports.rows(row)
        notes.exported += len(records or ())
        yield from map(event_from, [row] if records is None else records)


def _add(counted: Notes, notes: Notes) -> None:
    if not counted.records and not counted.broken:
        notes.other += not counted.empty
        notes.samples.taken.clear()
        return
    notes.files += 1
    notes.broken += counted.broken
    notes.records += counted.records
    notes.aggregated += counted.aggregated
    notes.exported += counted.exported
    notes.unparsed += counted.unparsed


# --- bytes ----------------------------------------------------------------------------------------


class _Feed:
    """The text of a file in steps."""

    def __init__(self, head: bytes, rest: lines.Bytes, damaged: bool) -> None:
        self._head, self._rest, self.damaged = head, rest, damaged
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._taken = 0

    def more(self) -> str:
        """The next step, empty at the end."""
        while True:
            if self._head:
                data, self._head = self._head[:_STEP], self._head[_STEP:]
            elif self.damaged:
                data = b""
            else:
                data, self.damaged = lines.read(self._rest, _STEP)
            self._taken += len(data)
            if self._taken > UNPACKED:
                self.damaged, self._head, data = True, b"", b""
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text


# --- records --------------------------------------------------------------------------------------


def _at_once(data: bytes) -> Iterator[Event] | None:
    """The fast way, None where the file is not as CloudTrail delivers it. What is no record is an
    event without anything in it."""
    try:
        return iter(_AS_DELIVERED.decode(data).records)
    except UNDECODABLE:
        pass  # some record is odd: one by one
    try:
        raws = _WHOLE_FILE.decode(data).records
    except UNDECODABLE:
        return None
    return (event_of(raw) or Event() for raw in raws)


def _of_list(whole: bytes, rest: bytes, number: int) -> tuple[str, int, bytes]:
    """See ``AtHand.show``: of a file as delivered, of which ``rest`` was looked at."""
    left = [bytes(each) for each in _WHOLE_FILE.decode(rest).records[:number]]
    record = left[-1]
    if rest is not whole:  # of records that are alike all were taken, or none
        all_of_them = enumerate(_WHOLE_FILE.decode(whole).records, 1)
        for each in left:
            number = next(at for at, one in all_of_them if bytes(one) == each)
    return "record", number, record


# what stands between records: the list around them and the object around the list
_BETWEEN = re.compile(r'(?:[\s,\[\]}]|\{\s*"Records"\s*:\s*\[)*')
# where a record may begin after one that could not be understood; inside a string there is
# neither a bare quote nor a line end
_START = re.compile(r'\n|\{\s*"event(?:Version|ID|Time|Source|Name)"')
_HOPELESS = 100
"""faults without a single record, after which a file is not one of CloudTrail"""


def _pieces(window: _Window, notes: Notes) -> Iterator[Event]:
    """The careful way: one JSON object after the other."""
    good = bad = 0
    alike = False
    samples, record = notes.samples, None

    def within(number: int) -> tuple[str, int, bytes]:
        return "record", number, msgspec.json.encode(record)

    while window.at_record():
        value = window.value()
        samples.show = window.show
        if value is None:
            bad += 1
            alike = alike or window.looks_like_event
            yield Event()
            if bad >= _HOPELESS and not good and not alike:
                break
            window.resync()
            continue
        good += 1
        exported = cloudtrail_exports.rows(value)
        notes.exported += len(exported or ())
        records = value.get("Records") if exported is None else exported
        records = records if isinstance(records, list) else [value]
        if len(records) > 1:
            samples.show = within
        for record in records:
            yield event_from(record) if isinstance(record, dict) else Event()
    cut = good > 0 and window.lists > 0
    notes.broken += window.damaged or cut or (alike and not good)


class _Window:
    """A stretch of the text, from where we are; never much longer than the largest record."""

    def __init__(self, feed: _Feed) -> None:
        self._feed = feed
        self._text, self._place, self._ended = "", 0, False
        self._began = self._lines = 0
        self.lists = 0
        """lists of records that began and did not end: a file cut off between two records"""
        self._decoder = json.JSONDecoder()

    @property
    def damaged(self) -> bool:
        return self._feed.damaged

    def show(self, number: int) -> tuple[str, int, bytes]:
        """See ``AtHand.show``: what ``value`` was asked for last, by its line where the file has
        several."""
        line = self._lines + self._text.count("\n", 0, self._began) + 1
        text = self._text[self._began :].encode()
        return ("record", number, text) if line == 1 else ("line", line, text)

    @property
    def looks_like_event(self) -> bool:
        match = _START.match(self._text, self._place)
        return match is not None and match[0] != "\n"

    def at_record(self) -> bool:
        """Goes to the next thing that is not between records. False at the end."""
        while True:
            while len(self._text) - self._place < 64 and not self._ended:
                self._fill()
            match = _BETWEEN.match(self._text, self._place)
            if match:
                self._place = match.end()
                self.lists += match[0].count("[") - match[0].count("]")
            if self._place < len(self._text):
                return True
            if self._ended:
                return False

    def value(self) -> dict[str, Any] | None:
        """The object here, None if there is none or it is too large. The place moves past it."""
        self._began = self._place
        while self._text[self._place] == "{":
            try:
                value, end = self._decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError as error:
                cut_off = error.pos >= len(self._text) - 16 or "Unterminated" in error.msg
                room = len(self._text) - self._place < LARGEST_RECORD
                if self._ended or not cut_off or not room:
                    return None
                self._fill()
            except (RecursionError, ValueError):
                return None
            else:
                self._place = end
                return cast(dict[str, Any], value)
        return None

    def resync(self) -> None:
        """Goes past what could not be understood, to where a record may begin."""
        self._place += 1
        while True:
            match = _START.search(self._text, self._place)
            if match:
                self._place = match.end() if match[0] == "\n" else match.start()
                return
            # the start of a match may stand at the very end
            self._place = max(self._place, len(self._text) - 32)
            if self._ended:
                self._place = len(self._text)
                return
            self._fill()

    def _fill(self) -> None:
        step = self._feed.more()
        self._ended = not step
        self._lines += self._text.count("\n", 0, self._place)
        self._began -= self._place
        self._text, self._place = self._text[self._place :] + step, 0
