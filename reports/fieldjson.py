"""Verdicts on columns and keys, and what stands beside cards, as records of the run document."""

from __future__ import annotations

from typing import Any

from scanner.model import BesideCards, FieldVerdict

Record = dict[str, Any]


def field(verdict: FieldVerdict) -> Record:
    look = verdict.look
    return {
        "unit": verdict.unit,
        "member": verdict.member,
        "sheet": verdict.sheet,
        "name": verdict.name,
        "structure": verdict.structure,
        "kind": verdict.kind,
        "rows": verdict.rows,
        "contents": [
            {
                "entity": each.entity,
                "state": each.state,
                "confirmed": each.confirmed,
                "severity": str(each.severity),
                "count": each.count,
                "distinct": each.distinct,
                "distinct_exact": each.distinct_exact,
                "complete": each.complete,
                "rows": each.rows,
                "share": None if each.share is None else round(each.share, 6),
            }
            for each in verdict.contents
        ],
        "look": None
        if look is None
        else {
            "kind": look.kind,
            "detail": look.detail,
            "share": look.share,
            "sampled": look.sampled,
        },
        "severity": str(verdict.severity),
        "requirements": list(verdict.requirements),
        "sentence": verdict.sentence,
    }


def beside_cards(beside: BesideCards) -> Record:
    return {
        "records": beside.records,
        "units": beside.units,
        "per": dict(sorted(beside.per.items())),
        "kinds": [
            {
                "entity": each.entity,
                "records": each.records,
                "at_least": each.at_least,
                "units": each.units,
            }
            for each in beside.kinds
        ],
    }
