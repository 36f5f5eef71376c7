"""Chinook and Northwind, as they are published: no card in them, and their people are found.

Through every engine they can be loaded into. They are not part of this project:
``CARDTRAIL_CORPORA`` names the folder they lie in.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import bson
import duckdb
import pytest
import sqlalchemy as sa

from tests import postgres_server
from tests.conftest import Cardtrail
from tests.mongo_server import MongoServer

FOLDER = Path(os.environ.get("CARDTRAIL_CORPORA", "/nowhere")) / "databases"
CHINOOK, NORTHWIND = FOLDER / "Chinook_Sqlite.sqlite", FOLDER / "northwind.sql"
PEOPLE = 59 + 8
"""customers and employees of Chinook, each with an address of their own"""

pytestmark = [
    pytest.mark.skipif(not CHINOOK.exists(), reason="CARDTRAIL_CORPORA has no databases/Chinook"),
    pytest.mark.xdist_group("samples"),
]


def tables() -> Iterator[tuple[str, list[str], list[tuple[Any, ...]]]]:
    with closing(sqlite3.connect(f"file:{CHINOOK}?mode=ro&immutable=1", uri=True)) as connection:
        listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (name,) in listed.fetchall():
            cursor = connection.execute(f'SELECT * FROM "{name}"')
            yield name, [column[0] for column in cursor.description], cursor.fetchall()


def scan(cardtrail: Cardtrail, target: str) -> dict[str, Any]:
    options = ("--profile", "full", "--format", "json", "-o", "-", "--jobs", "1", "--exit-zero")
    result = cardtrail("scan", target, *options, timeout=300)
    assert result.code in (0, 3), result.err
    run: dict[str, Any] = json.loads(result.out)
    assert not [
        f for f in run["findings"] if f["entity"] == "CREDIT_CARD" and f["confidence"] > 0.3
    ]
    return run


def addresses(run: dict[str, Any]) -> int:
    """Distinct e-mail addresses."""
    found = [f for f in run["findings"] if f["entity"] == "EMAIL_ADDRESS"]
    return len({f["fingerprint"] for f in found})


def test_sqlite(cardtrail: Cardtrail) -> None:
    run = scan(cardtrail, f"sqlite://{CHINOOK}")
    assert addresses(run) == PEOPLE
    assert run["coverage"]["units"] == run["coverage"]["scanned"]
    fields = {f["location"]["field"] for f in run["findings"] if f["entity"] == "EMAIL_ADDRESS"}
    assert fields == {"Email"}


def test_duckdb_and_parquet(cardtrail: Cardtrail, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        for name, columns, rows in tables():
            shown = ", ".join(f'"{column}" VARCHAR' for column in columns)
            connection.execute(f'CREATE TABLE "{name}" ({shown})')
            if rows:
                marks = ", ".join("?" * len(columns))
                texts = [[None if v is None else str(v) for v in row] for row in rows[:500]]
                connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', texts)
        folder = tmp_path / "parquet"
        folder.mkdir()
        for name in ("Customer", "Employee"):
            connection.execute(f"COPY {name} TO '{folder}/{name}.parquet' (FORMAT parquet)")
    for target in (f"duckdb://{tmp_path}/a.duckdb", str(folder)):
        assert addresses(scan(cardtrail, target)) == PEOPLE


def test_a_database_through_sqlalchemy(cardtrail: Cardtrail) -> None:
    if postgres_server.missing():
        pytest.skip(str(postgres_server.missing()))
    server = postgres_server.server()
    with server.database("chinook") as name:
        url = server.target(name).replace("postgresql:", "postgresql+psycopg:")
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        for table, columns, rows in tables():
            made = sa.Table(
                table, sa.MetaData(), *(sa.Column(column, sa.Text) for column in columns)
            )
            made.create(engine)
            texts = [
                {c: None if v is None else str(v) for c, v in zip(columns, row, strict=True)}
                for row in rows[:500]
            ]
            with engine.begin() as connection:
                connection.execute(made.insert(), texts)
        assert addresses(scan(cardtrail, url)) == PEOPLE


def test_documents(cardtrail: Cardtrail, tmp_path: Path) -> None:
    """In a server, and as mongodump would leave them."""
    server = MongoServer()
    for name, columns, rows in tables():
        if name not in ("Customer", "Employee"):
            continue
        documents = [dict(zip(columns, row, strict=True)) for row in rows]
        server.put("chinook", name, *documents)
        (tmp_path / f"{name}.bson").write_bytes(b"".join(map(bson.encode, documents)))
    try:
        assert addresses(scan(cardtrail, f"{server.target}chinook")) == PEOPLE
        for name in ("Customer", "Employee"):
            assert addresses(scan(cardtrail, str(tmp_path / f"{name}.bson"))) in (59, 8)
    finally:
        server.stop()


def test_northwind(cardtrail: Cardtrail) -> None:
    """A script of statements; it holds addresses and telephone numbers, and no e-mail."""
    run = scan(cardtrail, str(NORTHWIND))
    assert run["coverage"]["units"] == run["coverage"]["scanned"] == 1
    assert {f["entity"] for f in run["findings"]} & {"PHONE_NUMBER", "DATABASE_DUMP"}
