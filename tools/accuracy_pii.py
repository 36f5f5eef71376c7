"""How well personal data and secrets are found, beside the engines they rest on, in one run.

Three tables: labelled texts of ``pii-spans`` (``CARDTRAIL_CORPORA`` names the folder it is in)
beside Presidio's whole ``AnalyzerEngine``; false findings on logs without personal data; planted
secrets beside ``detect-secrets scan``. ``--no-engine`` leaves the slow other side out, ``--show``
lists what was missed and what was wrong.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import logging
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import detectors
from detectors import pan, pii, pii_names, pii_nlp
from detectors.base import CONFIRMED, NoHints

MEGABYTE = 1e6
Span = tuple[int, int, str]


OURS = [pan.DETECTOR, pii.DETECTOR, *([pii_names.DETECTOR] if pii_nlp.model() else [])]
COVERED = {entity for detector in OURS for entity in detector.entities}


def ours(text: str, at_least: float) -> list[Span]:
    found = detectors.find(text, using=OURS, at_least=at_least)
    return [(match.start, match.end, match.entity) for match in found]


def engine() -> Any:
    """Presidio as its documentation builds it, with a small English model if there is one."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    model = pii_nlp.model()
    if model is None:
        print(f"accuracy: {pii_nlp.EXTRA}; the other side is left out", file=sys.stderr)
        return None
    models = [{"lang_code": "en", "model_name": model}]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
    return AnalyzerEngine(nlp_engine=provider.create_engine())


class Score:
    """True and false positives and misses, by entity. A span counts when it overlaps by half."""

    def __init__(self) -> None:
        self.hit, self.false, self.missed = Counter[str](), Counter[str](), Counter[str]()
        self.lists: dict[str, list[str]] = defaultdict(list)

    def add(self, text: str, truth: list[Span], found: list[Span]) -> None:
        for start, end, entity in truth:
            if any(e == entity and _overlap(start, end, a, b) for a, b, e in found):
                self.hit[entity] += 1
            else:
                self.missed[entity] += 1
                self.lists[f"missed {entity}"].append(text[max(0, start - 30) : end + 15])
        for start, end, entity in found:
            if entity == "LOCATION" and any(
                e == "ADDRESS" and _overlap(start, end, a, b) for a, b, e in truth
            ):
                continue  # an address is full of places: neither right nor wrong, on either side
            if not any(e == entity and _overlap(a, b, start, end) for a, b, e in truth):
                self.false[entity] += 1
                self.lists[f"false {entity}"].append(
                    f"[{text[start:end]}] in {text[max(0, start - 30) : end + 15]!r}"
                )

    def figures(self, entity: str) -> tuple[float, float]:
        """Precision and recall in per cent, 0 where there is none."""
        hit = self.hit[entity]
        found, there = hit + self.false[entity], hit + self.missed[entity]
        return 100 * hit / max(1, found), 100 * hit / max(1, there)

    def row(self, entity: str) -> str:
        hit, false, missed = self.hit[entity], self.false[entity], self.missed[entity]
        precision = f"{100 * hit / (hit + false):6.1f}" if hit + false else "     -"
        recall = f"{100 * hit / (hit + missed):6.1f}" if hit + missed else "     -"
        return f"{precision} {recall} {false:6}"


def _overlap(start: int, end: int, a: int, b: int) -> bool:
    return min(end, b) - max(start, a) >= 0.5 * (end - start)


def spans(folder: Path, whole: Any, show: bool) -> None:
    file = folder / "pii-spans" / "generated_large.json"
    texts = json.loads(file.read_text())
    sides = {"confirmed": Score(), "possible": Score(), "engine": Score(), "engine 0.4": Score()}
    for item in texts:
        text = item["full_text"]
        truth = [(s["start_position"], s["end_position"], s["entity_type"]) for s in item["spans"]]
        born = [
            (a, b, "DATE_OF_BIRTH")
            for a, b, entity in truth
            if entity == "DATE_TIME" and ("birth" in text.lower() or "born" in text.lower())
        ]
        truth += born
        sides["confirmed"].add(text, truth, ours(text, CONFIRMED))
        sides["possible"].add(text, truth, ours(text, 0.3))
        if whole is not None:
            results = whole.analyze(text, language="en")
            for name, least in (("engine", 0.0), ("engine 0.4", 0.4)):
                found = [(r.start, r.end, r.entity_type) for r in results if r.score >= least]
                sides[name].add(text, truth, found)
    print(f"{'entity':18}{'spans':>6}" + "".join(f"  {name:>20}" for name in sides))
    print(f"{'':24}" + f"  {'prec  recall  false':>20}" * len(sides))
    counts = Counter(s["entity_type"] for item in texts for s in item["spans"])
    covered = sorted(COVERED & {*sides["possible"].false, *counts, "DATE_OF_BIRTH"})
    for entity in covered:
        row = f"{entity:18}{counts[entity]:6}"
        print(row + "".join(f"  {side.row(entity):>20}" for side in sides.values()))
    if whole is not None:
        _beside_the_engine(sides, covered)
    if show:
        for name in ("confirmed", "possible"):
            for kind, found in sorted(sides[name].lists.items()):
                if kind.split()[1] in COVERED:
                    print(f"{name} {kind}: {len(found)}", *found[:12], sep="\n    ")


