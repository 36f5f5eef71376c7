"""Facts of reads on their way from a worker to the fact store: sealed, and plain columns.

A row is one thing somebody did: read this, was refused, listed. A file of evidence comes with what
it says of the record itself (marks, notes), so that it need never be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from enum import IntEnum
from typing import Any

from detectors.records import dataclass


class Verb(IntEnum):
    """What a row says. ``ALSO`` is one more thing that a read already counted has read; ``ASKED``
    may have been a read: the source does not tell. ``ABOUT`` says of a read that is counted which
    single record it asked for: its object is the number of a subject (``snooping.numbering``).
    ``NOTED`` is no act: something that a log shows and an answer counts, its object the name of
    that."""

    READ = 0
    COPY = 1
    ALSO = 2
    DENIED = 3
    LIST = 4
    ASKED = 5
    ABOUT = 6
    NOTED = 7


READS = (Verb.READ, Verb.COPY)
"""count as reads"""
TOUCHES = (*READS, Verb.ALSO)
"""name what was read"""

SAMPLES = 3
"""records that were not understood: how many of a file are kept, as shapes"""

COLUMNS = {
    "store": "u2",
    "verb": "u1",
    "who": "u4",
    "object": "u8",  # ``known.name_hash`` of the sealed name, 0: not told
    "hour": "i4",  # since 1970, UTC
    "second": "u2",  # in the hour
    "event": "u8",  # the same event has the same number, and counts once
    "sent": "i8",  # bytes, -1: not told
    "rows": "i8",  # -1: not told
}
"""Columns of a batch with their numpy types; ``store`` and ``who`` are places in its lists."""


@dataclass(frozen=True, slots=True)
class Who:
    """A principal, sealed. ``foreign`` is the account of the caller where that is not the
    store's."""

    principal: str
    session: str = ""
    anonymous: bool = False
    foreign: str = ""


@dataclass(slots=True)
class Mark:
    """How often something was seen in one hour; ``first`` and ``last`` in seconds since 1970."""

    count: int = 0
    first: int = 0
    last: int = 0

    def add(self, second: int, count: int = 1) -> None:
        if not self.count or second < self.first:
            self.first = second
        if not self.count or second > self.last:
            self.last = second
        self.count += count


@dataclass(slots=True)
class Growth:
    """How a log was read, so that it can be read on from ``resume`` when it has grown.

    Places are bytes of the unpacked content. ``prefix`` is the keyed hash of what lies before
    ``resume``, ``before`` what that says of the record beyond what was kept of it already; the
    file's own facts are those of the rest, which is read again. ``state`` (JSON) and ``kept``
    (numbers of 64 bits) are what the reader has to know at ``resume``. All of it is sealed.
    """

    length: int
    resume: int = 0
    prefix: str = ""
    places: list[tuple[int, str]] = field(default_factory=list)
    """some of those it could have been read on from, with the hash of what lies before"""
    state: str = ""
    kept: dict[str, bytes] = field(default_factory=dict)
    loose: bool = False
    """something at its end is not settled: to be looked at again even if it does not grow"""
    before: FileFacts | None = None
    follows: str = ""
    """the digest of the content that this one goes on with"""
    absorbs: tuple[str, ...] = ()
    """digests of contents that are its beginning"""


@dataclass(slots=True)
class FileFacts:
    """What one file of evidence says of the record. ``name`` and ``texts`` are sealed.

    ``version`` is the store's word for the content, ``digest`` its hash, None when not known;
    ``head`` the hash of its beginning: a file that has grown keeps that.
    """

    name: str
    version: str | None
    digest: str | None = None
    head: str | None = None
    notes: dict[str, int] = field(default_factory=dict)
    """counts of the file as a whole"""
    marks: dict[tuple[str, str, int], Mark] = field(default_factory=dict)
    """by name, store uri (empty: none in particular) and hour"""
    texts: list[tuple[str, str, int, str]] = field(default_factory=list)
    """name, store uri, second, what is said"""
    samples: list[tuple[str, str]] = field(default_factory=list)
    """places (``line 12``) and shapes of a few records that could not be understood"""
    growth: Growth | None = None
    """of logs; files of other kinds are delivered whole"""


@dataclass(slots=True)
class Batch:
    """Whole files of one source of evidence. ``stores``: all that the files were read for."""

    source: str
    kind: str
    stores: list[str]
    files: list[FileFacts] = field(default_factory=list)
    people: list[Who] = field(default_factory=list)
    objects: dict[int, str] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    """numpy arrays of one length, see ``COLUMNS``; empty without rows"""
    named: list[tuple[Any, Sequence[str]]] = field(default_factory=list)
    """more objects, many at a time: an array of their numbers ("u8"), and their names"""

    @property
    def rows(self) -> int:
        return len(self.columns["event"]) if self.columns else 0
