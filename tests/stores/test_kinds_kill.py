"""DuckDB, MongoDB and the generic store: killed in the middle of a table, all there once."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from bson import Int64

from tests import postgres_server
from tests.conftest import Cardtrail, Planted
from tests.mongo_server import MongoServer
from tests.test_kill import essence, kill_until_done

ROWS = 30_000
_KILLS = 3


@contextmanager
def in_duckdb(notes: list[str], folder: Path) -> Iterator[str]:
    path = folder / "a.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t(id BIGINT, note VARCHAR)")
        values = ", ".join(f"({number}, '{note}')" for number, note in enumerate(notes))
        connection.execute(f"INSERT INTO t VALUES {values}")
    yield f"duckdb://{path}"


@contextmanager
def in_mongodb(notes: list[str], folder: Path) -> Iterator[str]:
    server = MongoServer()
    server.put("shop", "t", *({"_id": Int64(n), "note": note} for n, note in enumerate(notes)))
    yield f"{server.target}shop"
    server.stop()


@contextmanager
def through_sqlalchemy(notes: list[str], folder: Path) -> Iterator[str]:
    if postgres_server.missing():
        pytest.skip(str(postgres_server.missing()))
    server = postgres_server.server()
    with server.database("kinds_kill") as name:
        server.run(name, "CREATE TABLE t (id bigint PRIMARY KEY, note text)")
        with server.connect(name) as connection, connection.cursor() as cursor:
            cursor.executemany("INSERT INTO t VALUES (%s, %s)", list(enumerate(notes)))
        yield server.target(name).replace("postgresql:", "postgresql+psycopg:")


@pytest.mark.parametrize("kind", [in_duckdb, in_mongodb, through_sqlalchemy])
def test_killed_in_the_middle_of_a_table(
    kind: object, cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    pans = [planted.pan() for _ in range(40)]
    notes = [
        f"card {pans[n // 50 % 40]}" if n % 50 == 0 else f"nothing {n:09x}" for n in range(ROWS)
    ]
    folder = planted.allow(tmp_path / "store")
    folder.mkdir()
    (folder / "broken.gz").write_bytes(b"\x1f\x8b\x08\x00 not gzip at all")  # ends in status 4
    with kind(notes, folder) as target:  # type: ignore[operator]
        (cardtrail.cwd / "cardtrail.toml").write_text(
            f'[limits]\nslice = {1 << 16}\n[key]\nfile = "key"\n'
            f'[[store]]\nuri = "{target}"\n[[store]]\nuri = "{folder}/broken.gz"\n'
        )
        assert cardtrail("key", "key").code == 0
        started = time.monotonic()
        assert cardtrail("scan", "-j", 1, "-o", "whole.json", "-q").code == 4
        seconds = time.monotonic() - started
        whole = json.loads((cardtrail.cwd / "whole.json").read_text())
        cards = [f for f in whole["findings"] if f["entity"] == "CREDIT_CARD"]
        assert sum(f["count"] for f in cards) == ROWS // 50 and len(cards) == 40
        rng, killed = random.Random(7), 0
        while killed < _KILLS:
            killed += kill_until_done(cardtrail, 1, seconds, rng, _KILLS - killed)
        again = json.loads((cardtrail.cwd / "again.json").read_text())
        assert essence(again) == essence(whole)
