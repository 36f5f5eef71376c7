"""The run document is what its schema says, for any run, and says null for what is not known."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from reports.json import REPORT
from reports.schema import schema
from scanner.model import SCHEMA, Access, Coverage, Evidence, Reads, Run
from tests import runs
from tests.watched import watched

VALIDATOR = Draft202012Validator(schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def draw(run: Run) -> str:
    out = io.StringIO()
    REPORT.write(run, out)
    return out.getvalue()


def document(run: Run) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(draw(run))
    VALIDATOR.validate(loaded)
    return loaded


def store_with(access: Access) -> dict[str, Any]:
    run = runs.sample()
    run = replace(run, stores=(replace(run.stores[0], access=access),))
    result: dict[str, Any] = document(run)["stores"][0]["access"]
    return result


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "run", [runs.sample(), runs.empty(), runs.hostile(), runs.large(500), watched()]
)
def test_sample_runs_are_valid(run: Run) -> None:
    loaded = document(run)
    assert loaded["schema"] == SCHEMA
    assert len(loaded["findings"]) == len(run.findings)
    assert len(loaded["outcomes"]) == len(run.outcomes)


@given(runs.runs())
def test_any_run_is_valid_plain_ascii_and_the_same_twice(run: Run) -> None:
    text = draw(run)
    document(run)
    assert text == draw(run)
    assert all(" " <= char <= "~" or char == "\n" for char in text)
    text.encode("ascii")


def test_a_property_taken_away_is_noticed() -> None:
    loaded = document(runs.sample())
    del loaded["stores"][0]["access"]["did_read"]["reads"]
    assert not VALIDATOR.is_valid(loaded)


def test_a_property_added_is_welcome() -> None:
    loaded = document(runs.sample())
    loaded["findings"][0]["later"] = loaded["stores"][0]["later"] = loaded["later"] = 1
    VALIDATOR.validate(loaded)


def test_undecodable_names_come_out_as_text() -> None:
    names = {outcome["unit"] for outcome in document(runs.hostile())["outcomes"]}
    assert r"undecodable\xff\x80" in names
    assert "日本語/ключ/😀.txt" in names


def evidence(coverage: Coverage) -> tuple[Evidence, ...]:
    return (Evidence("cloudtrail-data-events", coverage, None, None, "."),)


@pytest.mark.parametrize("coverage", [Coverage.NONE, Coverage.UNKNOWN, Coverage.PARTIAL, None])
def test_no_reads_under_incomplete_evidence_is_null_not_zero(coverage: Coverage | None) -> None:
    block = store_with(Access(evidence=evidence(coverage) if coverage else ()))
    assert block["answer"] == "cannot-tell"
    did = block["did_read"]
    assert [did[key] for key in ("principals", "reads", "rows", "bytes")] == [None] * 4


def test_no_reads_under_complete_evidence_is_zero() -> None:
    block = store_with(Access(evidence=evidence(Coverage.COMPLETE)))
    assert block["answer"] == "not-read"
    assert (block["did_read"]["principals"], block["did_read"]["reads"]) == (0, 0)


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    readers = (Reads("a", 3, bytes=10), Reads("b", 4))
    did = store_with(Access(evidence=evidence(Coverage.COMPLETE), did_read=readers))["did_read"]
    assert (did["reads"], did["bytes"], did["rows"], did["principals"]) == (7, None, None, 2)
    assert did["at_least"] is False


def test_numbers_under_partial_evidence_are_lower_bounds() -> None:
    access = Access(evidence=evidence(Coverage.PARTIAL), did_read=(Reads("a", 3),))
    assert store_with(access)["did_read"]["at_least"] is True


def test_refused_attempts_do_not_make_a_reader() -> None:
    readers = (Reads("a", 3), Reads("b", 0, denied=9))
    did = store_with(Access(evidence=evidence(Coverage.COMPLETE), did_read=readers))["did_read"]
    assert (did["principals"], did["reads"]) == (1, 3)


def test_could_and_did_unused_rights_and_the_least_grant() -> None:
    shop, vault = (store["access"] for store in document(watched())["stores"])
    uses = {each["principal"]: each["used"] for each in shop["could_read"]["list"]}
    assert uses["role:ann"] == "did" and uses["role:b"] == uses["role:admin"] == "never"
    together = {each["principal"]: each["relation"] for each in shop["together"]}
    assert together["former"] == "how" and together["guest"] == "refused"
    assert [(each["unused"], each["exposed"]) for each in shop["unused"]] == [
        (5, 240_560),
        (1, 48_112),
    ]
    assert shop["least_grant"]["text"].startswith("GRANT SELECT")
    assert vault["could_read"]["detail"].startswith("service and resource control policies")
    assert json.loads(vault["least_grant"]["text"])["Version"] == "2012-10-17"


def test_a_list_of_grants_that_is_not_whole_has_no_length() -> None:
    could = store_with(Access())["could_read"]
    assert could == {"public": None, "principals": None, "detail": "", "list": []}
