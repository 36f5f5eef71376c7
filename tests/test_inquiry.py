"""Answers about access out of a run: nothing unknown becomes a number, nobody is left out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from scanner import incident, inquiry
from scanner.errors import UsageError
from scanner.incident import Sighting
from scanner.inquiry import Question
from scanner.ledger import Ledger, RunAbout, StoreAbout
from scanner.model import (
    Access,
    Coverage,
    Evidence,
    Flag,
    Grant,
    Outcome,
    Reads,
    Run,
    RunSummary,
    Status,
    Store,
)
from scanner.settle import Settled
from tests.runs import DUMPS, LOGS, START, empty, hostile, runs, sample
from tests.watched import watched

ETL = "arn:aws:iam::111122223333:role/etl-nightly"


def text(run: Run, **asked: object) -> str:
    return "\n".join(inquiry.access_lines(run, Question(**asked)))  # type: ignore[arg-type] # tests


def with_access(access: Access) -> Run:
    run = empty()
    return replace(run, stores=(replace(run.stores[0], access=access),))


def evidence(coverage: Coverage) -> tuple[Evidence, ...]:
    return (Evidence("trail", coverage, START, START, "why it is so"),)


# --- access ---------------------------------------------------------------------------------------


def test_could_and_did_in_all_their_ways() -> None:
    grants = (Grant("both", "role", "allow", "g"), Grant("idle", "role", "conditional", "h"))
    reads = (
        Reads("both session one", 3, bytes=10, flags=(Flag("bulk", "read much"),)),
        Reads("both session two", None),
        Reads("stranger", 1),
        Reads("locked out", 0, denied=9),
    )
    whole = Access(
        evidence=evidence(Coverage.COMPLETE),
        could_read=grants,
        could_read_known=True,
        did_read=reads,
    )
    said = text(with_access(whole))
    for line in (
        "could and did: 1",
        "    both  (allow, g)",
        "      session one: reads 3, bytes 10",
        "      ! bulk: read much",
        "      session two: reads not counted",
        "did and could not (how?): 1",
        "was refused, and did not read as far as is recorded: 1",
        "could and never did in the window: 1",
        "    idle  (conditional, h)",
    ):
        assert line in said
    gaps = text(with_access(replace(whole, evidence=evidence(Coverage.PARTIAL))))
    assert "could; whether it did cannot be told: 1" in gaps and "never did" not in gaps
    part = text(with_access(replace(whole, could_read_known=False)))
    assert "did; whether a grant lets it is not known: 1" in part


@pytest.mark.parametrize(
    ("coverage", "says"),
    [
        (Coverage.NONE, "who did read: cannot tell"),
        (Coverage.UNKNOWN, "who did read: cannot tell"),
        (Coverage.PARTIAL, "who did read: cannot tell"),
        (Coverage.COMPLETE, "nobody read it in the whole window"),
    ],
)
def test_nobody_is_said_under_complete_coverage_only(coverage: Coverage, says: str) -> None:
    said = text(with_access(Access(evidence=evidence(coverage))))
    assert says in said and "why it is so" in said
    assert ("nobody" in said) is (coverage is Coverage.COMPLETE)


def test_grants_to_an_account_and_to_anybody_cover_its_principals() -> None:
    grants = (
        Grant("arn:aws:iam::999988887777:root", "account", "allow", "policy"),
        Grant("*", "public", "allow", "policy"),
    )
    reads = (Reads("arn:aws:sts::999988887777:assumed-role/x/y", 2), Reads("anonymous", 1))
    access = Access(evidence=evidence(Coverage.PARTIAL), could_read=grants, did_read=reads)
    said = text(with_access(access))
    assert "could and did: 2" in said and "open to anybody: 1" in said
    role = (
        Grant("PUBLIC", "public", "allow", "schema"),
        Grant("role:bob", "role", "allow", "SELECT granted to PUBLIC"),
    )
    table = replace(access, could_read=role, did_read=(Reads("bob", 1),))
    said = text(with_access(table))
    assert "could and did: 1" in said and "open to anybody: 1" in said


def test_rights_without_use_and_the_least_grant_of_one_store() -> None:
    all_stores = text(watched())
    assert "5 of 6 principals never used it since 2025-12-02; 48,112 card numbers" in all_stores
    assert all_stores.index("SELECT granted to analysts\n") < all_stores.index(
        "superuser\n    1 of 1"
    )
    assert "Least grants can be shown of 2 stores" in all_stores and "REVOKE" not in all_stores
    shop = text(watched(), store="shop")
    assert '  REVOKE SELECT ON TABLE "public"."cards" FROM "analysts";' in shop
    assert "did and could not (how?): 1\n    former" in shop
    vault = text(watched(), store="vault")
    assert '"aws:PrincipalArn": [' in vault and "not known in full: service and resource" in vault
    assert "Least grant" not in text(watched(), principal="ann")


def test_the_record_has_rights_without_use_and_least_grants() -> None:
    record = inquiry.access_record(watched(), Question())
    assert [each["exposed"] for each in record["unused_grants"]] == [240_560, 48_112, 9_360, 3_120]
    made = [store["least_grant"]["language"] for store in record["stores"]]
    assert made == ["sql", "json"]
    (former,) = [p for p in record["stores"][0]["principals"] if p["principal"] == "former"]
    assert former["could_and_did"] == "how"


def test_one_store_by_its_uri_or_a_part_of_it() -> None:
    assert text(sample(), store=DUMPS) == text(sample(), store="dumps")
    assert LOGS not in text(sample(), store="dumps")
    for wrong in ("acme", "nowhere"):
        with pytest.raises(UsageError, match="expected one of"):
            text(sample(), store=wrong)


def test_one_principal_over_all_stores() -> None:
    said = text(sample(), principal="ETL-night")
    assert ETL in said and "anonymous" not in said and "Not seen in " in said
    assert text(sample(), principal="nobody at all").startswith(
        f"Not seen in {len(sample().stores)} stores:"
    )


def test_since_shows_who_was_seen_after() -> None:
    late = text(sample(), since=datetime(2026, 3, 1, tzinfo=UTC))
    assert ETL in late and "anonymous\n" not in late
    assert "numbers are of the whole window" in late


def test_since_in_words() -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert inquiry.parse_since("30d", now) == now - timedelta(days=30)
    assert inquiry.parse_since("12h", now) == now - timedelta(hours=12)
    assert inquiry.parse_since("2026-03-01", now) == datetime(2026, 3, 1, tzinfo=UTC)
    assert inquiry.parse_since("2026-03-01T10:00+02:00", now).hour == 8
    with pytest.raises(UsageError, match="expected a time that has passed"):
        inquiry.parse_since("2126-03-01", now)
    for wrong in ("0001-01-01T00:00+14:00", "yesterday", "", "-3d", "30", "3\x1bd", "999999d"):
        with pytest.raises(UsageError, match="expected a date"):
            inquiry.parse_since(wrong, now)


def test_data_has_the_same_as_the_text() -> None:
    record = inquiry.access_record(sample(), Question(store=DUMPS))
    (store,) = json.loads(json.dumps(record))["stores"]
    assert store["coverage"] == "partial" and store["answer"] == "read"
    by = {each["principal"]: each for each in store["principals"]}
    assert by[ETL]["relation"] == "could and did" and by[ETL]["reads"][0]["reads"] == 1412
    assert by["anonymous"]["reads"][0]["flags"]
    assert by["arn:aws:iam::111122223333:user/intern-2024"]["reads"] == []


# --- incident -------------------------------------------------------------------------------------


def page(run: Run, store: str, *history: Sighting) -> str:
    return "\n".join(incident.lines(run, store, history))


def test_the_page_has_every_question() -> None:
    said = page(sample(), LOGS)
    for question in range(1, 8):
        assert f"\n{question}. " in said
    for known in (
        "2 distinct card numbers in readable form",
        "Yes: TRACK_2",
        "Cannot be told.",
        "there is no record of reads",
        "3 units that were not read in full",
        "Owner: shop-backend",
        "they are not expected here",
    ):
        assert known in said


def test_who_read_it_is_at_least_under_gaps() -> None:
    said = page(sample(), DUMPS)
    assert "anonymous: at least: reads 96" in said
    assert "Reads that cloudtrail-data-events does not show (partial)" in said
    assert "Anyone: it is open to the public." in said


def test_files_are_open_to_the_machine_and_not_to_the_public() -> None:
    run = sample()
    stores = [replace(each, store=replace(each.store, kind="files")) for each in run.stores]
    said = page(replace(run, stores=tuple(stores)), DUMPS)
    assert "Any account of the machine." in said and "open to the public" not in said


def test_what_belongs_to_a_sentence_stands_under_it() -> None:
    said = page(sample(), DUMPS)
    assert "\n   -   " not in said and "\n     ! " in said


def _at(days: int, pans: int | None, run: str = "r") -> Sighting:
    return Sighting(run, START - timedelta(days=days), pans)


def test_since_when() -> None:
    assert "how long they lay there is not known" in page(sample(), LOGS)
    came = page(sample(), LOGS, _at(0, 2), _at(30, 0), _at(10, 5, "first"))
    assert "First found by run first" in came and "came between the two" in came
    older = page(sample(), LOGS, _at(90, 3))
    assert "may have lain there for longer" in older
    new = page(sample(), LOGS, _at(30, 0))
    assert "First found by this run" in new and "found none here" in new
    unread = page(sample(), LOGS, _at(30, None))
    assert "found none here" not in unread


def test_a_page_as_data() -> None:
    record = incident.record(sample(), DUMPS)
    assert json.loads(json.dumps(record)) == record
    assert [each["question"] for each in record["questions"]][2] == "Since when?"


# --- any run --------------------------------------------------------------------------------------


def _all(run: Run) -> Iterator[str]:
    yield from inquiry.access_lines(run, Question())
    for report in run.stores:
        yield from incident.lines(run, report.store.uri)


def test_hostile_names_do_not_reach_the_terminal() -> None:
    for line in _all(hostile()):
        assert line.isprintable() or not line


@given(runs())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_run_has_an_answer(run: Run) -> None:
    json.dumps(inquiry.access_record(run, Question()))
    said = inquiry.access_lines(run, Question())
    nobody = sum("nobody read it in the whole window" in line for line in said)
    assert nobody == sum(report.access.answer == "not-read" for report in run.stores)
    for report in run.stores:
        incident.lines(run, report.store.uri)


def test_earlier_runs_are_found_in_the_ledger(tmp_path: Path) -> None:
    about = RunAbout("0", "card", "digest", "key", ("pan",), (DUMPS,), {}, False)
    summary = RunSummary("", START, START, "complete", "card", 1, 0, 0, 0, 0)
    with contextlib.closing(Ledger(tmp_path / "ledger.db", create=True)) as ledger:
        for number, status in enumerate(("complete", "incomplete", "complete", "running")):
            run = f"r{number}"
            ledger.begin(run, START + timedelta(days=number), about)
            ledger.put_store(run, 0, StoreAbout(Store(DUMPS, "s3"), (), Access()))
            if number == 2:
                prints = (7).to_bytes(8, "little") + (8).to_bytes(8, "little")
                found = Outcome(DUMPS, "a", Status.SCANNED)
                ledger.put_unit(run, 0, found, Settled([], prints))
            if status != "running":
                when = START + timedelta(days=number)
                not_read = int(status == "incomplete")
                ledger.finish(run, when, replace(summary, status=status, not_read=not_read), 0)
        seen = inquiry.sightings(ledger, DUMPS)
        assert [(each.run, each.pans) for each in seen] == [("r0", 0), ("r1", None), ("r2", 2)]
        assert inquiry.sightings(ledger, LOGS) == []
