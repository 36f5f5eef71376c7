"""Speed of personal data and secrets: the detectors over bytes in memory, in MB of input a second
of processor time, beside counting line ends in the same bytes; with ``--whole`` the whole command
over files, beside ripgrep and Presidio's engine, and its memory."""

from __future__ import annotations

import argparse
import contextlib
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from detectors import all_detectors
from detectors.base import AFTER, BEFORE, NoHints
from detectors.pii_settings import PiiSettings, configure
from tools import bench
from tools.bench_detectors import sparse

CHUNK = 1 << 20
COLUMNS = ("id", "name", "email", "phone", "card")
AREAS = (212, 206, 303, 312, 404, 415, 512, 617, 702, 713)


class Columns:
    """Hints of a tab-separated table."""

    def __init__(self, data: bytes, names: tuple[str, ...]) -> None:
        self.data, self.names = data, names

    def field_name(self, start: int) -> str | None:
        begin = self.data.rfind(b"\n", 0, start) + 1
        place = self.data.count(b"\t", begin, start)
        return self.names[place] if place < len(self.names) else None


def one_in_twenty(size: int, seed: int = 2) -> bytes:
    """The sparse log with personal data on one line in twenty."""
    dice = random.Random(seed)
    kinds: tuple[Callable[[], str], ...] = (
        lambda: f"mail=u{dice.randrange(10**6)}@shop{dice.randrange(50)}.com",
        lambda: (
            f"ssn={dice.randrange(100, 600)}-{dice.randrange(10, 99)}-{dice.randrange(1000, 9999)}"
        ),
        lambda: f"phone=+1415{dice.randrange(2000000, 9999999)}",
        lambda: f"client ip {dice.randrange(11, 99)}.{dice.randrange(255)}.{dice.randrange(255)}.7",
        lambda: "iban GB82WEST12345698765432",
    )
    lines = sparse(size, seed).split(b"\n")
    for index in range(0, len(lines), 20):
        lines[index] += b" " + dice.choice(kinds)().encode()
    return b"\n".join(lines)[:size]


def card(dice: random.Random) -> str:
    body = f"4539{dice.randrange(10**11):011}"
    total = 0
    for place, char in enumerate(reversed(body)):
        digit = int(char) * (2 - place % 2)
        total += digit - 9 if digit > 9 else digit
    return body + str(-total % 10)


def table(rows: int, seed: int = 3) -> bytes:
    """Rows of id, name, e-mail, telephone, card."""
    dice = random.Random(seed)
    first, last = ("Ann", "Bob", "Eve", "Joe", "Mia"), ("Roe", "Doe", "Lee", "Ray", "May")
    out = []
    for row in range(rows):
        a, b = dice.choice(first), dice.choice(last)
        out.append(
            f"{row}\t{a} {b}\t{a}.{b}{row}@mail{dice.randrange(200)}.com\t"
            f"({dice.choice(AREAS)}) {dice.randrange(220, 990)}-{dice.randrange(10000):04}"
            f"\t{card(dice)}\n"
        )
    return "".join(out).encode()


def drive(detector: object, data: bytes, names: tuple[str, ...] | None) -> tuple[float, int]:
    """Seconds of processor time, and matches."""
    scan = detector.scan()  # type: ignore[attr-defined]  # any detector
    total, begin = 0, time.process_time()
    for lo in range(0, len(data), CHUNK):
        first, hi = max(0, lo - BEFORE), min(lo + CHUNK, len(data))
        chunk = data[first : min(hi + AFTER, len(data))]
        hints = Columns(chunk, names) if names else NoHints()
        total += len(scan.find(chunk, lo - first, hi - first, hints))
    seconds = time.process_time() - begin
    return seconds, total + sum(getattr(scan, "more", dict)().values())


def in_memory(size: int) -> None:
    wanted = [d for d in all_detectors() if d.name in ("pii", "secrets")]
    inputs: dict[str, tuple[bytes, tuple[str, ...] | None]] = {
        "sparse": (sparse(size), None),
        "1 line in 20": (one_in_twenty(size), None),
        "table": (table(100_000), COLUMNS),
    }
    configure(PiiSettings(list_at_most=1000))  # as the pipeline does
    for detector in wanted:  # imports and compiling are not what is measured
        drive(detector, one_in_twenty(1 << 20) + b"\nkey AKIAIOSFODNN7EXAMPLE\n", None)
    print("\nDetectors alone, in memory, by processor time")
    print(f"{'input':14}{'detector':10}{'MB/s':>8}{'lines/s':>12}{'matches':>10}{'count MB/s':>12}")
    for name, (data, names) in inputs.items():
        begin = time.process_time()
        lines = data.count(b"\n")
        counting = time.process_time() - begin
        for detector in wanted:
            seconds, matches = drive(detector, data, names)
            print(
                f"{name:14}{detector.name:10}{len(data) / seconds / 1e6:8.0f}"
                f"{lines / seconds:12,.0f}{matches:10,}{len(data) / counting / 1e6:12,.0f}"
            )


