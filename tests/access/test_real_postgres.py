"""A real PostgreSQL writes its logs while 20 roles read in every way there is: the counts are
what was done, or what a source cannot see is named.

Needs pgaudit (Debian: ``postgresql-15-pgaudit``). One server, two databases: pgaudit names
relations in one and counts rows in the other. Every statement holds a card number.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scanner.access import log_statement, pgaudit
from scanner.audits import Audit
from scanner.known import Known, known
from scanner.model import Coverage, Reads, Store
from scanner.stores import postgres
from tests import postgres_server
from tests.access.trails import opener

PAN = "4111111111111111"
ROLES = [f"role_{number:02}" for number in range(20)]
FORMS = [("pg.csv",), ("pg.json",), ("pg",), ("pg", "pg.csv", "pg.json")]
WHOLE = "whole"
"""a database of which pgaudit is to tell everything"""
DATABASES = {
    "relations": {"pgaudit.log_relation": "on"},
    "rows": {"pgaudit.log_rows": "on", "pgaudit.role": "auditor"},
}
CARDS = f"SELECT * FROM cards WHERE pan <> '{PAN}'"


def library() -> Path | None:
    """Debian's, beside the binaries it is for."""
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/lib/pgaudit.so"))), None)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres_server.Server]:
    found = library()
    if found is None:
        pytest.skip("no pgaudit: the Debian package postgresql-15-pgaudit is not installed")
    server = postgres_server.Server(
        found.parents[1] / "bin",
        {
            "shared_preload_libraries": str(found.with_suffix("")),
            "logging_collector": "on",
            "log_destination": "stderr,csvlog,jsonlog",
            "log_filename": "pg",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "log_timezone": "Asia/Kolkata",
            "log_statement": "all",
            "pgaudit.log": "read",
            "pgaudit.log_catalog": "off",
        },
    )
    try:
        server.run("postgres", "CREATE ROLE auditor", *(f"CREATE ROLE {r} LOGIN" for r in ROLES))
        server.whole = read_wholly(server)
        for database, settings in DATABASES.items():
            set_up(server, database, settings)
            read_in_every_way(server, database)
        server.told_rows = audits(server, "rows")
        server.halt()
        yield server
    finally:
        server.stop()


