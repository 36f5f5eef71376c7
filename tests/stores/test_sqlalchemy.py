"""The generic store through several dialects: the same rows out of each of them."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql

from scanner import registry
from scanner.contracts import Limits, Records
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Outcome, Problem, Slice, Store, Unit
from scanner.stores.sqlalchemy import STORE, OpenSqlAlchemy
from scanner.stores.sqlalchemy_session import Session
from scanner.stores.sqlalchemy_table import _beyond, shown
from scanner.walk import walk
from tests import mariadb_server, postgres_server
from tests.conftest import Cardtrail, Planted

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.xdist_group("sqlalchemy")]
WHOLE = Slice(0, 0, None)
DATABASE = "generic"

# --- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("mssql+pymssql://sa:hunter2@db/shop", "password_env"),
        ("oracle+oracledb://db/?service_name=x&password=hunter2", "password"),
        ("snowflake://me@account/db?token=hunter2", "token"),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2", "odbc_connect"),
        ("sqlite+pysqlite:///a.db", "sqlite:///file.db"),
        ("duckdb+duckdb_engine:///a.db", "duckdb:///file.duckdb"),
        ("mssql+pymssql://", "dialect"),
        ("mssql+pymssql://db:port/x", "dialect"),
    ],
)
def test_a_target_that_cannot_be(target: str, words: str) -> None:
    assert STORE.claims(target)
    with pytest.raises(UsageError, match="expected") as caught:
        STORE.resolve(target, {})
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("mssql+pymssql://sa@Db:1433/shop", "mssql+pymssql://Db:1433/shop"),
        (
            "snowflake://me@acc-Ount/DB/PUBLIC?warehouse=w&role=r",
            "snowflake://acc-Ount/DB/PUBLIC?role=r&warehouse=w",
        ),
        ("bigquery://project/dataset", "bigquery://project/dataset"),
        (
            "oracle+oracledb://[::1]:1521/?service_name=x",
            "oracle+oracledb://[::1]:1521/?service_name=x",
        ),
        ("postgresql+psycopg://u@h/a%20b", "postgresql+psycopg://h/a%20b"),
    ],
)
def test_the_uri_of_a_target(target: str, uri: str) -> None:
    store = STORE.resolve(target, {})
    assert store.uri == uri
    assert STORE.resolve(uri, {}).uri == uri
    assert [kind.kind for kind in registry.stores().values() if kind.claims(target)] == [
        "sqlalchemy"
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"statement_seconds": -1}, "statement_seconds"),
        ({"password_env": "A", "password_file": "b"}, "both"),
        ({"schemas": [1]}, "schemas"),
        ({"connect_args": {"password": "hunter2"}}, "password"),
    ],
)
def test_an_option_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        STORE.resolve("mssql+pymssql://db/shop", options)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("firebolt+nothing://h/d", "firebolt"),
        ("teradatasql://h/d", "pip install teradatasqlalchemy"),
    ],
)
def test_a_missing_dialect_is_named(target: str, words: str) -> None:
    store = Store(uri=target, kind="sqlalchemy")
    with pytest.raises(Unreadable) as caught:
        units(STORE.connect(store, str))
    assert caught.value.reason is Reason.DRIVER
    assert words in caught.value.detail


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    options = {"user": "u", "password_env": "SECRET"}
    store = STORE.resolve("postgresql+psycopg://127.0.0.1:1/x", options)
    with pytest.raises(Unreadable) as caught:
        units(STORE.connect(store, str))
    assert caught.value.reason is Reason.UNREACHABLE
    assert "hunter2" not in repr(caught.value)


# --- through several dialects -------------------------------------------------------------------


class Lab:
    """A database that is reached through a dialect: statements go around the store."""

    types: str
    """of a column of text, of whole numbers, of bytes"""

    def __init__(self, engine: sa.Engine, text: str, whole: str, binary: str) -> None:
        self.engine, self.text, self.whole, self.binary = engine, text, whole, binary

    def run(self, *statements: str) -> None:
        connection = self.engine.raw_connection()
        for statement in statements:
            with closing(connection.cursor()) as cursor:
                cursor.execute(statement)
        connection.commit()
        connection.close()

    def fill(self, table: sa.TableClause, rows: list[dict[str, Any]]) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.insert(table), rows)

    def open(self) -> OpenSqlAlchemy:
        store = Store(uri="other+driver://h/d", kind="sqlalchemy")
        session = Session(store.uri, {"patience": 0}, self.engine)
        return OpenSqlAlchemy(store, session, lambda name: name)

    def quote(self, name: str) -> str:
        return self.engine.dialect.identifier_preparer.quote_identifier(name)


def _postgres(folder: Path) -> Lab:
    if postgres_server.missing():
        pytest.skip(str(postgres_server.missing()))
    server = postgres_server.server()
    server.drop(DATABASE)
    server.run("postgres", f"CREATE DATABASE {DATABASE} TEMPLATE template0")
    url = server.target(DATABASE).replace("postgresql:", "postgresql+psycopg:")
    return Lab(sa.create_engine(url, poolclass=sa.NullPool), "text", "bigint", "bytea")


def _mariadb(folder: Path) -> Lab:
    if mariadb_server.missing():
        pytest.skip(str(mariadb_server.missing()))
    server = mariadb_server.server()
    server.run(None, f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    url = server.target(DATABASE).replace("mysql:", "mariadb+pymysql:")
    return Lab(sa.create_engine(url, poolclass=sa.NullPool), "longtext", "bigint", "longblob")


def _sqlite(folder: Path) -> Lab:
    return Lab(sa.create_engine(f"sqlite:///{folder}/a.db"), "TEXT", "INTEGER", "BLOB")


def _firebird(folder: Path) -> Lab:
    """Embedded in this process: Debian's firebird3.0-server has the library."""
    pytest.importorskip("sqlalchemy_firebird")
    driver = pytest.importorskip("firebird.driver")
    path = Path(tempfile.mkdtemp(dir="/tmp")) / "a.fdb"
    try:
        driver.create_database(str(path), user="SYSDBA", charset="UTF8").close()
    except Exception as error:  # of the library that is not there
        pytest.skip(f"no Firebird: {type(error).__name__}")
    url = f"firebird+firebird://SYSDBA@/{path}?charset=UTF8"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return Lab(engine, "varchar(400)", "bigint", "blob")