def _beside_the_engine(sides: dict[str, Score], covered: list[str]) -> None:
    """Where ours is not as good as wanted: recall a point below the engine's at most, and a
    precision no lower. What both find is compared at confirmed, or else at possible."""
    engine = sides["engine"]
    print("\nbeside the engine, each by its default: all scores of it, ours from possible (0.3) on")
    for entity in covered:
        if not engine.hit[entity]:
            continue  # it finds none of them, or none is labelled
        best, at_best = engine.figures(entity), "missed"
        for name in ("confirmed", "possible"):
            precision, recall = sides[name].figures(entity)
            if recall >= best[1] - 1 and precision >= best[0]:
                at_best = f"as wanted at {name}"
                break
        print(f"    {entity:18} {at_best}")


def logs(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((folder / "logs").rglob("*")):
        if path.is_file() and "LICENSE" not in path.name:
            opened = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix)
            yield path.name, opened(path).read() if opened else path.read_bytes()


def made_up(size: int = 20_000_000, seed: int = 5) -> bytes:
    """An application log full of ids, times, hashes and versions, and without personal data."""
    dice = random.Random(seed)
    lines = (
        lambda: f"INFO order={dice.randrange(10**9)} item={dice.randrange(10**8)} ok",
        lambda: f"DEBUG trace={dice.randrange(16**32):032x} took={dice.random():.9f}s",
        lambda: f"WARN retry {dice.randrange(999)}-{dice.randrange(99)}-{dice.randrange(9999)}",
        lambda: f"INFO epoch={dice.randrange(10**12, 2 * 10**12)} seq {dice.randrange(10**9)}",
        lambda: (
            f"INFO build 1.{dice.randrange(30)}.{dice.randrange(99)} id {dice.randrange(10**11)}"
        ),
        lambda: f"ERROR code {dice.randrange(10**6)} at com.acme.Store$Inner.run(Store.java:91)",
        lambda: f"INFO session={dice.randrange(36**10)} account=acct_{dice.randrange(16**12):012x}",
        lambda: f"INFO GET /v2/items/{dice.randrange(10**10)}?page={dice.randrange(99)} 200",
    )
    out, length = [], 0
    while length < size:
        line = (
            f"2026-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:"
            f"{dice.randrange(60):02}:{dice.randrange(60):02}.{dice.randrange(1000):03}Z "
            f"[worker-{dice.randrange(40)}] {dice.choice(lines)()}\n"
        )
        out.append(line)
        length += len(line)
    return "".join(out).encode()


def noise(folder: Path, show: bool) -> None:
    """False findings at confirmed, per 10 MB, outside IP addresses."""
    total, size = Counter[str](), 0
    using = [d for d in detectors.all_detectors() if d.name in ("pii", "secrets")]
    for name, data in [("(made up)", made_up()), *logs(folder)]:
        size += len(data)
        for detector in using:
            scan = detector.scan()
            for lo in range(0, len(data), 1 << 20):
                found = scan.find(data, lo, min(len(data), lo + (1 << 20)), NoHints())
                for match in found:
                    score, _ = detector.settle(match, scan.fields().get(match.field))
                    if score >= CONFIRMED:
                        total[match.entity] += 1
                        if show and match.entity != "IP_ADDRESS":
                            a = max(0, match.start - 40)
                            print(f"    {name} {match.entity} {data[a : match.end + 10]!r}")
    print(f"\nlogs, {size / MEGABYTE:.0f} MB without personal data: confirmed, each to be judged")
    for entity, count in total.most_common():
        print(f"    {entity:20}{count:7}  {10 * count * MEGABYTE / size:8.2f} per 10 MB")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--no-engine", action="store_true")
    arguments.add_argument("--show", action="store_true")
    arguments.add_argument("--only", choices=("spans", "noise", "secrets"))
    given = arguments.parse_args()
    named = os.environ.get("CARDTRAIL_CORPORA")
    if given.only in (None, "secrets"):
        from tools.planted_secrets import compare

        compare(given.show)
    if not named or not Path(named).is_dir():
        print("accuracy: CARDTRAIL_CORPORA names no folder; nothing more to do")
        return 0
    if given.only in (None, "spans"):
        spans(Path(named), None if given.no_engine else engine(), given.show)
    if given.only in (None, "noise"):
        noise(Path(named), given.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
