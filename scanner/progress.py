"""What a person at a terminal, or a log, sees of a scan under way. Only this writes while it runs.

On a terminal one line, redrawn; otherwise one line a minute. Always on stderr, never with a name
out of a store that was not made harmless.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from scanner.model import Outcome, Status, Unit
from scanner.text import plural, printable

_REDRAW_SECONDS = 0.2
_LOG_SECONDS = 60.0


class Quiet:
    """``--quiet``: nothing at all."""

    def listed(self, unit: Unit) -> None:
        pass

    def read(self, count: int) -> None:
        pass

    def ended(self, outcome: Outcome) -> None:
        pass

    def noted(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class Progress:
    """``total`` (bytes in scope) may be set by another thread once it is known; time left is shown
    from then on."""

    def __init__(
        self, out: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out, self._clock = out, clock
        self.on_terminal = out.isatty()
        self._every = _REDRAW_SECONDS if self.on_terminal else _LOG_SECONDS
        self._start = self._shown = clock()
        self._lock = threading.Lock()
        self.total: int | None = None
        self._units = self._unread = self._bytes = 0

    def listed(self, unit: Unit) -> None:
        self._maybe_show()

    def read(self, count: int) -> None:
        self._bytes += count
        self._maybe_show()

    def ended(self, outcome: Outcome) -> None:
        self._units += 1
        self._unread += outcome.status is not Status.SCANNED
        self._maybe_show()

    def noted(self, text: str) -> None:
        """What somebody should know at once: a line that stays."""
        start = "\r\x1b[K" if self.on_terminal else ""
        with self._lock:
            self._out.write(f"{start}cardtrail: {printable(text)}\n")
            self._out.flush()

    def close(self) -> None:
        if self.on_terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()

    def _maybe_show(self) -> None:
        now = self._clock()
        if now - self._shown < self._every:
            return
        self._shown = now
        line = self.line(now - self._start) + "\n"
        if self.on_terminal:
            width = shutil.get_terminal_size().columns - 1
            line = f"\r\x1b[K{line[:-1][:width]}"
        with self._lock:
            self._out.write(line)
            self._out.flush()

    def line(self, seconds: float) -> str:
        rate = self._bytes / seconds if seconds else 0.0
        parts = [
            plural(self._units, "unit"),
            f"{human_bytes(self._bytes)} read",
            f"{human_bytes(rate)}/s",
        ]
        if self._unread:
            parts.append(f"{self._unread:,} not read")
        if self.total is not None and rate:
            left = max(0.0, (self.total - self._bytes) / rate)
            parts.append(f"{human_seconds(left)} left")
        return "cardtrail: " + ", ".join(parts)


def human_bytes(count: float) -> str:
    """Binary units, as in the reports: ``1.2 GiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024:
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} PiB"


def human_seconds(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
