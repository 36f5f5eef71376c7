"""tar: old, ustar, GNU and pax, streamed.

Our own, because ``tarfile`` reads a pax header or a long name of any claimed size into memory,
keeps every entry it has seen, and has had expressions that hang on a crafted header. Here a
header is at most ``_HEADER``, nothing is kept, and the stream is only ever read forward.
Format: POSIX.1-2017 pax, "pax Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from detectors.records import dataclass
from scanner.contracts import Chunk, Limits, Member, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Problem, Slice
from scanner.readers.streams import Part, binary, skip

_BLOCK = 512
_HEADER = 1 << 20
_ZERO = bytes(_BLOCK)
_ASCII = bytes(range(128))
_FILE_TYPES = frozenset(b"\007S")
_LONG_NAME, _LONG_LINK = ord("L"), ord("K")
_PAX, _PAX_GLOBAL, _PAX_SUN = ord("x"), ord("g"), ord("X")


class Tar:
    name = "tar"
    sliceable = False
    priority = 50

    def claims(self, head: bytes, name: str) -> bool:
        header = _parse(head[:_BLOCK])
        return header is not None and bool(header.name)

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        try:
            yield from _entries(source)
        except Unreadable as fault:  # of the stream that the archive itself comes from
            yield Problem(fault.reason, fault.detail)


READER = Tar()


@dataclass(slots=True)
class _Header:
    name: str
    size: int
    kind: int


def _entries(source: Source) -> Iterator[Member | Problem]:
    file = source.file
    at = 0
    name: str | None = None
    size: int | None = None
    while True:
        block = _exactly(source, _BLOCK)
        at += len(block)
        if len(block) < _BLOCK:
            if block.strip(b"\0"):
                yield Problem(Reason.TRUNCATED, "the archive ends inside a header")
            return
        if block == _ZERO:  # the end, or the seam of archives that were put one behind another
            continue
        header = _parse(block)
        if header is None:
            yield Problem(Reason.CORRUPT, "a header of the archive is damaged: the rest not read")
            return
        if header.kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _PAX_SUN):
            if header.size > _HEADER:
                yield Problem(Reason.BUDGET_MEMORY, "a header of the archive is over 1 MiB")
                return
            padded = -(-header.size // _BLOCK) * _BLOCK
            body = _exactly(source, padded)[: header.size]
            at += padded
            if header.kind == _LONG_NAME:
                name = _text(body.rstrip(b"\0"))
            elif header.kind in (_PAX, _PAX_SUN):
                fields = _pax(body)
                name = _text(fields[b"path"]) if b"path" in fields else name
                if fields.get(b"size", b"").isdigit():
                    size = int(fields[b"size"][:20])
            continue
        entry_name, entry_size = name or header.name, header.size if size is None else size
        name = size = None
        if header.kind not in _FILE_TYPES and header.kind in b"123456":
            entry_size = 0  # links and devices have no content, whatever their header says
        body_file = Part(file, at, entry_size, source.seekable)
        if entry_size:
            yield Member(entry_name, entry_size, partial(_open, body_file, entry_name))
        padded = -(-entry_size // _BLOCK) * _BLOCK
        at += padded
        if source.seekable:
            if source.size is not None and at > source.size + _BLOCK:
                return  # the part has told that the archive ends inside of it
            file.seek(at)
        elif not skip(file, padded - entry_size + body_file.left):
            yield Problem(Reason.TRUNCATED, "the archive ends before its end", entry_name)
            return


def _open(body: Part, name: str) -> Source:
    return Source(binary(body), name, body.left, seekable=body.seekable())


def _exactly(source: Source, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := source.file.read(count - len(data))):
        data += more
    return data


def _parse(block: bytes) -> _Header | None:
    """None when it is no header: its checksum (of the block with the sum itself as spaces; some
    old writers summed signed bytes) does not fit."""
    if len(block) < _BLOCK:
        return None
    stated = _number(block[148:156])
    if not stated:
        return None
    rest = block[:148] + b" " * 8 + block[156:]
    total = sum(rest)
    if stated not in (total, total - 256 * len(rest.translate(None, _ASCII))):
        return None
    size = _number(block[124:136])
    if size is None or size < 0 or size > 1 << 62:
        return None
    name = _text(block[:100].partition(b"\0")[0])
    if block[257:262] == b"ustar" and block[263:265] == b"00" and block[345]:
        prefix = _text(block[345:500].partition(b"\0")[0])
        name = f"{prefix}/{name}"
    return _Header(name, size, block[156])


def _number(field: bytes) -> int | None:
    """Octal digits, or base 256 when the first bit is set (GNU)."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        return value if field[0] == 0x80 else -1
    digits = field.split(b"\0", 1)[0].strip()
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        return None


def _pax(body: bytes) -> dict[bytes, bytes]:
    """Records ``length key=value\\n``; stops at the first that does not fit."""
    fields: dict[bytes, bytes] = {}
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 20)
        if space < 0 or not body[at:space].isdigit():
            break
        end = at + int(body[at:space])
        if end <= space or end > len(body):
            break
        key, _, value = body[space + 1 : end - 1].partition(b"=")
        fields[key] = value
        at = end
    return fields


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
