"""Listing a bucket: exact keys, storage class and restore state, at a fifth of boto3's cost.

obstore lists faster still, but not exactly: it drops the slash at the start or end of a key, and
one key with ``//``, ``..`` or a control character fails its whole page. So boto3 makes the
request, with its signing, retries and redirects, and only the parsing of the answer is ours, by
botocore's ``before-parse`` event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from scanner.errors import Reason, Unreadable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ROWS = "CardtrailRows"
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class Listed(NamedTuple):
    """One object of a listing. ``etag`` has no quotes."""

    key: str
    size: int | None
    etag: str | None
    archived: bool
    """in an archive class and not restored"""


def prepare(client: S3Client) -> None:
    """Teaches a client to parse listings our way; doing it twice does no harm."""
    client.meta.events.register(
        "before-parse.s3.ListObjectsV2", _before_parse, unique_id="cardtrail-listing"
    )


def objects(client: S3Client, bucket: str, prefix: str, limit: int = 1000) -> Iterator[Listed]:
    """Every object whose key begins with ``prefix``, in the order of the server.

    ``client`` has been through ``prepare``. Raises botocore's errors, and ``Unreadable`` for a
    listing that does not end.
    """
    token = ""
    while True:
        more: dict[str, Any] = {"ContinuationToken": token} if token else {}
        if not bucket.endswith("--x-s3"):  # directory buckets know no restores
            more["OptionalObjectAttributes"] = ["RestoreStatus"]
        answer: Any = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=limit, **more)
        yield from answer.get(_ROWS, ())
        following = answer.get("NextContinuationToken", "")
        if not answer.get("IsTruncated") or limit == 1:
            return
        if not following or following == token:
            raise Unreadable(Reason.IO_ERROR, "the server's listing does not go on where it ended")
        token = following


def _before_parse(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **others: Any
) -> None:
    body = response_dict["body"]
    if response_dict["status_code"] != 200 or b"<!DOCTYPE" in body[:1024]:
        return
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat refuses amplification by entities
    except ElementTree.ParseError:
        return  # botocore meets the same and raises its own error
    space, _, tag = root.tag.rpartition("}")
    if tag != "ListBucketResult":
        return
    space += "}" if space else ""
    encoded = root.findtext(f"{space}EncodingType") == "url"
    customized_response_dict[_ROWS] = [
        _listed(contents, space, encoded) for contents in root.iterfind(f"{space}Contents")
    ]
    # what is left is small, and botocore parses it as it always does
    rest = ElementTree.Element(root.tag)
    rest.extend(child for child in root if child.tag != f"{space}Contents")
    response_dict["body"] = ElementTree.tostring(rest)


def _listed(contents: ElementTree.Element, space: str, encoded: bool) -> Listed:
    # child texts by name, since findtext for each would walk the children each time
    texts = {child.tag[len(space) :]: child for child in contents}
    key = _text(texts, "Key") or ""
    if encoded and ("%" in key or "+" in key):
        key = unquote_plus(key, errors="surrogateescape")
    size = _text(texts, "Size") or ""
    etag = (_text(texts, "ETag") or "").removeprefix('"').removesuffix('"')
    restored = texts.get("RestoreStatus")
    # a copy that is still being restored has no expiry date yet and cannot be read
    readable = restored is not None and restored.find(f"{space}RestoreExpiryDate") is not None
    return Listed(
        key=key,
        size=int(size) if size.isascii() and size.isdigit() else None,
        etag=etag or None,
        archived=_text(texts, "StorageClass") in _ARCHIVES and not readable,
    )


def _text(texts: dict[str, ElementTree.Element], name: str) -> str | None:
    element = texts.get(name)
    return None if element is None else element.text
