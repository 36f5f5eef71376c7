"""Waits that a signal ends: for a server that is busy, or that restarts.

A handler of Python only notes the signal, and ``time.sleep`` then sleeps on: a scan that works in
the main process would be deaf until the server has recovered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scanner.errors import ExitCode, Stopped

_LOOK_SECONDS = 0.1


def _never() -> None:
    return None


_stopping: Callable[[], ExitCode | None] = _never


@contextmanager
def ended_by(stopping: Callable[[], ExitCode | None]) -> Iterator[None]:
    """In this block, and in this process, ``wait`` asks ``stopping``."""
    global _stopping
    before, _stopping = _stopping, stopping
    try:
        yield
    finally:
        _stopping = before


def wait(seconds: float) -> None:
    """In any thread. Raises ``Stopped`` soon after somebody asked to stop."""
    until = time.monotonic() + seconds
    while True:
        code = _stopping()
        if code is not None:
            raise Stopped(code)
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, _LOOK_SECONDS))
