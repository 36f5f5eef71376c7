"""The fork server of ``multiprocessing``, forked from this process.

The library starts it, and a process that counts shared resources, each as an interpreter of its
own, which imports again what this one has imported: a tenth of a second of a core each time. Forked
they begin with what is there. That is safe as long as this process has one thread; it is done
before any key, ledger or connection is there that a worker is not to have.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import forkserver, util
from pathlib import Path
from typing import Any, NoReturn


def ensure_running() -> None:
    """``forkserver.ensure_running``. With other threads about it is started the ordinary way."""
    if threading.active_count() > 1:
        forkserver.ensure_running()
        return
    library: Any = util
    ordinary = library.spawnv_passfds
    library.spawnv_passfds = _fork
    try:
        forkserver.ensure_running()
    finally:
        library.spawnv_passfds = ordinary


def _fork(path: bytes, arguments: Sequence[str], passed: Sequence[int]) -> int:
    """In place of ``spawnv_passfds``: ``arguments`` end with ``-c`` and a program."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    child = os.fork()
    if child == 0:
        _run(arguments[-1], passed)
    return child


def _run(program: str, passed: Sequence[int]) -> NoReturn:
    """As if the interpreter had been started with the program: none of our signals, none of our
    files, and a fork server that is not that of the process it comes from."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _close_all_but(passed)
        sys.modules.pop(forkserver.__name__, None)
        exec(program, {})  # noqa: S102 - it is the library's
    finally:
        os._exit(0)


def _close_all_but(passed: Sequence[int]) -> None:
    for number in (int(entry.name) for entry in Path("/dev/fd").iterdir()):
        if number > 2 and number not in passed:
            with suppress(OSError):  # that of the listing itself is closed already
                os.close(number)
