"""What we say each account can read beside what happens when it logs in and tries."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from scanner.contracts import KnowsItsRole
from scanner.stores import mysql_rights
from scanner.stores.mysql import STORE
from scanner.stores.mysql_session import Session
from tests import mariadb_server
from tests.mariadb_server import ADMIN, Server

pytestmark = mariadb_server.MARKS
DATABASE = "shop_rights"
PEOPLE = [f"person {i}" for i in range(41)]
ROLES = [f"role {i}" for i in range(8)]
TWINS = PEOPLE[33:]
"""of whom there is another account, from any host: rights of that one count for these, too"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A database in which a seeded generator has handed out rights of every sort."""
    server = mariadb_server.server()
    server.run(None, *_statements(random.Random(5)))
    yield server
    server.run(
        None,
        f"DROP DATABASE {DATABASE}",
        *(f"DROP USER '{name}'@localhost" for name in PEOPLE),
        *(f"DROP USER '{name}'@'%'" for name in TWINS),
        *(f"DROP ROLE '{name}'" for name in ROLES),
    )


def _statements(rng: random.Random) -> Iterator[str]:
    yield f"CREATE DATABASE {DATABASE}"
    for name in PEOPLE:
        yield f"CREATE USER '{name}'@localhost"
    for name in TWINS:
        yield f"CREATE USER '{name}'@'%'"
    for name in ROLES:
        yield f"CREATE ROLE '{name}'"
    people = [f"'{name}'@localhost" for name in PEOPLE]
    roles = [f"'{name}'" for name in ROLES]
    for person in [*people[:9], *people[14:]]:
        for role in rng.sample(roles, 2):
            yield f"GRANT {role} TO {person}"
    yield f"GRANT {roles[1]} TO {roles[0]}"
    tables = [f"table {i}" for i in range(26)]
    for table in tables:
        yield f"CREATE TABLE {DATABASE}.`{table}`(a int, b text)"
        yield f"INSERT INTO {DATABASE}.`{table}` VALUES (1, 'one')"
        for taker in rng.sample([*people, *roles], 9):
            what = rng.choice(["SELECT", "SELECT", "SELECT (b)", "INSERT"])
            yield f"GRANT {what} ON {DATABASE}.`{table}` TO {taker}"
    twins = [f"'{name}'@'%'" for name in TWINS]
    for table in tables:
        for taker in rng.sample(twins, 3):
            what = rng.choice(["SELECT", "SELECT (b)", "INSERT"])
            yield f"GRANT {what} ON {DATABASE}.`{table}` TO {taker}"
    yield f"GRANT SELECT ON *.* TO {twins[0]}"  # the one right that is the account's alone
    yield f"GRANT SELECT ON {DATABASE}.* TO {twins[1]}"
    yield f"GRANT {roles[7]} TO {twins[2]}"
    yield f"GRANT SELECT ON *.* TO {people[13]}"
    yield f"GRANT SELECT ON {DATABASE}.* TO {people[12]}"
    yield f"GRANT SELECT ON `shop%`.* TO {people[11]}"
    # the more specific entry is the only one that counts, and it does not let read
    yield f"GRANT SELECT ON `shop%`.* TO {people[10]}"
    yield f"GRANT INSERT ON `shop\\_right_`.* TO {people[10]}"
    yield f"GRANT SELECT ON `shop\\_other`.* TO {people[9]}"
    yield f"GRANT SELECT ON `shop\\_rights`.* TO {roles[4]}"
    yield f"GRANT SELECT ON {DATABASE}.`table 5` TO PUBLIC"
    seen = list(tables)
    for number in range(16):
        name, base = f"view {number}", rng.choice(seen)
        definer = rng.choice([*people, *[f"{ADMIN}@localhost"] * 8])
        security = "INVOKER" if number % 3 == 2 else "DEFINER"
        columns = "b" if number == 4 else "a, b"
        yield (
            f"CREATE DEFINER={definer} SQL SECURITY {security} VIEW {DATABASE}.`{name}` AS"
            f" SELECT {columns} FROM {DATABASE}.`{base}`"
        )
        for taker in rng.sample([*people, *roles], 9):
            yield f"GRANT SELECT ON {DATABASE}.`{name}` TO {taker}"
        if definer.startswith(ADMIN) and security == "DEFINER" and columns == "a, b":
            seen.append(name)  # of the others no view can be made


def session(server: Server) -> Session:
    store = STORE.resolve(server.target(DATABASE), {})
    return Session(store.uri, store.options)


def can_read(cursor: Any, table: str) -> str | None:
    """``all``, or the columns of it, that can be read by who asks."""
    found = []
    for column in ("*", "a", "b"):
        try:
            cursor.execute(f"SELECT {column} FROM {DATABASE}.`{table}`")
        except pymysql.err.MySQLError:
            continue
        if column == "*":
            return "all"
        found.append(column)
    return ",".join(found) or None


def test_every_account_can_read_what_we_say_it_can(server: Server) -> None:
    asked = session(server)
    rights = mysql_rights.ask(asked)
    asked.close()
    accounts = [(name, "localhost") for name in PEOPLE]
    assert len(accounts) >= 40 and len(rights.places) >= 40
    seen: set[str | None] = set()
    for account in accounts:
        tried: dict[str, set[str | None]] = {table: set() for _, table in rights.places}
        with server.connect(None, account[0]) as connection, connection.cursor() as cursor:
            for role in ("NONE", *(f"'{name}'" for name in ROLES)):
                try:
                    cursor.execute(f"SET ROLE {role}")
                except pymysql.err.MySQLError:
                    continue
                for table, got in tried.items():
                    got.add(can_read(cursor, table))
        for place in rights.places:
            reading = rights.reading(account, place)
            said = None
            if reading is not None:
                said = "all" if reading.columns is None else ",".join(sorted(reading.columns))
            got = tried[place[1]] - {None}
            if said == "all" or "all" in got:
                assert said == "all" and "all" in got, (account, place, said, got)
            else:
                assert (said in got) if got else said is None, (account, place, said, got)
            seen.add(said)
    assert {None, "all", "b"} <= seen


