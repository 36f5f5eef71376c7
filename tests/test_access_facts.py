"""Evidence through the ordinary commands: facts beside the ledger, read twice, asked by object."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.facts import Facts
from tests.conftest import Cardtrail

CARD = "4556737586899855"


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """A folder with a file of cards, and the log of who fetched it on the last three days."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "cards.csv").write_text(f"name,number\nann,{CARD}\n" * 20)
    (data / "plain.txt").write_text("nothing here\n")
    logs = tmp_path / "logs"
    logs.mkdir()
    for back in (1, 2, 3):
        day = datetime.now(UTC).replace(hour=10, minute=0, second=0) - timedelta(days=back)
        lines = [
            f"{(day + timedelta(minutes=n)).isoformat()} bob cards.csv 200 {100 + n}"
            for n in range(back)
        ]
        lines.append(f"{day.isoformat()} eve plain.txt 200 7")
        lines.append(f"something else about {CARD}")
        (logs / f"app-{back}.log").write_text("\n".join(lines) + "\n")
    (tmp_path / "cardtrail.toml").write_text(
        f"""ledger = "ledger.db"
[[store]]
uri = "data"
[[evidence]]
kind = "pattern"
uri = "logs"
store = "file://{data}"
format = "{{time}} {{principal}} {{object}} {{status}} {{bytes}}"
"""
    )
    return tmp_path


def scan(cardtrail: Cardtrail, company: Path, jobs: int) -> dict[str, Any]:
    done = cardtrail(
        *("scan", "-c", str(company / "cardtrail.toml"), "--format", "json", "-q"),
        *("--jobs", str(jobs)),
    )
    assert done.code == 1, done.err
    access: dict[str, Any] = json.loads(done.out)["stores"][0]["access"]
    return access


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_second_scan_adds_nothing(cardtrail: Cardtrail, company: Path, jobs: int) -> None:
    first = scan(cardtrail, company, jobs)
    again = scan(cardtrail, company, 3 - jobs)
    assert (company / "ledger.db.facts").stat().st_mode & 0o077 == 0
    for access in (first, again):
        did = access["did_read"]
        assert {r["principal"]: r["reads"] for r in did["list"]} == {"bob": 6, "eve": 3}
        (cards,) = did["objects"]
        assert (cards["unit"], cards["reads"], cards["bytes"]) == ("cards.csv", 6, 100 * 6 + 4)
        told = {day["day"]: (day["reads"], day["card_reads"]) for day in did["days"]}
        today = datetime.now(UTC).date()
        assert [told[str(today - timedelta(days=n))] for n in (1, 2, 3)] == [(2, 1), (3, 2), (4, 3)]
        assert told[str(today - timedelta(days=9))] == (None, None)  # not known, so not 0
    for file in company.glob("ledger.db*"):
        assert CARD.encode() not in file.read_bytes()


def test_logs_that_are_gone_are_remembered(cardtrail: Cardtrail, company: Path) -> None:
    scan(cardtrail, company, 1)
    for log in ("app-3.log", "app-2.log"):
        (company / "logs" / log).unlink()
    did = scan(cardtrail, company, 1)["did_read"]
    assert {r["principal"]: r["reads"] for r in did["list"]} == {"bob": 6, "eve": 3}


def test_a_scan_makes_days_of_what_is_old(cardtrail: Cardtrail, company: Path) -> None:
    scan(cardtrail, company, 1)
    with closing(Facts(company / "ledger.db.facts")) as facts:
        facts.db.execute("UPDATE fact SET hour = hour - 24 * 500 WHERE object IS NOT NULL")
        old = facts.db.execute("SELECT sum(count)::BIGINT FROM fact").fetchall()
    scan(cardtrail, company, 1)
    scan(cardtrail, company, 1)
    with closing(Facts(company / "ledger.db.facts", read_only=True)) as facts:
        assert facts.db.execute("SELECT count(*) FROM fact WHERE hour > 0").fetchall() == [(0,)]
        assert facts.db.execute("SELECT sum(count)::BIGINT FROM day").fetchall() == old == [(9,)]


