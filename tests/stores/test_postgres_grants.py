"""What we say each role can read beside what happens when it logs in and tries."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from scanner.model import Access
from scanner.stores import postgres_grants, postgres_rights
from scanner.stores.postgres import STORE
from scanner.stores.postgres_session import Session
from tests import postgres_server
from tests.postgres_server import Server

pytestmark = postgres_server.MARKS
DATABASE = "rights"
PEOPLE = [f"person {i}" for i in range(36)]
GROUPS = [f"group-{i}" for i in range(8)]
OWNERS = ["owner a", "owner b"]
SCHEMAS = ["public", "shop", "Odd Schema"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A database in which a seeded generator has handed out rights of every sort."""
    server = postgres_server.server()
    roles = [*PEOPLE, *GROUPS, *OWNERS, "reader", "root two", "bypasser"]
    with server.database(DATABASE):
        _forget(server, roles)
        for statement in _statements(random.Random(4), server):
            server.run(DATABASE, statement)
        yield server
    _forget(server, roles)


def _forget(server: Server, roles: list[str]) -> None:
    for role in roles:
        server.run("postgres", f'DROP ROLE IF EXISTS "{role}"')


def _statements(rng: random.Random, server: Server) -> Iterator[str]:
    for name in [*PEOPLE, *OWNERS]:
        inherit = "NOINHERIT" if rng.random() < 0.3 else "INHERIT"
        yield f'CREATE ROLE "{name}" LOGIN {inherit}'
    for name in GROUPS:
        yield f'CREATE ROLE "{name}"'
    yield 'CREATE ROLE "reader" LOGIN IN ROLE pg_read_all_data'
    yield 'CREATE ROLE "root two" LOGIN SUPERUSER'
    yield 'CREATE ROLE "bypasser" LOGIN BYPASSRLS'
    for name in PEOPLE[:30]:
        for group in rng.sample(GROUPS, 2):
            yield f'GRANT "{group}" TO "{name}"'
    yield f'GRANT "{GROUPS[1]}" TO "{GROUPS[0]}"'
    yield f'GRANT "{OWNERS[0]}" TO "{PEOPLE[0]}"'
    for schema in SCHEMAS[1:]:
        yield f'CREATE SCHEMA "{schema}"'
    for schema in SCHEMAS:
        for name in rng.sample([*PEOPLE, *GROUPS, "bypasser"], 22):
            yield f'GRANT USAGE ON SCHEMA "{schema}" TO "{name}"'
        for owner in OWNERS:
            yield f'GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{owner}"'
    takers = [*PEOPLE, *GROUPS, "bypasser"]
    tables = [(rng.choice(SCHEMAS), f"table {i}") for i in range(30)]
    for number, (schema, name) in enumerate(tables):
        table = f'"{schema}"."{name}"'
        yield f"CREATE TABLE {table}(a int, b text)"
        yield f"INSERT INTO {table} VALUES (1, 'one'), (2, 'two')"
        yield f'ALTER TABLE {table} OWNER TO "{rng.choice(OWNERS)}"'
        for taker in rng.sample(takers, 9):
            what = rng.choice(["SELECT", "SELECT", "SELECT (b)", "INSERT"])
            yield f'GRANT {what} ON {table} TO "{taker}"'
        if number in (3, 4, 5):
            yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
            to = ["PUBLIC", f'"{GROUPS[0]}"', f'"{PEOPLE[1]}"'][number - 3]
            yield f"CREATE POLICY p ON {table} FOR SELECT TO {to} USING (a = 1)"
            yield f'GRANT SELECT ON {table} TO "{GROUPS[0]}", "{PEOPLE[1]}", bypasser'
        if number == 5:
            yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
        if number == 6:
            yield f"GRANT SELECT ON {table} TO PUBLIC"
        if number == 7:
            yield f'REVOKE ALL ON {table} FROM "{OWNERS[0]}", "{OWNERS[1]}"'
    views: list[tuple[str, str]] = []
    for number in range(14):
        schema, name = rng.choice(SCHEMAS), f"view {number}"
        base_schema, base = rng.choice([*tables, *views])
        invoker = " WITH (security_invoker = true)" if number % 3 == 2 else ""
        view = f'"{schema}"."{name}"'
        yield f'CREATE VIEW {view}{invoker} AS SELECT * FROM "{base_schema}"."{base}"'
        yield f'ALTER VIEW {view} OWNER TO "{rng.choice(OWNERS)}"'
        for taker in [*rng.sample(takers, 9), *(["PUBLIC"] if number == 1 else [])]:
            yield f"GRANT SELECT ON {view} TO {taker if taker == 'PUBLIC' else quoted(taker)}"
        views.append((schema, name))
    schema, name = tables[0]
    yield f'CREATE MATERIALIZED VIEW shop.kept AS SELECT * FROM "{schema}"."{name}"'
    yield f'GRANT SELECT ON shop.kept TO "{GROUPS[2]}"'
    yield "CREATE TABLE shop.parent(a int, b text) PARTITION BY LIST (a)"
    yield "CREATE TABLE shop.part1 PARTITION OF shop.parent FOR VALUES IN (1)"
    yield "INSERT INTO shop.parent VALUES (1, 'one')"
    yield f'GRANT SELECT ON shop.parent TO "{GROUPS[3]}"'


