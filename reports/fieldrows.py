"""The tables of columns and keys, and of what stands beside cards, of one store."""

from __future__ import annotations

from detectors.records import dataclass
from reports import words
from scanner.model import FieldContent, FieldVerdict, Severity, StoreReport
from scanner.text import some

ROWS = 20
"""verdicts that stand in the page; the rest is counted, and stands in the JSON and CSV reports"""
PER = {
    "row": "rows of tables",
    "object": "JSON objects",
    "line": "lines",
    "window": "pieces of 512 bytes, where no record is known",
}


@dataclass(frozen=True, slots=True)
class FieldRow:
    name: str
    structure: str
    unit: str
    inside: str
    """member or sheet, "" for none"""
    severity: Severity
    distinct: str
    share: str
    sentence: str
    cited: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BesideRow:
    entity: str
    records: str
    share: str
    units: int


@dataclass(frozen=True, slots=True)
class FieldTables:
    """``per`` says of what kind the records are that were counted."""

    rows: tuple[FieldRow, ...]
    more: int
    beside: tuple[BesideRow, ...]
    records: int
    units: int
    per: str


def tables(report: StoreReport) -> FieldTables:
    beside = report.beside
    records = beside.records if beside else 0
    per = beside.per if beside else {}
    return FieldTables(
        rows=tuple(_row(each) for each in report.fields[:ROWS]),
        more=max(0, len(report.fields) - ROWS) + report.fields_further,
        beside=tuple(
            BesideRow(
                each.entity,
                f"{'at least ' if each.at_least else ''}{each.records:,}",
                ("at least " if each.at_least and each.records < records else "")
                + words.share(each.records, records),
                each.units,
            )
            for each in (beside.kinds if beside else ())
        ),
        records=records,
        units=beside.units if beside else 0,
        per=", ".join(some(count, PER.get(kind, kind)) for kind, count in per.items()),
    )


def _row(verdict: FieldVerdict) -> FieldRow:
    first = verdict.contents[0] if verdict.contents else None
    return FieldRow(
        name=verdict.name,
        structure=verdict.structure,
        unit=verdict.unit,
        inside=", ".join(each for each in (verdict.member, verdict.sheet) if each),
        severity=verdict.severity,
        distinct=distinct(first),
        share=share(first, verdict),
        sentence=verdict.sentence[:1].upper() + verdict.sentence[1:],
        cited=verdict.requirements,
    )


def distinct(content: FieldContent | None) -> str:
    if content is None:
        return "–"
    if content.distinct_exact:
        return f"{content.distinct:,}"
    return f"{'about' if content.complete else 'at least'} {content.distinct:,}"


def share(content: FieldContent | None, verdict: FieldVerdict) -> str:
    if content is None:
        return words.share(round(verdict.look.share * 10_000), 10_000) if verdict.look else "–"
    return "–" if content.rows is None else words.share(content.count, content.rows)