DIALECTS: dict[str, Callable[[Path], Lab]] = {
    "postgresql": _postgres,
    "mariadb": _mariadb,
    "sqlite": _sqlite,
    "firebird": _firebird,
}


@pytest.fixture(params=DIALECTS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    lab = DIALECTS[request.param](tmp_path)
    yield lab
    lab.engine.dispose()
    if request.param == "postgresql":
        postgres_server.server().drop(DATABASE)
    if request.param == "mariadb":
        mariadb_server.server().run(None, f"DROP DATABASE IF EXISTS {DATABASE}")


def units(store: OpenSqlAlchemy) -> dict[str, Unit]:
    listed = list(store.units(lambda name, is_folder: False))
    assert not [item for item in listed if isinstance(item, Outcome)], listed
    return {unit.key: unit for unit in listed if isinstance(unit, Unit)}


def read(store: OpenSqlAlchemy, unit: Unit, part: Slice = WHOLE) -> dict[str | None, bytes]:
    records = store.open(unit)
    assert isinstance(records, Records)
    seen: dict[str | None, bytes] = {}
    for member, item in walk(records, unit.name, part, registry.readers(), Limits()):
        assert not isinstance(item, Problem), item.detail
        seen[member] = seen.get(member, b"") + bytes(item.data[item.lo : item.hi])
    return seen


NAMES = ["plain", "Mixed Case", 'quo"te', "%41 %(x)s :y ?", "café ☕", "select", "a.b", "(odd)"]


def test_names_of_any_kind(lab: Lab) -> None:
    for number, name in enumerate(NAMES):
        table, column = lab.quote(name), lab.quote(f"{name} column")
        lab.run(f"CREATE TABLE {table} ({column} {lab.text})")
        lab.run(f"INSERT INTO {table} VALUES ('row {number}')")
    store = lab.open()
    found = units(store)
    assert len(found) == len(NAMES)
    texts = {read(store, unit)[None] for unit in found.values()}
    assert texts == {b"row %d\n" % number for number in range(len(NAMES))}
    store.close()


def test_rows_by_key_and_without(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row once, over many statements: a whole number, two columns, a text, none at all."""
    monkeypatch.setattr("scanner.stores.sqlalchemy_table._MOST_ROWS", 300)
    keys = {
        "whole": f"a {lab.whole} NOT NULL, b varchar(40) NOT NULL, PRIMARY KEY (a)",
        "two": f"a {lab.whole} NOT NULL, b varchar(40) NOT NULL, PRIMARY KEY (b, a)",
        "text": f"a {lab.whole} NOT NULL, b varchar(40) NOT NULL, PRIMARY KEY (b)",
        "none": f"a {lab.whole}, b varchar(40)",
    }
    rows = [
        {"a": 7 * n - 3000, "b": f"k{n % 7 if name == 'two' else n}"}
        for n in range(1000)
        for name in "x"
    ]
    for name, columns in keys.items():
        lab.run(f"CREATE TABLE t_{name} ({columns})")
        mine = [{**row, "b": f"k{n % 7}"} if name == "two" else row for n, row in enumerate(rows)]
        lab.fill(sa.table(f"t_{name}", sa.column("a"), sa.column("b")), mine)
    store = lab.open()
    for key, unit in units(store).items():
        lines = read(store, unit)[None].splitlines()
        assert sorted(int(line.split(b"\t")[0]) for line in lines) == [row["a"] for row in rows], (
            key
        )
        assert len(lines) == len(rows)
    store.close()


def test_values_and_where_they_stand(lab: Lab) -> None:
    packed = gzip.compress(b"inside the value, " * 20)
    columns = f"id {lab.whole} NOT NULL, note {lab.text}, doc {lab.binary}, n double precision"
    lab.run(f"CREATE TABLE t ({columns}, PRIMARY KEY (id))")
    table = sa.table("t", *(sa.column(name) for name in ("id", "note", "doc", "n")))
    lab.fill(
        table,
        [
            {"id": 5, "note": "tab\there\nline", "doc": packed, "n": 4539120000000006.0},
            {"id": 12, "note": None, "doc": b"plain bytes", "n": 0.5},
        ],
    )
    store = lab.open()
    (unit,) = units(store).values()
    seen = read(store, unit)
    assert seen[None].splitlines() == [
        b"5\ttab\\there\\nline\t\t4539120000000006",
        b"12\t\\N\tplain bytes\t0.5",
    ]
    assert seen["doc@5!doc@5"].startswith(b"inside the value")
    for _, item in walk(store.open(unit), "t", WHOLE, registry.readers(), Limits()):
        if not isinstance(item, Problem) and b"plain bytes" in bytes(item.data):
            where = item.locate(bytes(item.data).index(b"plain bytes"), 0)
            assert (where.row, where.field) == (12, "doc")
    store.close()


def test_a_table_that_is_gone(lab: Lab) -> None:
    lab.run(f"CREATE TABLE gone (a {lab.text})", f"CREATE TABLE stays (a {lab.text})")
    store = lab.open()
    unit = next(unit for key, unit in units(store).items() if key.endswith("gone"))
    lab.run("DROP TABLE gone")
    other = lab.open()
    with pytest.raises(Unreadable) as caught:
        read(other, unit)
    assert caught.value.reason is Reason.VANISHED
    store.close()
    other.close()


# --- what only some tell ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_slices_join_up_and_the_session_cannot_write(name: str, tmp_path: Path) -> None:
    lab = DIALECTS[name](tmp_path)
    lab.run(f"CREATE TABLE t (id {lab.whole} NOT NULL, note {lab.text}, PRIMARY KEY (id))")
    rows = [{"id": 10_000_000_000 + 3 * n, "note": "x" * 50} for n in range(3000)]
    lab.fill(sa.table("t", sa.column("id"), sa.column("note")), rows)
    if name == "mariadb":
        lab.run("ANALYZE TABLE t")
    store = lab.open()
    unit = units(store)["t"]
    assert unit.size and unit.version and store.open(unit).sliceable

    @settings(max_examples=10, deadline=None)
    @given(st.lists(st.integers(1, unit.size - 1), max_size=4, unique=True))
    def join(cuts: list[int]) -> None:
        edges = [0, *sorted(cuts), None]
        lines = [
            line
            for index, (start, end) in enumerate(pairwise(edges))
            for line in read(store, unit, Slice(index, start or 0, end)).get(None, b"").splitlines()
        ]
        assert [int(line.split(b"\t")[0]) for line in lines] == [row["id"] for row in rows]

    join()
    (read_only,) = (fact for fact in store.facts() if fact.control == "read-only-session")
    assert read_only.state == "yes"
    with pytest.raises(Unreadable):
        store._session.ask(lambda connection: connection.exec_driver_sql("DELETE FROM t"))
    store.close()


def test_schemas_and_what_may_not_be_read(tmp_path: Path) -> None:
    lab = _postgres(tmp_path)
    server = postgres_server.server()
    server.run("postgres", "DROP ROLE IF EXISTS generic_reader", "CREATE ROLE generic_reader LOGIN")
    lab.run(
        "CREATE SCHEMA other",
        'CREATE TABLE other."t.1" (a text)',
        "CREATE TABLE open (a text)",
        "CREATE TABLE closed (a text)",
        "CREATE MATERIALIZED VIEW kept AS SELECT 'in the view' AS a",
        "INSERT INTO open VALUES ('x')",
        "GRANT SELECT ON open, kept TO generic_reader",
    )
    url = server.target(DATABASE, "generic_reader").replace("postgresql:", "postgresql+psycopg:")
    store = STORE.connect(STORE.resolve(url, {}), str)
    found = units(store)
    assert set(found) == {"open", "closed", "kept", 'other."t.1"'}
    assert read(store, found["kept"]) == {None: b"in the view\n"}
    with pytest.raises(Unreadable) as caught:
        read(store, found["closed"])
    assert caught.value.reason is Reason.ACCESS_DENIED
    only = STORE.connect(STORE.resolve(url, {"schemas": ["other"]}), str)
    assert set(units(only)) == {'other."t.1"'}
    for each in (store, only):
        each.close()
    server.drop(DATABASE)
    server.run("postgres", "DROP ROLE generic_reader")


def test_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    lab = _postgres(tmp_path)
    server = postgres_server.server()
    lab.run("CREATE TABLE t (a text)", "INSERT INTO t VALUES ('x')")
    url = server.target(DATABASE).replace("postgresql:", "postgresql+psycopg:")
    store = STORE.connect(STORE.resolve(url, {"lock_seconds": 1}), str)
    unit = units(store)["t"]
    with server.connect(DATABASE) as holder, holder.transaction():
        holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unreadable) as caught:
            read(store, unit)
        assert caught.value.reason is Reason.LOCKED
    assert read(store, unit) == {None: b"x\n"}
    store.close()
    server.drop(DATABASE)


def test_a_server_that_restarts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    if postgres_server.missing():
        pytest.skip(str(postgres_server.missing()))
    monkeypatch.setattr("scanner.stores.sqlalchemy_table._MOST_ROWS", 500)
    server = postgres_server.Server()
    try:
        server.run("postgres", f"CREATE DATABASE {DATABASE}")
        server.run(
            DATABASE,
            "CREATE TABLE t (id int PRIMARY KEY, a text)",
            "INSERT INTO t SELECT i, repeat('x', 2000) FROM generate_series(1, 4000) i",
        )
        url = server.target(DATABASE).replace("postgresql:", "postgresql+psycopg:")
        store = STORE.connect(STORE.resolve(url, {"patience": 30}), str)
        unit = units(store)["t"]
        seen: list[int] = []
        for place, (_, item) in enumerate(
            walk(store.open(unit), "t", WHOLE, registry.readers(), Limits())
        ):
            assert not isinstance(item, Problem), item.detail
            lines = bytes(item.data[item.lo : item.hi]).splitlines()
            seen += [int(line.split(b"\t")[0]) for line in lines]
            if place == 1:
                server.halt(3)
                server.start()
        assert seen == list(range(1, 4001))
        store.close()
    finally:
        server.stop()


def test_a_scan(cardtrail: Cardtrail, planted: Planted, tmp_path: Path) -> None:
    lab = _mariadb(tmp_path)
    pan = planted.pan()
    lab.run(
        "CREATE TABLE pay (id int PRIMARY KEY, card text)",
        f"INSERT INTO pay VALUES (42, 'c {pan}')",
    )
    target = mariadb_server.server().target(DATABASE).replace("mysql:", "mysql+pymysql:")
    result = cardtrail("scan", target, "--format", "json", "-o", "-", "--jobs", "1")
    assert result.code == 1, result.err
    run = json.loads(result.out)
    (finding,) = run["findings"]
    assert (finding["unit"], finding["location"]["field"], finding["location"]["row"]) == (
        "pay",
        "card",
        42,
    )
    assert run["stores"][0]["access"]["could_read"]["principals"] is None
    mariadb_server.server().run(None, f"DROP DATABASE {DATABASE}")


# --- dialects without a server here: at least what they would be told ----------------------------


@pytest.mark.parametrize(
    ("dialect", "source", "paged"),
    [
        (mssql.dialect(), "[S].[My Table]", "TOP 7 "),
        (oracle.dialect(), '"S"."My Table"', "FETCH FIRST 7 ROWS ONLY"),
        (postgresql.dialect(), '"S"."My Table"', "LIMIT 7"),
        (mysql.dialect(), "`S`.`My Table`", "LIMIT 7"),
    ],
    ids=["mssql", "oracle", "postgresql", "mysql"],
)
def test_ranges_are_spelled_by_the_dialect(dialect: Any, source: str, paged: str) -> None:
    table = sa.table("My Table", sa.column("ID", sa.Integer()), sa.column("note"), schema="S")
    keys = [table.c.ID, table.c.note]
    query = sa.select(table).where(_beyond(keys, [5, "x"])).order_by(*keys).limit(7)
    compiled = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    text = " ".join(str(compiled).split())
    for words in (f"FROM {source}", paged, "> 5 OR", "= 5 AND", "> 'x'", "ORDER BY"):
        assert words in text, text


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"pan": 4539}, b'{"pan": 4539}'),
        (["a", None], b'["a", null]'),
        (memoryview(b"abc"), b"abc"),
        (True, b"True"),
        (4539120000000006.0, b"4539120000000006"),
        (None, None),
    ],
)
def test_a_value_as_text(value: Any, wanted: bytes | None) -> None:
    assert shown(value) == wanted
