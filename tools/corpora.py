"""``make corpora``: the whole tool over outside data, folder by folder, when there is any.

``CARDTRAIL_CORPORA`` names the folder. Everything in it but ``pii-spans`` is free of cards, so
whatever is confirmed there is wrong and is listed; every file must have an outcome; memory must
stay bounded. Exit status 1 when that is not so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WITH_CARDS = "pii-spans"
MEMORY_LIMIT = 600.0
"""MB of the process that reads, detects and seals"""


def scan(folder: Path, state: str) -> tuple[dict[str, Any], float, float, int]:
    """The run document, seconds, and MB of the largest process."""
    out = Path(state) / "run.json"
    command = [sys.executable, "-m", "scanner", "scan", str(folder), "-j1", "-q", "-o"]
    command.append(str(out))
    environment = {**os.environ, "XDG_STATE_HOME": state, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    return json.loads(out.read_text()), seconds, usage.ru_maxrss / 1000, process.returncode


def main() -> int:
    named = os.environ.get("CARDTRAIL_CORPORA")
    if not named or not Path(named).is_dir():
        print("corpora: CARDTRAIL_CORPORA names no folder; nothing to do")
        return 0
    wrong: list[str] = []
    head = f"{'folder':14} {'files':>6} {'read':>6} {'part':>5} {'skip':>5} {'fail':>5} "
    print(head + f"{'confirmed':>9} {'possible':>8} {'seconds':>8} {'MB':>5}")
    for folder in sorted(path for path in Path(named).iterdir() if path.is_dir()):
        with tempfile.TemporaryDirectory() as state:
            run, seconds, memory, code = scan(folder, state)
        files = sum(path.is_file() or path.is_symlink() for path in folder.rglob("*"))
        cover, findings = run["coverage"], run["findings"]
        live = [f for f in findings if f["state"] in ("clear", "encoded", "hashed")]
        confirmed = [f for f in live if f["confidence"] >= 0.8]
        print(
            f"{folder.name:14} {files:6} {cover['scanned']:6} {cover['sampled']:5} "
            f"{cover['skipped']:5} {cover['failed']:5} {len(confirmed):9} "
            f"{len(live) - len(confirmed):8} {seconds:8.1f} {memory:5.0f}"
        )
        for reason, count in Counter(cover["reasons"]).most_common():
            print(f"    {count:4} {reason}")
        if cover["units"] != files:
            wrong.append(f"{folder.name}: {files} files, {cover['units']} outcomes")
        if cover["reasons"].get("internal-error"):
            wrong.append(f"{folder.name}: internal errors")
        if code not in (0, 1, 3, 4):
            wrong.append(f"{folder.name}: exit status {code}")
        if memory > MEMORY_LIMIT:
            wrong.append(f"{folder.name}: {memory:.0f} MB")
        if folder.name != WITH_CARDS:
            wrong += [f"{folder.name}: {place(found)}" for found in confirmed]
            for found in live[:20]:
                if found not in confirmed:
                    print(f"    possible: {place(found)}")
    for line in wrong:
        print(f"WRONG  {line}")
    return 1 if wrong else 0


def place(found: dict[str, Any]) -> str:
    where = {key: value for key, value in (found["location"] or {}).items() if value is not None}
    return (
        f"{found['entity']} {found['state']} {found['masked']} in {found['unit']} {where} "
        f"{found['confidence']:.2f} {found['why']}"
    )


if __name__ == "__main__":
    sys.exit(main())
