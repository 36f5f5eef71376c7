"""Executors: a worker that dies or hangs costs one task, and the key is nowhere to be read."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from pebble.pool import process as pebbles

from scanner import hygiene, pausing
from scanner.engine import InProcess, Processes, TaskLost
from scanner.errors import CardtrailError, Reason

KEY = "5ec2e7" * 10


def make(key: str) -> Callable[[Any], Any]:
    def run(task: Any) -> Any:
        match task:
            case "abort":
                os.abort()
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(3)
            case "hang":
                time.sleep(60)
            case "pid":
                return os.getpid()
            case "bug":
                raise RuntimeError("a defect")
            case "tell":
                pausing.tell("waiting " * 10_000)
            case "key":
                return key
        return task * 2

    return run


def outcome(future: Future[Any]) -> Any:
    try:
        return future.result(timeout=60)
    except TaskLost as lost:
        return lost.reason


def test_a_worker_that_dies_before_it_is_known_what_it_took_costs_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a busy machine: what workers tell is read late. 1 s."""

    def late(manager: Any) -> None:
        with suppress(pebbles.BrokenProcessPool):  # it is closed
            while manager.context.alive:
                time.sleep(0.4)
                manager.process_next_message(0.01)

    monkeypatch.setattr(pebbles, "message_manager_loop", late)
    pool = Processes(1, make, (KEY,), seconds=30)
    assert outcome(pool.submit("abort")) == Reason.WORKER_DIED
    assert outcome(pool.submit(4)) == 8
    pool.close(now=True)


def test_bad_tasks_cost_themselves_only() -> None:
    pool = Processes(2, make, (KEY,), seconds=3)
    tasks: list[Any] = []
    for i, bad in enumerate(["abort", "kill", "exit", "hang"]):
        tasks += [i, bad, i + 10]
    futures = [pool.submit(task) for task in tasks]
    results = [outcome(future) for future in futures]
    pool.close(now=False)
    expected: list[Any] = []
    for i in range(4):
        bad_reason = Reason.TIMED_OUT if i == 3 else Reason.WORKER_DIED
        expected += [i * 2, bad_reason, (i + 10) * 2]
    assert results == expected


def test_other_exceptions_come_through() -> None:
    pool = Processes(1, make, (KEY,), seconds=30)
    with pytest.raises(RuntimeError, match="a defect"):
        pool.submit("bug").result(timeout=60)
    pool.close(now=True)


def test_what_workers_tell_of_their_waits_is_heard() -> None:
    told: list[str] = []
    pool = Processes(2, make, (KEY,), seconds=30, told=told.append)
    for future in [pool.submit("tell") for _ in range(20)]:
        future.result(timeout=60)
    pool.close(now=False)
    deadline = time.monotonic() + 10
    while len(told) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [len(text) for text in told] == [2048] * 20


def test_the_key_is_in_no_command_line_and_no_environment() -> None:
    pool = Processes(2, make, (KEY,), seconds=30)
    assert pool.submit("key").result(timeout=60) == KEY
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                text = (process / name).read_bytes()
            except OSError:
                continue
            assert KEY.encode() not in text, process / name
    pool.close(now=True)


def test_close_now_does_not_wait() -> None:
    pool = Processes(1, make, (KEY,), seconds=120)
    pool.submit("hang")
    start = time.monotonic()
    pool.close(now=True)
    assert time.monotonic() - start < 30


def test_a_long_temporary_folder_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    pool = Processes(1, make, (KEY,), seconds=30)
    assert pool.submit(4).result(timeout=60) == 8
    pool.close(now=False)


def broken(key: str) -> Callable[[Any], Any]:
    raise RuntimeError("cannot start")


def test_workers_that_do_not_start_are_an_error_that_says_what_to_do() -> None:
    pool = Processes(1, broken, (KEY,), seconds=30)
    with pytest.raises(CardtrailError, match="--jobs 1"):
        pool.submit(1).result(timeout=60)
    pool.close(now=True)


class _Gone:
    """What a worker finds of its pool when that was closed before it began."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.stat, ("/no/such/semaphore",)


def test_a_worker_that_comes_too_late_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    _stop_fork_server()  # the next one writes to what is captured here
    pool = Processes(1, make, (_Gone(),), seconds=30)
    with pytest.raises(CardtrailError, match="--jobs 1"):
        pool.submit(1).result(timeout=60)
    pool.close(now=True)
    _stop_fork_server()
    assert capfd.readouterr() == ("", "")


def _stop_fork_server() -> None:
    """There is no public way, and a server keeps the standard error it was started with."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def test_in_process_runs_at_once() -> None:
    executor = InProcess(make(KEY))
    assert executor.submit(21).result(timeout=0) == 42
    executor.close(now=True)


# --- what a worker does to itself


def make_hardened(writable: str, memory: int) -> Callable[[Any], Any]:
    enforced = hygiene.harden_worker(memory, [Path(writable)])

    def run(task: Any) -> Any:
        match task:
            case ("write", path):
                try:
                    Path(path).write_text("x")
                except OSError as error:
                    return type(error).__name__
                return "written"
            case ("unlink", path):
                try:
                    Path(path).unlink()
                except OSError as error:
                    return type(error).__name__
                return "gone"
            case ("read", path):
                return Path(path).read_text()
            case "limits":
                return enforced, resource.getrlimit(resource.RLIMIT_CORE), os.umask(0)
            case "memory":
                try:
                    return len(bytearray(memory * 2))
                except MemoryError:
                    return "refused"
        raise AssertionError

    return run


def test_a_hardened_worker_cannot_write_but_still_reads(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    store = tmp_path / "store.txt"
    store.write_text("content")
    pool = Processes(1, make_hardened, (str(scratch), 1 << 30), seconds=30)
    enforced, core, umask = pool.submit("limits").result(timeout=60)
    assert core == (0, 0) and umask == 0o077
    assert pool.submit(("read", str(store))).result(timeout=60) == "content"
    assert pool.submit(("write", str(scratch / "ok"))).result(timeout=60) == "written"
    if not enforced:
        pool.close(now=True)
        pytest.skip("this kernel has no Landlock: writes are not refused by it")
    for what in (("write", str(store)), ("write", str(tmp_path / "n")), ("unlink", str(store))):
        assert pool.submit(what).result(timeout=60) == "PermissionError"
    assert store.read_text() == "content"
    pool.close(now=True)


def test_memory_is_limited() -> None:
    pool = Processes(1, make_hardened, ("/tmp", 512 << 20), seconds=30)
    assert pool.submit("memory").result(timeout=60) == "refused"
    pool.close(now=True)
