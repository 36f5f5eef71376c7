"""How right the card detector is: recall by layout and brand, false finds, calibration.

    python tools/accuracy.py [SEEDS] [--packages FOLDER]

Runs over the project's own labelled texts; with the environment variable ``CARDTRAIL_CORPORA``
naming a folder of outside data, over that too. Numbers are printed masked.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import io
import json
import os
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import generate
from generate import Document

import detectors
from detectors.base import CONFIRMED, POSSIBLE, Match, State

REAL = (State.CLEAR, State.ENCODED, State.TEST)


def mask(text: str) -> str:
    return text[:6] + "*" * (len(text) - 10) + text[-4:] if len(text) > 10 else "*" * len(text)


def cards(data: bytes) -> list[tuple[Match, str]]:
    """Card matches of any probability, with their digits."""
    plug = {d.name: d for d in detectors.all_detectors()}
    found = detectors.find(data, at_least=0.0)
    return [
        (m, plug[m.detector].value(data, m).text)
        for m in found
        if m.entity == "CREDIT_CARD" and m.state in REAL
    ]


class Tally:
    """Scores with their truth, over all labelled documents."""

    def __init__(self) -> None:
        self.scored: list[tuple[float, bool]] = []
        self.hit: Counter[tuple[str, str]] = Counter()
        self.all: Counter[tuple[str, str]] = Counter()
        self.missed: list[str] = []
        self.false: list[tuple[float, str]] = []

    def add(self, document: Document) -> None:
        """Match what was found with the labels: same digits, overlapping span."""
        wanted = {(label.start, label.end): label for label in document.labels}
        near = defaultdict(list)
        for label in document.labels:
            for cell in range(label.start >> 8, (label.end >> 8) + 1):
                near[cell].append(label)
        for label in document.labels:
            for key in (("layout", label.layout), ("brand", label.brand)):
                self.all[key] += 1
        for match, digits in cards(document.data):
            cells = range(match.start >> 8, (match.end >> 8) + 1)
            owners = [
                label
                for cell in cells
                for label in near[cell]
                if label.start < match.end and match.start < label.end
            ]
            owner = next((label for label in owners if label.pan == digits), None)
            self.scored.append((match.score, owner is not None))
            if owner is None:
                if match.score >= POSSIBLE:
                    line = _line(document.data, match, digits)
                    self.false.append((match.score, f"{document.name}: {line}"))
            elif match.score >= CONFIRMED and (owner.start, owner.end) in wanted:
                del wanted[owner.start, owner.end]
                for key in (("layout", owner.layout), ("brand", owner.brand)):
                    self.hit[key] += 1
        self.missed += [
            f"{label.layout:16} {label.brand:14} {mask(label.pan)}" for label in wanted.values()
        ]

    def totals(self) -> tuple[int, int]:
        """Cards, and how many of them were confirmed."""
        cards = sum(n for key, n in self.all.items() if key[0] == "layout")
        return cards, sum(n for key, n in self.hit.items() if key[0] == "layout")


def _line(data: bytes, match: Match, digits: str) -> str:
    before = data[max(0, match.start - 40) : match.start].decode("utf-8", "replace")
    after = data[match.end : match.end + 20].decode("utf-8", "replace")
    hide = str.maketrans("23456789", "########")
    text = f"{before.translate(hide)}<{mask(digits)}>{after.translate(hide)}"
    return " ".join(text.split()) + f"  {match.layout} {match.score:.2f} {'; '.join(match.why)}"


def table(tally: Tally, kind: str) -> None:
    print(f"\n{kind:20}{'cards':>8}{'confirmed':>11}{'recall':>9}")
    for key in sorted(tally.all):
        if key[0] == kind:
            share = tally.hit[key] / tally.all[key]
            print(f"{key[1]:20}{tally.all[key]:8}{tally.hit[key]:11}{share:9.1%}")


def calibration(scored: list[tuple[float, bool]]) -> float:
    """Prints the reliability table and returns the expected calibration error."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(10)]
    for score, true in scored:
        bins[min(9, int(score * 10))].append((score, true))
    print(f"\n{'probability':14}{'numbers':>9}{'mean':>8}{'true':>8}")
    error = 0.0
    for i, rows in enumerate(bins):
        if not rows:
            continue
        mean = sum(score for score, _ in rows) / len(rows)
        share = sum(true for _, true in rows) / len(rows)
        error += abs(mean - share) * len(rows)
        print(f"{i / 10:.1f} to {(i + 1) / 10:.1f}{'':4}{len(rows):9}{mean:8.3f}{share:8.3f}")
    error /= max(1, len(scored))
    print(f"expected calibration error {error:.4f}")
    return error


def levels(data: bytes) -> tuple[int, int]:
    """Confirmed and possible card findings."""
    found = [m.score for m, _ in cards(data)]
    return sum(s >= CONFIRMED for s in found), sum(POSSIBLE <= s < CONFIRMED for s in found)


