"""The run document, ``cardtrail.run/1``: the format other programs rely on.

``docs`` of every field stand in the JSON Schema (``reports.schema``). Written as a stream, a
record a line, so a run with a million findings needs no giant string and diffs line by line.
The text is pure ASCII: every other character is a JSON escape, so no name can steer a terminal
or break a decoder. Undecodable bytes of file names (lone surrogates, which many parsers
refuse) are written as the text ``\\x80``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from reports import fieldjson, figures
from reports.figures import rfc3339
from scanner import excess
from scanner.least import LeastGrant, least_grant
from scanner.model import (
    SCHEMA,
    Access,
    DayReads,
    Evidence,
    Finding,
    Grant,
    Location,
    ObjectReads,
    Outcome,
    Reads,
    Run,
    RunCoverage,
    RunSummary,
    StoreReport,
)
from scanner.text import printable
from scanner.whoread import Relation, Seen, people, relations

Record = dict[str, Any]

# allow_nan: a confidence that is not a number is a defect to hear of, not a document to write
_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode
_LONE = re.compile("[\ud800-\udfff]")


class JsonReport:
    name = "json"
    suffix = ".json"

    def write(self, run: Run, out: TextIO) -> None:
        """One JSON document, ``cardtrail.run/1``."""
        out.write("{\n")
        for key, value in head(run).items():
            out.write(f"{encode(key)}: {encode(value)},\n")
        _array(out, "stores", _stores(run))
        _array(out, "findings", map(finding, run.findings))
        _array(out, "outcomes", map(outcome, run.outcomes))
        _array(out, "earlier", map(earlier, run.earlier), last=True)
        out.write("}\n")


REPORT = JsonReport()


def encode(value: object) -> str:
    """One line of ASCII JSON without lone surrogates and without a raw DEL."""
    text = _encode(value)
    if "\\ud" in text:  # rare: a character beyond the BMP, or a name that is not Unicode
        text = _encode(_without_surrogates(value))
    return text.replace("\x7f", "\\u007f")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE.sub(lambda match: printable(match[0]), value)
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def _array(out: TextIO, key: str, records: Iterable[Record], last: bool = False) -> None:
    out.write(f"{encode(key)}: [")
    separator = "\n"
    for record in records:
        out.write(separator + encode(record))
        separator = ",\n"
    out.write("]\n" if last else "],\n")


def head(run: Run) -> Record:
    """Everything of the document that is not a list of records."""
    return {
        "schema": SCHEMA,
        "tool": {"name": "cardtrail", "version": run.version},
        "run": {
            "id": run.id,
            "started": rfc3339(run.started),
            "finished": rfc3339(run.finished),
            "status": run.status,
            "profile": run.profile,
            "config_digest": run.config_digest,
            "key_id": run.key_id,
            "detectors": list(run.detectors),
            "targets": list(run.targets),
        },
        "coverage": _coverage(run.coverage),
    }


def _coverage(coverage: RunCoverage) -> Record:
    return {
        "units": coverage.units,
        "scanned": coverage.scanned,
        "sampled": coverage.sampled,
        "skipped": coverage.skipped,
        "failed": coverage.failed,
        "bytes": coverage.bytes,
        "bytes_scanned": coverage.bytes_scanned,
        "excluded": coverage.excluded,
        "reasons": dict(sorted(coverage.reasons.items())),
        "reasons_in_part": dict(sorted(coverage.reasons_in_part.items())),
    }


def _stores(run: Run) -> Iterator[Record]:
    findings: dict[str, list[Finding]] = {}
    outcomes: dict[str, list[Outcome]] = {}
    for found in run.findings:
        findings.setdefault(found.store, []).append(found)
    for ended in run.outcomes:
        outcomes.setdefault(ended.store, []).append(ended)
    for report in run.stores:
        uri = report.store.uri
        least = least_grant(report, findings.get(uri, ()), outcomes.get(uri, ()))
        yield store(report, least)


def store(report: StoreReport, least: LeastGrant | None) -> Record:
    return {
        "uri": report.store.uri,
        "kind": report.store.kind,
        "environment": report.store.environment,
        "expected": report.store.expected,
        "owner": report.store.owner,
        "verdict": str(report.verdict),
        "sentence": report.sentence,
        "distinct_pans": report.distinct_pans,
        "distinct_pans_estimated": report.distinct_pans_estimated,
        "findings": report.findings,
        "protection": [
            {"control": f.control, "state": str(f.state), "detail": f.detail}
            for f in report.protection
        ],
        "access": {
            **_access(report.access),
            "unused": [excess.record(each) for each in excess.excesses([report])],
            "least_grant": least.record() if least else None,
        },
        "fields": [fieldjson.field(each) for each in report.fields],
        "fields_further": report.fields_further,
        "beside_cards": None if report.beside is None else fieldjson.beside_cards(report.beside),
    }


def _access(access: Access) -> Record:
    totals = figures.read_totals(access)
    return {
        "window": {"from": rfc3339(access.window_start), "to": rfc3339(access.window_end)},
        "answer": access.answer,
        "evidence": [_evidence(e) for e in access.evidence],
        "could_read": {
            "public": figures.tri_to_bool(access.public),
            "principals": figures.could_read_count(access),
            "detail": access.could_read_detail,
            "list": [_grant(g, relation) for g, relation in relations(access)],
        },
        "together": [_seen(each) for each in people(access)],
        "did_read": {
            "principals": totals.principals,
            "reads": totals.reads,
            "rows": totals.rows,
            "bytes": totals.bytes,
            "first": rfc3339(totals.first),
            "last": rfc3339(totals.last),
            "at_least": totals.at_least,
            "list": [_reads(r) for r in access.did_read],
            "days": [_day(each) for each in access.days],
            "objects": [_object_reads(each) for each in access.objects],
        },
    }


def _evidence(evidence: Evidence) -> Record:
    return {
        "source": evidence.source,
        "coverage": str(evidence.coverage),
        "from": rfc3339(evidence.start),
        "to": rfc3339(evidence.end),
        "detail": evidence.detail,
        "unparsed": evidence.unparsed,
        "not_understood": evidence.misfit_records(),
        "unread": evidence.unread or None,
    }


def _seen(each: Seen) -> Record:
    return {
        "principal": each.principal,
        "relation": each.relation.name.lower(),
        "could": each.grant.principal if each.grant else None,
    }


def _grant(grant: Grant, relation: Relation) -> Record:
    return {
        "principal": grant.principal,
        "kind": grant.kind,
        "state": grant.state,
        "via": grant.via,
        "last_read": rfc3339(grant.last_read),
        "used": relation.name.lower(),
        "part": grant.part,
    }


def _day(each: DayReads) -> Record:
    return {
        "day": each.day.isoformat(),
        "reads": each.reads,
        "card_reads": each.card_reads,
        "whole": each.whole,
    }


def _object_reads(each: ObjectReads) -> Record:
    return {
        "unit": each.unit,
        "principals": each.principals,
        "reads": each.reads,
        "bytes": each.bytes,
        "rows": each.rows,
        "first": rfc3339(each.first),
        "last": rfc3339(each.last),
    }


def _reads(reads: Reads) -> Record:
    return {
        "principal": reads.principal,
        "reads": reads.reads,
        "rows": reads.rows,
        "bytes": reads.bytes,
        "objects": reads.objects,
        "denied": reads.denied,
        "card_reads": reads.card_reads,
        "first": rfc3339(reads.first),
        "last": rfc3339(reads.last),
        "flags": [{"rule": flag.rule, "sentence": flag.sentence} for flag in reads.flags],
    }


def finding(found: Finding) -> Record:
    return {
        "store": found.store,
        "unit": found.unit,
        "detector": found.detector,
        "entity": found.entity,
        "brands": list(found.brands),
        "masked": found.masked,
        "fingerprint": found.fingerprint,
        "distinct": found.distinct,
        "count": found.count,
        "confidence": found.confidence,
        "severity": str(found.severity),
        "state": found.state,
        "location": location(found.location or Location()),
        "locations": [location(place) for place in found.locations[:15]],
        "requirements": list(found.requirements),
        "why": list(found.why),
    }


def location(place: Location) -> Record:
    return {
        "line": place.line,
        "column": place.column,
        "offset": place.offset,
        "member": place.member,
        "page": place.page,
        "sheet": place.sheet,
        "row": place.row,
        "field": place.field,
        "key": place.key,
    }


def outcome(result: Outcome) -> Record:
    return {
        "store": result.store,
        "unit": result.unit,
        "status": str(result.status),
        "reason": result.reason,
        "detail": result.detail,
        "bytes": result.bytes,
        "size": result.size,
        "fraction": result.fraction,
    }


def earlier(summary: RunSummary) -> Record:
    return {
        "id": summary.id,
        "started": rfc3339(summary.started),
        "finished": rfc3339(summary.finished),
        "status": summary.status,
        "profile": summary.profile,
        "units": summary.units,
        "not_read": summary.not_read,
        "findings": summary.findings,
        "distinct_pans": summary.distinct_pans,
        "unprotected": summary.unprotected,
    }
