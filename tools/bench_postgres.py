"""Cardtrail over a table of a database server beside the bare read of it, in one run.

PostgreSQL: beside ``COPY ... TO STDOUT`` by psql into nothing. MariaDB: beside the bare streamed
read by its own client (``mariadb --quick``) into nothing. Servers are those the tests start. Each
pair is run in turn, and the median of each is printed with the ratio, since machines drift. Memory
is the largest resident set of a process of the scan.

    python tools/bench_postgres.py                    5 million rows, three text columns
    python tools/bench_postgres.py --rows 500000 --mariadb
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.postgres_server import Server

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
CARD_EVERY = 20_000


def scan(target: str, jobs: int, folder: Path) -> float:
    """Seconds of the whole command. It must find the one card in every ``CARD_EVERY`` rows."""
    config = folder / "cardtrail.toml"
    config.write_text('exclude = ["(*"]\n')
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_RUNTIME_DIR": str(folder),
    }
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "scanner", "scan", target, "-j", str(jobs), "-o", "run.json", "-q"],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    took = time.monotonic() - started
    assert done.returncode == 1, done.stderr.decode()
    document = json.loads((folder / "run.json").read_text())
    assert document["coverage"]["units"] == document["coverage"]["scanned"], document["coverage"]
    return took


def timed(command: list[str]) -> Callable[[], float]:
    def run() -> float:
        started = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - started

    return run


def compare(name: str, bare: Callable[[], float], ours: Callable[[], float], times: int) -> None:
    bare()  # once for the caches
    pairs = [(bare(), ours()) for _ in range(times)]
    theirs, mine = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"{name}: bare read {theirs:.2f} s, scan {mine:.2f} s: {theirs / mine:.2f} of its speed")


def postgres(rows: int, times: int, folder: Path) -> None:
    from tests import postgres_server

    server = postgres_server.server()
    with server.database("bench") as name:
        server.run(
            name,
            "CREATE TABLE t AS SELECT md5(i::text) AS a, 'order ' || i || ' of customer '"
            f" || i % 977 AS b, CASE WHEN i % {CARD_EVERY} = 7"
            " THEN 'card 4539148803436467 exp 11/27'"
            " ELSE 'paid in full on the day, thank you ' || i END AS c"
            f" FROM generate_series(1, {rows}) i",
            "VACUUM ANALYZE t",
        )
        ((size,),) = server.rows(name, "SELECT pg_relation_size('t')")
        print(f"PostgreSQL, {rows:,} rows, {size / 1e6:,.0f} MB")
        binaries = postgres_server.binaries()
        copy = timed(
            [
                *(f"{binaries}/psql", "-h", "127.0.0.1", "-p", str(server.port)),
                *("-U", postgres_server.ADMIN, "-d", name, "-c", "COPY t TO STDOUT"),
            ]
        )
        for jobs in (1, 2):
            ours = partial(scan, server.target(name), jobs, folder)
            compare(f"{jobs} worker(s)", copy, ours, times)
        writer(server, name, partial(scan, server.target(name), 2, folder))
        server.drop(name)


def writer(server: Server, name: str, ours: Callable[[], float]) -> None:
    """How long single-row writes to the scanned table take, without and with the scan."""
    ended = threading.Event()
    took: dict[str, list[float]] = {"without": [], "with": []}

    def write(label: str) -> None:
        with server.connect(name) as connection:
            while not ended.is_set():
                started = time.monotonic()
                connection.execute("INSERT INTO t VALUES ('a', 'b', 'c')")
                took[label].append(time.monotonic() - started)
                time.sleep(0.005)

    for label in took:
        ended.clear()
        thread = threading.Thread(target=write, args=(label,))
        thread.start()
        if label == "with":
            ours()
        else:
            time.sleep(3)
        ended.set()
        thread.join()
        times = sorted(took[label])
        middle, high = times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000
        print(f"a writer {label} the scan: median {middle:.2f} ms, 99 % within {high:.2f} ms")


def mariadb(rows: int, times: int, folder: Path) -> None:
    from tests import mariadb_server

    server = mariadb_server.server()
    server.run(None, "CREATE DATABASE bench")
    server.run(
        "bench",
        "CREATE TABLE t (id int PRIMARY KEY, a varchar(40), b varchar(80), c varchar(80))",
        "INSERT INTO t SELECT seq, md5(seq), concat('order ', seq, ' of customer ', seq % 977),"
        f" if(seq % {CARD_EVERY} = 7, 'card 4539148803436467 exp 11/27',"
        f" concat('paid in full on the day, thank you ', seq)) FROM seq_1_to_{rows}",
        "ANALYZE TABLE t",
    )
    print(f"MariaDB, {rows:,} rows")
    bare = timed(
        [
            *("mariadb", "--no-defaults", "-h127.0.0.1", f"-P{server.port}"),
            *(
                f"-u{mariadb_server.ADMIN}",
                "--quick",
                "-N",
                "-B",
                "bench",
                "-eSELECT a, b, c FROM t",
            ),
        ]
    )
    for jobs in (1, 2):
        ours = partial(scan, server.target("bench"), jobs, folder)
        compare(f"{jobs} worker(s)", bare, ours, times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--mariadb", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ct-bench-") as folder:
        (mariadb if given.mariadb else postgres)(given.rows, given.times, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest process: {peak:,.0f} MiB (servers are not waited for, so not counted)")


if __name__ == "__main__":
    main()
