"""Not faster than the server can bear: a limit of bytes or rows a second, and pauses while its
replicas are behind or others have much to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scanner import pausing
from scanner.errors import Reason, Unreadable
from scanner.stores.sql_rows import NEW_ROW
from scanner.text import plural

_ASK_EVERY, _TELL_EVERY = 5.0, 60.0
_LONGEST = 600.0
"""seconds of one pause; after it what is being read ends as throttled, to be resumed"""


class Pace:
    """Of one connection. ``lag`` and ``load`` ask the server: how many seconds replication is
    behind, how many statements others run; None for what does not show."""

    def __init__(
        self,
        options: Mapping[str, Any],
        lag: Callable[[], float | None],
        load: Callable[[], int | None],
        where: str = "",
    ) -> None:
        """``where`` is the store, for what is told of pauses."""
        self._where, self._tell_at = where, 0.0
        self._bytes = int(options.get("bytes_per_second", 0))
        self._rows = int(options.get("rows_per_second", 0))
        self._max_lag = int(options.get("max_lag", 60))
        self._max_load = int(options.get("max_load", 0))
        self._lag, self._load = lag, load
        self._due = self._ask_at = 0.0

    def after(self, started: float, rows: Iterable[tuple[Any, ...]]) -> None:
        """Waits as long as the rows of a statement, said at ``started``, are to take, and as long
        as the server is busy. Raises ``Unreadable`` when it stays so."""
        self.hold(started, rows)
        self.ask()

    def hold(self, started: float, rows: Iterable[tuple[Any, ...]]) -> None:
        """The first half alone, for between the rows of a statement that still runs."""
        if self._bytes or self._rows:
            self._due = max(self._due, started) + self._seconds(rows)
            pausing.wait(self._due - time.monotonic())

    def ask(self) -> None:
        """The second half, every few seconds at most."""
        if (self._max_lag or self._max_load) and time.monotonic() > self._ask_at:
            self._ask_at = float("inf")  # the questions are statements too
            try:
                self._wait()
            finally:
                self._ask_at = time.monotonic() + _ASK_EVERY

    def _seconds(self, rows: Iterable[tuple[Any, ...]]) -> float:
        size = count = 0
        for row in rows:
            texts = [value for value in row if isinstance(value, bytes)]
            size += sum(map(len, texts))
            count += 1 + sum(text.count(NEW_ROW) for text in texts)
        return max(
            size / self._bytes if self._bytes else 0.0, count / self._rows if self._rows else 0.0
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + _LONGEST
        while (why := self._why_wait()) is not None:
            now = time.monotonic()
            if now > deadline:
                raise Unreadable(Reason.THROTTLED, why[1])
            if now > self._tell_at:
                self._tell_at = now + _TELL_EVERY
                pausing.tell(f"{self._where}: reading waits: {why[0]}")
            pausing.wait(1.0)

    def _why_wait(self) -> tuple[str, str] | None:
        """What is so now, and what is to be said when it has stayed so."""
        if self._max_lag:
            lag = self._lag()
            if lag is not None and lag > self._max_lag:
                behind = f"replication is {lag:,.0f} s behind (max_lag = {self._max_lag})"
                return behind, f"replication stayed more than {self._max_lag:,} s behind (max_lag)"
        if self._max_load:
            load = self._load()
            if load is not None and load > self._max_load:
                busy = f"others run {plural(load, 'statement')} (max_load = {self._max_load})"
                return busy, (
                    f"others kept running more than {plural(self._max_load, 'statement')}"
                    " (max_load)"
                )
        return None