def test_asked_by_object_without_a_scan(cardtrail: Cardtrail, company: Path) -> None:
    config = ("-c", str(company / "cardtrail.toml"))
    scan(cardtrail, company, 1)
    said = cardtrail("access", "--object", "CARDS", *config)
    assert said.code == 0, said.err
    assert "cards.csv" in said.out and "bob: reads 6, bytes 604" in said.out
    assert "evidence: partial; at least:" in said.out and "eve" not in said.out
    yesterday = str((datetime.now(UTC) - timedelta(days=1)).date())
    recent = cardtrail("access", "--object", "cards", "--since", yesterday, "--json", *config)
    (one,) = json.loads(recent.out)["readers"]
    assert (one["principal"], one["reads"]) == ("bob", 1)
    for none in (("--object", ""), ("--principal", " "), ("--object", "cards", "--store", "")):
        refused = cardtrail("access", *none, *config)
        assert refused.code == 2 and f"{none[-2]}: expected a name, or a part" in refused.err
    refused = cardtrail("access", "incident", "", *config)
    assert refused.code == 2 and "STORE: expected a name, or a part" in refused.err
    nothing = cardtrail("access", "--object", "payroll", *config)
    assert "is recorded; whether there was one cannot be told" in nothing.out
    page = cardtrail("access", "incident", "data", *config)
    assert "\n     cards.csv: at least: reads 6 by 1 principal, bytes 604" in page.out


def test_evidence_that_is_not_there_is_not_read(cardtrail: Cardtrail, company: Path) -> None:
    """As loud as a store that is not there; and how much of the stores was read stays as it is."""
    config = company / "cardtrail.toml"
    config.write_text(config.read_text().replace('uri = "logs"', 'uri = "lgos"'))
    outputs = ("-o", "run.json", "-o", "run.html")
    done = cardtrail("scan", "-c", str(config), "--exit-zero", *outputs)
    assert done.code == 3, done.err
    place = f"{company}/lgos (not-found)"
    assert f"Evidence not read: pattern: {place}" in " ".join(done.out.split())
    run = json.loads((cardtrail.cwd / "run.json").read_text())
    assert run["run"]["status"] == "incomplete"
    assert run["coverage"]["units"] == run["coverage"]["scanned"] > 0
    (evidence,) = run["stores"][0]["access"]["evidence"]
    assert (evidence["unread"], evidence["coverage"]) == (place, "unknown")
    assert run["stores"][0]["access"]["answer"] == "cannot-tell"
    page = (cardtrail.cwd / "run.html").read_text()
    assert page.count(f"pattern: {place}") == 2  # above all, and under what was not read
    assert f"Have the evidence of reads read (10.2.1.1): {place}" in page
    assert "Have reads recorded from now on" not in page


def test_the_store_of_evidence_is_meant_as_it_is_written(
    cardtrail: Cardtrail, company: Path
) -> None:
    """A store's own uri differs from what was written; evidence of none of them is told."""
    config = company / "cardtrail.toml"
    text = config.read_text()
    own = f'store = "file://{company / "data"}"'
    config.write_text(text.replace(own, 'store = "data"'))
    assert scan(cardtrail, company, 1)["answer"] == "read"
    config.write_text(text.replace(own, 'store = "s3://another"'))
    done = cardtrail("scan", "-c", str(config))
    assert "evidence[0] (pattern): its “store” is none of those scanned now" in done.err


def test_stores_of_resources_are_meant_as_they_are_written(
    cardtrail: Cardtrail, company: Path
) -> None:
    table, secret = "dynamodb:eu-west-1:111122223333:table/a", "secretsmanager:::secret:b"
    config = company / "cardtrail.toml"
    stores = config.read_text().partition("[[evidence]]")[0]
    config.write_text(
        f'{stores}[[evidence]]\nkind = "cloudtrail"\nuri = "trail"\n[evidence.resources]\n'
        f'"arn:aws:{table}" = "data"\n"arn:aws:{secret}" = "postgresql://db/other"\n'
    )
    (company / "trail").mkdir()
    done = cardtrail("scan", "-c", str(config), "-o", "-", "-f", "json")
    assert f"the store of arn:aws:{secret} is none of those scanned now" in done.err
    assert table not in done.err
    (store,) = json.loads(done.out)["stores"]
    assert store["access"]["evidence"][0]["source"] == "cloudtrail-data-events"


