"""The JSON Schema (draft 2020-12) of the run document, ``cardtrail.run/1``.

What stands here other programs rely on: properties are added, never taken away, and a reader
must accept properties it does not know (``additionalProperties`` is therefore never false).
``required`` lists what every document of version 1 has.
"""

from __future__ import annotations

from reports import fieldschema
from reports.schemaparts import (
    Schema,
    array,
    count,
    count_or_null,
    one_of,
    record,
    text,
    text_or_null,
    time,
    time_or_null,
    yes_no,
    yes_no_null,
)
from scanner.errors import Reason
from scanner.model import SCHEMA, Coverage, Severity, Status, Tri, Verdict


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
        **record(
            {
                "schema": {"const": SCHEMA},
                "tool": record({"name": {"const": "cardtrail"}, "version": text()}),
                "run": _run(),
                "coverage": _coverage(),
                "stores": array({"$ref": "#/$defs/store"}),
                "findings": array({"$ref": "#/$defs/finding"}),
                "outcomes": array(
                    {"$ref": "#/$defs/outcome"},
                    "Exactly one for each unit, the scanned ones too, and one for a listing that"
                    " broke off.",
                ),
                "earlier": array(
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


# --- the parts ----------------------------------------------------------------------------------


def _run() -> Schema:
    return record(
        {
            "id": text(),
            "started": time(),
            "finished": time_or_null("null while a run has not come to its end."),
            "status": one_of(
                ("complete", "incomplete"),
                "incomplete: something in scope was not read in full, or the run was stopped.",
            ),
            "profile": text("Which detectors ran: card or full."),
            "config_digest": text("Digest of the settings in force."),
            "key_id": text(
                "Id of the key that fingerprints were made with. Fingerprints of two runs compare"
                " only under one key id. The key itself stands in no report."
            ),
            "detectors": array(text()),
            "targets": array(text()),
        },
        optional=("config_digest", "key_id", "detectors", "targets"),
    )


def _coverage() -> Schema:
    reasons = ", ".join(reason.value for reason in Reason)
    return record(
        {
            "units": count("scanned + sampled + skipped + failed."),
            "scanned": count("Read from the first byte to the last."),
            "sampled": count("Read in part."),
            "skipped": count("Not read, as known before reading (encrypted, unsupported ...)."),
            "failed": count("Not read, although tried."),
            "bytes": count("What the units hold, as far as the stores told."),
            "bytes_scanned": count("What was read of them."),
            "excluded": count("Hidden by exclude rules: not in scope, but counted."),
            "reasons": {
                "description": f"Of skipped and failed, how many for each. Known: {reasons}.",
                "type": "object",
                "additionalProperties": count(least=1),
            },
            "reasons_in_part": {
                "description": "Of sampled, the same.",
                "type": "object",
                "additionalProperties": count(least=1),
            },
        },
        "How much was read.",
        optional=("excluded", "reasons_in_part"),
    )


def _store() -> Schema:
    return record(
        {
            "uri": text("Identity of the store, the same from run to run."),
            "kind": text(),
            "environment": text_or_null(),
            "expected": yes_no_null("Whether cards are meant to be here; null: nobody said."),
            "owner": text_or_null(),
            "verdict": one_of(Verdict),
            "sentence": text("The verdict in words."),
            "distinct_pans": count_or_null(
                "Confirmed distinct PANs in clear or encoded form; null: nothing was read."
            ),
            "distinct_pans_estimated": yes_no("True beyond ten million distinct values."),
            "findings": count("How many of the findings are of this store."),
            "protection": array(
                record(
                    {
                        "control": text(),
                        "state": one_of(Tri, "unknown comes with a detail that says why."),
                        "detail": text(),
                    }
                ),
                "Protection facts. For public-access, yes is the bad answer: the store is open.",
            ),
            "access": _access(),
            "fields": array(
                {"$ref": "#/$defs/field"},
                "One verdict for each column of a table and key of a text that holds anything,"
                " worst first.",
            ),
            "fields_further": count("Columns and keys beyond those in fields."),
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
    return record(
        {
            "window": record({"from": time_or_null(), "to": time_or_null()}),
            "answer": one_of(
                ("read", "not-read", "cannot-tell"),
                "not-read is said under complete evidence only.",
            ),
            "evidence": array({"$ref": "#/$defs/evidence"}),
            "could_read": record(
                {
                    "public": yes_no_null("Anyone at all; null: could not be found out."),
                    "principals": count_or_null("null: the list is not known to be whole."),
                    "detail": text("Why the list is not known to be whole and right."),
                    "list": array({"$ref": "#/$defs/grant"}),
                },
                optional=("detail",),
            ),
            "did_read": record(
                {
                    "principals": count_or_null(),
                    "reads": count_or_null("null under evidence that cannot tell, never 0."),
                    "rows": count_or_null("null where the source does not tell rows."),
                    "bytes": count_or_null(),
                    "first": time_or_null(),
                    "last": time_or_null(),
                    "at_least": yes_no(
                        "True when the evidence covers the window in part only: the numbers are"
                        " lower bounds."
                    ),
                    "list": array({"$ref": "#/$defs/reads"}),
                    "days": array({"$ref": "#/$defs/day"}, "All of the window; empty: not kept."),
                    "objects": array({"$ref": "#/$defs/object_reads"}, "That hold card data."),
                },
                optional=("at_least", "days", "objects"),
            ),
            "together": array(
                record(
                    {
                        "principal": text(),
                        "relation": one_of(USES, USE_MEANS),
                        "could": text_or_null("The principal of the grant that lets it in."),
                    }
                ),
                "Everybody who could, did or was refused, once.",
            ),
            "unused": array(_unused(), "Most card numbers exposed first."),
            "least_grant": {
                "oneOf": [
                    {"type": "null"},
                    record(
                        {
                            "language": one_of(("json", "sql")),
                            "text": text("Empty when none can be proposed: the notes say why."),
                            "notes": array(text()),
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
    return record(
        {
            "store": text(),
            "via": text("The statement, membership or grant."),
            "public": yes_no("Open to anybody."),
            "distinct_pans": count_or_null(),
            "distinct_pans_estimated": yes_no(),
            "at_most": yes_no("Some of them are let in to a part of the store only."),
            "since": time_or_null(),
            "unused": count("Principals that could and never did."),
            "used": count(),
            "cannot_tell": count(),
            "exposed": count_or_null("distinct_pans times unused."),
            "principals": array(text("Those that never did.")),
        }
    )


def _evidence() -> Schema:
    return record(
        {
            "source": text(),
            "coverage": one_of(Coverage, "How much of the window this source covers."),
            "from": time_or_null(),
            "to": time_or_null(),
            "detail": text(),
            "unparsed": count("Records that could not be understood."),
            "not_understood": array(_misfit(), "A few of them, each of another shape."),
            "unread": text_or_null("Why its logs could not be read, or not all be listed."),
        },
        optional=("not_understood", "unread"),
    )


def _misfit() -> Schema:
    return record(
        {
            "file": text_or_null("Of the log, sealed. Null: not known any more."),
            "place": text_or_null("line, record or row, and its number in the file, from one."),
            "shape": text("Of the record: 9 stands for digits, a for all else; no value."),
        }
    )


def _grant() -> Schema:
    return record(
        {
            "principal": text(),
            "kind": text("user, role, account, public ..."),
            "state": text("allow, conditional or unknown."),
            "via": text("The statement, grant or mode that lets it in."),
            "last_read": time_or_null(),
            "used": one_of(USES, USE_MEANS),
            "part": yes_no("It lets in to some objects or tables, not to all."),
        },
        optional=("used", "part"),
    )


def _reads() -> Schema:
    return record(
        {
            "principal": text(),
            "reads": count_or_null(),
            "rows": count_or_null(),
            "bytes": count_or_null(),
            "objects": count_or_null(),
            "denied": count_or_null("Attempts that were refused; not part of reads."),
            "card_reads": count_or_null("Of reads, those of what holds card data."),
            "first": time_or_null(),
            "last": time_or_null(),
            "flags": array(
                record({"rule": text(), "sentence": text()}), "Why these reads look odd."
            ),
        },
        optional=("denied", "card_reads"),
    )


def _day() -> Schema:
    return record(
        {
            "day": {"type": "string", "format": "date"},
            **dict.fromkeys(("reads", "card_reads"), count_or_null("null: not known, never 0.")),
            "whole": yes_no("False: the evidence has gaps, so reads is a lower bound."),
        }
    )


def _object_reads() -> Schema:
    return record(
        {
            "unit": text("Sealed name, as in findings."),
            "principals": count(least=1),
            "reads": count(),
            **dict.fromkeys(("bytes", "rows"), count_or_null()),
            **dict.fromkeys(("first", "last"), time()),
        }
    )


def _finding() -> Schema:
    return record(
        {
            "store": text("uri of its store."),
            "unit": text("Path, key or table inside the store."),
            "detector": text(),
            "entity": text(
                "CREDIT_CARD, TRACK_1, TRACK_2, CVV, PIN_BLOCK, PAN_HASH, Presidio's names for"
                " PII, SECRET_... for secrets."
            ),
            "brands": array(text()),
            "masked": {
                "description": "First 6 and last 4 of a PAN; null where nothing may be shown.",
                "type": ["string", "null"],
                "pattern": r"^\d{0,6}\*+\d{0,4}$",
            },
            "fingerprint": text_or_null(
                "Keyed hash of the value, the same from run to run under one key; null for the"
                " rest after the limit of distinct values in a unit."
            ),
            "distinct": count("Distinct values this finding stands for.", least=1),
            "count": count(
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
            "severity": one_of(Severity),
            "state": text("clear, encoded, test, truncated or hashed."),
            "location": {
                "description": "Where it stands first; all null when no place is known.",
                "$ref": "#/$defs/location",
            },
            "locations": {
                **array({"$ref": "#/$defs/location"}, "Up to 15 places."),
                "maxItems": 15,
            },
            "requirements": array(text(), "PCI DSS v4.0.1 requirement numbers."),
            "why": array(text(), "What decided the confidence, in words."),
        },
        "One distinct value of one entity in one unit, or the rest of them past the limit.",
        optional=("locations", "why"),
    )


def _location() -> Schema:
    return record(
        {
            "line": count_or_null("From 1.", least=1),
            "column": count_or_null("From 1.", least=1),
            "offset": count_or_null("Bytes from the start of the unit, or of the member."),
            "member": text_or_null("Member of an archive."),
            "page": count_or_null(),
            "sheet": text_or_null(),
            "row": count_or_null(),
            "field": text_or_null("Column or key."),
            "key": text_or_null("Primary key of the row, where that is no short number; sealed."),
        },
        "What does not apply is null.",
    )


def _outcome() -> Schema:
    return record(
        {
            "store": text(),
            "unit": text(),
            "status": one_of(Status),
            "reason": text_or_null("Why not read, or not in full; see coverage.reasons."),
            "detail": text("A sentence without content."),
            "bytes": count("Bytes read."),
            "size": count_or_null("Bytes the unit holds."),
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
    return record(
        {
            "id": text(),
            "started": time(),
            "finished": time_or_null(),
            "status": text(),
            "profile": text(),
            "units": count(),
            "not_read": count(),
            "findings": count(),
            "distinct_pans": count(),
            "unprotected": count("Stores with the verdict unprotected."),
        }
    )