def test_one_grant_for_each_account_with_its_way(server: Server) -> None:
    server.run(
        DATABASE,
        f"CREATE DEFINER={ADMIN}@localhost PROCEDURE everything() SQL SECURITY DEFINER"
        " SELECT * FROM `table 1`",
        f"GRANT EXECUTE ON PROCEDURE {DATABASE}.everything TO 'person 9'@localhost",
        "GRANT FILE ON *.* TO 'person 9'@localhost",
    )
    server.run(
        DATABASE,  # a role, and an account from elsewhere, let run routines too
        f"GRANT EXECUTE ON {DATABASE}.* TO 'role 0'",
        f"GRANT EXECUTE ON PROCEDURE {DATABASE}.everything TO 'person 33'@'%'",
    )
    opened = STORE.connect(STORE.resolve(server.target(DATABASE), {}), str)
    told = opened.access()
    facts = {fact.control: fact for fact in opened.facts()}
    opened.close()
    assert told.could_read_known
    by_name = {grant.principal: grant for grant in told.could_read}
    assert len(by_name) == len(told.could_read)
    assert "on everything" in by_name["person 13@localhost"].via
    assert "on the database" in by_name["person 11@localhost"].via
    assert "everything" in by_name["person 9@localhost"].via
    assert "everything" in by_name["person 33@localhost"].via
    in_it = server.rows(None, "SELECT user FROM mysql.roles_mapping WHERE role = 'role 0'")
    assert all(
        "everything" in by_name[f"{name}@localhost"].via for (name,) in in_it if name != ADMIN
    )
    assert "FILE" in by_name["person 9@localhost"].via
    assert by_name["PUBLIC"].kind == "public" and "table 5" in by_name["PUBLIC"].via
    assert not any(name in by_name for name in ROLES), "a role cannot log in"
    assert facts["no-grant-to-public"].state == "no"
    assert facts["read-only-role"].state == "no"
    assert facts["tls-only"].state == "no"


def test_a_view_of_another_database_opens_this_one(server: Server) -> None:
    elsewhere = f"{DATABASE}_elsewhere"
    server.run(
        None,
        f"CREATE DATABASE {elsewhere}",
        f"CREATE VIEW {elsewhere}.inner_view AS SELECT * FROM {DATABASE}.`table 1`",
        f"CREATE VIEW {elsewhere}.outer_view AS SELECT * FROM {elsewhere}.inner_view",
        "CREATE USER reader@localhost",
        f"GRANT SELECT ON {elsewhere}.outer_view TO reader@localhost",
    )
    opened = STORE.connect(STORE.resolve(server.target(DATABASE), {}), str)
    try:
        (grant,) = [g for g in opened.access().could_read if g.principal == "reader@localhost"]
        with server.connect(None, "reader") as connection, connection.cursor() as cursor:
            assert cursor.execute(f"SELECT * FROM {elsewhere}.outer_view") == 1
    finally:
        opened.close()
        server.run(None, f"DROP DATABASE {elsewhere}", "DROP USER reader@localhost")
    assert f"SELECT granted: view {elsewhere}.outer_view" in grant.via and grant.part


def test_an_account_that_may_not_see_the_grants_says_so(server: Server) -> None:
    server.run(
        None,
        "CREATE USER reader@localhost",
        f"GRANT SELECT ON {DATABASE}.* TO reader@localhost",
    )
    opened = STORE.connect(STORE.resolve(server.target(DATABASE, "reader"), {}), str)
    told = opened.access()
    facts = {fact.control: fact for fact in opened.facts()}
    opened.close()
    assert not told.could_read_known and told.could_read == ()
    assert facts["no-grant-to-public"].state == "unknown"
    assert facts["read-only-role"].state == "yes"
    server.run(None, "DROP USER reader@localhost")


@pytest.mark.parametrize(
    ("grant", "words"),
    [
        ("GRANT INSERT (a, b), SELECT (a) ON {db}.`table 1` TO reader@localhost", "INSERT"),
        ("GRANT DELETE ON {db}.* TO not_taken_on", "DELETE"),
        ("GRANT SELECT ON {db}.* TO reader@localhost WITH GRANT OPTION", "GRANT OPTION"),
    ],
)
def test_what_more_an_account_can_do_also_after_set_role(
    server: Server, grant: str, words: str
) -> None:
    server.run(
        None,
        "CREATE USER reader@localhost",
        "CREATE ROLE not_taken_on",
        f"GRANT SELECT ON {DATABASE}.* TO reader@localhost",
        "GRANT not_taken_on TO reader@localhost",
    )
    opened = STORE.connect(STORE.resolve(server.target(DATABASE, "reader"), {}), str)
    try:
        assert isinstance(opened, KnowsItsRole)
        assert opened.role().state == "yes"
        server.run(None, grant.format(db=DATABASE))
        told = opened.role()
    finally:
        opened.close()
        server.run(None, "DROP USER reader@localhost", "DROP ROLE not_taken_on")
    assert told.state == "no"
    assert told.detail == f"the account of this scan also has {words}; its sessions are read-only"
