"""Kill -9 at random moments, resume, kill again: nothing is lost and nothing counts twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cardtrail, Planted

KILLS = {1: 14, 2: 6}
"""by number of jobs; a start with worker processes costs more"""


def fill(store: Path, planted: Planted) -> None:
    """Many small files, one that is cut into dozens of slices with the same numbers over and
    over, and one that cannot be read."""
    pans = [planted.pan() for _ in range(40)]
    for i in range(400):
        folder = store / f"d{i % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{i}.log").write_text(f"pay card={pans[i % 40]} ok\n" * (1 + i % 3))
    lines = (
        f"{i} card: {pans[i % 40]} paid\n" if i % 50 == 0 else f"{i} x\n" for i in range(200_000)
    )
    (store / "big.log").write_text("".join(lines))
    (store / "broken.gz").write_bytes(b"\x1f\x8b\x08\x00 not gzip at all")


def essence(document: dict[str, Any]) -> dict[str, Any]:
    """The run document without what differs between two runs over the same store."""
    return {
        "findings": document["findings"],
        "outcomes": document["outcomes"],
        "coverage": document["coverage"],
        "pans": [store["distinct_pans"] for store in document["stores"]],
    }


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_scan_killed_again_and_again_ends_like_one_left_alone(
    jobs: int, cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    store = planted.allow(tmp_path / "store")
    fill(store, planted)
    (cardtrail.cwd / "cardtrail.toml").write_text(
        f'[limits]\nslice = {1 << 17}\n[key]\nfile = "key"\n[[store]]\nuri = "{store}"\n'
    )
    assert cardtrail("key", "key").code == 0
    started = time.monotonic()
    assert cardtrail("scan", "-j", jobs, "-o", "whole.json", "-q").code == 4
    seconds = time.monotonic() - started
    whole = json.loads((cardtrail.cwd / "whole.json").read_text())
    assert whole["coverage"]["units"] == 402 and whole["coverage"]["scanned"] == 401

    rng = random.Random(jobs)
    killed = 0
    while killed < KILLS[jobs]:
        finished = kill_until_done(cardtrail, jobs, seconds, rng, KILLS[jobs] - killed)
        killed += finished
    document = json.loads((cardtrail.cwd / "again.json").read_text())
    assert essence(document) == essence(whole)


def kill_until_done(
    cardtrail: Cardtrail, jobs: int, seconds: float, rng: random.Random, wanted: int
) -> int:
    """One run, killed until it has ended; returns how many kills hit it."""
    kills, arguments = 0, ["scan"]
    while True:
        process = cardtrail.start(*arguments, "-j", jobs, "-o", "again.json", "-q")
        try:
            # some early, while it starts; most while it works
            process.wait(timeout=rng.uniform(0.05, seconds) if kills < wanted else 120)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        out, err = process.communicate(timeout=60)
        cardtrail.planted.check(out + err, "the output of a killed scan")
        if process.returncode == 4:
            return kills
        if process.returncode == 2:
            # killed before the run was in the ledger, or after its end: nothing to resume
            assert b"no unfinished run" in err or b"nothing has been scanned" in err, err
            arguments = ["scan"]
        else:
            assert process.returncode == -signal.SIGKILL, (process.returncode, err)
            arguments = ["scan", "--resume"]


def test_workers_die_with_the_scan_that_started_them(
    cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    store = planted.allow(tmp_path / "store")
    store.mkdir()
    for i in range(200):
        (store / f"{i}.txt").write_text(f"{planted.pan()} " * 20_000)
    process = cardtrail.start("scan", store, "-j", 2, "-q")
    deadline = time.monotonic() + 30
    while len(session(process.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(session(process.pid)) >= 3
    process.kill()
    process.wait()
    while session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert session(process.pid) == []


def session(leader: int) -> list[int]:
    """Processes of a session that are alive."""
    alive = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] not in "ZX":
            alive.append(int(stat.parent.name))
    return alive


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_signal_ends_it_with_its_status_and_leaves_a_run_to_resume(
    number: signal.Signals,
    code: int,
    jobs: int,
    cardtrail: Cardtrail,
    planted: Planted,
    home: Path,
    tmp_path: Path,
) -> None:
    store = planted.allow(tmp_path / "store")
    store.mkdir()
    pan = planted.pan()
    for i in range(120):
        (store / f"{i}.txt").write_text(f"card {pan}\n" + "x" * 4_000_000)
    process = cardtrail.start("scan", store, "-j", jobs)
    deadline = time.monotonic() + 30
    while not list(home.rglob("ledger.db-wal")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.25)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if process.returncode in (0, 1):
        pytest.fail("the scan was over before the signal: make the store larger")
    assert process.returncode == code
    assert b"scan --resume" in err and b"Traceback" not in err
    done = cardtrail("scan", "--resume", "-o", "run.json")
    assert done.code == 1
    document = json.loads((cardtrail.cwd / "run.json").read_text())
    assert document["coverage"]["scanned"] == 120
    assert sum(finding["count"] for finding in document["findings"]) == 120
