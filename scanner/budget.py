"""What reading one unit may cost, and the files that count it."""

from __future__ import annotations

import io
import os
import time
from typing import Any, BinaryIO

from scanner.contracts import Limits
from scanner.errors import Reason, Unreadable
from scanner.model import Problem

FREE_BYTES = 64 << 20
"""Below this much unpacked nobody asks for the ratio."""


class Budget:
    """What one unit may cost. Over it, ``spent`` holds the reason and the walk ends."""

    def __init__(self, limits: Limits, size: int | None) -> None:
        self.limits = limits
        self.spent: Reason | None = None
        self._entries = self._bytes = 0
        self._most = limits.bytes
        if size is not None:
            self._most = min(self._most, max(FREE_BYTES, size * limits.ratio))
        self._deadline = time.monotonic() + limits.seconds

    def enter(self, depth: int) -> Problem | None:
        """One more member. Too deep is the fault of that member only."""
        self._entries += 1
        if self._entries > self.limits.entries:
            self.spent = Reason.BUDGET_ENTRIES
            return Problem(self.spent, f"more than {self.limits.entries:,} entries")
        if depth > self.limits.depth:
            return Problem(Reason.BUDGET_DEPTH, f"nested more than {self.limits.depth} deep")
        return None

    def unpacked(self, count: int) -> None:
        """Raises ``Unreadable``: the reader that is reading turns it into its ``Problem``."""
        self._bytes += count
        if self._bytes > self._most:
            self.spent = Reason.BUDGET_BYTES
            raise Unreadable(self.spent, f"unpacks to more than {self._most:,} bytes")
        if time.monotonic() > self._deadline:
            self.spent = Reason.BUDGET_TIME
            raise Unreadable(self.spent, f"took longer than {self.limits.seconds:g} seconds")

    def late(self) -> Problem | None:
        if time.monotonic() <= self._deadline:
            return None
        self.spent = Reason.BUDGET_TIME
        return Problem(self.spent, f"took longer than {self.limits.seconds:g} seconds")


class Counted(io.RawIOBase):
    """Counts what is read, against the budget for members."""

    def __init__(self, file: BinaryIO, seekable: bool, budget: Budget | None = None) -> None:
        self._file, self._seekable, self._budget, self.count = file, seekable, budget, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        """Of a file of the system. Whoever asks reads past this one: all of it counts as read."""
        number = self._file.fileno()
        self.count = os.fstat(number).st_size
        return number

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, view: Any) -> int:
        got = _fill(self._file, view)
        self.count += got
        if self._budget is not None:
            self._budget.unpacked(got)
        return got


class Again(io.RawIOBase):
    """A stream whose head was read already, with the fault that ended the head, if one did."""

    def __init__(self, head: bytes, file: BinaryIO, fault: Unreadable | None = None) -> None:
        self._head, self._file, self._fault = head, file, fault

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, view: Any) -> int:
        if self._head:
            got = min(len(view), len(self._head))
            view[:got] = self._head[:got]
            self._head = self._head[got:]
            return got
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        return _fill(self._file, view)


def _fill(file: BinaryIO, view: Any) -> int:
    readinto = getattr(file, "readinto", None)
    if readinto is not None:
        return int(readinto(view) or 0)
    data = file.read(len(view))
    view[: len(data)] = data
    return len(data)
