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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO, TypeAlias, cast

import msgspec

from detectors.records import dataclass
from scanner.access import cloudtrail_exports, digests, lines
from scanner.access.digests import Digest
from scanner.contracts import Source
from scanner.errors import Unreadable

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
    "region": "awsRegion",
    "error": "errorCode",
    "recipient": "recipientAccountId",
    "identity": "userIdentity",
    "parameters": "requestParameters",
    "additional": "additionalEventData",
}


class Issuer(msgspec.Struct, frozen=True):
    arn: Any = None
    name: Any = msgspec.field(default=None, name="userName")


class Context(msgspec.Struct, frozen=True):
    issuer: Issuer | None = msgspec.field(default=None, name="sessionIssuer")
    source: Any = msgspec.field(default=None, name="sourceIdentity")


class Behalf(msgspec.Struct, frozen=True):
    user: Any = msgspec.field(default=None, name="userId")


class Identity(msgspec.Struct, frozen=True):
    """``userIdentity``: what of it tells who called."""

    kind: Any = msgspec.field(default=None, name="type")
    principal: Any = msgspec.field(default=None, name="principalId")
    arn: Any = None
    account: Any = msgspec.field(default=None, name="accountId")
    name: Any = msgspec.field(default=None, name="userName")
    invoked: Any = msgspec.field(default=None, name="invokedBy")
    context: Context | None = msgspec.field(default=None, name="sessionContext")
    behalf: Behalf | None = msgspec.field(default=None, name="onBehalfOf")


class Parameters(msgspec.Struct, frozen=True, gc=False):
    """``requestParameters`` of calls that read, and of those that change a trail."""

    bucket: Any = msgspec.field(default=None, name="bucketName")
    key: Any = None
    source: Any = msgspec.field(default=None, name="x-amz-copy-source")
    name: Any = None
    trail: Any = msgspec.field(default=None, name="trailName")
    table: Any = msgspec.field(default=None, name="tableName")
    cluster: Any = msgspec.field(default=None, name="resourceArn")
    secret: Any = msgspec.field(default=None, name="secretId")
    secrets: Any = msgspec.field(default=None, name="secretIdList")
    exported: Any = msgspec.field(default=None, name="tableArn")
    statement: Any = None
    statements: Any = None
    items: Any = msgspec.field(default=None, name="requestItems")
    transaction: Any = msgspec.field(default=None, name="transactStatements")


class Additional(msgspec.Struct, frozen=True, gc=False):
    sent: Any = msgspec.field(default=None, name="bytesTransferredOut")


class Resource(msgspec.Struct, frozen=True):
    kind: Any = msgspec.field(default=None, name="type")
    arn: Any = msgspec.field(default=None, name="ARN")
    prefix: Any = msgspec.field(default=None, name="ARNPrefix")
    account: Any = msgspec.field(default=None, name="accountId")


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=_NAMES):
    """The fields of a record that anything here looks at. A record whose objects are none has None
    for them; single values are of any type a hostile file says, so whoever reads one checks it."""

    event_id: Any = None
    shared_event_id: Any = None
    event_time: Any = None
    source: Any = None
    name: Any = None
    category: Any = None
    management: Any = None
    region: Any = None
    error: Any = None
    recipient: Any = None
    identity: msgspec.Raw = msgspec.Raw(b"null")
    """``Identity`` as it stands in the file: few different ones, which are decoded once"""
    parameters: Parameters | None = None
    additional: Additional | None = None
    resources: msgspec.Raw = msgspec.Raw(b"null")
    """see ``resources_of``; asked for now and then only"""
    detail: Any = None
    """the record inside an EventBridge envelope"""


class _Whole(msgspec.Struct, rename={"records": "Records"}):
    records: list[Event]


class _File(msgspec.Struct, rename={"records": "Records"}):
    records: list[msgspec.Raw]


_AS_DELIVERED = msgspec.json.Decoder(_Whole)
_WHOLE_FILE = msgspec.json.Decoder(_File)
_EVENT = msgspec.json.Decoder(Event)
_IDENTITY: msgspec.json.Decoder[Identity | None] = msgspec.json.Decoder(Identity | None)
_RESOURCES = msgspec.json.Decoder(list[Resource] | None)
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


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
    file, counted = lines.unpacked(source.file), Notes()
    hashed = None
    if lines.begins(file, cloudtrail_exports.PARQUET):
        found = _of_parquet(replace(source, file=cast(BinaryIO, file)), counted)
    else:
        hashed = lines.Hashed(file) if whole is not None else None
        found = _of_json(hashed or file, counted, sift)
    try:
        for event in found:
            plausible = type(event.name) is str and type(event.source) is str
            if plausible and event.category != "Aggregated":
                counted.records += 1
                yield event
                continue
            if not plausible and isinstance(event.detail, dict):
                event = _from(event.detail)
                plausible = isinstance(event.name, str) and isinstance(event.source, str)
            if event.category == "Aggregated":
                counted.records += 1
                counted.aggregated += 1
            elif plausible:
                counted.records += 1
                yield event
            else:
                counted.unparsed += 1
    finally:
        counted.empty *= source.piece != ""
        _add(counted, notes)
    if whole is not None and hashed is not None:
        whole(hashed.sha256())


