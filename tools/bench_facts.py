"""``python tools/bench_facts.py``: ten million facts of reads, added and asked.

Rows made from a seed: 300 principals, 200,000 objects, 89 days. Said are the time to add an event,
bytes of the file an event, what each question costs that a scan asks the facts, and then the scan
itself and every form of ``cardtrail access`` as commands. Those answer from the ledger, but for
``--object``.

    python tools/bench_facts.py --events 10000000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# ruff: noqa: E402 - the tool runs from a checkout that is not installed
from scanner.access.snoops import Acts, look
from scanner.batch import Batch, FileFacts, Who
from scanner.days import Day
from scanner.factreads import summary
from scanner.facts import Facts, path_beside
from scanner.factview import View
from scanner.known import Known, name_hash
from scanner.model import Access

PRINCIPALS, PEOPLE, OBJECTS, DAYS, CARDS = 300, 30, 200_000, 89, 100
NOW = datetime.now(UTC)
START = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
WINDOW = (START - timedelta(hours=1), NOW)
PIECE = 500_000
OBJECT = "exports/2026/part-{:06}.csv"
CARD = "4556737586899855"
CONFIG = """ledger = "ledger.db"
[[store]]
uri = "data"
[[evidence]]
kind = "pattern"
uri = "logs"
store = "{store}"
format = "{{time}} {{principal}} {{object}} {{status}} {{bytes}}"
"""


def company(folder: Path) -> str:
    """A store with cards in some of the objects, and a log of one read; the store's uri."""
    store = folder / "data"
    for number in range(CARDS):
        path = store / OBJECT.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"name,number\nann,{CARD}\n")
    (folder / "logs").mkdir()
    line = f"{(NOW - timedelta(hours=2)).isoformat()} bob {OBJECT.format(1)} 200 7\n"
    (folder / "logs" / "app.log").write_text(line)
    (folder / "cardtrail.toml").write_text(CONFIG.format(store=f"file://{store}"))
    return f"file://{store}"


def batch(rng: np.random.Generator, source: str, store: str, number: int, pieces: int) -> Batch:
    """One of ``pieces`` of the days, with the names of what was read in it."""
    hours = DAYS * 24 // pieces + 1
    first = int(START.timestamp()) // 3600 + number * DAYS * 24 // pieces
    places = rng.integers(0, OBJECTS, PIECE)
    met = np.unique(places).tolist()
    names = {name_hash(name): name for name in map(OBJECT.format, met)}
    numbers = np.zeros(OBJECTS, "u8")
    numbers[met] = list(names)
    return Batch(
        source,
        "pattern",
        [store],
        [FileFacts(f"file {number}", "1", f"digest {number}", "head")],
        [Who(f"arn:aws:iam::111122223333:role/service-{n}") for n in range(PRINCIPALS)],
        names,
        {
            "store": np.zeros(PIECE, "u2"),
            "verb": np.zeros(PIECE, "u1"),
            "who": rng.integers(0, PRINCIPALS, PIECE).astype("u4"),
            "object": numbers[places],
            "hour": (first + np.sort(rng.integers(0, hours, PIECE))).astype("i4"),
            "second": rng.integers(0, 3600, PIECE).astype("u2"),
            "event": rng.integers(1, 1 << 63, PIECE).astype("u8"),
            "sent": rng.integers(0, 1 << 20, PIECE),
            "rows": np.full(PIECE, -1, "i8"),
        },
    )


def asked(source: str, store: str) -> Mapping[str, Callable[[Facts], Any]]:
    """What a scan asks."""
    cards = frozenset(name_hash(OBJECT.format(number)) for number in range(CARDS))
    since = START.toordinal()

    def totals(facts: Facts) -> Any:
        view = View(facts, source, WINDOW)
        entries = {number: number for number, _ in view.ranked(store)}
        found = view.totals(store, entries, cards)
        assert len(found) >= PRINCIPALS, len(found)

    def days(facts: Facts) -> Any:
        view = View(facts, source, WINDOW)
        return view.days(store, {n: n for n in view.people(store)}, since)

    def same(facts: Facts) -> Any:
        view = View(facts, source, WINDOW)
        day = {since: Day()}
        actors = [Acts({n: who}, day) for n, who in [*view.people(store).items()][:PEOPLE]]
        look(view, store, actors, since, None, objects=True)

    return {
        "totals of every principal": totals,
        "every principal, day by day": days,
        f"the same record again, {PEOPLE} people": same,
        "the report's days and objects": lambda facts: summary(
            facts, store, Access(window_start=WINDOW[0], window_end=WINDOW[1]), Known(CARDS, cards)
        ),
    }


def commands(store: str) -> Mapping[str, tuple[str, ...]]:
    role = "service-17"
    return {
        "scan": ("scan", "-q", "--format", "json"),
        "access": ("access",),
        "access --store": ("access", "--store", store),
        "access --principal": ("access", "--principal", role),
        "access --since": ("access", "--since", "30d"),
        "access --json": ("access", "--json"),
        "access incident": ("access", "incident", store),
        "--object, one": ("access", "--object", "part-000023"),
        "--object, a thousand": ("access", "--object", "part-123"),
        "--object, --since": ("access", "--object", "part-123", "--since", "30d"),
        "--object, --principal": ("access", "--object", "part-1", "--principal", role),
        "report": ("report", "last", "--format", "json"),
    }


def run(arguments: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Seconds passed and of processor time."""
    since = time.perf_counter()
    before = os.times()
    with (folder / "out").open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "scanner", *arguments, "-c", str(folder / "cardtrail.toml")],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.PIPE,
        )
    after = os.times()
    if done.returncode not in (0, 1):
        sys.exit(f"{arguments}: {done.stderr.decode()}")
    spent = after.children_user + after.children_system
    return time.perf_counter() - since, spent - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    pieces = max(1, given.events // PIECE)
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, path = company(folder), path_beside(folder / "ledger.db")
        run(("scan", "-q"), folder)
        with closing(Facts(path)) as facts:
            source = facts.db.execute("SELECT key FROM source").fetchall()[0][0]
        empty, seconds, events = path.stat().st_size, 0.0, pieces * PIECE
        for number in range(pieces):
            made = batch(rng, source, store, number, pieces)
            start = time.process_time()
            with closing(Facts(path)) as facts:
                facts.add(made)
            seconds += time.process_time() - start
        print(f"{events:,} events added: {1e6 * seconds / events:.2f} µs of processor time each")
        print(f"{(path.stat().st_size - empty) / events:.1f} bytes an event")
        for what, ask in asked(source, store).items():
            with closing(Facts(path, overlay=True)) as facts:
                start, since = time.process_time(), time.perf_counter()
                ask(facts)
                passed = time.perf_counter() - since
                print(f"  {what:36}{passed:6.2f} s, {time.process_time() - start:.2f} of processor")
        for what, arguments in commands(store).items():
            passed, spent = run(arguments, folder)
            print(f"  cardtrail {what:26}{passed:6.2f} s, {spent:.2f} of processor")


if __name__ == "__main__":
    main()
