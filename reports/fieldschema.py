"""The JSON Schema of verdicts on columns and keys, and of what stands beside cards."""

from __future__ import annotations

from typing import Any

from scanner.model import Severity

Schema = dict[str, Any]
_COUNT: Schema = {"type": "integer", "minimum": 0}
_COUNT_OR_NULL: Schema = {"type": ["integer", "null"], "minimum": 0}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_YES_NO: Schema = {"type": "boolean"}
_SEVERITY: Schema = {"enum": [str(severity) for severity in Severity]}

KINDS = (
    "clear-pans", "encoded-pans", "test-pans", "truncated-pans", "hashed-pans", "unkeyed-hashes",
    "sad", "tokens", "hashes", "ciphertext", "personal-data", "secrets", "possible",
)  # fmt: skip


def _object(description: str, properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [*properties],
    }


def field() -> Schema:
    content = _object(
        "Values of one entity and state. distinct_exact false: about so many or, with complete"
        " false (not every value was listed), at least so many. share is count of rows, null"
        " where rows cannot be told.",
        {
            "entity": _TEXT,
            "state": _TEXT,
            "confirmed": _YES_NO,
            "severity": _SEVERITY,
            "count": _COUNT,
            "distinct": _COUNT,
            "distinct_exact": _YES_NO,
            "complete": _YES_NO,
            "rows": _COUNT_OR_NULL,
            "share": {**_SHARE, "type": ["number", "null"]},
        },
    )
    look = _object(
        "What values that are no finding look like; no proof of anything.",
        {"kind": _TEXT, "detail": _TEXT, "share": _SHARE, "sampled": _COUNT},
    )
    return _object(
        "What one column of a table, or one key of a text, holds. Names are sealed.",
        {
            "unit": _TEXT,
            "member": _TEXT_OR_NULL,
            "sheet": _TEXT_OR_NULL,
            "name": _TEXT,
            "structure": {"enum": ["column", "key"]},
            "kind": {"description": "What it is mostly.", "examples": [*KINDS], "type": "string"},
            "rows": _COUNT_OR_NULL,
            "contents": {"type": "array", "items": content},
            "look": {"anyOf": [{"type": "null"}, look]},
            "severity": _SEVERITY,
            "requirements": {"type": "array", "items": _TEXT},
            "sentence": {"description": "The verdict in words.", **_TEXT},
        },
    )


def beside_cards() -> Schema:
    kind = _object(
        "Records in which this stands with a card number. at_least: where it was dense, not every"
        " value of it was listed.",
        {"entity": _TEXT, "records": _COUNT, "at_least": _YES_NO, "units": _COUNT},
    )
    return _object(
        "Records that hold a confirmed readable card number, and what stands in them besides."
        " per: how many were counted by row, object, line or window.",
        {
            "records": _COUNT,
            "units": _COUNT,
            "per": {"type": "object", "additionalProperties": _COUNT},
            "kinds": {"type": "array", "items": kind},
        },
    )