def _of_json(file: lines.Bytes, notes: Notes, sift: Sift) -> Iterator[Event]:
    head, damaged = lines.read(file, WHOLE + 1)
    notes.empty += not head
    found = None
    if len(head) <= WHOLE and not damaged:
        sifted = sift(head)
        if sifted is not None:
            head, taken = sifted
            notes.records += taken
        found = _at_once(head, notes)
    return found or _pieces(_Window(_Feed(head, file, damaged)), notes)


def _of_parquet(source: Source, notes: Notes) -> Iterator[Event]:
    """Raises ``Unreadable`` when not a row of it could be read."""
    try:
        for row in cloudtrail_exports.parquet_rows(source):
            records = cloudtrail_exports.rows(row)
            notes.exported += len(records or ())
            yield from map(_from, [row] if records is None else records)
    except Unreadable:
        if not notes.exported:
            raise
        notes.broken += 1


def _add(counted: Notes, notes: Notes) -> None:
    if not counted.records and not counted.broken:
        notes.other += not counted.empty
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


def _at_once(data: bytes, notes: Notes) -> Iterator[Event] | None:
    """The fast way, None where the file is not as CloudTrail delivers it."""
    try:
        return iter(_AS_DELIVERED.decode(data).records)
    except _UNDECODABLE:
        pass  # some record is odd: one by one
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


def event_of(record: bytes) -> Event | None:
    """One record as it stands in a file, None when it is no object."""
    return _leniently(msgspec.Raw(record))


def _leniently(raw: msgspec.Raw) -> Event | None:
    """A record; bytes that are not UTF-8 or objects that are none must not hide it."""
    try:
        return _EVENT.decode(raw)
    except _UNDECODABLE:
        pass
    try:
        record = msgspec.json.decode(bytes(raw).decode("utf-8", "replace"))
    except _UNDECODABLE:
        return None
    return _from(record) if isinstance(record, dict) else None


def _from(record: Mapping[str, Any]) -> Event:
    """What is not an object where one belongs is left out."""
    plain = {
        **record,
        "userIdentity": msgspec.Raw(msgspec.json.encode(record.get("userIdentity"))),
        "resources": msgspec.Raw(msgspec.json.encode(record.get("resources"))),
        "requestParameters": _object(record.get("requestParameters")),
        "additionalEventData": _object(record.get("additionalEventData")),
    }
    return msgspec.convert(plain, Event)


def identity_of(raw: msgspec.Raw | bytes) -> Identity | None:
    """Who called, None when that is not an object."""
    try:
        return _IDENTITY.decode(raw)
    except _UNDECODABLE:
        pass
    found = _anything(raw)
    if not isinstance(found, dict):
        return None
    context, behalf = _object(found.get("sessionContext")), _object(found.get("onBehalfOf"))
    if context is not None:
        context = {**context, "sessionIssuer": _object(context.get("sessionIssuer"))}
    plain = {**found, "sessionContext": context, "onBehalfOf": behalf}
    return msgspec.convert(plain, Identity)


def resources_of(event: Event) -> list[Resource]:
    """The resources of a record that are objects."""
    try:
        return _RESOURCES.decode(event.resources) or []
    except _UNDECODABLE:
        found = _anything(event.resources)
        listed = found if isinstance(found, list) else []
        return [msgspec.convert(each, Resource) for each in listed if isinstance(each, dict)]


def _anything(raw: msgspec.Raw | bytes) -> Any:
    try:
        return msgspec.json.decode(bytes(raw).decode("utf-8", "replace"))
    except _UNDECODABLE:
        return None


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


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
        exported = cloudtrail_exports.rows(value)
        notes.exported += len(exported or ())
        records = value.get("Records") if exported is None else exported
        for record in records if isinstance(records, list) else [value]:
            if isinstance(record, dict):
                yield _from(record)
            else:
                notes.unparsed += 1
    cut = good > 0 and window.lists > 0
    notes.broken += window.damaged or cut or (alike and not good)


class _Window:
    """A stretch of the text, from where we are; never much longer than the largest record."""

    def __init__(self, feed: _Feed) -> None:
        self._feed = feed
        self._text, self._place, self._ended = "", 0, False
        self.lists = 0
        """lists of records that began and did not end: a file cut off between two records"""
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
            if match:
                self._place = match.end()
                self.lists += match[0].count("[") - match[0].count("]")
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
