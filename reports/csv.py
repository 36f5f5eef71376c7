"""One table for a spreadsheet: a row for each store, each finding and each unit not read in full.

Single-table layout. The column ``record`` says what a row is:

- ``store``: verdict, protection is left to the JSON; ``units`` and ``units_scanned`` account for
  the units that were read in full, which have no row of their own;
- ``finding``: as in the run document, with its first place only, and how many in ``count``;
- ``field``: a column or key with what it ``holds``, in words in ``detail``; entity, state, distinct
  and count are those of its worst content, ``share`` is of its ``rows``;
- ``beside``: a kind of data that stands in ``count`` records with a card number;
- ``outcome``: a unit that was sampled, skipped or failed, with status and reason.

A cell is empty where a column does not apply or a number is not known; 0 always means none.
Every text is printable, and a cell that a spreadsheet would take for a formula (it begins with
``= + - @``, a full-width form of these, tab or return) begins with ``'`` instead.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import TextIO

from reports import figures, words
from scanner.model import FieldVerdict, Finding, Neighbour, Outcome, Run, Status, StoreReport
from scanner.text import printable

COLUMNS = (
    "record", "store", "unit", "severity", "entity", "state", "masked", "brands", "confidence",
    "distinct", "count", "place", "member", "sheet", "page", "row", "key", "field", "line",
    "column", "offset", "requirements", "why", "detector", "fingerprint", "status", "reason",
    "detail", "bytes", "size", "fraction", "kind", "environment", "expected", "owner",
    "verdict", "sentence", "findings", "distinct_pans", "distinct_pans_estimated", "units",
    "units_scanned", "public", "could_read", "read_answer", "evidence", "did_read", "reads",
    "read_bytes", "first_read", "last_read", "at_least", "holds", "structure", "rows", "share",
)  # fmt: skip

Cell = str | int | float | bool | None


class CsvReport:
    name = "csv"
    suffix = ".csv"

    def write(self, run: Run, out: TextIO) -> None:
        """A header line and the rows: stores, findings, outcomes, each in the order of the run."""
        table = csv.writer(out, lineterminator="\n")
        table.writerow(COLUMNS)
        units: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for outcome in run.outcomes:
            units[outcome.store][0] += 1
            units[outcome.store][1] += outcome.status is Status.SCANNED
        for report in run.stores:
            table.writerow(_line(_store(report, *units[report.store.uri])))
        for report in run.stores:
            for verdict in report.fields:
                table.writerow(_line(_field(report.store.uri, verdict)))
            for kind in report.beside.kinds if report.beside else ():
                table.writerow(_line(_beside(report.store.uri, kind)))
        for found in run.findings:
            table.writerow(_line(_finding(found)))
        for outcome in run.outcomes:
            if outcome.status is not Status.SCANNED:
                table.writerow(_line(_outcome(outcome)))


REPORT = CsvReport()


def _line(row: dict[str, Cell]) -> list[str]:
    return [cell(row[column]) if column in row else "" for column in COLUMNS]


def cell(value: Cell) -> str:
    """A cell as it is written, before quoting."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return str(value)
    text = printable(value)
    return f"'{text}" if text[:1] in _FORMULA or value[:1] in _FORMULA else text


_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")


def _store(report: StoreReport, units: int, scanned: int) -> dict[str, Cell]:
    store, access = report.store, report.access
    totals = figures.read_totals(access)
    return {
        "record": "store",
        "store": store.uri,
        "kind": store.kind,
        "environment": store.environment,
        "expected": store.expected,
        "owner": store.owner,
        "verdict": str(report.verdict),
        "sentence": report.sentence,
        "findings": report.findings,
        "distinct_pans": report.distinct_pans,
        "distinct_pans_estimated": report.distinct_pans_estimated,
        "units": units,
        "units_scanned": scanned,
        "public": str(access.public),
        "could_read": figures.could_read_count(access),
        "read_answer": access.answer,
        "evidence": str(figures.evidence_coverage(access)),
        "did_read": totals.principals,
        "reads": totals.reads,
        "read_bytes": totals.bytes,
        "first_read": figures.rfc3339(totals.first),
        "last_read": figures.rfc3339(totals.last),
        "at_least": totals.at_least,
    }


def _finding(found: Finding) -> dict[str, Cell]:
    row: dict[str, Cell] = {
        "record": "finding",
        "store": found.store,
        "unit": found.unit,
        "severity": str(found.severity),
        "entity": found.entity,
        "state": found.state,
        "masked": found.masked,
        "brands": " ".join(found.brands),
        "confidence": found.confidence,
        "distinct": found.distinct,
        "count": found.count,
        "requirements": " ".join(found.requirements),
        "why": "; ".join(found.why),
        "detector": found.detector,
        "fingerprint": found.fingerprint,
    }
    if (at := found.location) is not None:
        row |= {
            "place": words.place(at),
            "member": at.member,
            "sheet": at.sheet,
            "page": at.page,
            "row": at.row,
            "key": at.key,
            "field": at.field,
            "line": at.line,
            "column": at.column,
            "offset": at.offset,
        }
    return row


def _field(store: str, verdict: FieldVerdict) -> dict[str, Cell]:
    row: dict[str, Cell] = {
        "record": "field",
        "store": store,
        "unit": verdict.unit,
        "severity": str(verdict.severity),
        "member": verdict.member,
        "sheet": verdict.sheet,
        "field": verdict.name,
        "structure": verdict.structure,
        "holds": verdict.kind,
        "requirements": " ".join(verdict.requirements),
        "detail": verdict.sentence,
        "rows": verdict.rows,
    }
    if verdict.contents:
        first = verdict.contents[0]
        row |= {
            "entity": first.entity,
            "state": first.state,
            "distinct": first.distinct,
            "count": first.count,
            "share": first.share,
            "at_least": not first.complete,
        }
    return row


def _beside(store: str, kind: Neighbour) -> dict[str, Cell]:
    return {
        "record": "beside",
        "store": store,
        "entity": kind.entity,
        "count": kind.records,
        "at_least": kind.at_least,
        "units": kind.units,
    }


def _outcome(outcome: Outcome) -> dict[str, Cell]:
    return {
        "record": "outcome",
        "store": outcome.store,
        "unit": outcome.unit,
        "status": str(outcome.status),
        "reason": outcome.reason,
        "detail": outcome.detail,
        "bytes": outcome.bytes,
        "size": outcome.size,
        "fraction": outcome.fraction,
    }
