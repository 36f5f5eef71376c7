"""No format is silent about something another one tells.

Every registered report accounts for every finding and every unit that was not read in full: one
by one, or, past the bounds of a format, in counts that add up.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings

from reports import island, sarif, words
from reports.csv import cell
from scanner.contracts import Report
from scanner.model import Run, Status
from scanner.registry import reports
from scanner.text import printable
from tests import runs
from tests.reports.drawing import Page, column, draw

Key = tuple[str, ...]


@dataclass
class Account:
    """Findings by (store, unit, fingerprint, count), outcomes by (store, unit, status), and how
    many more of each are told of in counts only."""

    findings: Counter[Key]
    outcomes: Counter[Key]
    more_findings: int = 0
    more_outcomes: int = 0


def of_run(run: Run, spell: Callable[[str], str]) -> Account:
    return Account(
        Counter(
            (spell(f.store), spell(f.unit), f.fingerprint or "", str(f.count)) for f in run.findings
        ),
        Counter(
            (spell(o.store), spell(o.unit), str(o.status))
            for o in run.outcomes
            if o.status is not Status.SCANNED
        ),
    )


def of_json(text: str) -> Account:
    document = json.loads(text)
    return Account(
        Counter(
            (printable(f["store"]), printable(f["unit"]), f["fingerprint"] or "", str(f["count"]))
            for f in document["findings"]
        ),
        Counter(
            (printable(o["store"]), printable(o["unit"]), o["status"])
            for o in document["outcomes"]
            if o["status"] != "scanned"
        ),
    )


def of_csv(text: str) -> Account:
    rows = list(csv.DictReader(io.StringIO(text)))
    return Account(
        Counter(
            (row["store"], row["unit"], row["fingerprint"], row["count"])
            for row in rows
            if row["record"] == "finding"
        ),
        Counter(
            (row["store"], row["unit"], row["status"]) for row in rows if row["record"] == "outcome"
        ),
    )


def of_html(text: str) -> Account:
    page = Page(text)
    data = page.island()
    findings, outcomes = data["findings"], data["outcomes"]
    status = {said: str(code) for code, said in words.STATUSES.items()}
    more = {"Beyond the": 0, "units of this page": 0}
    tables = text.split("<caption>Beyond the ")[1:]
    for table in tables:
        caption, _, body = table.partition("</caption>")
        kind = "units of this page" if "units of this page" in caption else "Beyond the"
        cells = body.partition("</table>")[0].split('<td class="number">')[1:]
        more[kind] += sum(int(c.partition("<")[0].replace(",", "")) for c in cells)
    return Account(
        Counter(
            zip(
                column(findings, "store"),
                column(findings, "unit"),
                column(findings, "fingerprint"),
                map(str, column(findings, "count")),
                strict=True,
            )
        ),
        Counter(
            zip(
                column(outcomes, "store"),
                column(outcomes, "unit"),
                (status[said] for said in column(outcomes, "status")),
                strict=True,
            )
        ),
        more["Beyond the"],
        more["units of this page"],
    )


def of_sarif(text: str) -> Account:
    run = json.loads(text)["runs"][0]
    stores = {
        base: entry["description"]["text"] for base, entry in run["originalUriBaseIds"].items()
    }

    def where(record: dict[str, Any]) -> tuple[str, str]:
        artifact = record["locations"][0]["physicalLocation"]["artifactLocation"]
        unit = unquote_to_bytes(artifact["uri"]).decode("utf-8", "surrogateescape")
        return stores[artifact["uriBaseId"]], printable(unit)

    notes = run["invocations"][0]["toolExecutionNotifications"]
    cut = Counter[str]()
    for note in notes:
        if "leftOut" in note["properties"]:
            cut[note["properties"]["leftOut"]["what"]] += note["properties"]["leftOut"]["total"]
    return Account(
        Counter(
            (
                *where(result),
                result["partialFingerprints"].get("cardtrail/value/v1", ""),
                str(result["occurrenceCount"]),
            )
            for result in run["results"]
        ),
        Counter(
            (*where(note), note["properties"]["status"]) for note in notes if "locations" in note
        ),
        cut["findings"],
        cut["outcomes"],
    )


ACCOUNTS: dict[str, tuple[Callable[[str], Account], Callable[[str], str]]] = {
    "json": (of_json, printable),
    "csv": (of_csv, cell),
    "html": (of_html, printable),
    "sarif": (of_sarif, printable),
}
"""How to read a format back, and how it spells a name."""

REPORTS = {report.name: report for report in reports().values()}


def test_every_registered_report_is_held_to_account() -> None:
    assert set(REPORTS) == set(ACCOUNTS)


def check(report: Report, run: Run) -> None:
    account, spell = ACCOUNTS[report.name]
    told, truth = account(draw(report, run)), of_run(run, spell)
    assert not told.findings - truth.findings, "tells of a finding that is not there"
    assert not told.outcomes - truth.outcomes, "tells of an outcome that is not there"
    left_out = truth.findings - told.findings
    assert left_out.total() == told.more_findings
    assert (truth.outcomes - told.outcomes).total() == told.more_outcomes


@pytest.mark.parametrize("name", ACCOUNTS)
@pytest.mark.parametrize(
    "run", [runs.sample(), runs.empty(), runs.hostile(), runs.large(2_000)], ids=lambda run: ""
)
def test_sample_runs(name: str, run: Run) -> None:
    check(REPORTS[name], run)
    if len(run.findings) <= 2_000:
        account = ACCOUNTS[name][0](draw(REPORTS[name], run))
        assert account.findings.total() == len(run.findings)  # none in counts only


@pytest.mark.parametrize("name", ACCOUNTS)
@settings(max_examples=20)
@given(run=runs.runs())
def test_any_run(name: str, run: Run) -> None:
    check(REPORTS[name], run)


@pytest.mark.parametrize("name", ACCOUNTS)
def test_past_the_bounds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(island, "ROWS", 3)
    monkeypatch.setattr(sarif, "RESULTS", 3)
    monkeypatch.setattr(sarif, "NOTIFICATIONS", 3)
    check(REPORTS[name], runs.sample())
    check(REPORTS[name], runs.hostile())
