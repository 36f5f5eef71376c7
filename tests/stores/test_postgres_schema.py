"""Three hundred tables of every type and odd names: what was planted is found where it is, once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from scanner.stores import postgres_catalogue
from tests import postgres_server
from tests.conftest import Cardtrail, Planted
from tests.postgres_server import Server

pytestmark = postgres_server.MARKS
DATABASE = "large_schema"
TABLES = 300
SCHEMAS = ["public", "Sales 2024", 'q"uote', "ünïcode", "select", "dotted.name"]
WORDS = [
    "order",
    "Kunde",
    "n ame",
    'say "hi"',
    "ключ",
    "тест.x",
    "new\nline",
    "tab\there",
    "%s",
    "$1",
]
TYPES = {
    "text": "{pan}",
    "varchar(60)": "no {pan}.",
    "char(40)": "{pan}",
    "json": '{{"card": "{pan}"}}',
    "jsonb": '{{"cards": ["{pan}"]}}',
    "text[]": '{{"a","card {pan}"}}',
    "numeric(20)": "{pan}",
    "bigint": "{pan}",
    "double precision": "{pan}",
    "bytea": "card {pan}",
    "hstore": '"card"=>"{pan}"',
}


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    server = postgres_server.server()
    with server.database(DATABASE):
        yield server


def test_every_card_is_found_in_its_column_and_row(
    server: Server, cardtrail: Cardtrail, planted: Planted
) -> None:
    rng = random.Random(6)
    expected: set[tuple[tuple[str, str] | None, str, int]] = set()
    tables: list[tuple[str, str]] = []
    with server.connect(DATABASE) as connection:
        connection.execute("CREATE EXTENSION hstore")
        for schema in SCHEMAS[1:]:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for number in range(TABLES):
            schema, word = rng.choice(SCHEMAS), rng.choice(WORDS)
            name, kind = f"{word} {number}", rng.choice(list(TYPES))
            tables.append((schema, name))
            table = sql.Identifier(schema, name)
            column = f"card_number {rng.choice(WORDS)}"
            create = "CREATE TABLE {} (id int PRIMARY KEY, note text, {} {}, other text)"
            connection.execute(sql.SQL(create).format(table, sql.Identifier(column), sql.SQL(kind)))
            filler = (
                "INSERT INTO {} SELECT i, 'row ' || i, NULL, md5(i::text)"
                " FROM generate_series(1, 20) i"
            )
            connection.execute(sql.SQL(filler).format(table))
            if number % 3 == 0:
                pan, row = planted.pan(), rng.randint(1, 20)
                value = TYPES[kind].format(pan=pan)
                update = sql.SQL("UPDATE {} SET {} = {} WHERE id = {}")
                changed: object = value.encode() if kind == "bytea" else value
                words = (table, sql.Identifier(column), sql.Literal(changed), sql.Literal(row))
                connection.execute(update.format(*words))
                expected.add(((schema, name), column, row))
    (cardtrail.cwd / "cardtrail.toml").write_text('exclude = ["(pg_stat*"]\n')
    done = cardtrail("scan", server.target(DATABASE), "-j", "2", "-o", "run.json")
    document = json.loads((cardtrail.cwd / "run.json").read_text())
    assert document["coverage"]["units"] == document["coverage"]["scanned"], done.err
    assert document["coverage"]["units"] >= TABLES
    keys = {postgres_catalogue.spell(*place): place for place in tables}
    found = {
        (
            keys.get(finding["unit"]),
            place["field"],
            place["row"],
        )
        for finding in document["findings"]
        for place in finding["locations"]
    }
    assert found == expected
    assert len(document["findings"]) == len(expected)
