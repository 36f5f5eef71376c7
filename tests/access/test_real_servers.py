"""Real servers write real audit logs: scripted reads of many roles, and the counts are those.

PostgreSQL needs pgaudit (Debian: ``postgresql-15-pgaudit``, or ``CARDTRAIL_PGAUDIT`` names the
library); MariaDB brings server_audit along.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from scanner.access import pgaudit, server_audit
from scanner.known import known
from scanner.model import Coverage, Reads, Store
from tests import mariadb_server, postgres_server
from tests.access.trails import opener

ROLES = [f"role_{number:02}" for number in range(20)]


def answer(kind: Any, uri: str, files: dict[str, bytes], **more: Any) -> Any:
    window = (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1))
    found = kind.collect(
        {"uri": "folder", **more},
        opener(files),
        [Store(uri, "database")],
        window,
        lambda name: name,
        {uri: known(2, ["cards"])},
    )
    return found[uri]


def by_name(result: Any) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


# --- PostgreSQL -----------------------------------------------------------------------------------


def pgaudit_library() -> Path | None:
    """Debian's, beside the binaries it is for."""
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/lib/pgaudit.so"))), None)


@pytest.fixture(scope="module", params=["relations", "rows"])
def postgres(request: pytest.FixtureRequest) -> Iterator[tuple[str, postgres_server.Server]]:
    library = pgaudit_library()
    if library is None:
        pytest.skip("no pgaudit: the Debian package postgresql-15-pgaudit is not installed")
    with_rows = request.param == "rows"
    server = postgres_server.Server(
        library.parents[1] / "bin",
        {
            "shared_preload_libraries": str(library.with_suffix("")),
            "logging_collector": "on",
            "log_destination": "stderr,csvlog,jsonlog",
            "log_filename": "pg",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "log_timezone": "Asia/Kolkata",
            "pgaudit.log": "read",
            "pgaudit.log_relation": "off" if with_rows else "on",
            "pgaudit.log_rows": "on" if with_rows else "off",
            "pgaudit.log_catalog": "off",
            "pgaudit.role": "auditor",
        },
    )
    try:
        server.run("postgres", "CREATE DATABASE shop", "CREATE ROLE auditor")
        server.run(
            "shop",
            "CREATE TABLE cards (id int, pan text)",
            "INSERT INTO cards SELECT i, 'x' FROM generate_series(1, 50) i",
            "CREATE TABLE other (id int)",
            "CREATE VIEW seen AS SELECT * FROM cards",
            "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
            " AS 'SELECT count(*) FROM cards'",
            "GRANT SELECT ON cards, seen TO auditor",
            *(f"CREATE ROLE {role} LOGIN" for role in ROLES),
            *(f"GRANT SELECT ON seen, other TO {role}" for role in ROLES),
            *(f"GRANT SELECT ON cards TO {role}" for role in ROLES[:-1]),
        )
        for number, role in enumerate(ROLES[:-1]):
            with server.connect("shop", role) as connection:
                for _ in range(number + 1):
                    connection.execute("SELECT * FROM cards")
                connection.execute("SELECT * FROM seen")
                connection.execute("SELECT peek()")
        with server.connect("shop", ROLES[-1]) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM cards")
            lie = "AUDIT: OBJECT,99,1,READ,SELECT,TABLE,public.cards,x,<none>"
            connection.execute(f"DO $$ BEGIN RAISE LOG '{lie}'; END $$".encode())
        with (
            server.connect("shop") as connection,
            connection.cursor() as cursor,
            cursor.copy("COPY cards TO STDOUT") as copied,
        ):
            assert sum(1 for _ in copied)
        server.halt()
        yield request.param, server
    finally:
        server.stop()


