"""Magnetic-stripe data (ISO/IEC 7813) around a PAN: track 1, track 2 and its chip equivalent.

Track 1 is ``%B`` PAN ``^`` name ``^`` YYMM, service code, discretionary data, ``?``. Track 2 is
``;`` PAN ``=`` YYMM, service code, discretionary data, ``?``; the chip (EMV tag 57) writes ``D``
for ``=`` and pads with ``F``. Tracks cut short are recognised as long as a sentinel or the service
code is left.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ONE = re.compile(
    rb"\^(?P<name>[^^?\r\n\x00]{2,40})(?:\^(?:(?P<yy>[0-9]{2})(?P<mm>0[1-9]|1[0-2])"
    rb"(?:[0-9]{3}[^?\r\n\"'<>\x00]{0,50})?)?\??)?"
)
_TWO = re.compile(
    rb"[=D](?P<yy>[0-9]{2})(?P<mm>0[1-9]|1[0-2])(?P<service>[0-9]{3})?(?:[0-9]{0,20})F{0,2}\??"
)
_START_ONE = re.compile(rb"(?:%?[Bb])\Z")


class Track(NamedTuple):
    """``entity``; bytes in front of and behind the PAN that belong to it; and how sure, 0 to 1,
    given that the PAN is good."""

    entity: str
    ahead: int
    behind: int
    sure: float


def around(before: bytes, after: bytes) -> Track | None:
    """The track that the PAN between ``before`` and ``after`` is part of, if any."""
    lead = after[:1]
    if lead == b"^":
        start = _START_ONE.search(before)
        match = _ONE.match(after)
        if match is None or (start is None and match["yy"] is None):
            return None
        return Track("TRACK_1", len(start[0]) if start else 0, match.end(), 0.99)
    if lead not in (b"=", b"D"):
        return None
    match = _TWO.match(after)
    if match is None:
        return None
    sentinel = before[-1:] == b";"
    if match["service"] is None and not sentinel:
        return None
    whole = sentinel or match[0][-1:] in b"?F" or len(match[0]) >= 12
    if match["service"] is not None and match["service"][:1] not in b"125679" and not sentinel:
        return None
    return Track("TRACK_2", 1 if sentinel else 0, match.end(), 0.99 if whole else 0.9)
