"""Speed of personal data and secrets in one process, over bytes in memory, in MB of input a second
of processor time; beside counting line ends in the same bytes. ``--megabytes`` sets the size."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

from detectors import all_detectors
from detectors.base import AFTER, BEFORE, NoHints
from detectors.pii_settings import PiiSettings, configure
from tools.bench_detectors import sparse

CHUNK = 1 << 20


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


def table(rows: int, seed: int = 3) -> bytes:
    """Rows of id, name, e-mail, telephone, card."""
    dice = random.Random(seed)
    first, last = ("Ann", "Bob", "Eve", "Joe", "Mia"), ("Roe", "Doe", "Lee", "Ray", "May")
    out = []
    for row in range(rows):
        a, b = dice.choice(first), dice.choice(last)
        out.append(
            f"{row}\t{a} {b}\t{a}.{b}{row}@mail{dice.randrange(200)}.com\t"
            f"({dice.randrange(201, 989)}) 555-{dice.randrange(10000):04}\t4111111111111111\n"
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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--megabytes", type=int, default=32)
    size = arguments.parse_args().megabytes << 20
    wanted = [d for d in all_detectors() if d.name in ("pii", "secrets")]
    inputs: dict[str, tuple[bytes, tuple[str, ...] | None]] = {
        "sparse": (sparse(size), None),
        "1 line in 20": (one_in_twenty(size), None),
        "table": (table(100_000), ("id", "name", "email", "phone", "card")),
    }
    configure(PiiSettings(list_at_most=1000))  # as the pipeline does
    for detector in wanted:  # imports and compiling are not what is measured
        drive(detector, one_in_twenty(1 << 20) + b"\nkey AKIAIOSFODNN7EXAMPLE\n", None)
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


if __name__ == "__main__":
    main()
