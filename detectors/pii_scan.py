"""One pass for personal data: fast pass, then a look at each of its hits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from detectors import pii_presidio
from detectors.base import Buffer, Bulk, FieldCounts, Hints, Match
from detectors.pii_fastpass import split
from detectors.pii_look import Look
from detectors.pii_plan import plan
from detectors.pii_settings import version
from detectors.pii_targets import NAME
from detectors.pii_why import alone

MARGIN = 256
"""bytes beside the window that are searched too, so that overlaps are settled the same in every
window"""


class PiiScan:
    """``detectors.base.Scan`` for personal data."""

    def __init__(self) -> None:
        self.plan = plan(version())
        self.counts: dict[int, FieldCounts] = {}
        self._time_outs = 0
        self.listed: Counter[str] = Counter()
        self.counted: Counter[tuple[str, int, float]] = Counter()
        self.dense: set[str] = set()
        self.in_bulk = False
        self._bulk: Sequence[Bulk] = ()
        self._crowded = False
        """the last buffer was; so that this one is likely to be"""

    def bulk(self) -> Sequence[Bulk]:
        return self._bulk

    def fields(self) -> Mapping[int, FieldCounts]:
        return self.counts

    def problems(self) -> tuple[str, ...]:
        """What this scan could not settle, in words without content."""
        if not self._time_outs:
            return ()
        return (f"{self._time_outs} patterns of Presidio timed out: what they look for is unknown",)

    def more(self) -> Mapping[tuple[str, int, float], int]:
        """By entity, field and score: how many values the exact test confirmed beyond those that
        were listed (``PiiSettings.list_at_most``). They are in no ``Match``; ``settle`` applies."""
        return self.counted

    def go_on(self, listed: Mapping[str, int]) -> None:
        limit = self.plan.limit
        if limit is not None:
            self.listed.update(listed)
            self.dense.update(entity for entity, count in listed.items() if count >= limit)

    def find(self, data: Buffer, lo: int, hi: int, hints: Hints) -> list[Match]:
        first, last = max(0, lo - MARGIN), min(len(data), hi + MARGIN)
        text = data if isinstance(data, bytes) else bytes(data)
        before = pii_presidio.time_outs()
        look = Look(self, text, lo, hi, hints)
        known = at = 0
        if self._crowded:
            known = len(self.dense)
            hits = look.masses(self.plan.crowded(text))
        else:
            hits = self.plan.fast.hits(text)
        while at < len(hits):
            if len(self.dense) > known:
                known = len(self.dense)
                hits, at = look.masses(hits[at:]), 0
                continue
            look.at(*split(hits[at]))
            at += 1
        look.columns(first, last)
        look.patterns(first, last)
        self._time_outs += pii_presidio.time_outs() - before
        self._bulk, self._crowded = look.bulk(), look.crowded
        return [
            Match(
                NAME,
                f.entity,
                f.start,
                f.end,
                f.score,
                f.state,
                why=f.why or alone(f.entity),
                field=f.field,
            )
            for f in look.best()
            if lo <= f.start < hi
        ]


def value_of(raw: bytes, entity: str) -> str:
    """Canonical text: what is the same person's is the same, however it is written."""
    text = raw.decode("utf-8", "replace")
    if entity == "EMAIL_ADDRESS":
        local, _, domain = text.replace("%40", "@").rpartition("@")
        return f"{local}@{domain.lower()}"
    if entity == "CRYPTO":
        return text
    if entity in ("DATE_OF_BIRTH", "IP_ADDRESS"):
        return text.lower()
    text = text.upper()
    return text if text.isalnum() else _SIGNS.sub("", text)


_SIGNS = re.compile(r"[^\w+]|_")
