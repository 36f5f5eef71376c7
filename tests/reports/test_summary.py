"""The summary: short, plain, with exact places, and honest about what was not read."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings

from reports.summary import full_place, lines
from scanner.model import Location, Outcome, Run, Status
from tests import runs


def test_sample() -> None:
    said = "\n".join(lines(runs.sample()))
    for expected in (
        "Card data lies unprotected in 4 of 5 stores",
        "UNPROTECTED  s3://acme-dumps",
        "Could read: Anyone: it is public. 4 principals.",
        "Did read: Cannot tell.",
        "Can anyone tell? No: there is no record of reads to look at.",
        "/var/log/shop/pos.log:75:14",
        "sqlite:///srv/payments.db/sessions (row 7, field cvv2)",
        "s3://acme-exports/crm/backup.zip!old/cards.b64:4:18",
        "NO CARD DATA  s3://acme-site",
        "Found: 54 findings (43 critical, 7 high, 2 medium, 1 low, 1 info).",
        "Not read in full: 6 units. What they hold is not known:",
        "Access was denied: s3://acme-exports/hr/",
    ):
        assert expected in said
    assert max(map(len, lines(runs.sample()))) <= 80


def test_the_worst_of_each_kind_comes_before_more_of_the_same() -> None:
    said = "\n".join(lines(runs.sample()))
    logs = said[said.index("UNPROTECTED  file:///var/log/shop") :]
    assert logs.index("critical Track 2") < logs.index("high     Card number (PAN)")


def test_short_whatever_the_size() -> None:
    assert len(lines(runs.large(5_000))) < 80
    many = runs.hostile()
    assert len(lines(many)) < 250


def test_nothing_found_and_all_read() -> None:
    said = lines(runs.empty())
    assert said[0] == "No card data was found"
    assert said[-1].startswith("Read: 2 of 2 units in full")


@settings(max_examples=20)
@given(runs.runs())
def test_no_line_holds_a_control_character(run: Run) -> None:
    for line in lines(run):
        assert not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]", line)


@pytest.mark.parametrize(
    ("store", "unit", "only", "place"),
    [
        ("file:///srv/my%20logs", "a.log", {}, "/srv/my logs/a.log:3:4"),
        ("file:///srv/a.log", "a.log", {"file:///srv/a.log": "a.log"}, "/srv/a.log:3:4"),
        ("s3://bucket/", "key", {}, "s3://bucket/key:3:4"),
    ],
)
def test_places(store: str, unit: str, only: dict[str, str], place: str) -> None:
    assert full_place(store, unit, Location(line=3, column=4), only) == place


def test_unread_units_are_said_even_when_nothing_was_found() -> None:
    run = runs.empty()
    outcomes = (*run.outcomes, Outcome(runs.SITE, "x", Status.FAILED, "access-denied"))
    said = "\n".join(lines(runs.make_run(run.stores, (), outcomes)))
    assert "1 unit of 3 could not be read in full" in said or "Not read in full: 1 unit" in said
    assert "Access was denied: s3://acme-site/x" in said


def test_a_name_cannot_forge_a_line() -> None:
    run = runs.empty()
    name = "x\nNO CARD DATA  s3://forged"
    store = replace(run.stores[0], store=replace(run.stores[0].store, uri=name))
    assert "NO CARD DATA  s3://forged" not in lines(replace(run, stores=(store,)))