def engine_speed(kilobytes: int = 200) -> float:
    """MB a second of processor time that Presidio's whole engine makes of the sparse log."""
    from tools.accuracy_pii import engine

    whole = engine()
    if whole is None:
        return 0.0
    lines = sparse(kilobytes * 1000, 2).decode().split("\n")
    whole.analyze("warm up, Ann Roe", language="en")
    begin = time.process_time()
    for line in lines:
        whole.analyze(line, language="en")
    return kilobytes / 1000 / (time.process_time() - begin)


def a_database(path: Path, rows: int) -> Path:
    """A SQLite file with one table."""
    if not path.exists():
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute(
                "CREATE TABLE customer (id INTEGER PRIMARY KEY, name, email, phone, card)"
            )
            values = (line.split("\t") for line in table(rows).decode().splitlines())
            database.executemany("INSERT INTO customer VALUES (?, ?, ?, ?, ?)", values)
            database.commit()
    return path


def _measured(commands: list[bench.Command], runs: int) -> dict[str, bench.Figure]:
    """Raises ``SystemExit`` for a command that failed: it was fast for another reason."""
    figures = bench.measure(commands, runs)
    for name, figure in figures.items():
        if figure.code > 1:  # 1 is what grep says of nothing found
            sys.exit(f"bench: {name} ended with {figure.code}")
    return figures


def whole_process(runs: int, megabytes: int = 200, rows: int = 1_000_000) -> None:
    """The command, start and report included, beside ripgrep and Presidio's engine."""
    bench.OUT.mkdir(exist_ok=True)
    size = megabytes * bench.MB
    log = bench.make_log(f"app-{megabytes}.log", size, bench.sparse_line)
    twenty = bench.OUT / f"twenty-{megabytes}.log"
    if not twenty.exists():
        with twenty.open("wb") as out:
            for _ in range(10):
                out.write(one_in_twenty(size // 10))
    database = a_database(bench.OUT / f"customers-{rows}.db", rows)

    def scan(name: str, path: Path, *words: str) -> bench.Command:
        command = [sys.executable, "-m", "scanner", "scan", str(path), *words]
        return bench.Command(name, [*command, "-j", "1", "-f", "json", "--exit-zero"])

    full = ("--profile", "full")
    mail = bench.Command("rg -a -c '@'", ["rg", "-a", "-c", "@", str(log)])
    tools = [scan("full, sparse log", log, *full), scan("full, 1 line in 20", twenty, *full), mail]
    figures = _measured(tools, runs)
    sizes = dict.fromkeys(figures, float(megabytes))
    bench.show(f"{megabytes} MB logs, --profile full --jobs 1", figures, sizes, mail.name)
    speed, ours = engine_speed(), megabytes / figures[tools[0].name].cpu
    if speed:
        print(
            f"  Presidio's AnalyzerEngine on a sample of the sparse log: {speed * 1000:.0f} KB/s; "
            f"the command is {ours / speed:,.0f} times as fast, by processor time"
        )
    tables = [
        scan("card", database, "--profile", "card"),
        scan("full", database, *full),
        scan("full --names", database, *full, "--names"),
    ]
    print(f"\nSQLite table of {rows:,} rows: name, e-mail, telephone, card")
    for name, figure in _measured(tables, 1).items():
        print(
            f"  {name:14}{rows / figure.seconds:10,.0f} rows/s"
            f"{rows / figure.cpu:10,.0f} by processor time{figure.memory:7.0f} MB"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--megabytes", type=int, default=32, help="in memory [32]")
    arguments.add_argument("--whole", action="store_true", help="the command too, from files")
    arguments.add_argument("--runs", type=int, default=3)
    given = arguments.parse_args()
    if given.whole:
        whole_process(given.runs)
    in_memory(given.megabytes << 20)


if __name__ == "__main__":
    main()
