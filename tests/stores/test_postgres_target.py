"""What a PostgreSQL target may say, where secrets come from, and what a server answers to it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime

import psycopg
import pytest

from scanner.errors import Reason, Unreadable, UsageError
from scanner.stores import postgres_target, sql_options
from scanner.stores.postgres import STORE
from tests import postgres_server
from tests.postgres_server import Server

pytestmark = postgres_server.MARKS
DATABASE = "targets"


@pytest.fixture
def server() -> Iterator[Server]:
    server = postgres_server.server()
    with server.database(DATABASE):
        yield server


@pytest.mark.parametrize(
    ("target", "uri", "user"),
    [
        ("postgresql://ann@db.example/shop", "postgresql://db.example/shop", "ann"),
        ("postgres://db.example:5432/shop", "postgresql://db.example/shop", None),
        ("postgresql://[::1]:5433/shop", "postgresql://[::1]:5433/shop", None),
        ("postgresql://%2Frun%2FPg/shop", "postgresql://%2Frun%2FPg/shop", None),
        ("postgresql:///sh%20op?host=/run/Pg&user=ann", "postgresql://%2Frun%2FPg/sh%20op", "ann"),
    ],
)
def test_targets(target: str, uri: str, user: str | None) -> None:
    store = STORE.resolve(target, {})
    assert store.uri == uri
    assert store.options.get("user") == user
    assert STORE.resolve(uri, {}).uri == uri


@pytest.mark.parametrize(
    "target",
    [
        "postgresql://ann:s3cret@db/shop",
        "postgresql://ann:s3cret%40x@db/shop",
        "postgresql://ann:s3c@ret@db/shop",
        "postgresql://db/shop?password=s3cret",
        "postgresql://ann:s3cret@db:notaport/shop",
    ],
)
def test_a_password_in_a_target_is_refused_and_not_repeated(target: str) -> None:
    with pytest.raises(UsageError) as caught:
        STORE.resolve(target, {})
    assert "s3c" not in str(caught.value) and "ret@" not in str(caught.value)


def test_certificates_are_verified_unless_the_server_is_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    there = postgres_target.parameters("postgresql://db.example/x", {})
    assert there["sslmode"] == "verify-full" and there["sslrootcert"] == "system"
    chosen = postgres_target.parameters("postgresql://db.example/x", {"sslmode": "require"})
    assert chosen["sslmode"] == "require"
    for host in ("127.0.0.1", "localhost", "[::1]", "%2Frun"):
        assert "sslmode" not in postgres_target.parameters(f"postgresql://{host}/x", {})


def test_an_iam_token_is_signed_here_and_is_the_password(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the clock of its maker stopped a real server can know it beforehand."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unused")
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime(2026, 11, 1))
    options = {"user": "iam_app", "iam_region": "eu-west-1", "sslmode": "require"}
    uri = f"postgresql://127.0.0.1:{server.port}/{DATABASE}"
    token = postgres_target.parameters(uri, options)["password"]
    assert token.startswith(f"127.0.0.1:{server.port}/?Action=connect&DBUser=iam_app&")
    assert "eu-west-1" in token and "X-Amz-Signature=" in token
    hba = server.data / "pg_hba.conf"
    before = hba.read_text()
    server.run("postgres", f"CREATE ROLE iam_app LOGIN PASSWORD '{token}'")
    hba.write_text(f"host all iam_app 127.0.0.1/32 scram-sha-256\n{before}")
    server.reload()
    try:
        given = postgres_target.parameters(uri, options) | {"sslmode": "disable"}
        psycopg.connect(**given).close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(**{**given, "password": token[:-1]})
    finally:
        hba.write_text(before)
        server.reload()
        server.run("postgres", "DROP ROLE iam_app")
    for wrong in ({"sslmode": "prefer"}, {"user": ""}):
        with pytest.raises(Unreadable, match="iam_region"):
            postgres_target.parameters(uri, {**options, **wrong})
    with pytest.raises(UsageError, match="password_env or iam_region"):
        STORE.resolve(uri, {**options, "password_env": "X"})


def test_where_a_password_comes_from(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path_factory.mktemp("secret") / "password"
    file.write_text("from a file\n")
    monkeypatch.setenv("DB_PASSWORD", "from a variable")
    assert sql_options.password({"password_file": str(file)}) == "from a file"
    assert sql_options.password({"password_env": "DB_PASSWORD"}) == "from a variable"
    assert sql_options.password({}) is None
    with pytest.raises(Unreadable) as caught:
        sql_options.password({"password_env": "NO_SUCH"})
    assert caught.value.reason is Reason.CREDENTIALS


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("postgresql://{admin}@127.0.0.1:{port}/no_such", Reason.NOT_FOUND),
        ("postgresql://no_such_role@127.0.0.1:{port}/postgres", Reason.CREDENTIALS),
        ("postgresql://{admin}@127.0.0.1:1/postgres", Reason.UNREACHABLE),
        ("postgresql://{admin}@127.0.0.1:{port}/postgres?sslmode=require", Reason.UNREACHABLE),
    ],
)
def test_why_a_store_cannot_be_reached(server: Server, target: str, reason: Reason) -> None:
    filled = target.format(admin=postgres_server.ADMIN, port=server.port)
    opened = STORE.connect(STORE.resolve(filled, {}), str)
    with pytest.raises(Unreadable) as caught:
        list(opened.units(lambda name, is_folder: False))
    assert caught.value.reason is reason
    assert all(fact.detail for fact in opened.facts()) or reason is Reason.UNREACHABLE
    opened.close()


def test_a_primary_is_refused_where_only_replicas_may_be_read(server: Server) -> None:
    opened = STORE.connect(STORE.resolve(server.target(DATABASE), {"replica_only": True}), str)
    with pytest.raises(Unreadable, match="primary"):
        list(opened.units(lambda name, is_folder: False))
    opened.close()


def test_a_standby_is_read_and_waited_for_when_it_falls_behind(server: Server) -> None:
    """Seen from the primary, and by the standby itself. Costs 5 s, most of it the start."""
    server.run(DATABASE, "CREATE TABLE moved (a int)", "CREATE ROLE narrow_lag LOGIN")
    standby = Server(settings={"wal_receiver_status_interval": "1"}, primary=server)
    only = STORE.connect(STORE.resolve(standby.target(DATABASE), {"replica_only": True}), str)
    assert any("moved" in str(item) for item in only.units(lambda name, is_folder: False))
    at_primary = STORE.connect(STORE.resolve(server.target(DATABASE), {"max_lag": 1}), str)
    standby.run("postgres", "SELECT pg_wal_replay_pause()")
    assert (only._session._lag() or 0) < 1
    server.run(DATABASE, "INSERT INTO moved VALUES (1)")
    deadline = time.monotonic() + 30
    while (at_primary._session._lag() or 0) <= 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    resumes = threading.Timer(0.5, standby.run, ("postgres", "SELECT pg_wal_replay_resume()"))
    resumes.start()
    started = time.monotonic()
    at_primary._session.raw("SELECT 'x'::text")
    assert time.monotonic() - started > 0.9
    resumes.join()
    narrow = f"postgresql://narrow_lag@127.0.0.1:{server.port}/{DATABASE}"
    blind = STORE.connect(STORE.resolve(narrow, {"max_lag": 1}), str)
    with pytest.raises(Unreadable, match="pg_read_all_stats"):
        blind._session.raw("SELECT 'x'::text")
    unset = STORE.connect(STORE.resolve(narrow, {}), str)
    assert unset._session.raw("SELECT 'x'::text") == [(b"x",)]
    for opened in (only, at_primary, blind, unset):
        opened.close()
    standby.stop()
    server.run(DATABASE, "DROP ROLE narrow_lag")


def test_it_pauses_while_others_run_statements(server: Server) -> None:
    server.run(DATABASE, "CREATE TABLE t AS SELECT 'x' AS a", "CREATE ROLE narrow_load LOGIN")
    opened = STORE.connect(STORE.resolve(server.target(DATABASE), {"max_load": 1}), str)
    session = opened._session
    session.raw("SELECT 'x'::text")
    wait = "SELECT pg_advisory_lock(7)::text"
    busy = [threading.Thread(target=server.rows, args=(DATABASE, wait)) for _ in range(2)]
    reading = threading.Thread(target=session.raw, args=("SELECT 'x'::text",))
    with server.connect(DATABASE) as connection:
        connection.execute(wait)
        for thread in busy:
            thread.start()
        while session._load() < 2:
            time.sleep(0.01)
        session._pace._ask_at = 0.0
        reading.start()
        reading.join(0.5)
        assert reading.is_alive()
    for thread in (*busy, reading):
        thread.join()
    opened.close()
    narrow = f"postgresql://narrow_load@127.0.0.1:{server.port}/{DATABASE}"
    blind = STORE.connect(STORE.resolve(narrow, {"max_load": 1}), str)
    with server.connect(DATABASE), pytest.raises(Unreadable, match="pg_read_all_stats"):
        blind._session.raw("SELECT 'x'::text")
    blind.close()
    server.run(DATABASE, "DROP ROLE narrow_load")


def test_the_driver_is_named_when_it_is_missing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    opened = STORE.connect(STORE.resolve(server.target(DATABASE), {}), str)
    with pytest.raises(Unreadable, match=r"cardtrail\[postgres\]"):
        list(opened.units(lambda name, is_folder: False))
    monkeypatch.undo()
    assert psycopg.__name__ == "psycopg"