def quoted(name: str) -> str:
    return '"' + name + '"'


def session(server: Server) -> Session:
    store = STORE.resolve(server.target(DATABASE), {})
    return Session(store.uri, store.options)


def can_read(connection: psycopg.Connection[Any], schema: str, name: str) -> str | None:
    """What a role gets when it tries: ``allow`` (all there is), ``columns``, ``some rows``."""
    table = sql.Identifier(schema, name)
    for what, column in (("allow", "*"), ("columns", "b"), ("columns", "a")):
        column_sql = sql.SQL("*") if column == "*" else sql.Identifier(column)
        try:
            query = sql.SQL("SELECT {} FROM {}").format(column_sql, table)
            found = len(connection.execute(query).fetchall())
        except psycopg.errors.InsufficientPrivilege:
            continue
        if found == 0:
            return None
        return what if found == 2 or name in ("parent", "part1") else "some rows"
    return None


def test_every_role_can_read_what_we_say_it_can(server: Server) -> None:
    asked = session(server)
    rights = postgres_rights.ask(asked)
    asked.close()
    everyone = [role for role in rights.roles.values() if role.name in postgres_names()]
    assert len(everyone) >= 40
    relations = [r for r in rights.relations.values() if r.kind != "f"]
    assert len(relations) >= 40
    places = {
        oid: (schema, name)
        for oid, schema, name in server.rows(
            DATABASE,
            "SELECT c.oid::bigint, nspname::text, relname::text FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = relnamespace",
        )
    }
    seen: set[str] = set()
    for role in everyone:
        tried: dict[int, set[str]] = {relation.oid: set() for relation in relations}
        with server.connect(DATABASE, role.name) as connection:
            for identity in [None, *(other.name for other in rights.roles.values())]:
                if not become(connection, identity):
                    continue
                for relation in relations:
                    got = can_read(connection, *places[relation.oid])
                    if got:
                        tried[relation.oid].add(got)
        for relation in relations:
            reading = rights.reading(role.oid, relation.oid)
            said = None if reading is None else "allow"
            if reading is not None and reading.columns:
                said = "columns"
            if reading is not None and reading.state == "conditional":
                said = "some rows"
            ways = tried[relation.oid]
            best = next((way for way in ("allow", "columns", "some rows") if way in ways), None)
            assert said == best, (role.name, relation.key, said, ways)
            seen.add(str(said))
    assert seen == {"None", "allow", "columns", "some rows"}


def become(connection: psycopg.Connection[Any], identity: str | None) -> bool:
    connection.execute("RESET ROLE")
    if identity is None:
        return True
    try:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(identity)))
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def postgres_names() -> set[str]:
    return {*PEOPLE, *OWNERS, "reader", "root two", "bypasser"}


def access(server: Server, database: str = DATABASE) -> Access:
    opened = STORE.connect(STORE.resolve(server.target(database), {}), str)
    try:
        return opened.access()
    finally:
        opened.close()


def test_one_grant_for_each_principal_with_its_way(server: Server) -> None:
    told = access(server)
    assert told.could_read_known
    names = [grant.principal for grant in told.could_read]
    assert len(names) == len(set(names))
    by_name = {grant.principal: grant for grant in told.could_read}
    assert by_name["role:root two"].kind == "superuser"
    assert "pg_read_all_data" in by_name["role:reader"].via
    assert by_name["PUBLIC"].kind == "public"
    assert "view" in by_name["PUBLIC"].via or "table 6" in by_name["PUBLIC"].via
    assert not any(name.startswith("role:group") for name in names), "a group cannot log in"


