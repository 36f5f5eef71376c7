"""The JSON Schema (draft 2020-12) of the run document, ``cardtrail.run/1``.

What stands here other programs rely on: properties are added, never taken away, and a reader
must accept properties it does not know (``additionalProperties`` is therefore never false).
``required`` lists what every document of version 1 has.
"""

from __future__ import annotations

from typing import Any

from reports import fieldschema
from scanner.errors import Reason
from scanner.model import SCHEMA, Coverage, Severity, Status, Tri, Verdict

Schema = dict[str, Any]


def schema() -> Schema:
    """The schema as one dict, fresh each time; a valid draft 2020-12 schema with descriptions."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        "description": (
            "One run of cardtrail: what was in scope, what was read, what was found, how it is"
            " protected, who could read it and who did. A number that is not known is null, never"
            " 0. Times are RFC 3339 in UTC. No matched value stands anywhere in the document."
        ),
        **_object(
            {
                "schema": {"const": SCHEMA},
                "tool": _object({"name": {"const": "cardtrail"}, "version": _text()}),
                "run": _run(),
                "coverage": _coverage(),
                "stores": _list({"$ref": "#/$defs/store"}),
                "findings": _list({"$ref": "#/$defs/finding"}),
                "outcomes": _list(
                    {"$ref": "#/$defs/outcome"},
                    "Exactly one for each unit, the scanned ones too, and one for a listing that"
                    " broke off.",
                ),
                "earlier": _list(
                    {"$ref": "#/$defs/earlier"},
                    "Earlier finished runs over the same stores, oldest first.",
                ),
            },
            optional=("earlier",),
        ),
        "$defs": {
            "store": _store(),
            "field": fieldschema.field(),
            "beside_cards": fieldschema.beside_cards(),
            "evidence": _evidence(),
            "grant": _grant(),
            "reads": _reads(),
            "day": _day(),
            "object_reads": _object_reads(),
            "finding": _finding(),
            "location": _location(),
            "outcome": _outcome(),
            "earlier": _earlier(),
        },
    }


# --- building blocks ----------------------------------------------------------------------------


def _object(
    properties: Schema, description: str | None = None, optional: tuple[str, ...] = ()
) -> Schema:
    """An object with these properties, all required but the ``optional`` ones."""
    built: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    return built if description is None else {"description": description, **built}


def _list(items: Schema, description: str | None = None) -> Schema:
    built: Schema = {"type": "array", "items": items}
    return built if description is None else {"description": description, **built}


def _described(kind: Schema, description: str | None) -> Schema:
    return kind if description is None else {"description": description, **kind}


def _text(description: str | None = None) -> Schema:
    return _described({"type": "string"}, description)


def _text_or_null(description: str | None = None) -> Schema:
    return _described({"type": ["string", "null"]}, description)


def _count(description: str | None = None, least: int = 0) -> Schema:
    return _described({"type": "integer", "minimum": least}, description)


def _count_or_null(description: str | None = None, least: int = 0) -> Schema:
    return _described({"type": ["integer", "null"], "minimum": least}, description)


def _yes_no(description: str | None = None) -> Schema:
    return _described({"type": "boolean"}, description)


def _yes_no_null(description: str | None = None) -> Schema:
    return _described({"type": ["boolean", "null"]}, description)


# RFC 3339 in UTC; the pattern holds also where a validator does not check formats
_TIME = {"format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}


def _time(description: str | None = None) -> Schema:
    return _described({"type": "string", **_TIME}, description)


def _time_or_null(description: str | None = None) -> Schema:
    return _described({"type": ["string", "null"], **_TIME}, description)


def _one_of(values: Any, description: str | None = None) -> Schema:
    return _described({"enum": [str(value) for value in values]}, description)


# --- the parts ----------------------------------------------------------------------------------


def _run() -> Schema:
    return _object(
        {
            "id": _text(),
            "started": _time(),
            "finished": _time_or_null("null while a run has not come to its end."),
            "status": _one_of(
                ("complete", "incomplete"),
                "incomplete: something in scope was not read in full, or the run was stopped.",
            ),
            "profile": _text("Which detectors ran: card or full."),
            "config_digest": _text("Digest of the settings in force."),
            "key_id": _text(
                "Id of the key that fingerprints were made with. Fingerprints of two runs compare"
                " only under one key id. The key itself stands in no report."
            ),
            "detectors": _list(_text()),
            "targets": _list(_text()),
        },
        optional=("config_digest", "key_id", "detectors", "targets"),
    )


def _coverage() -> Schema:
    reasons = ", ".join(reason.value for reason in Reason)
    return _object(
        {
            "units": _count("scanned + sampled + skipped + failed."),
            "scanned": _count("Read from the first byte to the last."),
            "sampled": _count("Read in part."),
            "skipped": _count("Not read, as known before reading (encrypted, unsupported ...)."),
            "failed": _count("Not read, although tried."),
            "bytes": _count("What the units hold, as far as the stores told."),
            "bytes_scanned": _count("What was read of them."),
            "excluded": _count("Hidden by exclude rules: not in scope, but counted."),
            "reasons": {
                "description": f"Of skipped and failed, how many for each. Known: {reasons}.",
                "type": "object",
                "additionalProperties": _count(least=1),
            },
            "reasons_in_part": {
                "description": "Of sampled, the same.",
                "type": "object",
                "additionalProperties": _count(least=1),
            },
        },
        "How much was read.",
        optional=("excluded", "reasons_in_part"),
    )


def _store() -> Schema:
    return _object(
        {
            "uri": _text("Identity of the store, the same from run to run."),
            "kind": _text(),
            "environment": _text_or_null(),
            "expected": _yes_no_null("Whether cards are meant to be here; null: nobody said."),
            "owner": _text_or_null(),
            "verdict": _one_of(Verdict),
            "sentence": _text("The verdict in words."),
            "distinct_pans": _count_or_null(
                "Confirmed distinct PANs in clear or encoded form; null: nothing was read."
            ),
            "distinct_pans_estimated": _yes_no("True beyond ten million distinct values."),
            "findings": _count("How many of the findings are of this store."),
            "protection": _list(
                _object(
                    {
                        "control": _text(),
                        "state": _one_of(Tri, "unknown comes with a detail that says why."),
                        "detail": _text(),
                    }
                ),
                "Protection facts. For public-access, yes is the bad answer: the store is open.",
            ),
            "access": _access(),
            "fields": _list(
                {"$ref": "#/$defs/field"},
                "One verdict for each column of a table and key of a text that holds anything,"
                " worst first.",
            ),
            "fields_further": _count("Columns and keys beyond those in fields."),
            "beside_cards": {
                "description": "null: made by a version that did not count it.",
                "anyOf": [{"type": "null"}, {"$ref": "#/$defs/beside_cards"}],
            },
        },
        optional=(
            "sentence",
            "distinct_pans_estimated",
            "fields",
            "fields_further",
            "beside_cards",
        ),
    )


def _access() -> Schema:
    return _object(
        {
            "window": _object({"from": _time_or_null(), "to": _time_or_null()}),
            "answer": _one_of(
                ("read", "not-read", "cannot-tell"),
                "not-read is said under complete evidence only.",
            ),
            "evidence": _list({"$ref": "#/$defs/evidence"}),
            "could_read": _object(
                {
                    "public": _yes_no_null("Anyone at all; null: could not be found out."),
                    "principals": _count_or_null("null: the list is not known to be whole."),
                    "detail": _text("Why the list is not known to be whole and right."),
                    "list": _list({"$ref": "#/$defs/grant"}),
                },
                optional=("detail",),
            ),
            "did_read": _object(
                {
                    "principals": _count_or_null(),
                    "reads": _count_or_null("null under evidence that cannot tell, never 0."),
                    "rows": _count_or_null("null where the source does not tell rows."),
                    "bytes": _count_or_null(),
                    "first": _time_or_null(),
                    "last": _time_or_null(),
                    "at_least": _yes_no(
                        "True when the evidence covers the window in part only: the numbers are"
                        " lower bounds."
                    ),
                    "list": _list({"$ref": "#/$defs/reads"}),
                    "days": _list({"$ref": "#/$defs/day"}, "All of the window; empty: not kept."),
                    "objects": _list({"$ref": "#/$defs/object_reads"}, "That hold card data."),
                },
                optional=("at_least", "days", "objects"),
            ),
            "together": _list(
                _object(
                    {
                        "principal": _text(),
                        "relation": _one_of(USES, USE_MEANS),
                        "could": _text_or_null("The principal of the grant that lets it in."),
                    }
                ),
                "Everybody who could, did or was refused, once.",
            ),
            "unused": _list(_unused(), "Most card numbers exposed first."),
            "least_grant": {
                "oneOf": [
                    {"type": "null"},
                    _object(
                        {
                            "language": _one_of(("json", "sql")),
                            "text": _text("Empty when none can be proposed: the notes say why."),
                            "notes": _list(_text()),
                        }
                    ),
                ],
                "description": "What would leave the right to those who read. Never applied.",
            },
        },
        "Who could read, who did, and how far the evidence of that reaches.",
        optional=("together", "unused", "least_grant"),
    )


USES = ("did", "how", "unsure", "refused", "open", "never", "untold")
USE_MEANS = (
    "did: could and did; how: did, and no grant says it could; unsure: did, whether a grant lets it"
    " is not known; refused; open: to anybody; never: could and never did in the window, said under"
    " complete evidence only; untold: could, whether it did cannot be told."
)


def _unused() -> Schema:
    return _object(
        {
            "store": _text(),
            "via": _text("The statement, membership or grant."),
            "public": _yes_no("Open to anybody."),
            "distinct_pans": _count_or_null(),
            "distinct_pans_estimated": _yes_no(),
            "at_most": _yes_no("Some of them are let in to a part of the store only."),
            "since": _time_or_null(),
            "unused": _count("Principals that could and never did."),
            "used": _count(),
            "cannot_tell": _count(),
            "exposed": _count_or_null("distinct_pans times unused."),
            "principals": _list(_text("Those that never did.")),
        }
    )


def _evidence() -> Schema:
    return _object(
        {
            "source": _text(),
            "coverage": _one_of(Coverage, "How much of the window this source covers."),
            "from": _time_or_null(),
            "to": _time_or_null(),
            "detail": _text(),
            "unparsed": _count("Records that could not be understood."),
        }
    )


def _grant() -> Schema:
    return _object(
        {
            "principal": _text(),
            "kind": _text("user, role, account, public ..."),
            "state": _text("allow, conditional or unknown."),
            "via": _text("The statement, grant or mode that lets it in."),
            "last_read": _time_or_null(),
            "used": _one_of(USES, USE_MEANS),
            "part": _yes_no("It lets in to some objects or tables, not to all."),
        },
        optional=("used", "part"),
    )


def _reads() -> Schema:
    return _object(
        {
            "principal": _text(),
            "reads": _count_or_null(),
            "rows": _count_or_null(),
            "bytes": _count_or_null(),
            "objects": _count_or_null(),
            "denied": _count_or_null("Attempts that were refused; not part of reads."),
            "card_reads": _count_or_null("Of reads, those of what holds card data."),
            "first": _time_or_null(),
            "last": _time_or_null(),
            "flags": _list(
                _object({"rule": _text(), "sentence": _text()}), "Why these reads look odd."
            ),
        },
        optional=("denied", "card_reads"),
    )


def _day() -> Schema:
    return _object(
        {
            "day": {"type": "string", "format": "date"},
            **dict.fromkeys(("reads", "card_reads"), _count_or_null("null: not known, never 0.")),
            "whole": _yes_no("False: the evidence has gaps, so reads is a lower bound."),
        }
    )


def _object_reads() -> Schema:
    return _object(
        {
            "unit": _text("Sealed name, as in findings."),
            "principals": _count(least=1),
            "reads": _count(),
            **dict.fromkeys(("bytes", "rows"), _count_or_null()),
            **dict.fromkeys(("first", "last"), _time()),
        }
    )


def _finding() -> Schema:
    return _object(
        {
            "store": _text("uri of its store."),
            "unit": _text("Path, key or table inside the store."),
            "detector": _text(),
            "entity": _text(
                "CREDIT_CARD, TRACK_1, TRACK_2, CVV, PIN_BLOCK, PAN_HASH, Presidio's names for"
                " PII, SECRET_... for secrets."
            ),
            "brands": _list(_text()),
            "masked": {
                "description": "First 6 and last 4 of a PAN; null where nothing may be shown.",
                "type": ["string", "null"],
                "pattern": r"^\d{0,6}\*+\d{0,4}$",
            },
            "fingerprint": _text_or_null(
                "Keyed hash of the value, the same from run to run under one key; null for the"
                " rest after the limit of distinct values in a unit."
            ),
            "distinct": _count("Distinct values this finding stands for.", least=1),
            "count": _count(
                "Occurrences; their sum over findings is the total, but for PAN_WITH_SAD and"
                " PAN_WITH_HOLDER, which count records.",
                least=1,
            ),
            "confidence": {
                "description": (
                    "Probability that the finding is real. From 0.8 it is confirmed, from 0.3"
                    " possible."
                ),
                "type": "number",
                "minimum": 0,
                "maximum": 1,
            },
            "severity": _one_of(Severity),
            "state": _text("clear, encoded, test, truncated or hashed."),
            "location": {
                "description": "Where it stands first; all null when no place is known.",
                "$ref": "#/$defs/location",
            },
            "locations": {
                **_list({"$ref": "#/$defs/location"}, "Up to 15 places."),
                "maxItems": 15,
            },
            "requirements": _list(_text(), "PCI DSS v4.0.1 requirement numbers."),
            "why": _list(_text(), "What decided the confidence, in words."),
        },
        "One distinct value of one entity in one unit, or the rest of them past the limit.",
        optional=("locations", "why"),
    )


def _location() -> Schema:
    return _object(
        {
            "line": _count_or_null("From 1.", least=1),
            "column": _count_or_null("From 1.", least=1),
            "offset": _count_or_null("Bytes from the start of the unit, or of the member."),
            "member": _text_or_null("Member of an archive."),
            "page": _count_or_null(),
            "sheet": _text_or_null(),
            "row": _count_or_null(),
            "field": _text_or_null("Column or key."),
            "key": _text_or_null("Primary key of the row, where that is no short number; sealed."),
        },
        "What does not apply is null.",
    )


def _outcome() -> Schema:
    return _object(
        {
            "store": _text(),
            "unit": _text(),
            "status": _one_of(Status),
            "reason": _text_or_null("Why not read, or not in full; see coverage.reasons."),
            "detail": _text("A sentence without content."),
            "bytes": _count("Bytes read."),
            "size": _count_or_null("Bytes the unit holds."),
            "fraction": {
                "description": "Part read of a sampled unit; null: not known or not sampled.",
                "type": ["number", "null"],
                "minimum": 0,
                "maximum": 1,
            },
        },
        optional=("detail", "size"),
    )


def _earlier() -> Schema:
    return _object(
        {
            "id": _text(),
            "started": _time(),
            "finished": _time_or_null(),
            "status": _text(),
            "profile": _text(),
            "units": _count(),
            "not_read": _count(),
            "findings": _count(),
            "distinct_pans": _count(),
            "unprotected": _count("Stores with the verdict unprotected."),
        }
    )
