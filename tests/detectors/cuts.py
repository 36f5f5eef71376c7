"""Driving detectors as a reader would: a stream cut into buffers that overlap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from detectors.base import AFTER, BEFORE, Detector, FieldCounts, Hints, Match, NoHints
from detectors.fieldstats import Evidence


def in_slices(
    detector: Detector, data: bytes, cuts: Iterable[int], hints: Hints | None = None
) -> list[Match]:
    """Settled matches of ``data`` cut at ``cuts``, each slice with a scan of its own, offsets in
    the whole. The buffer is used again for every slice, as readers do."""
    edges = [0, *sorted(cuts), len(data)]
    fields: dict[int, FieldCounts] = {}
    found: list[Match] = []
    for lo, hi in pairwise(edges):
        first, last = max(0, lo - BEFORE), min(len(data), hi + AFTER)
        buffer = bytearray(data[first:last])
        scan = detector.scan()
        matches = scan.find(memoryview(buffer), lo - first, hi - first, hints or NoHints())
        found += [replace(m, start=m.start + first, end=m.end + first) for m in matches]
        for field, counts in scan.fields().items():
            fields.setdefault(field, FieldCounts()).add(counts)
        buffer[:] = bytes(len(buffer))
    out = []
    evidence = Evidence(fields)
    for match in found:
        score, why = detector.settle(match, evidence.of(match.field))
        out.append(replace(match, score=round(score, 9), why=why))
    return sorted(out, key=lambda m: (m.start, m.end, m.entity))
