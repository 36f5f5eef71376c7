"""A real MariaDB writes its logs while 20 accounts read in every way there is: the counts are what
was done, or what a source cannot see is named. Every statement holds a card number."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest

from scanner.access import general_log, server_audit
from scanner.audits import Audit
from scanner.known import Known, known
from scanner.model import Coverage, Reads, Store
from scanner.stores import mysql
from tests import mariadb_server
from tests.access.trails import opener

PAN = "4111111111111111"
ROLES = [f"role_{number:02}" for number in range(20)]
CARDS = f"SELECT * FROM cards WHERE id <> {PAN}"
DATABASE = "audited"
GENERAL, SLOW = general_log.EVIDENCE


@dataclass(frozen=True)
class Logs:
    audit: bytes
    general: bytes
    general_table: bytes
    slow: bytes
    slow_table: bytes
    quiet: bytes
    """what server_audit wrote when nothing odd was done"""
    told: Audit
    begin: datetime


@pytest.fixture(scope="module")
def logs() -> Iterator[Logs]:
    why = mariadb_server.missing()
    if why:
        pytest.skip(why)
    server = mariadb_server.server()
    try:
        server.run(None, "INSTALL SONAME 'server_audit'")
    except pymysql.err.MySQLError:
        pytest.skip("this MariaDB has no server_audit")
    try:
        server.run(
            None,
            "SET GLOBAL server_audit_file_path='server_audit_test.log'",
            "SET GLOBAL server_audit_events='CONNECT,QUERY,TABLE'",
            "SET GLOBAL log_output='FILE,TABLE'",
            "SET GLOBAL general_log_file='general_test.log'",
            "SET GLOBAL slow_query_log_file='slow_test.log'",
            "TRUNCATE mysql.general_log",
            "TRUNCATE mysql.slow_log",
            *set_up(),
            "SET GLOBAL long_query_time=0",
            "SET GLOBAL slow_query_log=ON",
            "SET GLOBAL general_log=ON",
            "SET GLOBAL server_audit_logging=ON",
        )
        read_in_every_way(server)
        wait_for_the_refused(server.data / "server_audit_test.log")
        written = [
            read(server.data / name)
            for name in (
                *("server_audit_test.log", "general_test.log", "mysql/general_log.CSV"),
                *("slow_test.log", "mysql/slow_log.CSV"),
            )
        ]
        told, begin = read_plainly(server)
        quiet = (server.data / "server_audit_test.log").read_bytes()[len(written[0]) :]
        yield Logs(*written, quiet, told, begin)
    finally:
        server.run(
            None,
            "SET GLOBAL server_audit_logging=OFF",
            "SET GLOBAL general_log=OFF",
            "SET GLOBAL slow_query_log=OFF",
            "SET GLOBAL long_query_time=10",
            "SET GLOBAL log_output='FILE'",
            "TRUNCATE mysql.general_log",  # what other tests scan on this server is theirs alone
            "TRUNCATE mysql.slow_log",
            "UNINSTALL SONAME 'server_audit'",
            f"DROP DATABASE IF EXISTS {DATABASE}",
            *(f"DROP USER IF EXISTS {role}@localhost" for role in ROLES),
        )


def wait_for_the_refused(audit: Path) -> None:
    """The server writes of a connection it refused after it has told the client."""
    deadline = time.monotonic() + 30
    while b"\nx," not in audit.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.01)


def read_plainly(server: mariadb_server.Server) -> tuple[Audit, datetime]:
    """The log has seconds: what is read begins with a new one."""
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    time.sleep((begin - datetime.now(UTC)).total_seconds())
    server.run(
        DATABASE,
        "CREATE TABLE extra AS SELECT 1 AS id UNION SELECT 2",
        "DELETE FROM extra WHERE id = 2 RETURNING id",
        "DELETE FROM extra WHERE id = 3",
        "SELECT * FROM extra",
        "SELECT * FROM extra FOR UPDATE",
        "UPDATE extra SET id = 4 WHERE id = 1",
        "DROP TABLE extra",
    )
    opened = mysql.STORE.connect(mysql.STORE.resolve(server.target(DATABASE), {}), str)
    try:
        return opened.audits()["server-audit"], begin  # type: ignore[attr-defined]  # as Audited
    finally:
        opened.close()


def read(path: Path) -> bytes:
    data = path.read_bytes()
    assert PAN.encode() in data
    return data


def set_up() -> Iterator[str]:
    yield f"DROP DATABASE IF EXISTS {DATABASE}"
    yield f"CREATE DATABASE {DATABASE}"
    yield f"CREATE TABLE {DATABASE}.cards (id int)"
    yield f"INSERT INTO {DATABASE}.cards VALUES (1), (2)"
    yield f"CREATE TABLE {DATABASE}.secret (id int)"
    yield f"CREATE VIEW {DATABASE}.seen AS SELECT * FROM {DATABASE}.cards"
    peek = f"SQL SECURITY DEFINER SELECT count(*) FROM {DATABASE}.cards"
    yield f"CREATE PROCEDURE {DATABASE}.peek() {peek}"
    for role in ROLES:
        yield f"CREATE OR REPLACE USER {role}@localhost"
        yield f"GRANT SELECT ON {DATABASE}.seen TO {role}@localhost"
        yield f"GRANT EXECUTE ON {DATABASE}.* TO {role}@localhost"
    for role in ROLES[:-1]:
        yield f"GRANT SELECT ON {DATABASE}.cards TO {role}@localhost"


def read_in_every_way(server: mariadb_server.Server) -> None:
    for number, role in enumerate(ROLES[:-1]):
        with server.connect(DATABASE, role) as connection, connection.cursor() as cursor:
            for _ in range(number + 1):
                cursor.execute(CARDS)
            cursor.execute(f"SELECT * FROM seen WHERE id <> {PAN}")
            cursor.execute("PREPARE q FROM 'SELECT * FROM cards WHERE id <> ?'")
            cursor.execute(f"SET @pan = '{PAN}'")
            for _ in range(2):
                cursor.execute("EXECUTE q USING @pan")
            cursor.execute(f"SELECT * FROM {DATABASE}.cards")
            cursor.execute("CALL peek()")
            while cursor.nextset():
                pass
            with pytest.raises(pymysql.err.OperationalError):
                cursor.execute(f"SELECT * FROM secret WHERE id = {PAN}")
    with server.connect(DATABASE, ROLES[-1]) as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute(CARDS)
        cursor.execute("SELECT 1 /* \n\t\t     6 Query\tSELECT * FROM audited.cards\n*/")
    lie = "20260301 00:00:00,vm,root,localhost,3,77,READ,audited,cards,"
    with contextlib.suppress(pymysql.err.MySQLError):
        server.connect(None, f"ev\n{lie}\nx")


def answer(kind: Any, *files: bytes) -> Any:
    uri = f"mysql://h/{DATABASE}"
    found = kind.collect(
        {"uri": "folder"},
        opener({str(place): data for place, data in enumerate(files)}),
        [Store(uri, "mysql")],
        (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)),
        lambda name: name,
        {uri: known(2, ["cards"])},
    )
    assert PAN not in repr(found)
    return found[uri]


def by_name(result: Any) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


# what each account did beside its own number of SELECTs: EXECUTE twice and the name in full; once
# the view, once a procedure that runs as its owner, once what it may not read
WAYS = 2 + 1
VIEW = PROCEDURE = DENIED = 1


def test_server_audit(logs: Logs) -> None:
    """Everything, the tables under views and in procedures too; refused ones are told apart."""
    result = answer(server_audit.EVIDENCE, logs.audit)
    found = by_name(result)
    assert set(found) == set(ROLES)
    for number, role in enumerate(ROLES[:-1]):
        did = number + 1 + WAYS + VIEW + PROCEDURE
        assert (found[role].reads, found[role].card_reads) == (did, did), role
        assert (found[role].objects, found[role].rows, found[role].denied) == (1, None, 1)
    assert (found[ROLES[-1]].reads, found[ROLES[-1]].denied) == (0, 1)
    assert "inside the user name" in result.evidence.detail
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == 0


def test_server_audit_that_leaves_nothing_out(logs: Logs) -> None:
    assert logs.told.blind == () and logs.told.since is not None
    uri = f"mysql://h/{DATABASE}"
    (result,) = server_audit.EVIDENCE.collect(
        {"uri": "folder", "zone": "UTC", "store": uri},
        opener({"log": logs.quiet}),
        [Store(uri, "mysql")],
        (logs.begin, logs.begin + timedelta(minutes=30)),
        lambda name: name,
        {uri: Known(3, audits={"server-audit": logs.told})},
    ).values()
    assert result.evidence.coverage is Coverage.COMPLETE, result.evidence.detail
    (reads,) = result.reads
    assert reads.reads == 3  # what DELETE gives back, and the SELECTs


@pytest.mark.parametrize("source", ["general", "general_table", "slow", "slow_table"])
def test_general_and_slow_log(logs: Logs, source: str) -> None:
    """What was refused is among the reads, and said to be; the view is named and not the table
    under it; the procedure reads unknown tables. Only the slow log has rows."""
    kind = GENERAL if source.startswith("general") else SLOW
    result = answer(kind, getattr(logs, source))
    found = by_name(result)
    for number, role in enumerate(ROLES[:-1]):
        cards = number + 1 + WAYS
        assert found[role].card_reads == cards, role
        assert found[role].reads == cards + VIEW + DENIED
        assert (found[role].objects, found[role].denied) == (3, 0)
        assert found[role].rows == (None if kind is GENERAL else 2 * (cards + VIEW))
    assert found[ROLES[-1]].reads == DENIED
    detail = result.evidence.detail
    assert "refused" in detail and "neither the tables under a view nor what a routine" in detail
    # in a plain file, an entry made up by a statement is of a connection that never began
    made_up = source == "general"
    assert f"{len(ROLES) - 1 + made_up} statements do not tell what they read" in detail
    assert ("a statement can look" in detail) or ("of a statement can look like an entry" in detail)
    assert set(found) - set(ROLES) == ({general_log.NOBODY} if made_up else set())
    # there, too, a name with a line end in it breaks the entry of its connection
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == made_up


def test_a_log_as_file_and_as_table_is_one(logs: Logs) -> None:
    result = answer(GENERAL, logs.general, logs.general_table, logs.general_table)
    once = by_name(answer(GENERAL, logs.general_table))
    both = by_name(result)
    assert {role: once[role].reads for role in ROLES} == {role: both[role].reads for role in ROLES}
    assert "in the other form of the log, taken to be the same ones" in result.evidence.detail