def test_functions_and_admins_that_no_privilege_shows(server: Server) -> None:
    roles = ["caller", "admin one"]
    _forget(server, roles)
    server.run(
        DATABASE,
        "CREATE ROLE caller LOGIN",
        'CREATE ROLE "admin one" LOGIN REPLICATION',
        f'GRANT "{OWNERS[0]}" TO "admin one" WITH ADMIN OPTION',
        "CREATE SCHEMA api",
        "GRANT USAGE ON SCHEMA api TO caller",
        "CREATE FUNCTION api.all_cards() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        f"""ALTER FUNCTION api.all_cards() OWNER TO "{postgres_server.ADMIN}" """,
    )
    by_name = {grant.principal: grant for grant in access(server).could_read}
    assert "api.all_cards()" in by_name["role:caller"].via
    assert "REPLICATION" in by_name["role:admin one"].via
    assert "ADMIN OPTION" in by_name["role:admin one"].via
    server.run(DATABASE, "DROP SCHEMA api CASCADE")
    _forget(server, roles)


def test_what_a_login_shows_and_no_privilege() -> None:
    """Each role tries what it was granted: it gets the rows, or is told that it cannot."""
    server = postgres_server.server()
    roles: dict[str, tuple[str, str, str | None, str]] = {
        # its attributes, what it is granted, and the state and words of its grant; None: no grant
        "below": ("", "yes", None, ""),
        "nested": ("", "outer_view", None, ""),
        "unmapped": ("", "back", None, ""),
        "mapped": ("", "back", "allow", "SELECT granted: back"),
        "late": ("VALID UNTIL '2020-01-02'", "cards", "conditional", "expired on 2020-01-02"),
        "root late": ("SUPERUSER CONNECTION LIMIT 0", "cards", "allow", "superuser"),
        "full": ("CONNECTION LIMIT 0", "cards", None, ""),
        "some": ("", "cards (id)", "allow", "cards (some columns)"),
    }
    with server.database("logins") as database:
        _forget(server, [*roles, "maker"])
        server.run(
            database,
            "CREATE ROLE maker",
            "CREATE TABLE cards (id, pan) AS VALUES (1, 'x')",
            "GRANT SELECT ON cards TO maker",
            "CREATE VIEW yes WITH (security_invoker = yes) AS SELECT * FROM cards",
            "CREATE VIEW outer_view AS SELECT * FROM yes",
            *(f"ALTER VIEW {view} OWNER TO maker" for view in ("yes", "outer_view")),
            "CREATE EXTENSION postgres_fdw",
            "CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw"
            f" OPTIONS (host '127.0.0.1', port '{server.port}', dbname '{database}')",
            "CREATE FOREIGN TABLE back (id int, pan text) SERVER itself"
            " OPTIONS (table_name 'cards')",
            *(f'CREATE ROLE "{name}" LOGIN {role[0]}' for name, role in roles.items()),
            "CREATE USER MAPPING FOR mapped SERVER itself"
            f" OPTIONS (user '{postgres_server.ADMIN}', password_required 'false')",
        )
        for name, (_, on, _, _) in roles.items():
            what, _, columns = on.partition(" ")
            server.run(database, f'GRANT SELECT {columns} ON {what} TO "{name}"')
        told = access(server, database)
        by_name = {grant.principal: grant for grant in told.could_read}
        for name, (_, on, state, words) in roles.items():
            found = by_name.get(f"role:{name}")
            assert (found and found.state) == state, (name, found)
            assert words in (found.via if found else ""), name
            what, _, columns = on.partition(" ")
            try:
                rows = server.rows(database, f"SELECT {columns or '*'} FROM {what}", name)
            except psycopg.Error:
                rows = []
            assert bool(rows) is (state is not None), name
        assert by_name["role:some"].part, "not the column with the cards, as far as is known"
        (back,) = [door for door in told.doors if door.name == "back"]
        assert back.opens == ("cards",)
    _forget(server, [*roles, "maker"])


def test_names_of_roles_and_tables_are_sealed(server: Server) -> None:
    asked = session(server)
    found = postgres_grants.access(asked, lambda text: text.replace("person", "SEALED")).could_read
    asked.close()
    assert any("SEALED" in grant.principal for grant in found)
    assert not any("person" in grant.principal + grant.via for grant in found)
