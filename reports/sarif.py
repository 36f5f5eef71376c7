"""SARIF 2.1.0, for code-scanning dashboards.

Bounded, since those refuse more: 25,000 results, 1,000 locations a result (a finding has 15 at
most), 10 MB. Worst findings first; what is cut is counted in a notification, by store and severity.
Units that were not read in full are notifications of the invocation, which then was not
successful: a denied bucket must not look clean. No snippets; places inside an archive member or a
document are logical locations, because a line number there means nothing for the file as a whole.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO
from urllib.parse import quote

from reports import figures, requirements, words
from reports.figures import rfc3339
from reports.json import encode
from scanner.model import Finding, Location, Outcome, Run, Severity, Status
from scanner.text import plural, printable

RESULTS = 25_000
RESULT_BYTES = 7_500_000
NOTIFICATIONS = 10_000
NOTIFICATION_BYTES = 1_500_000
"""With rules and stores the whole stays under 10 MB."""
LOCATIONS = 15

Record = dict[str, Any]

_LEVEL = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_SCORE = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "0.0",
}
"""``security-severity`` of a rule, on the scale that dashboards read it on."""


class SarifReport:
    name = "sarif"
    suffix = ".sarif"

    def write(self, run: Run, out: TextIO) -> None:
        """One SARIF log with one run. What was cut is known only after the results, so the
        invocation stands behind them."""
        rules = _rules(run.findings)
        index = {rule["id"]: i for i, rule in enumerate(rules)}
        bases = {report.store.uri: f"STORE{i}" for i, report in enumerate(run.stores)}
        out.write('{"$schema": "https://json.schemastore.org/sarif-2.1.0.json",\n')
        out.write('"version": "2.1.0",\n"runs": [{\n')
        for key, value in _head(run, rules, bases).items():
            out.write(f"{encode(key)}: {encode(value)},\n")
        findings = figures.worst_first(run.findings)
        cut = _write(
            out,
            "results",
            findings,
            lambda found: _result(found, index[_rule_id(found)], bases),
            RESULTS,
            RESULT_BYTES,
        )
        out.write('"invocations": [{\n')
        for key, value in _invocation(run).items():
            out.write(f"{encode(key)}: {encode(value)},\n")
        extra = _findings_cut(findings[cut:], len(findings))
        unread = figures.not_scanned(run)
        unread.sort(key=lambda o: (o.status is not Status.FAILED, o.status is Status.SAMPLED))
        shown = unread[:NOTIFICATIONS]
        kept = _fits((_unread(o, bases) for o in shown), NOTIFICATION_BYTES)
        extra += _unread_cut(unread[len(kept) :], len(unread))
        out.write('"toolExecutionNotifications": [')
        out.write(",\n".join([*(encode(note) for note in extra), *kept]))
        out.write("]}]\n}]}\n")


REPORT = SarifReport()


def _write(
    out: TextIO,
    key: str,
    items: list[Finding],
    record: Callable[[Finding], Record],
    most: int,
    room: int,
) -> int:
    """Writes an array while it has room; how many were written."""
    out.write(f"{encode(key)}: [")
    written = 0
    for item in items[:most]:
        text = encode(record(item))
        room -= len(text) + 2
        if room < 0:
            break
        out.write(text if written == 0 else ",\n" + text)
        written += 1
    out.write("],\n")
    return written


def _fits(records: Iterable[Record], room: int) -> list[str]:
    kept = []
    for record in records:
        text = encode(record)
        room -= len(text) + 2
        if room < 0:
            break
        kept.append(text)
    return kept


# --- the tool and its rules ---------------------------------------------------------------------


def _head(run: Run, rules: list[Record], bases: dict[str, str]) -> Record:
    only = figures.only_units(run)
    return {
        "tool": {
            "driver": {
                "name": "cardtrail",
                "version": run.version,
                "rules": rules,
                "notifications": [_descriptor(reason) for reason in _reasons(run)],
            }
        },
        "automationDetails": {"id": f"cardtrail/{run.profile}/{run.id}"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            base: {"uri": _base_uri(uri, only.get(uri)), "description": {"text": printable(uri)}}
            for uri, base in bases.items()
        },
        "properties": {
            "configDigest": run.config_digest,
            "keyId": run.key_id,
            "status": run.status,
            "units": run.coverage.units,
            "unitsScanned": run.coverage.scanned,
        },
    }


def _rule_id(found: Finding) -> str:
    return f"{found.entity}-{found.state}".lower().replace("_", "-")


def _rules(findings: Iterable[Finding]) -> list[Record]:
    """A rule for each entity in each state that was found."""
    worst: dict[str, Finding] = {}
    cited: dict[str, set[str]] = {}
    for found in findings:
        name = _rule_id(found)
        cited.setdefault(name, set()).update(found.requirements)
        if name not in worst or found.severity.rank < worst[name].severity.rank:
            worst[name] = found
    return [
        _rule(name, worst[name], sorted(cited[name], key=requirements.order))
        for name in sorted(worst)
    ]


def _rule(name: str, found: Finding, cited: list[str]) -> Record:
    what = f"{words.entity(found.entity)}, {found.state}"
    asks = [f"PCI DSS {number}: {requirements.text(number)}" for number in cited]
    text = "\n".join([_HELP.get(found.state, "Data of this kind was found."), *asks])
    marks = "\n".join(
        [_HELP.get(found.state, "Data of this kind was found."), "", *(f"- {ask}" for ask in asks)]
    )
    return {
        "id": name,
        "name": "".join(word.capitalize() for word in name.split("-")),
        "shortDescription": {"text": printable(what)},
        "fullDescription": {"text": printable(f"{what}, in a store. {' '.join(asks)}").strip()},
        "help": {"text": text, "markdown": marks},
        "defaultConfiguration": {"level": _LEVEL[found.severity]},
        "properties": {
            "tags": ["security", "pci-dss", *(f"PCI DSS {number}" for number in cited)],
            "security-severity": _SCORE[found.severity],
        },
    }


_HELP = {
    "clear": "It lies there in clear: whoever can read the store can read it. Remove it, or make"
    " it unreadable by truncation, token, keyed hash or strong cryptography.",
    "encoded": "It is only encoded: whoever can read the store can decode it. Treat it as clear.",
    "test": "A published test number. It does not belong into production.",
    "truncated": "Digits are missing, as they should be. It is listed for completeness.",
    "hashed": "A hash of a card number. Unkeyed, or beside a truncation, it is soon undone.",
}


def _reasons(run: Run) -> list[str]:
    return sorted({o.reason or "unknown" for o in figures.not_scanned(run)})


def _descriptor(reason: str) -> Record:
    return {
        "id": printable(reason),
        "shortDescription": {"text": printable(words.reason(reason))},
        "help": {"text": words.remedy(reason) or printable(words.reason(reason))},
    }


# --- results ------------------------------------------------------------------------------------


def _result(found: Finding, rule: int, bases: dict[str, str]) -> Record:
    places = list(found.locations[:LOCATIONS]) or [found.location or Location()]
    related = [_location(place, found, bases) for place in places[1:]]
    fingerprints = {"cardtrail/finding/v1": _identity(found)}
    if found.fingerprint is not None:
        fingerprints["cardtrail/value/v1"] = found.fingerprint
    return {
        "ruleId": _rule_id(found),
        "ruleIndex": rule,
        "level": _LEVEL[found.severity],
        "message": {"text": printable(_message(found))},
        "locations": [_location(places[0], found, bases)],
        **({"relatedLocations": related} if related else {}),
        "occurrenceCount": found.count,
        "partialFingerprints": fingerprints,
        "rank": round(100 * found.confidence, 2),
        "properties": {
            "severity": str(found.severity),
            "confidence": found.confidence,
            "distinct": found.distinct,
        },
    }


def _message(found: Finding) -> str:
    certainty = "confirmed" if figures.confirmed(found) else "possible"
    what = f"{words.entity(found.entity)}, {found.state}"
    if found.masked is not None:
        what += f": {found.masked}"
    elif found.fingerprint is None:
        what += f": {words.plural(found.distinct, 'more distinct value')}"
    times = words.plural(found.count, "time")
    cited = f" PCI DSS {', '.join(found.requirements)}." if found.requirements else ""
    return f"{what}, {times}, {certainty} ({found.confidence:.2f}).{cited}"


def _identity(found: Finding) -> str:
    """The same finding in the next run: value, entity and unit, no line number."""
    parts = (found.store, found.unit, found.entity, found.state, found.fingerprint or "rest")
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _location(place: Location, found: Finding, bases: dict[str, str]) -> Record:
    physical: Record = {"artifactLocation": _artifact(found.store, found.unit, bases)}
    if place.member is None and place.sheet is None and place.page is None:
        region = {
            "startLine": place.line,
            "startColumn": place.column if place.line is not None else None,
            "byteOffset": place.offset,
        }
        region = {key: value for key, value in region.items() if value is not None}
        if region:
            physical["region"] = region
    location: Record = {"physicalLocation": physical}
    said = words.place(place)
    inside = [
        {"name": printable(text), "kind": kind}
        for kind, text in (
            ("member", place.member),
            ("module", place.sheet),
            ("element", place.field),
        )
        if text
    ]
    if inside:
        location["logicalLocations"] = inside
    if said and "region" not in physical:
        location["message"] = {"text": printable(said)}
    return location


def _artifact(store: str, unit: str, bases: dict[str, str]) -> Record:
    location = {"uri": _relative_uri(unit)}
    if store in bases:
        location["uriBaseId"] = bases[store]
    return location


def _relative_uri(unit: str) -> str:
    """``unit`` as a relative reference. Undecodable bytes are percent-encoded as what they are;
    a first ``/`` and dot segments are encoded, so that nothing climbs out of its store."""
    segments = quote(unit.encode("utf-8", "surrogateescape"), safe="/").split("/")
    dots = {"": "", ".": "%2E", "..": "%2E%2E"}
    text = "/".join(dots.get(segment, segment) for segment in segments)
    return "%2F" + text[1:] if text.startswith("/") else text


def _base_uri(uri: str, only: str | None) -> str:
    """A store uri as an absolute URI of a folder; escapes it already has are kept.

    ``only`` is the one unit of a store that has one. A store that is a single file has that
    file as its unit, and the folder it lies in as base.
    """
    text = quote(uri.encode("utf-8", "surrogateescape"), safe=":/%")
    text = re.sub("%(?![0-9A-Fa-f]{2})", "%25", text)
    if only and text.startswith("file:"):
        text = text.removesuffix("/" + _relative_uri(only))
    return text if text.endswith("/") else text + "/"


# --- the invocation -----------------------------------------------------------------------------


def _invocation(run: Run) -> Record:
    invocation: Record = {
        "executionSuccessful": run.status == "complete" and run.finished is not None,
        "startTimeUtc": rfc3339(run.started),
    }
    if run.finished is not None:
        invocation["endTimeUtc"] = rfc3339(run.finished)
    return invocation


def _unread(outcome: Outcome, bases: dict[str, str]) -> Record:
    said = f"{words.STATUSES[outcome.status]}: {words.reason(outcome.reason)}."
    if outcome.detail:
        said += f" {outcome.detail}"
    return {
        "level": "error" if outcome.status is Status.FAILED else "warning",
        "message": {"text": printable(said)},
        "descriptor": {"id": printable(outcome.reason or "unknown")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _artifact(outcome.store, outcome.unit, bases)
                }
            }
        ],
        "properties": {"status": str(outcome.status), "fraction": outcome.fraction},
    }


def _findings_cut(left_out: list[Finding], whole: int) -> list[Record]:
    if not left_out:
        return []
    counts = Counter((f.store, str(f.severity)) for f in left_out)
    said = (
        f"{len(left_out):,} of {plural(whole, 'finding is', 'findings are')} left out, the"
        " worst are kept: this format"
        f" is bounded to {RESULTS:,} results and 10 MB. The JSON and CSV reports hold all."
    )
    return [_cut(said, "findings", len(left_out), counts)]


def _unread_cut(left_out: list[Outcome], whole: int) -> list[Record]:
    if not left_out:
        return []
    counts = Counter((o.store, o.reason or "unknown") for o in left_out)
    said = (
        f"{len(left_out):,} of {plural(whole, 'unit', 'units')} that were not read in full"
        " are not listed one by one. The JSON and CSV reports hold all."
    )
    return [_cut(said, "outcomes", len(left_out), counts)]


MOST_COUNTS = 2_000


def _cut(said: str, what: str, total: int, counts: Counter[tuple[str, str]]) -> Record:
    rows: Iterator[tuple[tuple[str, str], int]] = iter(sorted(counts.items()))
    listed = [
        {"store": printable(store), "kind": kind, "count": n}
        for (store, kind), n in list(rows)[:MOST_COUNTS]
    ]
    return {
        "level": "warning",
        "message": {"text": said},
        "properties": {"leftOut": {"what": what, "total": total, "by": listed}},
    }