@pytest.mark.parametrize("files", [("pg.csv",), ("pg.json",), ("pg",), ("pg", "pg.csv", "pg.json")])
def test_pgaudit(postgres: tuple[str, postgres_server.Server], files: tuple[str, ...]) -> None:
    mode, server = postgres
    logs = {name: (server.data / "log" / name).read_bytes() for name in files}
    result = answer(pgaudit.EVIDENCE, "postgresql://h/shop", logs, zone="Asia/Kolkata")
    found = by_name(result)
    for number, role in enumerate(ROLES[:-1]):
        assert found[role].reads == number + 2, role
        assert found[role].rows == (50 * (number + 2) if mode == "rows" else None)
        assert found[role].objects == 2  # the table and the view
    last = found[ROLES[-1]]
    assert (last.reads, last.denied) == (0, 1)
    assert "1 entries look like audits but were raised" in result.evidence.detail
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == 0
    assert "SECURITY DEFINER" in result.evidence.detail
    copied = found.get(postgres_server.ADMIN)
    if mode == "rows":
        assert copied is not None and copied.reads is None
        assert "1 COPYs and cursors do not name" in result.evidence.detail
    else:
        assert copied is not None and copied.reads == 1


# --- MariaDB --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def audit_log() -> Iterator[bytes]:
    why = mariadb_server.missing()
    if why:
        pytest.skip(why)
    server = mariadb_server.server()
    try:
        server.run(None, "INSTALL SONAME 'server_audit'")
    except pymysql.err.MySQLError:
        pytest.skip("this MariaDB has no server_audit")
    path = server.data / "server_audit_test.log"
    try:
        server.run(
            None,
            f"SET GLOBAL server_audit_file_path='{path.name}'",
            "SET GLOBAL server_audit_events='CONNECT,QUERY,TABLE'",
            "DROP DATABASE IF EXISTS audited",
            "CREATE DATABASE audited",
            "CREATE TABLE audited.cards (id int)",
            "INSERT INTO audited.cards VALUES (1), (2)",
            "CREATE VIEW audited.seen AS SELECT * FROM audited.cards",
            "CREATE PROCEDURE audited.peek() SQL SECURITY DEFINER SELECT count(*) FROM"
            " audited.cards",
            *(f"CREATE OR REPLACE USER {role}@localhost" for role in ROLES),
            *(f"GRANT SELECT ON audited.* TO {role}@localhost" for role in ROLES[:-1]),
            f"GRANT SELECT ON audited.seen TO {ROLES[-1]}@localhost",
            f"GRANT EXECUTE ON audited.* TO {ROLES[-1]}@localhost",
            "SET GLOBAL server_audit_logging=ON",
        )
        for number, role in enumerate(ROLES[:-1]):
            with server.connect("audited", role) as connection, connection.cursor() as cursor:
                for _ in range(number + 1):
                    cursor.execute("SELECT * FROM cards WHERE id = %s", (number,))
        with server.connect("audited", ROLES[-1]) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM seen")
            cursor.execute("CALL peek()")
            with pytest.raises(pymysql.err.OperationalError):
                cursor.execute("SELECT * FROM cards")
        lie = "20260301 00:00:00,vm,root,localhost,3,77,READ,audited,cards,"
        with contextlib.suppress(pymysql.err.MySQLError):
            server.connect(None, f"ev\n{lie}\nx")
        yield path.read_bytes()
    finally:
        server.run(
            None,
            "SET GLOBAL server_audit_logging=OFF",
            "UNINSTALL SONAME 'server_audit'",
            "DROP DATABASE IF EXISTS audited",
            *(f"DROP USER IF EXISTS {role}@localhost" for role in ROLES),
        )


def test_server_audit(audit_log: bytes) -> None:
    result = answer(server_audit.EVIDENCE, "mysql://h/audited", {"log": audit_log})
    found = by_name(result)
    for number, role in enumerate(ROLES[:-1]):
        assert (found[role].reads, found[role].objects) == (number + 1, 1), role
    assert (found[ROLES[-1]].reads, found[ROLES[-1]].denied) == (2, 1)
    assert "root" not in found and result.evidence.unparsed == 0
    assert "stand inside the user name" in result.evidence.detail
    assert "192 of the reads seen, by 20 principals" in result.evidence.detail
