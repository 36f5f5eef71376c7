"""A folder for the copies that a native parser needs on a path: private, short-lived, swept.

In memory (tmpfs) where it fits, since what is copied can hold card numbers; else in
``CARDTRAIL_SCRATCH`` or the system's folder for temporary files. Whoever uses one opens the files
and empties the folder at once: the kernel then frees them even after a kill -9. For the moment
between, the folder is locked by its owner, and ``sweep`` removes those whose owner is gone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from scanner.errors import Reason, Unreadable

_PREFIX = "cardtrail-scratch-"
_TMPFS = 0x01021994
_SHARE = 4
"""At most one part in so many of what is free in memory is taken."""
_YOUNG = 10.0
"""Seconds in which a folder may not yet be locked by its owner."""
_BLOCK = 1 << 20


class Scratch:
    """A new empty folder, mode 0700, with room for ``size`` bytes. Removed by ``close``.

    Raises ``Unreadable`` (scratch-full) when no place has the room.
    """

    def __init__(self, size: int) -> None:
        for parent, self._room in places(size):
            try:
                made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            except OSError:
                continue
            self._lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self.path = made
            return
        raise Unreadable(Reason.SCRATCH_FULL, f"no scratch folder has room for {size:,} bytes")

    def write(self, name: str, file: BinaryIO) -> int:
        """Copies a stream into ``name`` and says how long it was. Raises ``Unreadable``."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        total = 0
        with open(
            self.path / name, "wb", 0, opener=lambda path, _: os.open(path, flags, 0o600)
        ) as to:
            while data := file.read(_BLOCK):
                view = memoryview(data)
                while view:
                    try:
                        view = view[to.write(view) :]
                    except OSError as error:
                        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                            detail = f"the scratch folder is full after {total:,} bytes"
                            raise Unreadable(Reason.SCRATCH_FULL, detail) from None
                        raise Unreadable(Reason.IO_ERROR, error.strerror or "") from None
                total += len(data)
                if total > self._room:
                    detail = f"the scratch folder has no room for more than {self._room:,} bytes"
                    raise Unreadable(Reason.SCRATCH_FULL, detail)
        self._room -= total
        return total

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def places(size: int) -> Iterator[tuple[Path, int]]:
    """Folders with room for ``size`` bytes, the best first, and how much may be put there."""
    for memory in _memories():
        room = _free(memory) // _SHARE
        if room >= size and _is_tmpfs(memory):
            yield memory, room
    for disk in _disks():
        if (room := _free(disk)) > size:
            yield disk, room


def sweep() -> int:
    """Removes folders of dead processes of this user and says how many; called at the start."""
    removed = 0
    for parent in {*_memories(), *_disks()}:
        try:
            names = [name for name in os.listdir(parent) if name.startswith(_PREFIX)]  # noqa: PTH208 - names are all that is wanted
        except OSError:
            continue
        removed += sum(_sweep(parent / name) for name in names)
    return removed


def _sweep(folder: Path) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        info = os.fstat(handle)
        if info.st_uid != os.geteuid() or time.time() - info.st_mtime < _YOUNG:
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # locked: its owner lives
        return False
    finally:
        os.close(handle)
    return True


def _memories() -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        yield Path(runtime)
    yield Path("/dev/shm")  # noqa: S108 - what is made in it is private, see Scratch


def _disks() -> Iterator[Path]:
    wanted = os.environ.get("CARDTRAIL_SCRATCH")
    if wanted:
        yield Path(wanted)
    yield Path(tempfile.gettempdir())


def _free(folder: Path) -> int:
    try:
        info = os.statvfs(folder)
    except OSError:
        return 0
    return info.f_bavail * info.f_frsize


def _is_tmpfs(folder: Path) -> bool:
    """By the table of mounts: the longest mount point above the folder."""
    try:
        device = folder.stat().st_dev
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split(" ")[2] == number:
            return after.startswith("tmpfs ")
    return False
