"""Files made of other files: what a decompressor gives, a part of a file, a copy in memory.

Faults come out of ``readinto`` as ``Unreadable``, after every good byte before them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, Protocol, TypeAlias, cast

from scanner.contracts import Buffer, Limits, Source
from scanner.errors import Reason, Unreadable

PACKED = 1 << 18
"""How much is read at a time of what is to be unpacked."""


class Decompressor(Protocol):
    """The shape ``bz2``, ``lzma`` and ``isal.igzip_lib`` share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: Buffer, max_length: int = -1) -> bytes: ...


Machine: TypeAlias = tuple[Callable[[], Decompressor], tuple[type[Exception], ...]]
"""What makes a decompressor, and what that raises on damage."""


def inflate(*, gzip: bool) -> Machine:
    """Deflate with or without the gzip frame around it, by isal: three times as fast as zlib."""
    from isal import igzip_lib

    flag = igzip_lib.DECOMP_GZIP if gzip else igzip_lib.DECOMP_DEFLATE
    faults = (cast(type[Exception], igzip_lib.IsalError), ValueError, EOFError)
    return lambda: cast(Decompressor, igzip_lib.IgzipDecompressor(flag=flag)), faults


def zlib() -> Machine:
    """Deflate in the frame of zlib."""
    from isal import igzip_lib

    faults = (cast(type[Exception], igzip_lib.IsalError), ValueError, EOFError)
    new = partial(igzip_lib.IgzipDecompressor, flag=igzip_lib.DECOMP_ZLIB)
    return lambda: cast(Decompressor, new()), faults


class Unpacked(io.RawIOBase):
    """What comes out of a compressed stream, never more at a time than asked for.

    ``again`` is the signature of one more stream behind the first (gzip, bz2 and xz files may be
    several in a row); None when only one is allowed.
    ``size``: a stream without an end marker of its own may end after so many bytes.
    """

    def __init__(
        self,
        file: BinaryIO,
        machine: Machine,
        again: bytes | None = None,
        size: int | None = None,
    ) -> None:
        self._file, self._again, self._size = file, again, size
        self._new, self._faults = machine
        self._machine, self._given = self._new(), 0
        self._input = memoryview(b"")
        self._ended = self._fed = self._slow = False

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        if not len(view):
            return 0
        while not self._ended:
            data = self._step(len(view))
            if data:
                view[: len(data)] = data
                self._given += len(data)
                return len(data)
        return 0

    def _step(self, most: int) -> bytes:
        machine = self._machine
        if machine.eof:
            self._next()
            return b""
        if machine.needs_input and not self._input:
            self._input = memoryview(self._file.read(PACKED) or b"")
            if not self._input:
                self._ended = True
                if self._given == self._size:
                    return b""
                raise Unreadable(Reason.TRUNCATED, "the compressed stream ends before its end")
        size = 1 if self._slow else len(self._input)
        given, self._input = self._input[:size], self._input[size:]
        try:
            data = machine.decompress(given, most)
        except MemoryError:
            self._ended = True
            raise Unreadable(Reason.BUDGET_MEMORY, "its dictionary is too large") from None
        except self._faults as fault:
            if "emory usage limit" in str(fault):
                self._ended = True
                raise Unreadable(Reason.BUDGET_MEMORY, "its dictionary is too large") from None
            if not self._fed and not self._slow:
                # the damage is in the first piece: again, byte by byte, for all that is before it
                self._machine, self._input, self._slow = self._new(), given, True
                return b""
            self._ended = True
            raise Unreadable(Reason.CORRUPT, "the compressed stream is damaged") from None
        self._fed = True
        return data

    def _next(self) -> None:
        """One more stream, padding, or the end."""
        rest = self._machine.unused_data + bytes(self._input)
        self._ended = True
        if self._again is None:
            return
        while len(rest := rest.lstrip(b"\0")) < len(self._again):
            more = self._file.read(PACKED)
            if not more:
                break
            rest += more
        if not rest:
            return
        if not rest.startswith(self._again):
            raise Unreadable(
                Reason.CORRUPT, "behind the compressed stream are other bytes, which were not read"
            )
        self._machine, self._input = self._new(), memoryview(rest)
        self._ended = self._fed = self._slow = False


class Part(io.RawIOBase):
    """``size`` bytes of ``file`` from ``start``. Without ``seekable`` the file must stand there."""

    def __init__(self, file: BinaryIO, start: int, size: int, seekable: bool) -> None:
        self._file, self._start, self._size, self._seekable = file, start, size, seekable
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if not self._seekable:
            raise io.UnsupportedOperation("seek")
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, view: Any) -> int:
        want = min(len(view), self._size - self._at)
        if want <= 0:
            return 0
        if self._seekable:
            self._file.seek(self._start + self._at)
        data = self._file.read(want)
        if not data:
            raise Unreadable(Reason.TRUNCATED, "the archive ends inside of it")
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    @property
    def left(self) -> int:
        return max(0, self._size - self._at)


def skip(file: BinaryIO, count: int) -> bool:
    """Reads and drops ``count`` bytes of a stream; False when it ended before."""
    while count:
        data = file.read(min(count, PACKED))
        if not data:
            return False
        count -= len(data)
    return True


def random_access(source: Source, limits: Limits) -> BinaryIO:
    """A file that can seek: the source's own, or its bytes held in memory.

    Raises ``Unreadable`` for more than ``limits.memory``: no temporary file holds what was
    unpacked.
    """
    if source.seekable:
        return source.file
    held = io.BytesIO()
    while data := source.file.read(PACKED):
        held.write(data)
        if held.tell() > limits.memory:
            raise Unreadable(
                Reason.BUDGET_MEMORY, f"must be held in memory and is over {limits.memory:,} bytes"
            )
    held.seek(0)
    return held


def binary(file: io.RawIOBase) -> BinaryIO:
    return cast(BinaryIO, file)
