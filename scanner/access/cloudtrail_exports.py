"""Exports of CloudTrail records: what Athena's UNLOAD and CloudTrail Lake's queries write.

Rows of a table instead of records: names in lower case or with underscores, objects as JSON text or
as the text of a row (``{type=Root, arn=...}``, of Lake and of CSV), numbers and truth as text,
times without a zone (UTC). They are turned into records as CloudTrail writes them. As JSON, a row a
line or as ``get-query-results`` prints them, as Parquet, and as CSV with a heading, as Athena keeps
and Lake saves its answers.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import msgspec

from scanner import duckfile
from scanner.contracts import Source

PARQUET = b"PAR1"
_HEADING = re.compile(rb"[^{\[\r\n]*\bevent_?(?:name|json)\b", re.IGNORECASE)
_LONGEST = 2 << 20
"""characters of a line of CSV; CloudTrail's own limit of a record is 256 KB"""
_AS_IT_IS = "hive_partitioning = false"
_NAMES = (
    *("eventVersion", "eventTime", "eventSource", "eventName", "eventID", "eventType"),
    *("sharedEventID", "eventCategory", "managementEvent", "errorCode", "errorMessage"),
    *("recipientAccountId", "awsRegion", "sourceIPAddress", "userIdentity", "requestParameters"),
    *("additionalEventData", "resources", "vpcEndpointId"),
)
_IDENTITY = (
    *("type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy"),
    *("sessionContext", "sessionIssuer", "attributes", "creationDate", "sourceIdentity"),
    *("onBehalfOf", "userId", "identityStoreArn", "identityProvider"),
)
_RESOURCE = ("type", "ARN", "ARNPrefix", "accountId")


def _by_plain(names: tuple[str, ...]) -> dict[str, str]:
    return {name.lower(): name for name in names}


_OF_RECORD, _OF_IDENTITY, _OF_RESOURCE = map(_by_plain, (_NAMES, _IDENTITY, _RESOURCE))
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.0+)?(?: UTC|Z)?")
_NUMBERS = frozenset({"bytesTransferredOut", "bytesTransferredIn"})


