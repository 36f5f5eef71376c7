"""S3 server access logs: from a line to what it says, however hostile.

A record is fields between blanks; request line, referer and user agent stand in quotes, and what
is in them was chosen by whoever made the request: a quote inside is not escaped. So a line can be
read in more than one way, and an attacker can write ``" 403 AccessDenied`` into a user agent. The
fields before the request line cannot be forged, since the key is URL-encoded. All readings of the
rest are taken: where they differ, the record is *ambiguous* and holds the worst of them.

Copies of these logs as JSON (CloudWatch Logs, exports of tables) have the same fields by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec

from detectors.records import dataclass

_LEFT = re.compile(
    r"(?P<owner>\S+) (?P<bucket>\S+) "
    r"\[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<clock>\d\d:\d\d:\d\d)"
    r" (?P<zone>[+-]\d{4})\] "
    r"(?P<ip>\S+) (?P<requester>\S+) (?P<id>\S+) (?P<operation>[A-Z][A-Z0-9_.]+) (?P<key>\S+) "
)
_AFTER = re.compile(
    r'(?<=["-]) (?P<status>\d{3}|-) (?P<error>[A-Za-z0-9.]+|-) (?P<sent>\d{1,18}|-)'
    r' (?P<size>\d+|-) (?P<total>\d+|-) (?P<turn>\d+|-) (?=["-])'
)
LIKE_A_RECORD = re.compile(rb"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] ")
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_READ = re.compile(
    r"(?:REST|SOAP|WEBSITE)\.(?:GET\.OBJECT(?:_TORRENT)?|COPY\.(?:OBJECT|PART)_GET)$"
)
_ONCE_ENCODED = ("BATCH.", "S3.")
_LISTS = frozenset({"REST.GET.BUCKET", "REST.GET.BUCKETVERSIONS", "SOAP.ListBucket"})


@dataclass(slots=True)
class Record:
    """One request, not to be changed (to freeze it would cost a tenth of reading a line). ``keys``
    are what the object's name may be, the likeliest first, empty if it is not told. ``sent`` in
    bytes, None when not told. ``requester`` None: no credentials."""

    when: datetime
    owner: str
    bucket: str
    requester: str | None
    id: str
    operation: str
    keys: tuple[str, ...]
    status: int | None
    error: str | None
    sent: int | None
    ambiguous: bool = False

    @property
    def reads(self) -> bool:
        """Whether the operation gives content away; copies read their source."""
        return _gives(self.operation)

    @property
    def copies(self) -> bool:
        return ".COPY." in self.operation

    @property
    def lists(self) -> bool:
        return self.operation in _LISTS

    @property
    def succeeded(self) -> bool:
        """200 and 206; 304 sends no content. An error code beside 200 is one sent after the
        headers, when some of the content may have been sent too."""
        return self.status in (200, 206)

    @property
    def denied(self) -> bool:
        return self.status in (401, 403)


@lru_cache(1_000)
def _gives(operation: str) -> bool:
    return bool(_READ.match(operation)) or "SELECT" in operation


def record(line: bytes) -> Record | None:
    """The record of a line, None when it is not one."""
    if line.lstrip()[:1] == b"{":
        return _from_json(line)
    text = line.decode("utf-8", "replace")
    left = _LEFT.match(text)
    if left is None:
        return None
    owner, bucket, *time, _, requester, id_, operation, key = left.groups()
    when = _moment(*time)
    readings = list(_readings(text[left.end() - 1 :]))
    if when is None or not readings:
        return None
    said = {(each["status"], each["error"], each["sent"]) for each in readings}
    status, error, sent = min(said, key=_harmless)
    copy = ".COPY." in operation
    return Record(
        when=when,
        owner=owner,
        bucket=bucket,
        requester=_requester(requester),
        id=id_,
        operation=operation,
        keys=_keys(key, operation),
        status=None if status == "-" else int(status),
        error=None if error == "-" else error,
        # "-" stands for zero; a copy sends its object elsewhere
        sent=None if len(said) > 1 or copy else 0 if sent == "-" else int(sent),
        ambiguous=len(said) > 1,
    )


def _readings(rest: str) -> Iterator[re.Match[str]]:
    """Every place in ``rest``, which begins with the blank before the request line, where that may
    end: after a quote, or at once when it is not told (``-``)."""
    if rest.startswith(" - "):
        match = _AFTER.match(rest, 2)
        if match:
            yield match
    elif rest.startswith(' "'):
        place = 1
        while (place := rest.find('" ', place) + 1) > 0:
            if match := _AFTER.match(rest, place):
                yield match


def _harmless(said: tuple[str, str, str]) -> tuple[bool, str]:
    """Sorts the reading that gives content away first."""
    return said[0] not in ("200", "206"), said[0]


def _moment(day: str, month: str, year: str, clock: str, zone: str) -> datetime | None:
    minute = _minute(day, month, year, clock[:5], zone)
    # zones are whole minutes away; a leap second is none of ours
    return None if minute is None else minute.replace(second=min(int(clock[6:]), 59))


@lru_cache(1_000)
def _minute(day: str, month: str, year: str, clock: str, zone: str) -> datetime | None:
    away = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    try:
        when = datetime(
            int(year),
            _MONTHS.find(month) // 3 + 1,  # 0 if there is none: a ValueError
            int(day),
            int(clock[:2]),
            int(clock[3:]),
            tzinfo=timezone(-away if zone[0] == "-" else away),
        )
        return when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _requester(text: str) -> str | None:
    return None if text in ("-", "Anonymous") else text


def _keys(raw: str, operation: str) -> tuple[str, ...]:
    """Keys are encoded twice but for batch and lifecycle operations. A name that itself holds a
    percent sign reads as two; so both are tried."""
    if raw == "-":
        return ()
    if "%" not in raw:
        return (raw,)
    once = unquote(raw)
    twice = unquote(once) if "%" in once else once
    best = (once, twice) if operation.startswith(_ONCE_ENCODED) else (twice, once)
    return best if once != twice else (once,)


# --- JSON -----------------------------------------------------------------------------------------

_FIELDS = {
    "bucketname": "bucket",
    "keyname": "key",
    "requesttime": "time",
    "requestdatetime": "time",
    "timestamp": "time",
    "bucketownerid": "owner",
    "bucketowner": "owner",
    "requestid": "id",
    "httpstatus": "status",
    "httpstatuscode": "status",
    "statuscode": "status",
    "errorcode": "error",
    "bytessent": "sent",
}


def _from_json(line: bytes) -> Record | None:
    try:
        found = msgspec.json.decode(line.decode("utf-8", "replace"))
    except (msgspec.MsgspecError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    fields = {_field(name): value for name, value in found.items()}
    when, status = _when(fields.get("time")), _number(fields.get("status"))
    operation, bucket, key = (fields.get(name) for name in ("operation", "bucket", "key"))
    if not (isinstance(operation, str) and isinstance(bucket, str) and when):
        return None
    requester = fields.get("requester")
    if not (requester is None or isinstance(requester, str)):
        return None
    names: tuple[str, ...] = ()
    if isinstance(key, str) and key not in ("", "-"):
        names = _json_keys(key, operation, fields.get("requesturi"))
    return Record(
        when=when,
        owner=_text(fields.get("owner")),
        bucket=bucket,
        requester=_requester(requester) if requester else None,
        id=_text(fields.get("id")),
        operation=operation,
        keys=names,
        status=status,
        error=_text(fields.get("error")) or None,
        sent=None if ".COPY." in operation else _number(fields.get("sent")),
    )


def _json_keys(key: str, operation: str, request: Any) -> tuple[str, ...]:
    """Whether a key is encoded, and how often, differs from one export to the next: the path of the
    request, which is encoded once, tells where it is there."""
    names = dict.fromkeys((key, *_keys(key, operation)))
    found = _PATH.match(request) if isinstance(request, str) else None
    if found:
        path = unquote(found[1])
        return tuple(sorted(names, key=lambda name: not path.endswith(f"/{name}")))
    return tuple(sorted(names, key=lambda name: "%25" in name))


_PATH = re.compile(r"[A-Z]+ (/[^ ?]*)")


@lru_cache(1_000)
def _field(name: str) -> str:
    plain = name.replace("_", "").replace("-", "").lower()
    return _FIELDS.get(plain, plain)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value != "-" else ""


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 1 << 63 else None


def _when(value: Any) -> datetime | None:
    """ISO 8601, the form of the text logs, or milliseconds since 1970."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 1 << 53:
            return None
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
    if not isinstance(value, str):
        return None
    clf = _LEFT_TIME.fullmatch(value)
    if clf:
        return _moment(*clf.groups())
    try:
        # exports write nanoseconds, of which six digits are understood
        plain = value.removesuffix(" UTC")
        when = datetime.fromisoformat(_FINER.sub(r"\1", plain) if "." in plain else plain)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


_LEFT_TIME = re.compile(
    r"\[?(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<clock>\d\d:\d\d:\d\d)"
    r" (?P<zone>[+-]\d{4})\]?"
)
_FINER = re.compile(r"(\.\d{6})\d+")
