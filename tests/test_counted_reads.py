"""What servers count of reads, from scan to scan: the ordinary command over real servers, and 20
roles that read in between. The scan's own reads never count."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scanner.model import NOT_RECORDED
from tests import mariadb_server, postgres_server
from tests.access.postgres_logs import Said, as_csv
from tests.access.trails import START
from tests.conftest import Cardtrail, Planted
from tests.postgres_server import Server

ROLES = [f"counted_{number:02}" for number in range(20)]
DATABASE = "counted"


def scanned(cardtrail: Cardtrail, target: str, *more: str) -> dict[str, Any]:
    """The access block of the one store."""
    done = cardtrail("scan", target, "-q", "-o", "run.json", "-o", "run.html", *more)
    assert done.code in (0, 1, 3, 4), done.err
    document = json.loads((cardtrail.cwd / "run.json").read_text())
    (store,) = document["stores"]
    access: dict[str, Any] = store["access"]
    return access


def evidence(access: dict[str, Any], source: str) -> dict[str, Any]:
    (found,) = [each for each in access["evidence"] if each["source"] == source]
    found = dict(found)
    return found


def readers(access: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["principal"]: each for each in access["did_read"]["list"]}


# --- PostgreSQL -----------------------------------------------------------------------------------


@pytest.fixture
def server(planted: Planted) -> Iterator[Server]:
    why = postgres_server.missing()
    if why:
        pytest.skip(why)
    server = postgres_server.server()
    with server.database(DATABASE):
        server.run("postgres", *(f"DROP ROLE IF EXISTS {role}" for role in ROLES))
        server.run("postgres", *(f"CREATE ROLE {role} LOGIN" for role in ROLES))
        server.run(
            DATABASE,
            "CREATE EXTENSION pg_stat_statements",
            "CREATE TABLE cards (id int, pan text)",
            f"INSERT INTO cards SELECT i, '{planted.pan()}' FROM generate_series(1, 50) i",
            "CREATE VIEW seen AS SELECT * FROM cards",
            "CREATE TABLE other (id int PRIMARY KEY)",
            "INSERT INTO other SELECT i FROM generate_series(1, 1000) i",
            "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
            " AS 'SELECT count(*) FROM cards'",
            *(f"GRANT SELECT ON cards, seen, other TO {role}" for role in ROLES[:-1]),
            "SELECT pg_stat_reset()",
        )
        yield server
    server.run("postgres", *(f"DROP ROLE IF EXISTS {role}" for role in ROLES))


def read_in_every_way(server: Server) -> None:
    for number, role in enumerate(ROLES[:-1]):
        with server.connect(DATABASE, role) as connection, connection.cursor() as cursor:
            for _ in range(number + 1):
                cursor.execute("SELECT * FROM cards WHERE pan <> '4111111111111111'")
            cursor.execute("SELECT * FROM seen")
            with cursor.copy("COPY cards TO STDOUT") as out:
                assert sum(1 for _ in out)
            with connection.transaction():
                cursor.execute("DECLARE c CURSOR FOR SELECT * FROM cards")
                cursor.execute("FETCH ALL FROM c")
            cursor.execute("SELECT * FROM cards WHERE id <> %s", (0,), prepare=True)
            cursor.execute("PREPARE q AS SELECT * FROM cards")
            cursor.execute("EXECUTE q")
            cursor.execute("SELECT peek()")
            cursor.execute("SELECT * FROM other WHERE id = 7")
    with (
        server.connect(DATABASE, ROLES[-1]) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT * FROM cards")


PLAIN = sum(range(1, 20))
"""SELECTs of the table by 19 roles"""
EACH = len(ROLES) - 1


@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_postgres(server: Server, cardtrail: Cardtrail, jobs: str) -> None:
    target = server.target(DATABASE)
    scanned(cardtrail, target, "-j", jobs)
    read_in_every_way(server)
    second = scanned(cardtrail, target, "-j", jobs)
    tables, statements = (evidence(second, s) for s in ("table-counters", "pg_stat_statements"))
    # the view, COPY, the cursor, the prepared ones and the function are a scan of the table each
    cards = PLAIN + 6 * EACH
    assert f"{cards:,} of them of what holds cards" in tables["detail"]
    assert "by whom is not recorded" in tables["detail"]
    assert tables["coverage"] == statements["coverage"] == "partial"
    by = readers(second)
    assert set(by) == set(ROLES[:-1])  # the role of the scan itself is not among them
    for number, role in enumerate(ROLES[:-1]):
        named = number + 1 + 4  # COPY, cursor, prepared by the protocol and by EXECUTE
        assert by[role]["card_reads"] == named + 1, role  # the view, too
        assert by[role]["reads"] == named + 2  # and the other table
    assert f"{EACH} of the statements may read more than they name" in statements["detail"]
    assert "does not name the tables under a view" in statements["detail"]
    # a scan changes nothing of what the next one says
    third = scanned(cardtrail, target, "-j", jobs)
    assert readers(third) == by
    assert f"{cards:,} of them of what holds cards" in evidence(third, "table-counters")["detail"]


@pytest.mark.xdist_group("postgres")
def test_postgres_that_crashed_or_was_reset(server: Server, cardtrail: Cardtrail) -> None:
    target = server.target(DATABASE)
    scanned(cardtrail, target)
    server.run(DATABASE, *["SELECT * FROM cards"] * 10)
    server.halt(2)
    server.start()
    orderly = evidence(scanned(cardtrail, target), "table-counters")["detail"]
    assert "the server was started once" in orderly and "at least" in orderly
    assert "10 of them of what holds cards" in orderly  # nothing is lost, which cannot be known
    server.run(DATABASE, *["SELECT * FROM cards"] * 2)
    server.halt(3)  # as a crash would
    server.start()
    server.run(DATABASE, *["SELECT * FROM cards"] * 4)
    crashed = evidence(scanned(cardtrail, target), "table-counters")["detail"]
    assert "counters went down: what was read before their reset is unknown" in crashed
    assert "14 of them of what holds cards" in crashed
    known = scans_of_cards(server)
    server.run(DATABASE, *["SELECT * FROM cards"] * 8)
    deadline = time.monotonic() + 30
    while scans_of_cards(server) < known + 8 and time.monotonic() < deadline:
        time.sleep(0.01)  # a session tells what it read when it has ended
    server.run(DATABASE, "SELECT pg_stat_reset()", *["SELECT * FROM cards"] * 16)
    reset = evidence(scanned(cardtrail, target), "table-counters")["detail"]
    assert "the counts began anew once" in reset
    assert "30 of them of what holds cards" in reset


def scans_of_cards(server: Server) -> int:
    query = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'cards'"
    ((found,),) = server.rows(DATABASE, query)
    return int(found)


@pytest.mark.xdist_group("postgres")
def test_a_server_that_does_not_count_says_so(server: Server, cardtrail: Cardtrail) -> None:
    server.run("postgres", f"ALTER DATABASE {DATABASE} SET track_counts = off")
    server.run(DATABASE, "DROP EXTENSION pg_stat_statements")
    access = scanned(cardtrail, server.target(DATABASE))
    assert access["answer"] == "cannot-tell" and not readers(access)
    tables, statements = (evidence(access, s) for s in ("table-counters", "pg_stat_statements"))
    assert "track_counts is off" in tables["detail"] and tables["coverage"] == "none"
    assert "is not installed in this database" in statements["detail"]


@pytest.mark.xdist_group("postgres")
def test_what_may_be_undone_yet_is_read_of_its_table_too(
    server: Server, cardtrail: Cardtrail
) -> None:
    """The last statement of a session may turn out to have failed: till then it counts, with its
    principal, its day and its table alike."""
    said = [
        Said("statement: SELECT * FROM cards", "ann", DATABASE, pid=pid, minute=0, number=1)
        for pid in (1, 2, 3)
    ]
    now = datetime.now(UTC) - START.astimezone(UTC) - timedelta(minutes=1)
    (cardtrail.cwd / "pg.csv").write_bytes(as_csv(*said, offset=now))
    (cardtrail.cwd / "cardtrail.toml").write_text(
        f'[[store]]\nuri = "{server.target(DATABASE)}"\n'
        '[[evidence]]\nkind = "log-statement"\nuri = "pg.csv"\n'
    )
    for _ in range(2):
        done = cardtrail("scan", "-q", "-o", "run.json", "--jobs", "1")
        assert done.code in (0, 1, 3, 4), done.err
        (store,) = json.loads((cardtrail.cwd / "run.json").read_text())["stores"]
        did = store["access"]["did_read"]
        assert {each["principal"]: each["reads"] for each in did["list"]}["ann"] == 3
        assert [(each["unit"], each["reads"]) for each in did["objects"]] == [("cards", 3)]
        assert sum(day["card_reads"] or 0 for day in did["days"]) == 3


# --- MariaDB --------------------------------------------------------------------------------------

INSTRUMENT = "wait/io/table/sql/handler"


@pytest.fixture
def mariadb(planted: Planted) -> Iterator[mariadb_server.Server]:
    why = mariadb_server.missing()
    if why:
        pytest.skip(why)
    server = mariadb_server.server()
    switch = "UPDATE performance_schema.setup_instruments SET enabled = '{}' WHERE name = '{}'"
    server.run(
        None,
        "SET GLOBAL userstat = ON",
        switch.format("YES", INSTRUMENT),
        f"DROP DATABASE IF EXISTS {DATABASE}",
        f"CREATE DATABASE {DATABASE}",
        f"CREATE TABLE {DATABASE}.cards (id int PRIMARY KEY, pan text)",
        *(f"INSERT INTO {DATABASE}.cards VALUES ({i}, '{planted.pan()}')" for i in range(5)),
        f"CREATE VIEW {DATABASE}.seen AS SELECT * FROM {DATABASE}.cards",
        *(f"CREATE OR REPLACE USER {role}@localhost" for role in ROLES),
        *(f"GRANT SELECT ON {DATABASE}.* TO {role}@localhost" for role in ROLES[:-1]),
    )
    yield server
    server.run(
        None,
        f"DROP DATABASE {DATABASE}",
        "SET GLOBAL userstat = OFF",
        switch.format("NO", INSTRUMENT),
        *(f"DROP USER {role}@localhost" for role in ROLES),
    )


def rows_told(found: dict[str, Any]) -> int:
    told = re.search(r"([0-9,]+) rows from", found["detail"])
    return int(told[1].replace(",", "")) if told else 0


@pytest.mark.xdist_group("mariadb")
def test_mariadb(mariadb: mariadb_server.Server, cardtrail: Cardtrail) -> None:
    target = mariadb.target(DATABASE)
    first = scanned(cardtrail, target)
    for number, role in enumerate(ROLES[:-1]):
        with mariadb.connect(DATABASE, role) as connection, connection.cursor() as cursor:
            for _ in range(number + 1):
                cursor.execute("SELECT * FROM cards")
            cursor.execute("SELECT * FROM seen")
    second = scanned(cardtrail, target)
    rows = 5 * (PLAIN + EACH)
    for source in ("performance_schema", "userstat"):
        found = evidence(second, source)
        # a server that was started in the window is known from its start on
        assert rows_told(found) - rows_told(evidence(first, source)) == rows, found["detail"]
        assert "by whom is not recorded" in found["detail"] and found["coverage"] == "partial"
        # the busiest of them, and other tests use this server too
        assert "accounts with SELECTs on this server" in found["detail"]
    (somebody,) = second["did_read"]["list"]
    assert somebody["principal"] == NOT_RECORDED
    assert somebody["reads"] is None and somebody["rows"] >= rows
    third = scanned(cardtrail, target)
    assert third["did_read"]["list"][0]["rows"] >= somebody["rows"]


@pytest.mark.xdist_group("mariadb")
def test_mariadb_that_does_not_count(mariadb: mariadb_server.Server, cardtrail: Cardtrail) -> None:
    mariadb.run(
        None,
        "SET GLOBAL userstat = OFF",
        "UPDATE performance_schema.setup_instruments SET enabled = 'NO'"
        f" WHERE name = '{INSTRUMENT}'",
    )
    access = scanned(cardtrail, mariadb.target(DATABASE))
    assert access["answer"] == "cannot-tell"
    assert "userstat is off" in evidence(access, "userstat")["detail"]
    assert f"{INSTRUMENT} is off" in evidence(access, "performance_schema")["detail"]


@pytest.mark.xdist_group("postgres")
def test_no_card_number_reaches_the_ledger(
    server: Server, cardtrail: Cardtrail, planted: Planted, home: Path
) -> None:
    """Names of tables and roles, and the texts of statements, are data."""
    pan = planted.pan()
    server.run(DATABASE, f'CREATE TABLE "t {pan}" (id int)', f"COMMENT ON TABLE cards IS '{pan}'")
    scanned(cardtrail, server.target(DATABASE))
    server.run(DATABASE, f"SELECT * FROM \"t {pan}\", (SELECT '{pan}') x")
    scanned(cardtrail, server.target(DATABASE))
    (ledger,) = home.rglob("ledger.db")
    kept = ledger.read_bytes()
    assert b"table-counters" in kept and b"t 411111" not in kept
    assert pan.encode() not in kept
