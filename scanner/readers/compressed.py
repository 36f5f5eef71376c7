"""One compressed stream: gzip, bzip2, xz and the older lzma. What is in it is a member, named as
the tools that unpack it would."""

from __future__ import annotations

import bz2
import lzma
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from detectors.records import dataclass
from scanner.contracts import Chunk, Limits, Member, Source
from scanner.model import Problem, Slice
from scanner.readers.streams import Machine, Unpacked, binary, inflate

_SUFFIXES = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".svgz": ".svg"}
_PLAIN = frozenset((".gz", ".gzip", ".bz2", ".xz", ".lzma", ".z"))
_XZ_MEMORY = 96 << 20
"""xz -9 asks for 65 MiB to unpack"""


@dataclass(frozen=True, slots=True)
class Compressed:
    """One such format. ``machine`` makes decompressors that keep within the limits;
    ``again`` begins one more stream, where several in a row are one file."""

    name: str
    signature: re.Pattern[bytes]
    machine: Callable[[Limits], Machine]
    again: bytes | None
    sliceable: bool = False
    priority: int = 50

    def claims(self, head: bytes, name: str) -> bool:
        return self.signature.match(head) is not None

    def read(
        self, source: Source, part: Slice, limits: Limits
    ) -> Iterator[Chunk | Member | Problem]:
        name = unpacked_name(source.name)

        def unpack() -> Source:
            stream = Unpacked(source.file, self.machine(limits), self.again)
            return Source(binary(stream), name, None, seekable=False)

        yield Member(name, None, unpack)


def unpacked_name(name: str) -> str:
    """``app.log.gz`` -> ``app.log``, ``a.tgz`` -> ``a.tar``; a name that says nothing is kept."""
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if suffix in _PLAIN:
        return path.stem
    return path.stem + _SUFFIXES[suffix] if suffix in _SUFFIXES else path.name


def _gzip(limits: Limits) -> Machine:
    return inflate(gzip=True)


def _bzip2(limits: Limits) -> Machine:
    return bz2.BZ2Decompressor, (OSError, ValueError, EOFError)


def _xz(limits: Limits) -> Machine:
    most = max(limits.memory, _XZ_MEMORY)
    return lambda: lzma.LZMADecompressor(memlimit=most), (lzma.LZMAError, EOFError)


# a dictionary of no size is none: what begins so is a tar of a file called "]"
_LZMA = re.compile(rb"\x5d\0\0(?!\0\0).{9}[\0\xff]", re.DOTALL)

READER = (
    Compressed("gzip", re.compile(rb"\x1f\x8b\x08", re.DOTALL), _gzip, b"\x1f\x8b"),
    Compressed("bzip2", re.compile(rb"BZh[1-9]1AY&SY|BZh[1-9]\x17rE8P\x90"), _bzip2, b"BZh"),
    Compressed("xz", re.compile(rb"\xfd7zXZ\0"), _xz, b"\xfd7zXZ\0"),
    Compressed("lzma", _LZMA, _xz, None),
)
