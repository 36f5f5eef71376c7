"""The key in front of a value in text: ``"pan": "``, ``pan=``, ``<pan>``. For naming only: what a
key says about a number is ``evidence``'s business."""

from __future__ import annotations

import re

from detectors.base import Buffer

_BACK = 64
_ENDS = (b"=", b":", b">", b"%3D")
_KEY = re.compile(
    rb"(?:(?P<key>[A-Za-z_\x80-\xff][\w.\x80-\xff\-]{0,40})[\"'`\]]?\s{0,3}(?:=>|:=|[=:]|%3D)\s{0,3}[\"'`\[({]{0,3}"
    rb"|<(?P<tag>[A-Za-z_][\w.:\-]{0,40})(?:\s[^<>]{0,60})?>\s{0,3})\Z"
)


def key_before(data: Buffer, start: int) -> tuple[int, int] | None:
    """Where the key of the value at ``start`` stands, None when it has none."""
    first = max(0, start - _BACK)
    front = bytes(data[first:start])
    if not front[-8:].rstrip(b" \t\"'`[({").endswith(_ENDS):
        return None
    match = _KEY.search(front)
    if match is None:
        return None
    a, b = match.span(match.lastgroup or "key")
    return first + a, first + b
