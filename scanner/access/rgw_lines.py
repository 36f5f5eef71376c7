"""Ceph's object gateway (RGW): from an entry of its operations log to what it says.

Entries are JSON, as ``rgw_ops_log_file_path`` writes them (an entry a line), as they come out of
``rgw_ops_log_socket_path`` (``[`` and commas around them), or as ``radosgw-admin log show`` prints
them. They become records of S3 server access logs, with the operations spelt as there.

What the log does not tell: the source of a copy, and requests whose signature was wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec

from scanner.access.s3_access_lines import Record

ANONYMOUS = "anonymous"
"""the name of whoever gives no credentials; nobody else can have it"""
_REQUEST = re.compile(r"(?P<method>[A-Z]+) (?P<path>\S*?)(?:\?\S*)?(?: \S+)?")
_SWIFT = re.compile(r"/swift/v1/(?:AUTH_[^/]+/)?")
_OPERATIONS = {
    ("get_obj", "GET"): "REST.GET.OBJECT",
    ("get_obj", "HEAD"): "REST.HEAD.OBJECT",
    ("get_obj", "POST"): "REST.SELECT.OBJECT",
    ("select_obj", "POST"): "REST.SELECT.OBJECT",
    ("copy_obj", "PUT"): "REST.COPY.OBJECT",
    ("list_bucket", "GET"): "REST.GET.BUCKET",
    ("list_bucket", "HEAD"): "REST.HEAD.BUCKET",
    ("list_bucket_versions", "GET"): "REST.GET.BUCKETVERSIONS",
}
LIKE_A_RECORD = re.compile(rb'"(?:trans_id|http_status|bytes_sent)"')
COPY = "REST.COPY.OBJECT"
_COPIED_PART = re.compile(r"PUT \S*[?&]partNumber=\S*")


class _Entry(msgspec.Struct):
    bucket: str
    time: str
    operation: str
    uri: str
    user: str | None = None
    subuser: str | None = None
    object: str | None = None
    http_status: str | int | None = None
    error_code: str | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None
    object_size: int | None = None
    trans_id: str | None = None


class _Shown(msgspec.Struct):
    log_entries: list[msgspec.Raw]


_ENTRY = msgspec.json.Decoder(_Entry)
_SHOWN = msgspec.json.Decoder(_Shown)
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def shown(data: bytes) -> Iterator[bytes] | None:
    """The entries in what ``radosgw-admin log show`` prints, None when it is not that."""
    try:
        return map(bytes, _SHOWN.decode(data).log_entries)
    except _UNDECODABLE:
        return None


def record(line: bytes) -> Record | None:
    """The record of an entry, None when it is none."""
    text = line.strip(b" \t\r,[]")
    try:
        entry = _ENTRY.decode(text)
    except msgspec.ValidationError:
        return None
    except _UNDECODABLE:
        try:  # a name with bytes that are no text
            entry = _ENTRY.decode(text.decode("utf-8", "replace"))
        except _UNDECODABLE:
            return None
    when, request = _time(entry.time), _REQUEST.fullmatch(entry.uri)
    if when is None or request is None:
        return None
    operation = _OPERATIONS.get((entry.operation, request["method"]), entry.operation)
    if entry.operation == "put_obj" and _copied(entry):
        operation = COPY
    tenant, _, bucket = entry.bucket.rpartition("/")
    return Record(
        when=when,
        owner=tenant,
        bucket=bucket,
        requester=_requester(entry),
        id=entry.trans_id or "",
        operation=operation,
        keys=_keys(entry, bucket, request["path"]),
        status=_status(entry.http_status),
        error=entry.error_code or None,
        sent=entry.bytes_sent if (entry.bytes_sent or 0) >= 0 else None,
    )


def tenant_of(user: str) -> str:
    """Of ``tenant$user``, empty without one."""
    return user.partition("$")[0] if "$" in user else ""


def _requester(entry: _Entry) -> str | None:
    if not entry.user or entry.user == ANONYMOUS:
        return None
    return f"{entry.user}:{entry.subuser}" if entry.subuser else entry.user


def _keys(entry: _Entry, bucket: str, path: str) -> tuple[str, ...]:
    """What the object's name may be, the likeliest first. The bucket stands in the path, or in the
    name of the host, which is not told."""
    if entry.object:
        return (entry.object,)
    swift = _SWIFT.match(path)
    if swift:
        path = "/" + path[swift.end() :]
    whole = unquote(path.removeprefix("/"))
    first, slash, rest = whole.partition("/")
    if first.rpartition(":")[2] != bucket:  # tenant:bucket
        return (whole,) if whole else ()
    if not rest:
        return (whole,) if slash else ()
    return (rest, whole)


def _copied(entry: _Entry) -> bool:
    """Whether a part was put that nobody sent: it was copied from another object."""
    return (
        entry.bytes_received == 0
        and bool(entry.object_size)
        and _COPIED_PART.match(entry.uri) is not None
    )


def _status(told: str | int | None) -> int | None:
    text = str(told)
    return int(text) if text.isascii() and text.isdigit() and len(text) == 3 else None


def _time(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