def read_wholly(server: postgres_server.Server) -> dict[str, Any]:
    """Some reads of a database where nothing is left out; what the server says of its audit."""
    server.run("postgres", f"CREATE DATABASE {WHOLE}")
    server.run(
        WHOLE,
        "CREATE TABLE cards AS SELECT i AS id FROM generate_series(1, 50) i",
        f"GRANT ALL ON cards TO {ROLES[0]}, {ROLES[1]}",
        f"ALTER DATABASE {WHOLE} SET pgaudit.log = 'all'",
        f"ALTER DATABASE {WHOLE} SET pgaudit.log_relation = 'on'",
    )
    time.sleep(1.01 - time.time() % 1)  # the start of the server is told to the second, rounded up
    begin = datetime.now(UTC)
    with server.connect(WHOLE, ROLES[0]) as connection:
        for statement in (
            "SELECT * FROM cards",
            "SELECT 1",
            "COPY cards TO STDOUT",
            "UPDATE cards SET id = id WHERE id < 3 RETURNING *",
            "UPDATE cards SET id = id WHERE id < 3",
            "DELETE FROM cards WHERE id = 4 RETURNING id",
        ):
            if statement.startswith("COPY"):
                with connection.cursor().copy(statement.encode()) as out:
                    assert sum(1 for _ in out)
            else:
                connection.execute(statement.encode())
    told = audits(server, WHOLE)
    server.run(
        WHOLE,
        "CREATE FUNCTION sly() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    )
    return {"begin": begin, "told": told, "changed": audits(server, WHOLE)}


def audits(server: postgres_server.Server, database: str) -> Audit:
    opened = postgres.STORE.connect(postgres.STORE.resolve(server.target(database), {}), str)
    try:
        found: Audit = opened.audits()["pgaudit"]  # type: ignore[attr-defined]  # see audits.Audited
        return found
    finally:
        opened.close()


def test_pgaudit_that_leaves_nothing_out(server: postgres_server.Server) -> None:
    """The server says that all is audited since it was started: the log is complete until a
    function is made that hides what it reads."""
    begin, told = server.whole["begin"], server.whole["told"]
    assert told.blind == () and told.since is not None
    (changed,) = server.whole["changed"].blind
    assert "1 function runs by the right of its owner" in changed and "public.sly" in changed
    uri = f"postgresql://h/{WHOLE}"
    data = (server.data / "log" / "pg.csv").read_bytes()
    before, _, _ = data.partition(b"CREATE FUNCTION sly")
    for log, coverage in ((before[: before.rindex(b"\n") + 1], "complete"), (data, "partial")):
        (result,) = pgaudit.EVIDENCE.collect(
            {"uri": "folder", "zone": "Asia/Kolkata", "store": uri},
            opener({"pg.csv": log}),
            [Store(uri, "postgresql")],
            (begin, begin + timedelta(hours=1)),
            lambda name: name,
            {uri: Known(1, audits={"pgaudit": told})},
        ).values()
        assert result.evidence.coverage == coverage, result.evidence.detail
        assert by_name(result)[ROLES[0]].reads == 4  # SELECT, COPY, two changes that give back
    assert "made or changed: what they read is not named" in result.evidence.detail


def set_up(server: postgres_server.Server, database: str, settings: dict[str, str]) -> None:
    server.run("postgres", f"CREATE DATABASE {database}")
    server.run(
        database,
        "CREATE TABLE cards (id int, pan text)",
        "INSERT INTO cards SELECT i, 'x' FROM generate_series(1, 50) i",
        "CREATE TABLE secret (id int)",
        "CREATE VIEW seen AS SELECT * FROM cards",
        "CREATE FUNCTION look() RETURNS bigint LANGUAGE plpgsql"
        " AS 'BEGIN RETURN (SELECT count(*) FROM cards); END'",
        "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT count(*) FROM cards'",
        "GRANT SELECT ON cards, seen TO auditor",
        *(f"GRANT SELECT ON cards, seen TO {role}" for role in ROLES[:-1]),
        *(f"ALTER DATABASE {database} SET {name} = {value}" for name, value in settings.items()),
    )


def read_in_every_way(server: postgres_server.Server, database: str) -> None:
    for number, role in enumerate(ROLES[:-1]):
        with server.connect(database, role) as connection, connection.cursor() as cursor:
            for _ in range(number + 1):
                cursor.execute(CARDS.encode())
            cursor.execute(f"SELECT * FROM seen WHERE pan <> '{PAN}'".encode())
            with cursor.copy("COPY cards TO STDOUT") as out:
                assert sum(1 for _ in out)
            with cursor.copy(f"COPY ({CARDS}) TO STDOUT".encode()) as out:
                assert sum(1 for _ in out)
            with connection.transaction():
                cursor.execute(f"DECLARE c CURSOR FOR {CARDS}".encode())
                cursor.execute("FETCH 20 FROM c")
                cursor.execute("FETCH ALL FROM c")
            cursor.execute("PREPARE q AS SELECT * FROM cards WHERE pan <> $1")
            for _ in range(2):
                cursor.execute(f"EXECUTE q('{PAN}')".encode())
            for _ in range(2):
                cursor.execute("SELECT * FROM cards WHERE pan <> %s", (PAN,), prepare=True)
            cursor.execute(f"SELECT look(), '{PAN}'".encode())
            cursor.execute(f"SELECT peek(), '{PAN}'".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                cursor.execute(f"SELECT * FROM secret WHERE '{PAN}' <> ''".encode())
            cursor.execute(f"EXPLAIN {CARDS}".encode())  # gives out no row
            for setting in ("force_parallel_mode=on", "parallel_setup_cost=0"):
                cursor.execute(f"SET {setting}".encode())
            cursor.execute(CARDS.encode())  # whose worker says that it reads, too
    with server.connect(database, ROLES[-1]) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(CARDS.encode())
        audit = "AUDIT: OBJECT,99,1,READ,SELECT,TABLE,public.cards,x,<none>"
        for lie in (audit, f"statement: {CARDS}"):
            quoted = lie.replace("'", "''''")
            connection.execute(f"DO 'BEGIN RAISE LOG ''{quoted}''; END'".encode())


def answer(kind: Any, server: postgres_server.Server, files: tuple[str, ...], database: str) -> Any:
    uri = f"postgresql://h/{database}"
    logs = {name: (server.data / "log" / name).read_bytes() for name in files}
    assert all(PAN.encode() in data for data in logs.values())
    found = kind.collect(
        {"uri": "folder", "zone": "Asia/Kolkata"},
        opener(logs),
        [Store(uri, "postgresql")],
        (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)),
        lambda name: name,
        {uri: known(2, ["cards"])},
    )
    assert PAN not in repr(found)
    return found[uri]


def by_name(result: Any) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


# what each role did beside its own number of SELECTs: of the table by COPY, COPY of a query, a
# cursor, EXECUTE twice, prepared by the protocol twice and in parallel; once of the view over it
WAYS = 3 + 2 + 2 + 1
VIEW = 1
OWN_FUNCTION = 1
OWNERS_FUNCTION = 1


@pytest.mark.parametrize("files", FORMS)
def test_pgaudit_that_names_relations(
    server: postgres_server.Server, files: tuple[str, ...]
) -> None:
    """All but what the function that runs as its owner reads, which it calls a blind spot."""
    result = answer(pgaudit.EVIDENCE, server, files, "relations")
    found = by_name(result)
    for number, role in enumerate(ROLES[:-1]):
        did = number + 1 + WAYS + VIEW + OWN_FUNCTION
        assert (found[role].reads, found[role].card_reads) == (did, did), role
        assert (found[role].objects, found[role].denied) == (2, 1)  # the table and the view
    last = found[ROLES[-1]]
    assert (last.reads, last.denied) == (0, 1)
    detail = result.evidence.detail
    assert "does not name what a SECURITY DEFINER function reads" in detail
    assert "19 SELECTs do not name what they read" in detail
    assert "1 entry looks like an audit but was raised" in detail
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == 0


@pytest.mark.parametrize("files", FORMS)
def test_pgaudit_that_counts_rows(server: postgres_server.Server, files: tuple[str, ...]) -> None:
    """It does not name what a COPY of a table or a cursor reads, and says how many there were."""
    result = answer(pgaudit.EVIDENCE, server, files, "rows")
    found = by_name(result)
    for number, role in enumerate(ROLES[:-1]):
        named = number + 1 + WAYS + VIEW + OWN_FUNCTION - 2
        assert found[role].reads == named, role
        assert found[role].rows == 50 * (named - 1) + 1  # the function gives one row
    assert "38 COPYs and cursors do not name what they read" in result.evidence.detail
    assert "SECURITY DEFINER" in result.evidence.detail
    assert any("one that fails on its way never" in said for said in server.told_rows.blind)


@pytest.mark.parametrize("files", FORMS)
@pytest.mark.parametrize("database", DATABASES)
def test_log_statement(
    server: postgres_server.Server, files: tuple[str, ...], database: str
) -> None:
    """All but the functions, which count as reads of unknown relations, and the table under the
    view, which is a blind spot with a name."""
    result = answer(log_statement.EVIDENCE, server, files, database)
    found = by_name(result)
    for number, role in enumerate(ROLES[:-1]):
        did = number + 1 + WAYS
        assert (found[role].reads, found[role].card_reads) == (did + VIEW, did), role
        assert (found[role].objects, found[role].denied) == (2, 1)
    last = found[ROLES[-1]]
    assert (last.reads, last.denied) == (None, 1)  # it ran code, which can do anything
    detail = result.evidence.detail
    assert "names neither the tables under a view nor what a function reads" in detail
    unknown = len(ROLES[:-1]) * (OWN_FUNCTION + OWNERS_FUNCTION) + 2
    assert f"{unknown} statements do not tell what they read" in detail
    assert "1 entry looks like a statement but was raised" in detail
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == 0
