"""``python tools/bench_facts.py``: ten million facts of reads, added and asked.

Rows made from a seed: 300 principals, 200,000 objects, 90 days. Said are the time to add an event,
bytes of the file an event, and what each question costs: the first two are ``cardtrail access
--object``, with and without ``--since``; the last two a scan asks, after which ``cardtrail access``
answers ``--store``, ``--principal`` and ``incident`` from the ledger, however many facts there are.

    python tools/bench_facts.py --events 10000000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


from scanner.batch import Batch, FileFacts, Who
from scanner.factreads import readers_of
from scanner.facts import Facts
from scanner.factview import View

STORE, PRINCIPALS, OBJECTS, DAYS = "s3://pay", 300, 200_000, 90
START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = (START, START + timedelta(days=DAYS + 1))
PIECE = 500_000


def batch(rng: np.random.Generator, objects: dict[int, str], number: int, pieces: int) -> Batch:
    hours = DAYS * 24 // pieces + 1
    first = int(START.timestamp()) // 3600 + number * DAYS * 24 // pieces
    ids = np.array(list(objects), "u8")
    return Batch(
        "bench",
        "cloudtrail",
        [STORE],
        [FileFacts(f"file {number}", "1", f"digest {number}", "head")],
        [Who(f"arn:aws:iam::111122223333:role/service-{n}") for n in range(PRINCIPALS)],
        objects if number == 0 else {},
        {
            "store": np.zeros(PIECE, "u2"),
            "verb": np.zeros(PIECE, "u1"),
            "who": rng.integers(0, PRINCIPALS, PIECE).astype("u4"),
            "object": ids[rng.integers(0, OBJECTS, PIECE)],
            "hour": (first + np.sort(rng.integers(0, hours, PIECE))).astype("i4"),
            "second": rng.integers(0, 3600, PIECE).astype("u2"),
            "event": rng.integers(1, 1 << 63, PIECE).astype("u8"),
            "sent": rng.integers(0, 1 << 20, PIECE),
            "rows": np.full(PIECE, -1, "i8"),
        },
    )


def asked(path: Path) -> dict[str, Callable[[Facts], Any]]:
    late = (WINDOW[1] - timedelta(days=30), WINDOW[1])

    def totals(facts: Facts) -> Any:
        view = View(facts, "bench", WINDOW)
        return view.totals(STORE, {number: number for number, _ in view.ranked(STORE)})

    def days(facts: Facts) -> Any:
        view = View(facts, "bench", WINDOW)
        return view.days(STORE, {n: n for n in view.people(STORE)}, START.toordinal())

    return {
        "one object, by principal": lambda f: readers_of(f, "part-000123", window=WINDOW),
        "a thousand objects, 30 days": lambda f: readers_of(f, "part-123", window=late),
        "totals of every principal": totals,
        "every principal, day by day": days,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    given = parser.parse_args()
    pieces = max(1, given.events // PIECE)
    rng = np.random.default_rng(1)
    objects = {
        int(number): f"exports/2026/part-{place:06}.csv.gz"
        for place, number in enumerate(rng.integers(1, 1 << 63, OBJECTS))
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "facts"
        start = time.process_time()
        with closing(Facts(path)) as facts:
            for number in range(pieces):
                facts.add(batch(rng, objects, number, pieces))
        seconds, events = time.process_time() - start, pieces * PIECE
        print(f"{events:,} events added: {1e6 * seconds / events:.2f} µs of processor time each")
        print(f"{path.stat().st_size / events:.1f} bytes an event")
        with closing(Facts(path, read_only=True)) as facts:
            for name, ask in asked(path).items():
                start, since = time.process_time(), time.perf_counter()
                ask(facts)
                passed = time.perf_counter() - since
                print(f"  {name:30}{passed:7.2f} s, {time.process_time() - start:.2f} of processor")


if __name__ == "__main__":
    main()
