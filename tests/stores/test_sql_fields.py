"""Verdicts on the columns of tables of real servers: rows are exact, a hash and its truncation meet
in one table and not across two, and a location is table, column and key."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests import mariadb_server, postgres_server
from tests.conftest import Cardtrail, Planted

ROWS = 300
DATABASE = "columns"


def rows(planted: Planted) -> list[tuple[Any, ...]]:
    made = []
    for number in range(1, ROWS + 1):
        pan = planted.pan()
        digest = hashlib.sha256(pan.encode()).hexdigest()
        cut = f"{pan[:6]}******{pan[-4:]}"
        # line ends and tabs inside a value are no rows and no columns of their own
        made.append((number, "Ann\tRoe\nof 2", pan if number % 3 else None, "12/29", cut, digest))
    return made


TABLES = (
    "CREATE TABLE cards (id {key}, note varchar(40), card_number varchar(30), exp varchar(9),"
    " masked_pan varchar(30), pan_hash varchar(80), PRIMARY KEY (id))",
    "CREATE TABLE hashes_alone (id {key}, pan_hash varchar(80), PRIMARY KEY (id))",
)


def fill(connection: Any, planted: Planted, key: str) -> None:
    values = rows(planted)
    with connection.cursor() as cursor:
        for statement in TABLES:
            cursor.execute(statement.format(key=key))
        marks = ", ".join(["%s"] * 6)
        cursor.executemany(f"INSERT INTO cards VALUES ({marks})", values)
        cursor.executemany(
            "INSERT INTO hashes_alone VALUES (%s, %s)", [(row[0], row[5]) for row in values]
        )
    connection.commit()


def check(cardtrail: Cardtrail, target: str) -> None:
    result = cardtrail("scan", target, "-f", "json")
    assert result.code in (1, 4), result.err
    run = json.loads(result.out)
    (store,) = run["stores"]
    told = {(each["unit"].split(".")[-1], each["name"]): each for each in store["fields"]}
    cards = told["cards", "card_number"]
    full = ROWS - ROWS // 3
    assert cards["rows"] == ROWS
    assert cards["sentence"] == f"clear PANs, {full} distinct in {full} of {ROWS} rows (67 %)"
    hashed = told["cards", "pan_hash"]
    assert hashed["kind"] == "unkeyed-hashes" and "masked_pan" in hashed["sentence"]
    assert {"3.5.1", "3.5.1.1"} <= set(hashed["requirements"])
    # without its truncation in the same table it is a hash by its look, and no more is claimed
    alone = told["hashes_alone", "pan_hash"]
    assert alone["kind"] == "hashes" and alone["contents"] == [] and alone["severity"] == "info"
    assert "cannot be seen" in alone["sentence"]
    beside = {each["entity"]: each["records"] for each in store["beside_cards"]["kinds"]}
    # what the server keeps of the values as statistics is a place of its own
    assert store["beside_cards"]["per"]["row"] == full and beside["EXPIRY_DATE"] >= full
    places = {
        (place["row"], place["field"])
        for found in run["findings"]
        if found["entity"] == "CREDIT_CARD" and found["state"] == "clear"
        if "cards" in found["unit"]
        for place in found["locations"]
    }
    assert places == {(n, "card_number") for n in range(1, ROWS + 1) if n % 3}


@pytest.mark.xdist_group("postgres")
@pytest.mark.skipif(postgres_server.missing() is not None, reason="needs a PostgreSQL server")
def test_columns_of_postgres(cardtrail: Cardtrail, planted: Planted) -> None:
    server = postgres_server.server()
    with server.database(DATABASE):
        with server.connect(DATABASE) as connection:
            fill(connection, planted, "int")
        server.run(DATABASE, "ANALYZE")
        check(cardtrail, server.target(DATABASE))


@pytest.mark.xdist_group("mariadb")
@pytest.mark.skipif(mariadb_server.missing() is not None, reason="needs a MariaDB server")
def test_columns_of_mariadb(cardtrail: Cardtrail, planted: Planted) -> None:
    server = mariadb_server.server()
    with server.database(DATABASE):
        with server.connect(DATABASE) as connection:
            fill(connection, planted, "int")
        check(cardtrail, server.target(DATABASE))
