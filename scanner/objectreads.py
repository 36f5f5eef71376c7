"""``cardtrail access --object``: who read the objects or tables of a name, from the fact store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from scanner import phrases
from scanner.factreads import ReaderOf
from scanner.model import Coverage, Run
from scanner.text import printable

LIMIT = 1_000
"""lines of readers in one answer"""


def lines(run: Run, part: str, found: Sequence[ReaderOf], since: datetime | None) -> list[str]:
    """``found`` as text, with how far the evidence of each store goes above it."""
    return [printable(line) for line in _lines(run, part, found, since)]


def _lines(run: Run, part: str, found: Sequence[ReaderOf], since: datetime | None) -> Iterator[str]:
    reach = {report.store.uri: phrases.coverage(report.access) for report in run.stores}
    for (store, name), readers in groupby(found, key=lambda each: (each.store, each.object)):
        coverage = reach.get(store, Coverage.UNKNOWN)
        yield f"{store}  {name}"
        yield f"  evidence: {coverage}{'' if coverage is Coverage.COMPLETE else '; at least:'}"
        for each in readers:
            told = [f"reads {each.reads:,}"]
            told += [] if each.bytes is None else [f"bytes {each.bytes:,}"]
            told += [] if each.rows is None else [f"rows {each.rows:,}"]
            told.append(f"{phrases.minute(each.first)} to {phrases.minute(each.last)}")
            yield f"    {each.principal}: {', '.join(told)}"
    when = f" since {phrases.minute(since)}" if since else ""
    if not found:
        whole = bool(reach) and all(each is Coverage.COMPLETE for each in reach.values())
        yield (
            f"no read of anything with “{part}” in its name{when}"
            if whole
            else f"no read of anything with “{part}” in its name is recorded{when}; whether there"
            " was one cannot be told: the evidence is not complete (cardtrail access)"
        )
    elif len(found) >= LIMIT:
        yield f"the first {LIMIT:,} are shown; narrow it with --store or --principal"


def record(run: Run, part: str, found: Sequence[ReaderOf]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "schema": "cardtrail.access-object/1",
        "run": run.id,
        "object": part,
        "coverage": {
            report.store.uri: str(phrases.coverage(report.access)) for report in run.stores
        },
        "readers": [
            {
                "store": each.store,
                "object": each.object,
                "principal": each.principal,
                "reads": each.reads,
                "bytes": each.bytes,
                "rows": each.rows,
                "first": phrases.time_text(each.first),
                "last": phrases.time_text(each.last),
            }
            for each in found
        ],
    }
