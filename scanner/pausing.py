"""Waits that a signal ends and that somebody is told of: for a server that is busy or restarts.

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


def _unheard(text: str) -> None:
    pass


_stopping: Callable[[], ExitCode | None] = _never
_told: Callable[[str], None] = _unheard


@contextmanager
def ended_by(
    stopping: Callable[[], ExitCode | None], told: Callable[[str], None] = _unheard
) -> Iterator[None]:
    """In this block and this process ``wait`` asks ``stopping``, and ``tell`` tells ``told``."""
    global _stopping, _told
    before = _stopping, _told
    _stopping, _told = stopping, told
    try:
        yield
    finally:
        _stopping, _told = before


def told_to(told: Callable[[str], None]) -> None:
    """For good: in a worker process."""
    global _told
    _told = told


def tell(text: str) -> None:
    """A line about a wait, without anything that was read."""
    _told(text)


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
