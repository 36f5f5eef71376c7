"""The fork server that is forked: what it takes along, and what not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
_WORKER = """
    import json, os, signal, sys, threading

    def look(path):
        from multiprocessing import forkserver, resource_tracker
        names = os.listdir("/proc/self/fd")
        links = [os.readlink(f"/proc/self/fd/{name}") for name in names if os.path.lexists(
            f"/proc/self/fd/{name}")]
        free = forkserver._forkserver._lock.acquire(timeout=1)
        return {
            "file": str(path) in links,
            "loaded": "colorsys" in sys.modules,
            "ours": getattr(signal.getsignal(signal.SIGTERM), "__name__", "") == "stop",
            "free": free,
            "threads": threading.active_count(),
            "parent": os.getppid(),
        }

    def make():
        return look
"""
_MAIN = """
    import colorsys, json, os, signal, sys, threading, time
    from pathlib import Path
    from scanner import engine, forked
    from worker import make

    def stop(*_):
        raise SystemExit

    if __name__ == "__main__":
        how, path = sys.argv[1:]
        signal.signal(signal.SIGTERM, stop)
        held = open(path, "w")
        if how == "threads":
            threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
        print("before", end="")  # and nothing of it twice
        engine._preload.clear()
        engine.warm_up(())
        pool = engine.Processes(1, make, (), seconds=30)
        seen = pool.submit(Path(path).resolve()).result(timeout=60)
        seen["pid"] = os.getpid()
        print("\\n" + json.dumps(seen), flush=True)
        if how == "killed":
            time.sleep(60)
        pool.close(now=False)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "worker.py").write_text(textwrap.dedent(_WORKER))
    (tmp_path / "main.py").write_text(textwrap.dedent(_MAIN))
    return tmp_path / "main.py"


def _start(program: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(program), how, str(program.with_name("held"))],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{program.parent}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _seen(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    first, second = process.stdout.readline(), process.stdout.readline()
    assert first == "before\n", first + second + process.stdout.read()
    seen: dict[str, Any] = json.loads(second)
    return seen


@pytest.mark.parametrize("how", ["forked", "threads"])
def test_a_worker_has_the_modules_and_nothing_else(program: Path, how: str) -> None:
    """With other threads about nothing is forked, and there is only what is imported anew."""
    with _start(program, how) as process:
        seen = _seen(process)
        assert process.wait(30) == 0
        assert process.stdout is not None and process.stdout.read() == ""
    assert seen["loaded"] is (how == "forked")
    assert (seen["file"], seen["ours"], seen["free"]) == (False, False, True)
    assert seen["parent"] != seen["pid"], "it comes from the fork server"


def test_all_of_it_ends_with_the_process(program: Path) -> None:
    with _start(program, "killed") as process:
        server = _seen(process)["parent"]
        assert Path(f"/proc/{server}").exists()
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        deadline = time.monotonic() + 30
        while _session(process.pid):
            assert time.monotonic() < deadline, _session(process.pid)
            time.sleep(0.02)


def _session(leader: int) -> list[str]:
    """The processes of a session that are not gone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] not in "ZX":
            found.append(folder.name)
    return found
