"""What a scan would read, how long it would take and what it would cost, from a listing alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import field

from detectors.records import dataclass
from scanner.contracts import Ignore, SealName, StoreKind
from scanner.errors import Unreadable
from scanner.model import Outcome, Store
from scanner.pipeline import more_than_reading
from scanner.progress import human_bytes, human_seconds
from scanner.retention import Keeps
from scanner.text import plural

BYTES_PER_SECOND = 400e6
"""a worker on text in the card profile, on a modest core"""
SERVED_PER_SECOND = {"postgresql": 150e6, "mysql": 100e6}
"""the same where a server has to read it too; options can say less"""
SECONDS_PER_UNIT = {"files": 0.0002, "s3": 0.03, "sqlite": 0.005}
"""opening a unit; for S3 one round trip inside a region"""
LIST_DOLLARS = 0.005 / 1000
GET_DOLLARS = 0.0004 / 1000
"""S3 Standard requests in us-east-1; other classes and regions cost more"""
LIST_PAGE = 1000
GET_BYTES = 8 << 20
_DETAILS = 3


@dataclass(slots=True)
class Plan:
    """``sized`` is False when some unit did not tell its size; ``problems`` are reasons with
    their counts of what could not be listed or will not be read."""

    uri: str
    kind: str
    units: int = 0
    rows: int | None = None
    """of tables, as their stores guess; None when nothing was told"""
    counted: bool = True
    """no table has rows nobody counted"""
    bytes: int = 0
    sized: bool = True
    largest: int = 0
    requests: int = 0
    seconds: float = 0.0
    dollars: float = 0.0
    problems: Counter[str] = field(default_factory=Counter)
    role: str = ""
    """what more the account could do than read, in words"""
    why: list[str] = field(default_factory=list)
    """details of the first of them, each once"""
    source: str = ""
    """of what kind of evidence of reads it holds the logs, which are read besides"""
    kept: list[str] = field(default_factory=list)
    """how long those are kept, and what of that may not be asked"""

    def note(self, reason: str, detail: str) -> None:
        self.problems[reason] += 1
        if detail and detail not in self.why and len(self.why) < _DETAILS:
            self.why.append(detail)

    def lines(self) -> list[str]:
        size = human_bytes(self.bytes) if self.sized else f"at least {human_bytes(self.bytes)}"
        text = [
            f"{self.uri} (evidence: {self.source})" if self.source else self.uri,
            f"  {plural(self.units, 'unit')}, {self._rows}{size}, the largest"
            f" {human_bytes(self.largest)}",
        ]
        text += [f"  {said}" for said in self.kept]
        if not self.source:
            text.append(f"  about {human_seconds(self.seconds)}")
        if self.kind == "s3" and not self.source:
            text[-1] += f", {plural(self.requests, 'request')}, about ${self.dollars:.4f}"
        text += [f"  {self.role}"] if self.role else []
        if self.problems:
            what = ", ".join(
                f"{count:,} {reason}" for reason, count in sorted(self.problems.items())
            )
            text.append(f"  will not be read: {what}")
            text += [f"    {detail}" for detail in self.why]
        return text

    @property
    def _rows(self) -> str:
        if self.rows is None:
            return ""
        return f"{'about' if self.counted else 'at least about'} {plural(self.rows, 'row')}, "


def plan_store(
    kind: StoreKind, store: Store, ignore: Ignore, seal_name: SealName, jobs: int, source: str = ""
) -> Plan:
    """Lists a store, or where the logs of a ``source`` lie. What cannot be listed is in
    ``problems``; raises nothing for it."""
    plan = Plan(store.uri, store.kind, source=source)
    try:
        opened = kind.connect(store, seal_name)
    except Unreadable as error:
        plan.note(error.reason, error.detail)
        return plan
    try:
        plan.role = more_than_reading(opened) or ""
        if source and isinstance(opened, Keeps):
            kept = opened.kept()
            plan.kept = [*(limit.sentence for limit in kept.limits), *kept.remarks]
        for item in opened.units(ignore):
            if isinstance(item, Outcome):
                plan.note(str(item.reason), item.detail)
                continue
            size = item.size or 0
            plan.units += 1
            plan.bytes += size
            if item.rows is not None:
                plan.rows = (plan.rows or 0) + item.rows
            plan.counted &= item.rows is not None or not item.size
            plan.sized &= item.size is not None
            plan.largest = max(plan.largest, size)
            plan.requests += max(1, -(-size // GET_BYTES))
    except Unreadable as error:
        plan.note(error.reason, error.detail)
    finally:
        opened.close()
    lists = -(-plan.units // LIST_PAGE) or 1
    plan.dollars = lists * LIST_DOLLARS + plan.requests * GET_DOLLARS if plan.kind == "s3" else 0.0
    plan.requests += lists
    opening = plan.units * SECONDS_PER_UNIT.get(plan.kind, 0.01)
    plan.seconds = (_reading(plan, store) + opening) / jobs
    return plan


def _reading(plan: Plan, store: Store) -> float:
    """Seconds of one worker, not faster than the options of the store allow."""
    rate = SERVED_PER_SECOND.get(plan.kind, BYTES_PER_SECOND)
    least = plan.bytes / min(rate, float(store.options.get("bytes_per_second") or rate))
    rows_per_second = store.options.get("rows_per_second")
    return max(least, (plan.rows or 0) / rows_per_second) if rows_per_second else least
