"""Plain reads of a file of CloudTrail in columns, as the compiled reader gives them.

What is plain is what ``plain_reads`` says, and narrower: names in ASCII without escapes, ids of 36
characters. Every other record comes out as it stands, to be looked at one by one; a file that is
not JSON to its last byte is not taken apart here at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from detectors.records import dataclass
from scanner.access import compiled, identity
from scanner.access.cloudtrail_records import Event, event_of

_EVENTS = [
    *(("group", "u4"), ("key", "u4"), ("event", "u8"), ("moment", "i8"), ("sent", "i8")),
    *(("start", "i8"), ("end", "i8")),
]
_GROUPS = [
    *(("identity", "2i8"), ("record", "2i8"), ("bucket", "i8"), ("owner", "i8")),
    ("account", "2i8"),
]
_OF_TRAIL, _TOLD = 0, 1
"""of ``owner`` of a group; anything else: ask the record"""


class Sifted(NamedTuple):
    """``rest``: a file of the records that are not plain reads. ``taken``: how many were."""

    rest: bytes
    taken: int


class Doer(NamedTuple):
    """One caller in one bucket; ``owner`` is what was asked for of the bucket."""

    who: identity.Caller
    bucket: str
    owner: Any


@dataclass(slots=True)
class Columns:
    """Plain reads of one file, numpy arrays of one length. ``doer`` and ``key`` are places in
    ``doers`` and ``keys``, ``event`` is what ``book.events_hashed`` makes of its id, ``moment`` is
    in seconds since 1970, ``sent`` in bytes, -1 where that is not told."""

    doers: list[Doer]
    keys: list[str]
    doer: Any
    key: Any
    event: Any
    moment: Any
    sent: Any
    elsewhere: Any
    """moments of plain reads of other buckets"""


class PlainColumns:
    """Takes the plain reads of ``buckets`` out of whole files and hands them to ``count``.
    ``owner(event, bucket)`` is asked once for each doer of a file."""

    def __init__(
        self,
        buckets: Iterable[str],
        callers: identity.Callers,
        owner: Callable[[Event, str], Any],
        count: Callable[[Columns], None],
    ) -> None:
        self._buckets = sorted(set(buckets))
        self._spelt = tuple(bucket.encode() for bucket in self._buckets)
        self._callers, self._owner, self._count = callers, owner, count
        self._seed = secrets.randbits(64)

    def sift(self, data: bytes) -> Sifted | None:
        """None: the file has to be read some other way."""
        if compiled.native is None:
            return None
        found = compiled.native.read(data, self._spelt, self._seed)
        if found is None:
            return None
        import numpy as np

        events = np.frombuffer(found[0], _EVENTS)
        elsewhere = np.frombuffer(found[1], "i8")
        rest = np.frombuffer(found[4], "i8").reshape(-1, 2)
        doers, known = self._doers(data, np.frombuffer(found[2], _GROUPS))
        if not all(known):
            mine = np.array(known, bool)[events["group"]]
            odd = events[~mine]
            rest = np.concatenate([rest, np.stack([odd["start"], odd["end"]], axis=1)])
            rest = rest[np.argsort(rest[:, 0])]  # as they stood
            events = events[mine]
        names = ("group", "key", "event", "moment", "sent")
        doer, key, event, moment, sent = (np.ascontiguousarray(events[name]) for name in names)
        self._count(Columns(doers, found[3], doer, key, event, moment, sent, elsewhere))
        records = b",".join([data[start:end] for start, end in rest.tolist()])
        return Sifted(b'{"Records":[' + records + b"]}", len(events) + len(elsewhere))

    def _doers(self, data: bytes, groups: Any) -> tuple[list[Doer], list[bool]]:
        """And of which it is known who they are."""
        doers, known = [], []
        of, buckets, nobody = self._callers.of, self._buckets, identity.Caller("")
        for (first, last), record, place, told, (start, end) in groups.tolist():
            who = of(data[first:last])
            known.append(who is not None)
            bucket = buckets[place]
            owner = None
            if told in (_OF_TRAIL, _TOLD):
                account = None if start < 0 else data[start:end].decode("ascii")
                owner = (account, told == _TOLD)
            elif who is not None:
                event = event_of(data[slice(*record)])
                owner = None if event is None else self._owner(event, bucket)
            doers.append(Doer(who or nobody, bucket, owner))
        return doers, known
