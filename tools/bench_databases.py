"""``make bench``: Cardtrail over a table of a database server beside the bare read, in one run.

PostgreSQL: beside ``COPY ... TO STDOUT`` by psql into nothing. MariaDB: beside the bare streamed
read by its own client (``mariadb --quick``) into nothing. Servers are those the tests start. Each
pair is run in turn, and the median of each is printed with the ratio, since machines drift; of the
scan also what its own processes took of the cores. Then how long a writer of single rows waits,
without and with the scan. Memory is the largest resident set of a process of the scan.

    python tools/bench_databases.py                   5 million rows, three text columns, both
    python tools/bench_databases.py --rows 500000 --only mariadb
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
CARD_EVERY = 20_000


def scan(target: str, jobs: int, folder: Path, rate: int = 0) -> float:
    """Seconds of the whole command. It must find the one card in every ``CARD_EVERY`` rows.
    ``rate``: bytes a second of a worker, 0 for as fast as it goes."""
    config = folder / "cardtrail.toml"
    config.write_text(f'exclude = ["(*"]\n[[store]]\nuri = "{target}"\nbytes_per_second = {rate}\n')
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_RUNTIME_DIR": str(folder),
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),  # as of a program that is installed
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.monotonic()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "scanner", "scan", target, "-j", str(jobs), "-o", "run.json"],
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        watched = Watched(process.pid)
        process.wait()
        took = time.monotonic() - started
        watched.done()
    assert process.returncode == 1, (folder / "said").read_text()
    document = json.loads((folder / "run.json").read_text())
    assert document["coverage"]["units"] == document["coverage"]["scanned"], document["coverage"]
    SCANS.append(watched)
    return took


class Watched:
    """The processes of a session, looked at many times a second: ``cores`` is seconds of a core all
    of them took, ``largest`` bytes of memory the largest one had."""

    def __init__(self, leader: int) -> None:
        self._leader, self._ended = leader, threading.Event()
        self._spent: dict[str, int] = {}
        self.largest = 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            for folder in Path("/proc").glob("[0-9]*"):
                with suppress(OSError, ValueError, StopIteration):
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) != self._leader:
                        continue
                    self._spent[folder.name] = int(fields[11]) + int(fields[12])
                    lines = (folder / "status").read_text().splitlines()
                    peak = next(line for line in lines if line.startswith("VmHWM"))
                    self.largest = max(self.largest, int(peak.split()[1]) << 10)

    @property
    def cores(self) -> float:
        return sum(self._spent.values()) / os.sysconf("SC_CLK_TCK")

    def done(self) -> None:
        self._ended.set()
        self._thread.join()


SCANS: list[Watched] = []


def timed(command: list[str]) -> Callable[[], float]:
    def run() -> float:
        started = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - started

    return run


def compare(name: str, bare: Callable[[], float], ours: Callable[[], float], times: int) -> None:
    bare()  # once for the caches, both
    ours()
    pairs = [(bare(), ours()) for _ in range(times)]
    spent = [watched.cores for watched in SCANS[-times:]]
    theirs, mine = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"{name}: bare read {theirs:.2f} s, scan {mine:.2f} s ({statistics.median(spent):.2f} s of "
        f"a core): {theirs / mine:.2f} of its speed",
        flush=True,
    )


def postgres(rows: int, times: int, jobs: int, folder: Path) -> None:
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
        print(f"PostgreSQL, {rows:,} rows, {size / 1e6:,.0f} MB", flush=True)
        binaries = postgres_server.binaries()
        copy = timed(
            [
                *(f"{binaries}/psql", "-h", "127.0.0.1", "-p", str(server.port)),
                *("-U", postgres_server.ADMIN, "-d", name, "-c", "COPY t TO STDOUT"),
            ]
        )
        target = server.target(name)
        compare(f"  {jobs} worker(s)", copy, partial(scan, target, jobs, folder), times)

        def write() -> Iterator[Callable[[], object]]:
            with server.connect(name) as connection:
                yield lambda: connection.execute("INSERT INTO t VALUES ('a', 'b', 'c')")

        writer(write, size, partial(scan, target, jobs, folder))
        server.drop(name)
    server.stop()


def mariadb(rows: int, times: int, jobs: int, folder: Path) -> None:
    from tests import mariadb_server

    server = mariadb_server.server()
    server.run(None, "CREATE DATABASE bench")
    server.run(
        "bench",
        "CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, a varchar(40), b varchar(80),"
        " c varchar(80))",
        "INSERT INTO t SELECT seq, md5(seq), concat('order ', seq, ' of customer ', seq % 977),"
        f" if(seq % {CARD_EVERY} = 7, 'card 4539148803436467 exp 11/27',"
        f" concat('paid in full on the day, thank you ', seq)) FROM seq_1_to_{rows}",
        "ANALYZE TABLE t",
    )
    size = int(
        server.rows(
            None,
            "SELECT data_length FROM information_schema.tables WHERE table_schema = 'bench'",
        )[0][0]
    )
    print(f"MariaDB, {rows:,} rows, {size / 1e6:,.0f} MB", flush=True)
    client = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{server.port}"]
    client += [f"-u{mariadb_server.ADMIN}", "--quick", "-N", "-B", "bench"]
    bare = timed([*client, "-eSELECT a, b, c FROM t"])
    target = server.target("bench")
    compare(f"  {jobs} worker(s)", bare, partial(scan, target, jobs, folder), times)

    def write() -> Iterator[Callable[[], object]]:
        with server.connect("bench") as connection, connection.cursor() as cursor:
            yield lambda: cursor.execute("INSERT INTO t (a, b, c) VALUES ('a', 'b', 'c')")

    writer(write, size, partial(scan, target, jobs, folder))
    server.stop()


def writer(
    session: Callable[[], Iterator[Callable[[], object]]], size: int, ours: Callable[[int], float]
) -> None:
    """How long single-row writes to the scanned table take: alone, beside a scan that is held to a
    gentle pace, and beside one that goes as fast as it can."""
    for label, rate in (("alone", None), ("beside a held scan", size // 20), ("beside a scan", 0)):
        ended = threading.Event()
        took: list[float] = []

        def write(ended: threading.Event = ended, took: list[float] = took) -> None:
            for insert in session():
                while not ended.is_set():
                    started = time.monotonic()
                    insert()
                    took.append(time.monotonic() - started)
                    time.sleep(0.002)

        thread = threading.Thread(target=write)
        thread.start()
        if rate is None:
            time.sleep(3)
        else:
            ours(rate)
        ended.set()
        thread.join()
        times = sorted(took)
        middle, high = (1000 * times[len(times) * share // 100] for share in (50, 95))
        print(f"  a writer {label}: p50 {middle:.2f} ms, p95 {high:.2f} ms", flush=True)


SERVERS = {"postgresql": postgres, "mariadb": mariadb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", choices=SERVERS)
    given = parser.parse_args()
    for name, measure in SERVERS.items():
        if given.only not in (None, name):
            continue
        why_not = missing(name)
        if why_not:
            print(f"{name}: not measured: {why_not}")
            continue
        with tempfile.TemporaryDirectory(prefix="ct-bench-") as folder:
            measure(given.rows, given.times, given.jobs, Path(folder))
    if SCANS:
        print(f"largest process of a scan: {max(s.largest for s in SCANS) / 1e6:,.0f} MB")


def missing(name: str) -> str | None:
    from tests import mariadb_server, postgres_server

    return (postgres_server if name == "postgresql" else mariadb_server).missing()


if __name__ == "__main__":
    main()
