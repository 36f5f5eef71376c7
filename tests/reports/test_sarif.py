"""SARIF: the parts that dashboards read, the bounds, and that unread units are not silent."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from reports import sarif
from reports.sarif import REPORT
from scanner.model import Location, Outcome, Run, Severity, Status
from tests import runs
from tests.reports.drawing import draw

TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}},
    "required": ["text"],
}
ARTIFACT = {
    "type": "object",
    "properties": {
        # RFC 3986 relative reference: no scheme, no raw space, control or non-ASCII character
        "uri": {"type": "string", "pattern": r"^(?!/)([A-Za-z0-9\-._~/]|%[0-9A-F]{2})*$"},
        "uriBaseId": {"type": "string"},
    },
    "required": ["uri", "uriBaseId"],
    "additionalProperties": False,
}
LOCATION = {
    "type": "object",
    "properties": {
        "physicalLocation": {
            "type": "object",
            "properties": {
                "artifactLocation": ARTIFACT,
                "region": {
                    "type": "object",
                    "properties": {
                        "startLine": {"type": "integer", "minimum": 1},
                        "startColumn": {"type": "integer", "minimum": 1},
                        "byteOffset": {"type": "integer", "minimum": 0},
                    },
                    "minProperties": 1,
                    "additionalProperties": False,  # no snippet
                },
            },
            "required": ["artifactLocation"],
            "additionalProperties": False,
        },
        "logicalLocations": {"type": "array", "items": {"required": ["name", "kind"]}},
        "message": TEXT,
    },
    "required": ["physicalLocation"],
    "additionalProperties": False,
}
RESULT = {
    "type": "object",
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["error", "warning", "note"]},
        "message": TEXT,
        "locations": {"type": "array", "items": LOCATION, "minItems": 1, "maxItems": 1},
        "relatedLocations": {"type": "array", "items": LOCATION, "maxItems": 14, "minItems": 1},
        "occurrenceCount": {"type": "integer", "minimum": 1},
        "partialFingerprints": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "required": ["cardtrail/finding/v1"],
        },
        "rank": {"type": "number", "minimum": 0, "maximum": 100},
        "properties": {"type": "object"},
    },
    "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
    "additionalProperties": False,
}
NOTIFICATION = {
    "type": "object",
    "properties": {
        "level": {"enum": ["warning", "error"]},
        "message": TEXT,
        "descriptor": {"required": ["id"]},
        "locations": {"type": "array", "items": LOCATION},
        "properties": {"type": "object"},
    },
    "required": ["level", "message"],
    "additionalProperties": False,
}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
LOG = {
    "type": "object",
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "results": {"type": "array", "items": RESULT, "maxItems": 25_000},
                    "invocations": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "startTimeUtc": TIME,
                                "endTimeUtc": TIME,
                                "toolExecutionNotifications": {
                                    "type": "array",
                                    "items": NOTIFICATION,
                                },
                            },
                            "required": ["executionSuccessful", "toolExecutionNotifications"],
                        },
                    },
                },
                "required": ["tool", "results", "invocations"],
            },
        },
    },
    "required": ["$schema", "version", "runs"],
}
"""The parts of the SARIF 2.1.0 schema that are used, narrower where we promise more."""


def log(run: Run) -> dict[str, Any]:
    loaded = json.loads(draw(REPORT, run))
    Draft202012Validator(LOG).validate(loaded)
    only: dict[str, Any] = loaded["runs"][0]
    return only


def notifications(run: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run["invocations"][0]["toolExecutionNotifications"]
    return found


@pytest.mark.parametrize("run", [runs.sample(), runs.empty(), runs.hostile(), runs.large(300)])
def test_sample_runs_are_valid(run: Run) -> None:
    made = log(run)
    assert len(made["results"]) == len(run.findings)
    rules = made["tool"]["driver"]["rules"]
    for result in made["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        base = result["locations"][0]["physicalLocation"]["artifactLocation"]["uriBaseId"]
        uri = made["originalUriBaseIds"][base]["uri"]
        assert re.fullmatch(r"[a-z0-9]+:([\w\-.~/:]|%[0-9A-Fa-f]{2})*/", uri, re.ASCII)


@settings(max_examples=20)
@given(runs.runs())
def test_any_run_is_valid(run: Run) -> None:
    log(run)


def test_rules_have_help_and_requirements() -> None:
    rules = {rule["id"]: rule for rule in log(runs.sample())["tool"]["driver"]["rules"]}
    rule = rules["track-2-clear"]
    assert "PCI DSS 3.3.1.1" in rule["properties"]["tags"]
    assert "PCI DSS 3.3.1.1: The full contents of a track" in rule["help"]["text"]
    assert rule["defaultConfiguration"]["level"] == "error"


def test_unread_units_are_notifications_and_the_run_not_successful() -> None:
    run = runs.sample()
    made = log(run)
    assert made["invocations"][0]["executionSuccessful"] is False
    levels = Counter(note["level"] for note in notifications(made))
    failed = sum(o.status is Status.FAILED for o in run.outcomes)
    unread = sum(o.status is not Status.SCANNED for o in run.outcomes)
    assert levels == {"error": failed, "warning": unread - failed}
    assert log(runs.empty())["invocations"][0]["executionSuccessful"] is True


def test_a_moved_line_does_not_change_the_fingerprints_but_the_unit_does() -> None:
    found = runs.finding(runs.LOGS, "a.log", 1)
    moved = replace(found, location=Location(line=99, column=1), locations=())
    elsewhere = replace(found, unit="b.log")
    prints = []
    for finding in (found, moved, elsewhere):
        made = log(runs.make_run(runs.sample().stores, [finding], []))
        prints.append(made["results"][0]["partialFingerprints"])
    assert prints[0] == prints[1]
    assert prints[0]["cardtrail/finding/v1"] != prints[2]["cardtrail/finding/v1"]
    assert prints[0]["cardtrail/value/v1"] == prints[2]["cardtrail/value/v1"] == found.fingerprint


@pytest.mark.parametrize(
    ("unit", "uri"),
    [
        ("a b/ü.txt", "a%20b/%C3%BC.txt"),
        ("x\udcff", "x%FF"),
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
        ("/rooted", "%2Frooted"),
        ("a:b?c#d%20", "a%3Ab%3Fc%23d%2520"),
    ],
)
def test_units_become_relative_references(unit: str, uri: str) -> None:
    finding = runs.finding(runs.LOGS, unit, 1)
    result = log(runs.make_run(runs.sample().stores, [finding], []))["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_a_store_that_is_one_file_has_its_folder_as_base() -> None:
    report = runs.sample().stores[0]
    store = replace(report.store, uri="file:///srv/app%20log")
    finding = runs.finding(store.uri, "app log", 1)
    outcome = Outcome(store.uri, "app log", Status.SCANNED)
    made = log(runs.make_run([replace(report, store=store)], [finding], [outcome]))
    assert made["originalUriBaseIds"]["STORE0"]["uri"] == "file:///srv/"


def test_places_inside_a_member_have_no_line_of_the_archive() -> None:
    made = log(runs.sample())
    (inside,) = [r for r in made["results"] if "logicalLocations" in str(r) and "b64" in str(r)]
    location = inside["locations"][0]
    assert "region" not in location["physicalLocation"]
    assert location["logicalLocations"] == [{"name": "old/cards.b64", "kind": "member"}]
    assert location["message"]["text"] == "member old/cards.b64, line 4, column 18"


def test_bounds_keep_the_worst_and_count_the_rest() -> None:
    run = runs.large(12_000)
    text = draw(REPORT, run)
    assert len(text.encode()) < 10_000_000
    made = log(run)
    assert len(made["results"]) < len(run.findings)
    worst = [result["properties"]["severity"] for result in made["results"]]
    assert worst == sorted(worst, key=lambda s: Severity(s).rank)
    note = notifications(made)[0]
    left_out = note["properties"]["leftOut"]
    assert left_out["total"] == len(run.findings) - len(made["results"])
    assert sum(row["count"] for row in left_out["by"]) == left_out["total"]
    assert f"{left_out['total']:,} of 12,000 findings are left out" in note["message"]["text"]


def test_unread_units_past_the_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "NOTIFICATIONS", 2)
    notes = notifications(log(runs.sample()))
    assert len(notes) == 3
    assert notes[0]["properties"]["leftOut"]["what"] == "outcomes"
    assert notes[0]["properties"]["leftOut"]["total"] == 4