def test_without_evidence_there_is_nothing_to_ask(cardtrail: Cardtrail, company: Path) -> None:
    config = company / "cardtrail.toml"
    config.write_text(config.read_text().partition("[[evidence]]")[0])
    cardtrail("scan", "-c", str(config), "-q")
    done = cardtrail("access", "--object", "x", "-c", str(config))
    assert done.code == 2 and "no facts of reads are kept yet" in done.err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('mute = [{principal = "bob"}]', "evidence[0].mute[0]: expected a table with principal"),
        ('mute = [{principal = "b", reason = "r", until = 2027-01-01, why = 1}]', "mute[0].why"),
        ('zone = "Middle/Earth"', "evidence[0].zone: expected a time zone like Europe/Berlin"),
        ("bulk_least = -3", "evidence[0].bulk_least: expected 0 or more, found -3"),
        ('format = "{when} {who}"', "evidence[0].format: expected text with fields"),
    ],
)
def test_what_cannot_be_right_is_said_before_any_work(
    cardtrail: Cardtrail, company: Path, line: str, says: str
) -> None:
    config = company / "cardtrail.toml"
    lines = config.read_text().splitlines()
    lines = [each for each in lines if not each.startswith(line.split(" ")[0])]
    config.write_text("\n".join([*lines, line]))
    done = cardtrail("scan", "-c", str(config), "-q")
    assert done.code == 2 and says in done.err, done.err
    assert not (company / "ledger.db.facts").exists()


MUTE = '[[mute]]\nprincipal = "bob"\nreason = "yearly export"\nuntil = 2099-01-01\n'


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (MUTE.replace("bob", ""), "mute[0]: expected a table with principal"),
        (MUTE + 'rule = "blk"\n', "mute[0].rule: expected one of bulk, share"),
        ("[mute]\n", "mute: expected a list of tables, written [[mute]]"),
    ],
)
def test_a_mute_for_all_evidence_that_cannot_be_right(
    cardtrail: Cardtrail, company: Path, table: str, says: str
) -> None:
    config = company / "cardtrail.toml"
    config.write_text(f"{config.read_text()}\n{table}")
    done = cardtrail("scan", "-c", str(config), "-q")
    assert done.code == 2 and says in done.err, done.err


def test_a_mute_for_all_evidence_is_obeyed_by_each(cardtrail: Cardtrail, company: Path) -> None:
    """Beside those of its own; a whole number is as good as one with a point."""
    config = company / "cardtrail.toml"
    one = config.read_text() + "\nbulk_factor = 3\n"
    two = one.partition("[[evidence]]")[2].replace("mute = ", "mute_ = ")
    expired = MUTE.replace("2099", "2020")
    config.write_text(f"{one}\n[[evidence]]{two}\n{MUTE}\n{expired}")
    done = cardtrail("scan", "-c", str(config), "-q", "-o", str(company / "r.json"))
    assert done.code in (1, 3), done.err
    document = json.loads((company / "r.json").read_text())
    said = [each["detail"] for each in document["stores"][0]["access"]["evidence"]]
    assert len(said) == 2 and all("the mute of bob ended on 2020-01-01" in each for each in said)


def test_a_process_that_opened_facts_ends_without_a_word(
    cardtrail: Cardtrail, company: Path
) -> None:
    """In a process of its own, for it is the interpreter's end that DuckDB's binding complains at.
    Two seconds."""
    command = cardtrail.command("scan", "-c", str(company / "cardtrail.toml"), "-q")
    done = subprocess.run(
        command, env=cardtrail.env(), cwd=company, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
