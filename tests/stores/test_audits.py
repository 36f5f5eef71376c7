"""Whom and what the settings of a server leave out of its logs is named with the evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from scanner.stores import mysql, postgres
from tests import mariadb_server, postgres_server
from tests.conftest import Cardtrail
from tests.postgres_server import Server

DATABASE = "audits"
LEFT_OUT = "batch_job"


def evidence(cardtrail: Cardtrail, target: str, kind: str) -> dict[str, Any]:
    (cardtrail.cwd / "logs").mkdir(exist_ok=True)
    (cardtrail.cwd / "cardtrail.toml").write_text(
        f'[[store]]\nuri = "{target}"\n[[evidence]]\nkind = "{kind}"\nuri = "logs"\n'
    )
    done = cardtrail("scan", "-q", "-o", "run.json")
    assert done.code in (0, 1, 3, 4), done.err
    (store,) = json.loads((cardtrail.cwd / "run.json").read_text())["stores"]
    (found,) = [each for each in store["access"]["evidence"] if each["source"] == kind]
    return dict(found)


@pytest.fixture
def server() -> Iterator[Server]:
    why = postgres_server.missing()
    if why:
        pytest.skip(why)
    server = postgres_server.server()
    with server.database(DATABASE):
        server.run("postgres", f"DROP ROLE IF EXISTS {LEFT_OUT}", f"CREATE ROLE {LEFT_OUT} LOGIN")
        yield server
    server.run("postgres", f"DROP ROLE {LEFT_OUT}")


def asked(server: Server) -> dict[str, tuple[str, ...]]:
    opened = postgres.STORE.connect(postgres.STORE.resolve(server.target(DATABASE), {}), str)
    try:
        return {kind: (*each.blind, *each.kept) for kind, each in opened.audits().items()}
    finally:
        opened.close()


@pytest.mark.xdist_group("postgres")
def test_postgres(server: Server, cardtrail: Cardtrail) -> None:
    found = asked(server)
    assert "the server does not load pgaudit now" in found["pgaudit"]
    assert "log_statement = none now: reads are not logged" in found["log-statement"]
    server.run(
        "postgres",
        f"ALTER DATABASE {DATABASE} SET log_statement = 'all'",
        f"ALTER ROLE {LEFT_OUT} SET log_statement = 'ddl'",
        f"ALTER ROLE {LEFT_OUT} IN DATABASE {DATABASE} SET log_min_duration_statement = 500",
        f"ALTER ROLE {LEFT_OUT} SET work_mem = '8MB'",
    )
    said, whole = [each for each in asked(server)["log-statement"] if "of their own" in each]
    assert f"every role in the database {DATABASE} has log_statement = all" in whole
    for setting in (
        f"the role {LEFT_OUT} has log_statement = ddl",
        f"the role {LEFT_OUT} in the database {DATABASE} has log_min_duration_statement = 500",
    ):
        assert setting in said
    assert "work_mem" not in said + whole
    told = evidence(cardtrail, server.target(DATABASE), "log-statement")
    assert told["coverage"] == "none" and said in told["detail"]


@pytest.mark.xdist_group("postgres")
def test_slow_statements_only(server: Server) -> None:
    server.run(
        "postgres",
        f"ALTER DATABASE {DATABASE} SET log_statement = 'none'",
        f"ALTER DATABASE {DATABASE} SET log_min_duration_statement = 250",
    )
    assert any("but those that take 250 ms" in each for each in asked(server)["log-statement"])
    server.run("postgres", f"ALTER DATABASE {DATABASE} SET log_min_duration_statement = 0")
    (fails, *_) = asked(server)["log-statement"]
    assert "not logged" not in fails and "one that fails on its way never" in fails


@pytest.fixture
def mariadb() -> Iterator[mariadb_server.Server]:
    why = mariadb_server.missing()
    if why:
        pytest.skip(why)
    server = mariadb_server.server()
    server.run(None, f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    yield server
    server.run(
        None,
        f"DROP DATABASE {DATABASE}",
        "SET GLOBAL general_log = OFF",
        "SET GLOBAL slow_query_log = OFF",
        "SET GLOBAL long_query_time = 10",
        "SET GLOBAL log_slow_rate_limit = 1",
    )


def asked_of(server: mariadb_server.Server) -> dict[str, tuple[str, ...]]:
    opened = mysql.STORE.connect(mysql.STORE.resolve(server.target(DATABASE), {}), str)
    try:
        return {kind: (*each.blind, *each.kept) for kind, each in opened.audits().items()}
    finally:
        opened.close()


@pytest.mark.xdist_group("mariadb")
def test_mariadb(mariadb: mariadb_server.Server, cardtrail: Cardtrail) -> None:
    found = asked_of(mariadb)
    assert found["server-audit"] == ("server_audit is not on now",)
    assert found["general-log"] == ("the general log is not on now",)
    assert "only statements that take 10 s or longer are in it now" in found["slow-log"]
    mariadb.run(
        None,
        "SET GLOBAL general_log = ON",
        "SET GLOBAL slow_query_log = ON",
        "SET GLOBAL long_query_time = 0",
        "SET GLOBAL log_slow_rate_limit = 5",
    )
    found = asked_of(mariadb)
    assert found["general-log"] == ()
    assert found["slow-log"] == ("only one in 5 statements is in it now",)
    told = evidence(cardtrail, mariadb.target(DATABASE), "slow-log")
    assert "only one in 5 statements is in it now" in told["detail"]


@pytest.mark.xdist_group("mariadb")
def test_accounts_that_are_left_out(mariadb: mariadb_server.Server, cardtrail: Cardtrail) -> None:
    try:
        mariadb.run(None, "INSTALL SONAME 'server_audit'")
    except pymysql.err.MySQLError:
        pytest.skip("this MariaDB has no server_audit")
    try:
        mariadb.run(
            None,
            "SET GLOBAL server_audit_file_path = 'audits.log'",
            "SET GLOBAL server_audit_events = 'CONNECT,QUERY'",
            f"SET GLOBAL server_audit_excl_users = '{LEFT_OUT}'",
            "SET GLOBAL server_audit_logging = ON",
        )
        said = asked_of(mariadb)["server-audit"]
        assert f"the accounts {LEFT_OUT} are left out now" in said
        assert "server_audit_events = CONNECT,QUERY now: tables are not told" in said
        assert any("older ones are lost unless carried off" in each for each in said)
        told = evidence(cardtrail, mariadb.target(DATABASE), "server-audit")
        assert f"the accounts {LEFT_OUT} are left out now" in told["detail"]
    finally:
        mariadb.run(
            None, "SET GLOBAL server_audit_logging = OFF", "UNINSTALL SONAME 'server_audit'"
        )
