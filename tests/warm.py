"""The command in a process of its own, without the second that its imports take.

    process = warm.start(["scan", "."], cwd=folder, env=environment)
    process.send_signal(9)
    out, err = process.communicate(timeout=60)

One process for each worker of the tests has the modules loaded and forks for each start. What is
forked has its own session, folder, environment and files, runs ``python -m scanner`` from its first
line on, and ends as any interpreter does. What a cold start does is for the tests that are about
it (``Cardtrail.command``).
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, NoReturn

_MODULES = (
    "scanner.cli", "scanner.commands", "scanner.preload", "scanner.assemble", "reports.html",
    "boto3.session", "duckdb", "pebble", "presidio_analyzer", "psycopg", "pymysql", "sqlglot",
)  # fmt: skip


class Warm:
    """As ``subprocess.Popen``, as far as the tests ask."""

    def __init__(self, arguments: Sequence[str], cwd: str | Path, env: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        self._files: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115
        self._said: list[bytes] = []
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(_listener())
        asked = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
        socket.send_fds(self._line, [b"."], [file.fileno() for file in self._files])
        self._line.sendall(json.dumps(asked).encode() + b"\n")
        self._answers = self._line.makefile("rb")
        self.pid = int(self._answers.readline())

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("cardtrail", timeout or 0)
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._line.close()
            for file in self._files:
                file.seek(0)
                self._said.append(file.read())
                file.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        self.wait(timeout)
        return self._said[0], self._said[1]

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(arguments: Sequence[str], cwd: str | Path, env: Mapping[str, str]) -> Warm:
    return Warm(arguments, cwd, env)


@cache
def _listener() -> str:
    """The path of its socket; it is started at the first call, and ends with this process."""
    folder = tempfile.mkdtemp(prefix="ct-warm-", dir="/tmp")
    path = f"{folder}/s"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.warm", path],
        cwd=Path(__file__).resolve().parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    said = process.stdout.readline()
    process.stdout.close()
    assert said == b"ready\n", "the process that has the modules loaded does not start"
    stdin = process.stdin

    def end() -> None:
        stdin.close()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return path


# --- in the process that has the modules ----------------------------------------------------------


def _serve(path: str) -> list[str]:
    """Forks for each that asks; returns in what was forked, with the arguments to run."""
    import importlib.util

    for name in _MODULES:
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    os.write(1, b"ready\n")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            os._exit(0)  # the tests are over
        line, _ = listener.accept()
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            return _keep(line, null)
        line.close()


def _keep(line: socket.socket, null: int) -> list[str]:
    """Forks once more and tells its end, which only a parent is told."""
    _, files, _, _ = socket.recv_fds(line, 1, 2)
    with line.makefile("rb") as asked_by:
        asked = json.loads(asked_by.readline())
    pid = os.fork()
    if pid:
        line.sendall(b"%d\n" % pid)
        line.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    line.close()
    os.setsid()
    for number, file in enumerate((null, *files)):
        os.dup2(file, number)
    for file in (null, *files):
        os.close(file)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    tempfile.tempdir = None
    arguments: list[str] = asked["arguments"]
    return arguments


def _end(code: object) -> NoReturn:
    """As the interpreter would, but for taking every module apart, which costs half a second."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    sys.argv = [str(Path(__file__).parent.parent / "scanner/__main__.py"), *_serve(sys.argv[1])]
    try:
        runpy.run_module("scanner", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        _end(end.code)
    _end(0)
