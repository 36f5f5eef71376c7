"""The records of CloudTrail: what of one is looked at, and how one that is odd is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

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


_EVENT = msgspec.json.Decoder(Event)
_IDENTITY: msgspec.json.Decoder[Identity | None] = msgspec.json.Decoder(Identity | None)
_RESOURCES = msgspec.json.Decoder(list[Resource] | None)
UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def event_of(raw: msgspec.Raw | bytes) -> Event | None:
    """A record as it stands in a file, None when it is no object; bytes that are not UTF-8 or
    objects that are none must not hide it."""
    try:
        return _EVENT.decode(raw)
    except UNDECODABLE:
        record = _anything(raw)
        return event_from(record) if isinstance(record, dict) else None


def event_from(record: Mapping[str, Any]) -> Event:
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
    except UNDECODABLE:
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
    except UNDECODABLE:
        found = _anything(event.resources)
        listed = found if isinstance(found, list) else []
        return [msgspec.convert(each, Resource) for each in listed if isinstance(each, dict)]


def _anything(raw: msgspec.Raw | bytes) -> Any:
    try:
        return msgspec.json.decode(bytes(raw).decode("utf-8", "replace"))
    except UNDECODABLE:
        return None


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
