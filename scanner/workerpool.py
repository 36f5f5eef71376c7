"""Pebble's pool of processes, which a worker that dies just after it took a task does not break.

A worker says through a pipe which task it took. Pebble reads that in one thread and looks for dead
workers in another: where the machine is busy the second may be first, and then takes the pool for
one whose workers do not start, or waits for the task until its time is over.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from multiprocessing.context import BaseContext
from typing import Any

from pebble import ProcessPool
from pebble.pool.process import PoolManager


class _Manager(PoolManager):
    def __init__(self, context: Any, mp_context: Any) -> None:
        super().__init__(context, mp_context)
        self._reading = threading.Lock()

    def _is_told(self, timeout: float) -> bool:
        channel = self.worker_manager.pool_channel
        return channel is not None and channel.poll(timeout)

    def process_next_message(self, timeout: float) -> None:
        with suppress(OSError):  # the channel is closed: said by what reads it
            if not self._is_told(timeout):
                return
        with self._reading:
            super().process_next_message(0)

    def find_expired_task(self, worker_id: int) -> Any:
        """What a worker wrote before it died lies in the pipe by now, and is read first."""
        with self._reading:
            while self.context.alive and self._is_told(0):
                super().process_next_message(0)
        return super().find_expired_task(worker_id)


class WorkerPool(ProcessPool):
    def __init__(self, context: BaseContext, **options: Any) -> None:
        super().__init__(context=context, **options)
        self._pool_manager = _Manager(self._context, context)
