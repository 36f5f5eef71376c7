"""Locations carry the primary key of a row whatever it is of, and no key that could be data."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import registry
from scanner.contracts import Chunk, KeyColumn, Limits, Rows
from scanner.model import Location, Problem, Slice
from scanner.rowkey import row_key
from scanner.seal import Sealer
from scanner.walk import walk
from tests import mariadb_server, postgres_server
from tests.conftest import Cardtrail

SEALER = Sealer(b"k" * 32)
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
BYTES = "1e1f090a00ff5c27" * 2
DATABASE = "rowkeys"
TABLES = [
    "CREATE TABLE by_text (code varchar(40) PRIMARY KEY, v varchar(40))",
    "INSERT INTO by_text VALUES ('anna@example.com', 'needle000'), ('B-17', 'needle001')",
    "CREATE TABLE by_uuid (v varchar(40), id {uuid} PRIMARY KEY)",
    f"INSERT INTO by_uuid VALUES ('needle002', '{UUID}')",
    # in another order than the columns
    "CREATE TABLE by_three (line int, v varchar(40), day date, shop varchar(20) NOT NULL,"
    " PRIMARY KEY (shop, line, day))",
    "INSERT INTO by_three VALUES (7, 'needle003', '2026-01-31', 'Sued')",
    "CREATE TABLE by_long (id bigint PRIMARY KEY, v varchar(40))",
    "INSERT INTO by_long VALUES (12, 'needle004'), (4917612345678, 'needle005'),"
    " (4539148803436467, 'needle006'), (1790000000000000001, 'needle007')",
    "CREATE TABLE by_bytes (v varchar(40), id {bytes} PRIMARY KEY, body {blob})",
    "INSERT INTO by_bytes VALUES ('needle009', {hex}, 'needle010')",
    "CREATE TABLE by_none (id int, v varchar(40))",
    "INSERT INTO by_none VALUES (9, 'needle008')",
]
KEYS = {
    "needle000": f"code = {SEALER.sealed('anna@example.com')}",
    "needle001": f"code = {SEALER.sealed('B-17')}",
    "needle002": f"id = {UUID}",
    "needle003": f"shop = {SEALER.sealed('Sued')}, line = 7, day = {SEALER.sealed('2026-01-31')}",
    "needle004": None,
    "needle005": f"id = {SEALER.sealed('4917612345678')}",
    "needle006": f"id = {SEALER.sealed('4539148803436467')}",
    "needle007": "id = 1790000000000000001",
    "needle008": None,
    "needle009": f"id = {SEALER.sealed(BYTES)}",
    "needle010": f"id = {SEALER.sealed(BYTES)}",
}


def postgres() -> Iterator[str]:
    server = postgres_server.server()
    with server.database(DATABASE):
        words = {"{uuid}": "uuid", "{bytes}": "bytea", "{blob}": "bytea"}
        server.run(DATABASE, *_spelled({**words, "{hex}": f"'\\x{BYTES}'"}))
        yield server.target(DATABASE)


def _spelled(words: dict[str, str]) -> list[str]:
    statements = TABLES
    for short, long in words.items():
        statements = [statement.replace(short, long) for statement in statements]
    return statements


def generic() -> Iterator[str]:
    for target in postgres():
        yield target.replace("postgresql:", "postgresql+psycopg:")


def mariadb() -> Iterator[str]:
    server = mariadb_server.server()
    server.run(None, f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    words = {"{uuid}": "uuid", "{bytes}": "binary(16)", "{blob}": "blob"}
    server.run(DATABASE, *_spelled({**words, "{hex}": f"0x{BYTES}"}))
    yield server.target(DATABASE)
    server.run(None, f"DROP DATABASE {DATABASE}")


def _marked(make: Callable[[], Iterator[str]], group: str, why_not: str | None) -> object:
    skip = pytest.mark.skipif(why_not is not None, reason=why_not or "")
    return pytest.param(make, marks=[pytest.mark.xdist_group(group), skip], id=make.__name__)


def keys(target: str) -> dict[str, tuple[int | None, str | None]]:
    """By what is planted, row and key of its location."""
    kind = next(kind for kind in registry.stores().values() if kind.claims(target))
    found = {}
    with closing(kind.connect(kind.resolve(target, {}), str)) as opened:
        for unit in list(opened.units(lambda name, is_folder: not name.startswith(("by_", "k")))):
            assert not hasattr(unit, "reason"), unit
            records = opened.open(unit)
            for _, chunk in walk(
                records, unit.key, Slice(0, 0, None), registry.readers(), Limits()
            ):
                assert not isinstance(chunk, Problem), chunk
                data = bytes(chunk.data)
                for needle in re.finditer(rb"needle\d{3}", data):
                    if chunk.lo <= needle.start() < chunk.hi:
                        row = chunk.locate(*needle.span()).row
                        found[needle[0].decode()] = (row, row_key(chunk, needle.start(), SEALER))
    return found


@pytest.mark.parametrize(
    "make",
    [
        _marked(postgres, "postgres", postgres_server.missing()),
        _marked(generic, "postgres", postgres_server.missing()),
        _marked(mariadb, "mariadb", mariadb_server.missing()),
    ],
)
def test_rows_of_servers(make: Callable[[], Iterator[str]]) -> None:
    for target in make():
        found = keys(target)
        assert {needle: key for needle, (_, key) in found.items()} == KEYS
        assert found["needle004"][0] == 12
        if make is not generic:  # which counts rows where no key says which
            assert found["needle003"][0] is found["needle008"][0] is None


SERVERS = [
    _marked(postgres, "postgres", postgres_server.missing()),
    _marked(mariadb, "mariadb", mariadb_server.missing()),
]


@pytest.mark.parametrize("make", SERVERS)
def test_the_row_of_a_sealed_key_is_told_without_its_values(
    make: Callable[[], Iterator[str]], cardtrail: Cardtrail, tmp_path: Path
) -> None:
    secret = tmp_path / "key"
    secret.touch(0o600)
    secret.write_text((b"k" * 32).hex())
    ran = postgres_server.server if make is postgres else mariadb_server.server
    for target in make():
        for needle, unit in (
            ("needle000", "by_text"),
            ("needle002", "by_uuid"),
            ("needle003", "by_three"),
            ("needle006", "by_long"),
            ("needle009", "by_bytes"),
        ):
            told = KEYS[needle]
            assert told is not None
            done = cardtrail("row", target, unit, told, "--key-file", secret)
            assert done.code == 0, done.err
            about, statement = done.out.splitlines()
            assert about.startswith("-- the same row ") and statement.startswith("SELECT * FROM")
            (row,) = ran().rows(DATABASE, statement)
            assert needle in row
            assert not re.search("anna|needle|Sued|4539148803436467", statement)
        # one part is enough, and more than one row may have it
        part = SEALER.sealed("Sued")
        assert cardtrail("row", target, "by_three", part, "--key-file", secret).out == (
            cardtrail("row", target, "by_three", str(KEYS["needle003"]), "--key-file", secret).out
        )
        for table, words, code in (
            ("by_text", "none of 2 rows has that key under fingerprint key", 5),
            ("by_none", "no primary key", 2),
            ("nothing", "no such table", 2),
        ):
            done = cardtrail("row", target, table, "~abc~", "--key-file", secret)
            assert (done.code, words in done.err) == (code, True), done.err
        assert "cardtrail key FILE" in cardtrail("row", target, "by_text", "~abc~").err


def test_rows_of_sqlite_without_a_rowid(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE TABLE k (v, shop TEXT, line INTEGER, PRIMARY KEY (line, shop)) WITHOUT ROWID"
        )
        database.execute("INSERT INTO k VALUES ('needle000', 'a\tb', 3)")
        database.execute("CREATE TABLE k2 (v, code TEXT PRIMARY KEY)")
        database.execute("INSERT INTO k2 (rowid, v, code) VALUES (77, 'needle001', 'x')")
        database.commit()
    assert keys(f"sqlite://{path}") == {
        "needle000": (1, f"line = 3, shop = {SEALER.sealed('a	b')}"),
        "needle001": (77, None),  # the rowid finds it
    }


@given(st.lists(st.text(st.characters(exclude_characters="\x1e\x1f"), max_size=9), min_size=2))
def test_only_uuids_and_numbers_are_told(values: list[str]) -> None:
    lines = [f"{value}\x1f\tx" for value in values]
    data = "\x1e\n".join(lines).encode("utf-8", "surrogatepass") + b"\n"
    rows = Rows(("code", "v"), b"\x1f\t", b"\x1e\n", key=[KeyColumn(0, whole=False)])
    chunk = Chunk(data, 0, len(data), lambda start, end: Location(), rows=rows)
    at = 0
    for value in values:
        at = data.index(b"\x1f\tx", at) + 2
        told = row_key(chunk, at, SEALER)
        encoded = value.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
        assert told == f"code = {SEALER.sealed(encoded)}"
