"""The findings and outcomes of a run as columns, for the script of the page.

A hundred thousand table rows take most of a minute to open; as columns of indices into sorted
dictionaries they take a fraction of a second, and a column sorts by its indices. Every text is
made printable here, since the script shows it as it comes.

Shape of a column: ``{"d": text, "i": [index ...]}``, a sorted dictionary and indices into it, or
``{"v": [value ...]}``, or ``{"l": text}``. A ``text`` is lines joined by line ends, which no
printable text holds: one long string is read much faster than many short ones, and a line is
only looked at when its row is shown. A line of ``places`` holds the places of a finding separated
by ``;``, each as ``line,column,offset,page,row,member,sheet,field`` with what is empty at the end
cut; the last three are numbers of lines of ``names``. The offset is left out where a line or row
says it better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reports import words
from reports.figures import RANK, occurrences
from scanner.model import Finding, Location, Outcome, Severity, Status
from scanner.text import printable

ROWS = 200_000
"""Rows of each table; a page with more does not open well. What is left out is counted in it."""
MORE_PLACES = 200_000
"""Places beyond the first of a finding, over the whole table."""

Column = dict[str, Any]


def findings(rows: Sequence[Finding]) -> dict[str, Any]:
    """Columns of the table of findings; ``rows`` are at most ``ROWS``, worst first."""
    names = _Names()
    severities = [str(s) for s in Severity]
    return {
        "n": len(rows),
        "severity": {
            "d": "\n".join(severities),
            "i": [RANK[f.severity] for f in rows],
        },
        "entity": _column(words.entity(f.entity) for f in rows),
        "masked": _column(f.masked or "" for f in rows),
        "state": _column(f.state for f in rows),
        "store": _column(f.store for f in rows),
        "unit": _column(f.unit for f in rows),
        "confidence": {"v": [round(f.confidence, 4) for f in rows]},
        "distinct": {"v": [f.distinct for f in rows]},
        "count": {"v": [f.count for f in rows]},
        "occurrences": {"v": [occurrences([f]) for f in rows]},
        "brands": _column(", ".join(map(words.brand, f.brands)) for f in rows),
        "requirements": _column(", ".join(f.requirements) for f in rows),
        "why": _column("; ".join(f.why) for f in rows),
        "detector": _column(f.detector for f in rows),
        "fingerprint": {"l": "\n".join(printable(f.fingerprint or "") for f in rows)},
        "places": {"l": "\n".join(_places(rows, names))},
        "names": "\n".join(names.texts),
    }


def outcomes(rows: Sequence[Outcome]) -> dict[str, Any]:
    """Columns of the table of what was not read in full; ``rows`` are at most ``ROWS``."""
    order = [Status.FAILED, Status.SKIPPED, Status.SAMPLED]
    return {
        "n": len(rows),
        "status": {
            "d": "\n".join(words.STATUSES[s] for s in order),
            "i": [order.index(o.status) for o in rows],
        },
        "reason": _column(words.reason(o.reason) for o in rows),
        "store": _column(o.store for o in rows),
        "unit": _column(o.unit for o in rows),
        "size": {"v": [o.size for o in rows]},
        "fraction": {"v": [o.fraction for o in rows]},
        "detail": _column(o.detail for o in rows),
    }


def _column(texts: Iterable[str]) -> Column:
    values = list(texts)
    shown = {text: printable(text) for text in set(values)}
    ordered = sorted(set(shown.values()))
    place = {text: i for i, text in enumerate(ordered)}
    index = {text: place[as_shown] for text, as_shown in shown.items()}
    return {"d": "\n".join(ordered), "i": [index[text] for text in values]}


class _Names:
    """Numbers for texts, in order of first use."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._index: dict[str, int] = {}

    def number(self, text: str | None) -> int | None:
        if text is None:
            return None
        if text not in self._index:
            self._index[text] = len(self.texts)
            self.texts.append(printable(text))
        return self._index[text]


def _places(rows: Sequence[Finding], names: _Names) -> Iterator[str]:
    budget = MORE_PLACES
    for found in rows:
        places = list(found.locations[:15]) or ([found.location] if found.location else [])
        if len(places) - 1 > budget:
            places = places[: budget + 1]
        budget -= max(0, len(places) - 1)
        yield ";".join(_place(place, names) for place in places)


def _place(place: Location, names: _Names) -> str:
    offset = place.offset if place.line is None and place.row is None else None
    parts = [place.line, place.column, offset, place.page, place.row]
    parts += [names.number(text) for text in (place.member, place.sheet, place.field, place.key)]
    while parts and parts[-1] is None:
        parts.pop()
    return ",".join("" if part is None else str(part) for part in parts)
