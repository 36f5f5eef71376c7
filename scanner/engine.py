"""Where slices run: in this process, or in local worker processes.

An executor takes tasks and gives futures. A worker that dies (a native parser aborts, the kernel
kills it for memory) or hangs costs the one task it had: its future raises ``TaskLost``, the others
are not touched. Pebble was chosen for that; concurrent.futures and loky lose most of a batch.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, TimeoutError
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from scanner import forked, pausing
from scanner.errors import CardtrailError, Reason

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_MAX_SOCKET_FOLDER = 60
_LONGEST_LINE = 2048
"""bytes a worker tells at once: a pipe takes up to 4,096 in one piece, whoever else writes"""
_LOOK_SECONDS = 0.01
"""how often the pool looks after its workers"""
_preload = ["scanner.silent", "scanner.preload"]
_FOR_TARGETS = {
    "postgres": ("psycopg", "scanner.stores.postgres"),
    "mysql": ("pymysql", "scanner.stores.mysql"),
    "mariadb": ("pymysql", "scanner.stores.mysql"),
}
"""names of heavy modules by how a target begins; one that is not installed is passed over"""


class TaskLost(Exception):
    """The task has no result: its worker died or took too long."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Executor(Protocol):
    slots: int
    """tasks that can run at once; keep a few times as many submitted"""

    def submit(self, task: Any) -> Future[Any]: ...

    def close(self, *, now: bool) -> None:
        """Waits for what was submitted, or with ``now`` kills it."""
        ...


class InProcess:
    """Runs each task when it is submitted. For tests, ``--jobs 1`` and debuggers."""

    slots = 1

    def __init__(self, run: Callable[[Any], Any], end: Callable[[], None] = lambda: None) -> None:
        self._run, self._end = run, end

    def submit(self, task: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(self._run(task))
        return future

    def close(self, *, now: bool) -> None:
        self._end()


_run_here: Callable[[Any], Any] | None = None


def _start_worker(
    make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...], line: Connection
) -> None:
    global _run_here

    def tell(text: str) -> None:
        with suppress(OSError):  # nobody listens any more
            line.send_bytes(text.encode("utf-8", "replace")[:_LONGEST_LINE])

    pausing.told_to(tell)
    _run_here = make(*arguments)


def _run_task(task: Any) -> Any:
    assert _run_here is not None
    return _run_here(task)


class Processes:
    """Local worker processes. ``make(*arguments)`` runs in each and returns its task function;
    ``told``, in a thread of this process, is given what they ``pausing.tell``.

    Workers come from a fork server: they share nothing with this process, neither its threads nor
    its connections, and the arguments (the key among them) travel through a pipe, never through
    a command line or the environment.
    """

    def __init__(
        self,
        jobs: int,
        make: Callable[..., Callable[[Any], Any]],
        arguments: tuple[Any, ...],
        seconds: float,
        told: Callable[[str], None] = lambda text: None,
    ) -> None:
        from pebble.common.types import CONSTS

        from scanner.workerpool import WorkerPool

        CONSTS.sleep_unit = _LOOK_SECONDS  # 0.1: a tenth of a second at the end of each scan
        self.slots = jobs
        self._seconds = seconds
        context = _context()
        heard, self._line = context.Pipe(duplex=False)
        self._pool: Any = WorkerPool(
            max_workers=jobs,
            initializer=_start_worker,
            initargs=(make, arguments, self._line),
            context=context,
        )
        threading.Thread(target=_hear, args=(heard, told), daemon=True).start()
        # they get ready while what there is to read is being listed
        self._starting = threading.Thread(target=lambda: self._pool.active, daemon=True)
        self._starting.start()

    def submit(self, task: Any) -> Future[Any]:
        outer: Future[Any] = Future()
        try:
            inner = self._pool.schedule(_run_task, args=(task,), timeout=self._seconds)
        except RuntimeError:  # the pool is broken: its workers do not start
            outer.set_exception(_no_workers())
            return outer
        inner.add_done_callback(lambda done: _pass_on(done, outer, self._seconds))
        return outer

    def close(self, *, now: bool) -> None:
        self._starting.join()
        if now:
            self._pool.stop()
        else:
            self._pool.close()
        self._pool.join()
        self._line.close()  # the last end of it: who listens is done


def _hear(heard: Connection, told: Callable[[str], None]) -> None:
    with heard, suppress(EOFError, OSError):
        while True:
            told(heard.recv_bytes().decode("utf-8", "replace"))


def warm_up(targets: Sequence[str]) -> None:
    """Loads what the targets need, and starts the fork server: it has all that is loaded here, and
    loads what only workers need while this process goes on.

    A worker would begin by importing the program that was started, which here only reads the
    command line: it is told of none.
    """
    program = sys.modules["__main__"]
    program.__spec__ = None
    vars(program).pop("__file__", None)
    for scheme, modules in _FOR_TARGETS.items():
        if any(target.startswith(scheme) for target in targets):
            with suppress(ModuleNotFoundError):  # said in words when it is used
                for module in modules:
                    import_module(module)
    if _context().get_start_method() == "forkserver":
        forked.ensure_running()


def _context() -> multiprocessing.context.BaseContext:
    """A fork server, which has the heavy modules loaded once and forks in milliseconds.

    It listens on a socket in the temporary folder, whose path must not be long; where it is, each
    worker is spawned.
    """
    if len(tempfile.gettempdir()) > _MAX_SOCKET_FOLDER:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_preload)
    return context


def _pass_on(inner: Future[Any], outer: Future[Any], seconds: float) -> None:
    from pebble import ProcessExpired

    if inner.cancelled():
        outer.cancel()
        return
    error = inner.exception()
    if error is None:
        outer.set_result(inner.result())
    elif isinstance(error, ProcessExpired):
        outer.set_exception(
            TaskLost(Reason.WORKER_DIED, f"the worker process died (exit status {error.exitcode})")
        )
    elif isinstance(error, TimeoutError):
        outer.set_exception(TaskLost(Reason.TIMED_OUT, f"no result after {seconds:,.0f} seconds"))
    elif isinstance(error, BrokenExecutor):
        outer.set_exception(_no_workers())
    else:
        outer.set_exception(error)


def _no_workers() -> CardtrailError:
    return CardtrailError("the worker processes do not start here; --jobs 1 works without them")