def own(seeds: int) -> Tally:
    tally = Tally()
    noise_bytes = 0
    for seed in range(1, seeds + 1):
        documents = [generate.document(seed, 12), generate.noise_only(seed, 4 << 20)]
        documents += [generate.encoded(seed, 6, name) for name in generate.WHOLE]
        for document in documents:
            tally.add(document)
            noise_bytes += len(document.data)
    table(tally, "layout")
    table(tally, "brand")
    total, hits = tally.totals()
    confirmed = [text for score, text in tally.false if score >= CONFIRMED]
    possible = [text for score, text in tally.false if score < CONFIRMED]
    megabytes = noise_bytes / 1e6
    print(f"\nrecall of confirmed {hits / total:.2%} ({hits} of {total}), {seeds} seeds")
    print(
        f"false: {len(confirmed)} confirmed, {len(possible)} possible in {megabytes:.0f} MB"
        f" ({len(possible) / megabytes * 10:.2f} per 10 MB)"
    )
    for title, lines in (("missed", tally.missed), ("false finds", confirmed + possible)):
        for line in lines[:25]:
            print(f"  {title}: {line}")
    return tally


def bare(seeds: int, tally: Tally) -> None:
    """Cards with nothing near that says so, amid look-alikes: the hard end, shown apart."""
    alone = Tally()
    for seed in range(1, seeds + 1):
        alone.add(generate.document(seed, 12, generate.BARE))
    table(alone, "layout")
    total, hits = alone.totals()
    confirmed = sum(score >= CONFIRMED for score, _ in alone.false)
    print(
        f"bare: recall of confirmed {hits / total:.2%}, false: {confirmed} confirmed,"
        f" {len(alone.false) - confirmed} possible"
    )
    tally.scored += alone.scored


def special() -> None:
    print()
    for document in (
        generate.order_table(100_000),
        generate.card_table(1_000),
        generate.rounded(1_000),
        generate.tokens(1_000, 0, by_chance=True, listed=False),
        generate.tokens(1_000, 0, by_chance=True, listed=True),
        generate.tokens(1_000, 30, by_chance=False, listed=False),
        generate.tokens(200, 100, by_chance=False, listed=False),
        Document("dense log", _dense()),
    ):
        confirmed, possible = levels(document.data)
        print(f"{document.name:26} {confirmed} confirmed, {possible} possible")


def _dense() -> bytes:
    from bench_detectors import dense

    return dense(20_000_000)


# --- outside data --------------------------------------------------------------------------------


def unpacked(path: Path) -> Iterator[tuple[str, bytes]]:
    """A file's bytes, and its members' when it is a simple container. What cannot be unpacked is
    searched as it is."""
    data = path.read_bytes()
    yield str(path), data
    try:
        if data[:2] == b"\x1f\x8b":
            yield f"{path}!gzip", gzip.decompress(data)
        elif data[:3] == b"BZh":
            yield f"{path}!bz2", bz2.decompress(data)
        elif data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for info in archive.infolist():
                    if info.file_size < 64 << 20:
                        yield f"{path}!{info.filename}", archive.read(info)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, NotImplementedError):
        return


def card_free(folder: Path) -> None:
    total = Counter[str]()
    lines = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith("LICENSE"):
            continue
        for name, data in unpacked(path):
            total["bytes"] += len(data)
            for match, digits in cards(data):
                if match.score >= POSSIBLE:
                    total["confirmed" if match.score >= CONFIRMED else "possible"] += 1
                    lines.append(f"{Path(name).name}: {_line(data, match, digits)}")
    print(
        f"{folder.name:24}{total['bytes'] / 1e6:8.1f} MB"
        f"{total['confirmed']:6} confirmed{total['possible']:6} possible"
    )
    for line in lines[:20]:
        print("   ", line)


def corpora(folder: Path, tally: Tally) -> None:
    spans = folder / "pii-spans"
    records = json.loads((spans / "generated_large.json").read_text())
    hits = wanted = extra = 0
    for record in records:
        text = record["full_text"]
        true = {
            (s["start_position"], s["end_position"])
            for s in record["spans"]
            if s["entity_type"] == "CREDIT_CARD"
        }
        wanted += len(true)
        for match in detectors.find(text, at_least=0.0):
            if match.entity != "CREDIT_CARD" or match.state not in REAL:
                continue
            good = (match.start, match.end) in true
            tally.scored.append((match.score, good))
            hits += good and match.score >= CONFIRMED
            extra += not good and match.score >= CONFIRMED
    print(f"\npii-spans: {hits} of {wanted} confirmed, {extra} other confirmed")
    path = next(spans.glob("FakeNameGenerator*.csv"))
    data = path.read_bytes()
    numbers = {row["CCNumber"] for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig")))}
    confirmed = [digits for match, digits in cards(data) if match.score >= CONFIRMED]
    print(
        f"{path.name}: {len(numbers & set(confirmed))} of {len(numbers)} confirmed,"
        f" {sum(d not in numbers for d in confirmed)} other confirmed"
    )
    for name in ("logs", "access", "documents", "databases", "policies"):
        if (folder / name).is_dir():
            card_free(folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seeds", nargs="?", type=int, default=3)
    parser.add_argument("--packages", type=Path, help="folder of card-free packages")
    options = parser.parse_args()
    tally = own(options.seeds)
    bare(options.seeds, tally)
    special()
    outside = os.environ.get("CARDTRAIL_CORPORA")
    if outside:
        corpora(Path(outside), tally)
    if options.packages:
        card_free(options.packages)
    calibration(tally.scored)


if __name__ == "__main__":
    main()
