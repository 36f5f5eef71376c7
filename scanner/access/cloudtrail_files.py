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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from scanner.access import lines
from scanner.contracts import Source

WHOLE = 32 << 20
"""bytes up to which an unpacked file is decoded at once; CloudTrail's own stay under it"""
LARGEST_RECORD = 2 << 20
"""characters; CloudTrail's own limit is 256 KB"""
UNPACKED = 4 << 30
"""bytes read of one file; what holds more is no log file of CloudTrail but a bomb"""
_STEP = lines.STEP

_NAMES = {
    "event_id": "eventID",
    "shared_event_id": "sharedEventID",
    "event_time": "eventTime",
    "source": "eventSource",
    "name": "eventName",
    "category": "eventCategory",
    "management": "managementEvent",
    "read_only": "readOnly",
    "error": "errorCode",
    "region": "awsRegion",
    "recipient": "recipientAccountId",
    "identity": "userIdentity",
    "parameters": "requestParameters",
    "additional": "additionalEventData",
}


class Event(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    """The fields of a record that anything here looks at. Their types are what the file says: a
    hostile one can put anything anywhere, so whoever reads a field checks it."""

    event_id: Any = None
    shared_event_id: Any = None
    event_time: Any = None
    source: Any = None
    name: Any = None
    category: Any = None
    management: Any = None
    read_only: Any = None
    error: Any = None
    region: Any = None
    recipient: Any = None
    identity: Any = None
    parameters: Any = None
    additional: Any = None
    resources: Any = None
    detail: Any = None
    """the record inside an EventBridge envelope"""

    @property
    def plausible(self) -> bool:
        """Whether it is a record of CloudTrail at all."""
        return isinstance(self.name, str) and isinstance(self.source, str)


class _File(msgspec.Struct, rename={"records": "Records"}):
    records: list[msgspec.Raw]


_WHOLE_FILE = msgspec.json.Decoder(_File)
_EVENT = msgspec.json.Decoder(Event)
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(slots=True)
class Notes:
    """What came up while reading files."""

    files: int = 0
    """with at least one record"""
    other: int = 0
    """without any: digests, and what is not of CloudTrail"""
    broken: int = 0
    """cut off or corrupt; what came before the damage was read"""
    records: int = 0
    aggregated: int = 0
    """summaries of events over five minutes, which are not added to the events themselves"""
    unparsed: int = 0


def events(source: Source, notes: Notes) -> Iterator[Event]:
    """The events of one file. Raises ``Unreadable`` if the source does."""
    file = lines.unpacked(source.file)
    head, damaged = lines.read(file, WHOLE + 1)
    counted = Notes()
    found = None
    if len(head) <= WHOLE and not damaged:
        found = _at_once(head, counted)
    if found is None:
        found = _pieces(_Window(_Feed(head, file, damaged)), counted)
    try:
        for event in found:
            if not event.plausible and isinstance(event.detail, dict):
                event = _from(event.detail)
            if event.category == "Aggregated":
                counted.records += 1
                counted.aggregated += 1
            elif event.plausible:
                counted.records += 1
                yield event
            else:
                counted.unparsed += 1
    finally:
        _add(counted, notes)


def _add(counted: Notes, notes: Notes) -> None:
    if not counted.records and not counted.broken:
        notes.other += 1
        return
    notes.files += 1
    notes.broken += counted.broken
    notes.records += counted.records
    notes.aggregated += counted.aggregated
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


def _at_once(data: bytes, notes: Notes) -> Iterator[Event] | None:
    """The fast way, None where the file is not as CloudTrail delivers it."""
    try:
        raws = _WHOLE_FILE.decode(data).records
    except _UNDECODABLE:
        return None
    return _decoded(raws, notes)


def _decoded(raws: list[msgspec.Raw], notes: Notes) -> Iterator[Event]:
    for raw in raws:
        event = _leniently(raw)
        if event is None:
            notes.unparsed += 1
        else:
            yield event


def _leniently(raw: msgspec.Raw) -> Event | None:
    """A record; bytes that are not UTF-8 must not hide it."""
    try:
        return _EVENT.decode(raw)
    except _UNDECODABLE:
        pass
    try:
        return _EVENT.decode(bytes(raw).decode("utf-8", "replace"))
    except _UNDECODABLE:
        return None


def _from(record: Mapping[str, Any]) -> Event:
    values = {name: record.get(key) for name, key in _NAMES.items()}
    return Event(resources=record.get("resources"), detail=record.get("detail"), **values)


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
    while window.at_record():
        value = window.value()
        if value is None:
            bad += 1
            notes.unparsed += 1
            alike = alike or window.looks_like_event
            if bad >= _HOPELESS and not good and not alike:
                break
            window.resync()
            continue
        good += 1
        records = value.get("Records")
        for record in records if isinstance(records, list) else [value]:
            if isinstance(record, dict):
                yield _from(record)
            else:
                notes.unparsed += 1
    notes.broken += window.damaged or (alike and not good)


class _Window:
    """A stretch of the text, from where we are; never much longer than the largest record."""

    def __init__(self, feed: _Feed) -> None:
        self._feed = feed
        self._text, self._place, self._ended = "", 0, False
        self._decoder = json.JSONDecoder()

    @property
    def damaged(self) -> bool:
        return self._feed.damaged

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
            self._place = match.end() if match else self._place
            if self._place < len(self._text):
                return True
            if self._ended:
                return False

    def value(self) -> dict[str, Any] | None:
        """The object here, None if there is none or it is too large. The place moves past it."""
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
        self._text, self._place = self._text[self._place :] + step, 0
