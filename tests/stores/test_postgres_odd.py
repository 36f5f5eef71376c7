"""Where a PostgreSQL server logs in elsewhere: passwords that stand in its catalogue."""

from __future__ import annotations

import pytest

from scanner.errors import Reason, Unreadable
from scanner.stores.postgres import STORE
from tests import postgres_server
from tests.stores.reading import Read, units

pytestmark = postgres_server.MARKS


def test_passwords_of_other_servers_are_read_by_whom_they_are_shown() -> None:
    server = postgres_server.server()
    roles = {"all_data": "IN ROLE pg_read_all_data", "narrow_odd": ""}
    with server.database("odd") as database:
        server.run(
            database,
            *(f"CREATE ROLE {role} LOGIN {more}" for role, more in roles.items()),
            "CREATE EXTENSION postgres_fdw",
            "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw",
            "CREATE USER MAPPING FOR ct_admin SERVER far OPTIONS (password 'needle801')",
            "CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'needle802')",
        )
        narrow, wide, admin = (
            STORE.connect(STORE.resolve(server.target(database, role), {}), str)
            for role in ("narrow_odd", "all_data", postgres_server.ADMIN)
        )
        try:
            assert "(subscriptions)" not in units(narrow)
            server.run(
                database,
                "CREATE SUBSCRIPTION sub CONNECTION 'dbname=x password=needle803'"
                " PUBLICATION p WITH (connect = false)",
            )
            for opened in (wide, admin):
                assert set(Read(opened, "(settings)").places) == {b"needle801", b"needle802"}
                assert set(Read(opened, "(subscriptions)").places) == {b"needle803"}
            (hidden,) = Read(narrow, "(settings)").problems
            assert "2 texts are hidden" in hidden.detail and "pg_read_all_data" in hidden.detail
            with pytest.raises(Unreadable) as caught:
                Read(narrow, "(subscriptions)")
            assert caught.value.reason is Reason.ACCESS_DENIED
        finally:
            for opened in (narrow, wide, admin):
                opened.close()
            server.run(
                database,
                "ALTER SUBSCRIPTION sub DISABLE",
                "ALTER SUBSCRIPTION sub SET (slot_name = NONE)",
                "DROP SUBSCRIPTION sub",
            )
    server.run("postgres", *(f"DROP ROLE {role}" for role in roles))