def rows(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The records in a JSON object that is a row of an export, or rows as ``get-query-results``
    prints them. None when it is neither."""
    listed = value.get("QueryResultRows")
    if isinstance(listed, list):
        return [_record(_plain(_merged(row))) for row in listed]
    if "eventName" in value and " " not in str(value.get("eventTime")):
        return None  # a record as CloudTrail writes it
    plain = _plain(value)
    if "eventjson" in plain or ("eventname" in plain and "eventsource" in plain):
        return [_record(plain)]
    return None


def _merged(row: Any) -> dict[str, Any]:
    """A row that is a list of objects, each with one column."""
    if not isinstance(row, list):
        return {}
    return {name: value for cell in row if isinstance(cell, dict) for name, value in cell.items()}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "").lower(): value for name, value in row.items()}


def _record(plain: Mapping[str, Any]) -> dict[str, Any]:
    """``plain`` is a row with names in lower case."""
    whole = _parsed(plain.get("eventjson"))
    if isinstance(whole, dict):
        return whole
    found = {_OF_RECORD.get(name, name): value for name, value in plain.items()}
    for name in ("userIdentity", "requestParameters", "additionalEventData", "resources"):
        if name in found:
            found[name] = _parsed(found[name])
    if found.get("managementEvent") in ("true", "false"):
        found["managementEvent"] = found["managementEvent"] == "true"
    time = found.get("eventTime")
    match = _TIME.fullmatch(time) if isinstance(time, str) else None
    if match:
        found["eventTime"] = f"{match[1]}T{match[2]}Z"
    found["userIdentity"] = _spelt(found.get("userIdentity"), _OF_IDENTITY)
    found["resources"] = _spelt(found.get("resources"), _OF_RESOURCE)
    told = found.get("additionalEventData")
    if isinstance(told, dict):
        found["additionalEventData"] = {name: _number(name, each) for name, each in told.items()}
    return found


def _parsed(value: Any) -> Any:
    """What JSON text or the text of a row holds; anything else as it is."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:
        return _row(value)
    except ValueError:
        return value


def _row(text: str, depth: int = 8) -> Any:
    """A row, map or list as Lake and Athena print it: ``{type=Role, list=[{a=1}, {a=null}]}``.
    Nothing is quoted: ``ValueError`` where text that somebody chose makes it read in two ways."""
    inner = text[1:-1]
    if depth and text[:1] == "{" and text[-1:] == "}":
        found: dict[str, str] = {}
        for part in _parts(inner):
            name, equals, value = part.partition("=")
            if equals and _NAME.fullmatch(name):
                if name in found:
                    raise ValueError
                found[name] = value
            elif found:  # a comma in a value
                found[next(reversed(found))] += f", {part}"
            elif part:
                return text
        return {name: _row(value, depth - 1) for name, value in found.items()}
    if depth and text[:1] == "[" and text[-1:] == "]":
        return [_row(part, depth - 1) for part in _parts(inner)]
    return None if text == "null" else text


def _parts(text: str) -> Iterator[str]:
    """What stands between commas that are not inside brackets."""
    start = depth = 0
    for match in _COMMA_OR_BRACKET.finditer(text):
        depth += (match[0] in "{[") - (match[0] in "}]")
        if depth < 0:
            raise ValueError
        if not depth and match[0] == ", ":
            yield text[start : match.start()]
            start = match.end()
    if depth:
        raise ValueError
    yield text[start:]


_NAME = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
_COMMA_OR_BRACKET = re.compile(r", |[{}\[\]]")


def _spelt(value: Any, names: Mapping[str, str], depth: int = 4) -> Any:
    if isinstance(value, list) and depth:
        return [_spelt(each, names, depth - 1) for each in value]
    if not isinstance(value, dict) or not depth:
        return value
    plain = {name.replace("_", "").lower(): each for name, each in value.items()}
    return {names.get(name, name): _spelt(each, names, depth - 1) for name, each in plain.items()}


def _number(name: str, value: Any) -> Any:
    if name not in _NUMBERS or not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def parquet_rows(source: Source) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file as JSON would have them. Raises ``Unreadable``, also after some
    of them."""
    descriptor = duckfile.descriptor(source)
    try:
        with closing(duckfile.connect()) as connection:
            path = f"/proc/self/fd/{descriptor}"
            duckfile.shut(connection, path)
            query = f"SELECT to_json(t)::VARCHAR FROM read_parquet('{path}', {_AS_IT_IS}) t"  # noqa: S608 - a path of ours
            for (text,) in duckfile.stream(connection, query):
                value = _parsed(text)
                yield value if isinstance(value, dict) else {}
    finally:
        os.close(descriptor)


def is_table(head: bytes) -> bool:
    """Whether a file that begins so is CSV of such rows."""
    return _HEADING.match(head, 0, 4096) is not None


def csv_rows(more: Callable[[], str]) -> Iterator[dict[str, Any]]:
    """The rows of a CSV file, as JSON would have them; one that does not fit the heading has no
    columns but one without a name. ``more`` gives the next of the text, empty at the end."""
    reader = csv.reader(_lines(more), strict=True)
    heading: list[str] = []
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a quote without its end reaches no further than the largest field
            yield {"": None}
            continue
        if not heading:
            heading = row
        elif len(row) == len(heading):
            yield _plain({name: value for name, value in zip(heading, row, strict=True) if value})
        elif row:
            yield {"": row}


def _lines(more: Callable[[], str]) -> Iterator[str]:
    rest = ""
    while step := more():
        *whole, rest = (rest + step).split("\n")
        yield from (f"{line}\n" for line in whole)
        if len(rest) > _LONGEST:
            yield rest
            rest = ""
    if rest:
        yield rest
