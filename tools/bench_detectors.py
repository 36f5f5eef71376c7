"""Speed of the card detector in one process, over bytes in memory.

Prints the median rate over sparse and dense made-up logs, beside ``bytes.count(b"\\n")`` on the
same bytes in the same run, since absolute figures move from machine to machine.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

from detectors import all_detectors
from detectors.base import AFTER, BEFORE, Scan
from detectors.marks import OneBuffer

CHUNK = 1 << 21


def sparse(size: int, seed: int = 1) -> bytes:
    """An application log with a card number about every 2 MB."""
    rng = random.Random(seed)
    out: list[str] = []
    length = 0
    number = 0
    while length < size:
        number += 1
        line = (
            f"2026-03-{number % 28 + 1:02d} 12:{number % 60:02d}:{rng.randrange(60):02d},"
            f"{rng.randrange(1000):03d} INFO [worker-{number % 7}] com.acme.Service - request"
            f" handled path=/api/v1/items/{number} status=200 took={rng.randrange(97)}ms"
            f" user=u{rng.randrange(99999)}\n"
        )
        if number % 15000 == 0:
            line = "2026-03-01 payment card=4111111111111111 ok\n"
        out.append(line)
        length += len(line)
    return "".join(out).encode()[:size]


def dense(size: int, seed: int = 1) -> bytes:
    """A log where every line has three numbers of sixteen digits that are ids."""
    rng = random.Random(seed)
    line = "2026-03-0{} 12:{:02d}:11 INFO order={} trace={} session={} done\n"
    out: list[str] = []
    length = 0
    while length < size:
        ids = [rng.randrange(10**15, 10**16) for _ in range(3)]
        out.append(line.format(rng.randrange(1, 10), rng.randrange(60), *ids))
        length += len(out[-1])
    return "".join(out).encode()[:size]


def drive(data: bytes, scans: list[Scan]) -> int:
    """Feed ``data`` through scans as a reader would; returns the number of matches."""
    view = memoryview(data)
    total = 0
    for lo in range(0, len(data), CHUNK):
        first, hi = max(0, lo - BEFORE), min(lo + CHUNK, len(data))
        chunk = view[first : min(hi + AFTER, len(data))]
        hints = OneBuffer()
        for scan in scans:
            total += len(scan.find(chunk, lo - first, hi - first, hints))
    return total


def rate(action: Callable[[], object], size: int, runs: int) -> float:
    """Median MB/s."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return size / statistics.median(times) / 1e6


def main(megabytes: int = 64, runs: int = 5) -> None:
    card = [d for d in all_detectors() if "card" in d.profiles]
    size = megabytes << 20
    print(f"{'log':8}{'detectors':22}{'MB/s':>8}{'count MB/s':>12}{'ratio':>8}{'matches':>9}")
    for name, make in (("sparse", sparse), ("dense", dense)):
        data = make(size)
        plain = rate(lambda data=data: data.count(b"\n"), size, runs)  # type: ignore[misc]  # bound now
        for label, chosen in [*((d.name, [d]) for d in card), ("all of profile card", card)]:
            found = drive(data, [d.scan() for d in chosen])
            speed = rate(
                lambda data=data, chosen=chosen: drive(data, [d.scan() for d in chosen]),  # type: ignore[misc]  # bound now
                size,
                runs,
            )
            print(f"{name:8}{label:22}{speed:8.0f}{plain:12.0f}{speed / plain:8.2f}{found:9}")


if __name__ == "__main__":
    main()
