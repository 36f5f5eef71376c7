"""A real scan that is killed at any moment while logs grow, are renamed and packed under it: in the
end every read counts, and none counts twice.

Files are read in steps so small that a kill falls between them, into them, and into the writing of
what they gave. A kill takes about a second of processor time; by hand, hundreds:

    CARDTRAIL_EXAMPLES=1000 python -m pytest tests/access/test_killed_scan.py
"""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cardtrail
from tests.examples import EXAMPLES, USUAL, seeds

KILLS = 5 if EXAMPLES <= USUAL else 20
LINES = 1_500
"""before the first scan"""
SMALL_STEPS = """
from scanner.access import book, lines, logbook, track
book.ROWS = logbook.ROWS = 400
book._MANY = 200
track.SPACING, lines.STEP = 9_000, 4_000
from scanner.cli import main
main()
"""


@dataclass
class Logs:
    """A folder of logs that is written to, and what all of it comes to."""

    folder: Path
    rng: random.Random
    clock: datetime
    written: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    rest: bytes = b""
    """of a line that was written in part"""

    @property
    def log(self) -> Path:
        return self.folder / "app.log"

    def grow(self, count: int, *, whole: bool = False) -> None:
        """Up to any byte, unless ``whole``. Some lines are alike: one second, one object."""
        made = [self.rest]
        for _ in range(count):
            self.clock += timedelta(seconds=self.rng.choice((0, 0, 1, 7)))
            who, number = self.rng.choice(("bob", "eve", "ann")), self.rng.randrange(3)
            name, size = ("cards.csv", "plain.txt", "other.txt")[number], self.rng.randrange(9)
            made.append(f"{self.clock.isoformat()} {who} {name} 200 {size}\n".encode())
            self.written[who] += 1
            self.sent += size
        data = b"".join(made)
        end = len(data) if whole else self.rng.randrange(len(data) + 1)
        with self.log.open("ab") as file:
            file.write(data[:end])
        self.rest = data[end:]

    def rotate(self) -> None:
        """The log is ``app.log.1``, what that was is packed; a line is never in two of them. Lines
        that are alike are not either: those of two files cannot be told from copies."""
        self.grow(0, whole=True)
        self.clock += timedelta(seconds=1)
        before = self.folder / "app.log.1"
        if before.exists():
            number = len(list(self.folder.iterdir())) + 1
            aside = self.folder.parent / "packed"
            aside.write_bytes(gzip.compress(before.read_bytes()))
            aside.rename(self.folder / f"app.log.{number:04}.gz")
        self.log.rename(before)
        self.log.touch()


@pytest.mark.parametrize("seed", seeds(1))
def test_killed_while_logs_grow(cardtrail: Cardtrail, tmp_path: Path, seed: int) -> None:
    rng, data = random.Random(seed), tmp_path / "data"
    data.mkdir()
    for name in ("cards.csv", "plain.txt", "other.txt"):
        (data / name).write_text("nothing here\n")
    logs = Logs(tmp_path / "logs", rng, datetime.now(UTC).replace(microsecond=0))
    logs.folder.mkdir()
    logs.clock -= timedelta(days=2)
    logs.grow(LINES)
    (cardtrail.cwd / "cardtrail.toml").write_text(
        f'ledger = "ledger.db"\n[key]\nfile = "key"\n[[store]]\nuri = "{data}"\n'
        f'[[evidence]]\nkind = "pattern"\nuri = "{logs.folder}"\nstore = "file://{data}"\n'
        'format = "{time} {principal} {object} {status} {bytes}"\n'
    )
    assert cardtrail("key", "key").code == 0
    kills, seconds, arguments = 0, 3.0, ["scan"]
    while kills < KILLS:
        code, took = run(cardtrail, logs, arguments, rng.uniform(0.1, seconds))
        if code < 0:
            kills += 1
            arguments = rng.choice([["scan"], ["scan", "--resume"]])
        else:
            seconds = took if code == 0 else seconds
            assert code == 0 or "--resume" in arguments, code  # there may be none to go on with
            arguments = ["scan"]
        if rng.random() < 0.3:
            logs.rotate()
        logs.grow(rng.randrange(400))
    logs.grow(0, whole=True)
    done = cardtrail("scan", "--format", "json", "-q")
    assert done.code == 0, done.err
    assert told(done.out) == (dict(logs.written), logs.sent, 0)
    again = cardtrail("scan", "--format", "json", "-q")
    assert told(again.out) == told(done.out)


def run(cardtrail: Cardtrail, logs: Logs, arguments: list[str], killed: float) -> tuple[int, float]:
    """One scan with logs growing under it; its status, and the seconds it took."""
    process = subprocess.Popen(
        [sys.executable, "-c", SMALL_STEPS, *arguments, "-q", "-o", "run.json"],
        cwd=cardtrail.cwd,
        env=cardtrail.env({"PYTHONPATH": str(ROOT)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    began = time.monotonic()
    while process.poll() is None:
        time.sleep(0.05)
        if time.monotonic() - began > killed:
            process.kill()
        elif logs.rng.random() < 0.3:
            logs.grow(logs.rng.randrange(20))
        elif logs.rng.random() < 0.03:
            logs.rotate()
    out, err = process.communicate()
    cardtrail.planted.check(out + err, "the output of a killed scan")
    assert process.returncode in (0, -9, 2), err
    return process.returncode, time.monotonic() - began


def told(document: str) -> tuple[dict[str, int], int, int]:
    """Reads by principal, bytes, and what was not understood."""
    store: dict[str, Any] = json.loads(document)["stores"][0]
    access = store["access"]
    did = access["did_read"]
    (evidence,) = access["evidence"]
    reads = {each["principal"]: each["reads"] for each in did["list"]}
    return reads, sum(each["bytes"] for each in did["list"]), evidence["unparsed"]
