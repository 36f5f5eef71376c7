"""Questions to a server that may be away: said again while it is, as long as patience lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from scanner import pausing
from scanner.errors import Reason, Unreadable

_C = TypeVar("_C")
_T = TypeVar("_T")
_WAITED_FOR = (Reason.UNREACHABLE, Reason.THROTTLED)
_SOON, _LATE = 0.1, 5.0
"""seconds between two tries: the first pause, doubled up to the last"""
_TOLD_AT = 0.8
"""a wait of so long is told of, once a question"""


class Away(Exception):
    """The connection was lost, or the server gave up on the question for reasons of its own."""

    def __init__(self, problem: Unreadable) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Asking:
    """Of one server, by as many threads as like: questions take turns on the one connection.
    ``patience`` of the options is in seconds; once it ran out, whoever asks next does not wait as
    long again until an answer came."""

    def __init__(self, uri: str, options: Mapping[str, Any]) -> None:
        self._uri, self._patience = uri, float(options.get("patience", 60))
        self._gave_up = False
        self._thread: ThreadPoolExecutor | None = None
        self.turn = threading.Lock()
        """held while the connection is in use"""

    def once(self, reach: Callable[[], _C]) -> _C:
        """The first question of all: a server that is not there is not waited for. Raises
        ``Unreadable``."""
        self._gave_up = True
        with self.turn:
            connection = reach()
        self._gave_up = False
        return connection

    def ask(self, reach: Callable[[], _C], question: Callable[[_C], _T]) -> _T:
        """``question`` of what ``reach`` connects, both again when it raises ``Away``, and when
        ``reach`` says that nobody is there. Raises ``Unreadable``."""
        deadline, pause = time.monotonic() + self._patience, _SOON
        while True:
            with self.turn:
                try:
                    connection = reach()
                except Unreadable as error:
                    if error.reason not in _WAITED_FOR:
                        raise
                    problem = error
                else:
                    self._gave_up = False
                    try:
                        return question(connection)
                    except Away as away:
                        problem = away.problem
            if self._gave_up or time.monotonic() + pause > deadline:
                self._gave_up = True
                raise problem from None
            if _TOLD_AT <= pause < 2 * _TOLD_AT:
                pausing.tell(f"{self._uri}: waiting for the server: {problem.detail}")
            pausing.wait(pause)
            pause = min(2 * pause, _LATE)

    def ahead(self, ask: Callable[[], _T]) -> Future[_T]:
        """Asks while the answer before is being searched: the server and this process then work at
        the same time."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "cardtrail-ahead")
        return self._thread.submit(ask)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
