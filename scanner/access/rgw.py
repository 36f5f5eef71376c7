"""Evidence from the operations log of Ceph's object gateway (RGW): who read the objects.

It answers for S3 stores with an ``endpoint``, since those of AWS have logs of their own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, cast

from scanner.access import identity, rgw_lines, rules
from scanner.access.lines import Bytes, LineNotes, begins, lines, read, unpacked
from scanner.access.logfiles import LogFiles
from scanner.access.rgw_lines import COPY, LIKE_A_RECORD, record, tenant_of
from scanner.access.s3_access_lines import Record
from scanner.access.s3_access_logs import Collector, Sort
from scanner.contracts import Source
from scanner.model import Store

_HOME = "the bucket's own tenant"
_PRETTY = b"{\n"
_LARGEST = 64 << 20
"""bytes of what ``radosgw-admin log show`` printed: an hour of one bucket"""
_COPIES = "copies whose source the log does not tell"
_LEAD = (
    "the gateway writes what it carried out or refused, but not requests whose signature was wrong"
)


def _of_gateways(stores: Sequence[Store], settings: Mapping[str, Any]) -> Sequence[Store]:
    """S3 of other servers than AWS."""
    only = settings.get("endpoint")
    return [
        store
        for store in stores
        if store.options.get("endpoint") and only in (None, store.options["endpoint"])
    ]


def _lines(source: Source, notes: LineNotes) -> Iterator[bytes]:
    """Entries a line, or those in what ``radosgw-admin log show`` printed."""
    file = unpacked(source.file)
    head = b""
    if begins(file, _PRETTY):
        head, damaged = read(file, _LARGEST)
        shown = None if damaged else rgw_lines.shown(head)
        if shown is not None:
            notes.samples.thing = "record"
            for notes.samples.at, entry in enumerate(shown, 1):
                yield entry
            return
        file = _Again(head, file)
    for line in lines(replace(source, file=cast(BinaryIO, file)), notes):
        if line.strip(b" \t\r,[]"):
            yield line


class _Again:
    """A file of which some was read already."""

    def __init__(self, head: bytes, rest: Bytes) -> None:
        self._head, self._rest = io.BytesIO(head), rest
        self.torn = False
        self.at = self.lines = 0  # it can be read on from nowhere: it is delivered whole

    def read(self, size: int, /) -> bytes:
        return self._head.read(size) or self._rest.read(size)


def _who(requester: str | None, tenant: str) -> identity.Caller:
    """``tenant`` is that of the bucket: a user of another one comes from elsewhere."""
    if requester is None:
        return identity.Caller(identity.ANONYMOUS, anonymous=True)
    own = tenant_of(requester)
    return identity.Caller(requester, account=f"tenant {own}" if own != tenant else _HOME)


def _remark(found: Record) -> str:
    return _COPIES if found.operation == COPY else ""


_SORT = Sort("rgw-operations-log", _LEAD, LIKE_A_RECORD, record, _lines, _who, _remark, (_COPIES,))
EVIDENCE = LogFiles(
    "rgw",
    {
        **rules.OPTIONS,
        "uri": str,  # file, folder or s3:// prefix with the log files
        "endpoint": str,  # of the gateway, where stores of several servers are scanned
    },
    lambda stores, asked, settings, book: Collector(_SORT, stores, asked, book, _HOME),
    of=_of_gateways,
)
