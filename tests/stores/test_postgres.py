"""The PostgreSQL store over a real server: every type, every place, every row once."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import pytest

from scanner import registry
from scanner.contracts import Limits, OpenStore
from scanner.errors import Reason, Unreadable
from scanner.model import Outcome, Problem, Slice
from scanner.stores import postgres_catalogue, postgres_table
from scanner.stores.postgres import STORE
from scanner.walk import walk
from tests import postgres_server
from tests.postgres_server import Server
from tests.stores.reading import WHOLE, Read, unit, units

pytestmark = postgres_server.MARKS
DATABASE = "reading"


@pytest.fixture
def server() -> Iterator[Server]:
    server = postgres_server.server()
    with server.database(DATABASE):
        yield server


def test_every_type_is_read_under_its_column(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        "CREATE EXTENSION hstore",
        "CREATE DOMAIN short AS text CHECK (length(value) < 99)",
        "CREATE TYPE pair AS (a text, b int)",
        """CREATE TABLE types (id bigint PRIMARY KEY, t text, v varchar(40), c char(20), j json,
           jb jsonb, arr text[], x name, h hstore, d short, p pair, by bytea, n numeric(30,2),
           f float8, big bigint, "wei""rd	name" text, r int4range, u uuid, empty text)""",
        r"""INSERT INTO types VALUES (7, 'needle000', 'needle001', 'needle002',
           '{"k": "needle003"}', '{"k": ["needle004"]}', ARRAY['a', E'needle005\nb'],
           'needle006', 'k=>needle007', 'needle008', ROW('needle009', 1), 'needle010',
           4539148803436467.00, 4539148803436467, 4539148803436467, 'needle011', '[1,2)',
           '00000000-0000-0000-0000-000000000000', NULL)""",
        r"INSERT INTO types (id, t, v) VALUES (8, E'tab\there\nline\n needle020', 'needle021')",
    )
    read = Read(opened, "types")
    assert not read.problems
    columns = ["t", "v", "c", "j", "jb", "arr", "x", "h", "d", "p", "by", 'wei"rd\tname']
    assert read.places == {
        **{b"needle%03d" % i: (name, 7) for i, name in enumerate(columns)},
        b"needle020": ("t", 8),
        b"needle021": ("v", 8),
    }
    assert read.text.count(b"4539148803436467") == 3  # the double in its digits too


def test_the_less_usual_types(server: Server, opened: OpenStore) -> None:
    values = {
        "text[][]": "ARRAY[['a', 'needle000']]",
        "bytea[]": "ARRAY['needle001'::bytea]",
        "jsonb[]": """ARRAY['{"k": "needle002"}'::jsonb]""",
        "many[]": "ARRAY[ROW('needle003', 'x')::many]",
        "many": "ROW('x', 'needle004')",
        "texts": "texts('needle005', NULL)",
        "twice": "'needle006'",
        "labels": "'needle007'",
        "tsvector": "to_tsvector('simple', 'needle008')",
        "tsquery": "to_tsquery('simple', 'needle009 & x')",
        "citext": "'needle010'",
        "ltree": "'top.needle011'",
        "jsonpath": """'$.k ? (@ == "needle012")'""",
        "rawdomain": "'needle013'",
        "hstore[]": "ARRAY['k=>needle014'::hstore]",
        "bytes": "ROW('needle015')",
    }
    server.run(
        DATABASE,
        *(f"CREATE EXTENSION {name}" for name in ("hstore", "citext", "ltree")),
        "CREATE TYPE many AS (a text, b text)",
        "CREATE TYPE bytes AS (a bytea)",
        "CREATE TYPE texts AS RANGE (subtype = text)",
        "CREATE DOMAIN once AS text",
        "CREATE DOMAIN twice AS once",
        "CREATE DOMAIN rawdomain AS bytea",
        "CREATE TYPE labels AS ENUM ('needle007')",
        "CREATE TABLE t (id int PRIMARY KEY, "
        + ", ".join(f"c{i} {kind}" for i, kind in enumerate(values))
        + ", made text GENERATED ALWAYS AS ('needle016' || id::text) STORED)",
        f"INSERT INTO t VALUES (7, {', '.join(values.values())})",
        "CREATE TABLE heir (own text) INHERITS (t)",
        "INSERT INTO heir (id, own) VALUES (8, 'needle017')",
    )
    read = Read(opened, "t")
    assert not read.problems
    seen = {needle.decode(): place for needle, place in read.places.items()}
    # bytes inside other types come as their digits, which detectors undo
    digits = {f"needle{i:03}" for i in (1, 15)}
    assert set(seen) == {f"needle{i:03}" for i in range(17)} - digits
    assert read.text.count(b"needle001".hex().encode()) == 1
    assert read.text.count(b"needle015".hex().encode()) == 1
    for number in range(16):
        if f"needle{number:03}" in seen:
            assert seen[f"needle{number:03}"] == (f"c{number}", 7)
    assert Read(opened, "heir").places[b"needle017"] == ("own", None)


def test_xml() -> None:
    server = postgres_server.debian()
    if server is None:
        pytest.skip("no PostgreSQL with XML: the Debian package postgresql is not installed")
    with server.database(DATABASE):
        server.run(
            DATABASE,
            "CREATE TABLE x (id int PRIMARY KEY, doc xml, docs xml[])",
            "INSERT INTO x VALUES (7, '<a><b>needle000</b></a>',"
            " ARRAY['<c d=\"needle001\"/>'::xml])",
        )
        opened = STORE.connect(STORE.resolve(server.target(DATABASE), {}), str)
        read = Read(opened, "x")
        opened.close()
    assert read.places == {b"needle000": ("doc", 7), b"needle001": ("docs", 7)}


def test_rows_of_nothing_are_rows_whatever_the_table_is_called(
    server: Server, opened: OpenStore
) -> None:
    """The statement that reads has names of its own, and tables may be called like them."""
    server.run(
        DATABASE,
        "CREATE TABLE b (first text, b text)",
        "INSERT INTO b SELECT '', NULL FROM generate_series(1, 20000)",
        "INSERT INTO b VALUES ('needle001', 'needle002')",
        "CREATE TABLE bare (text text)",
        "INSERT INTO bare SELECT '' FROM generate_series(1, 20000)",
    )
    read = Read(opened, "b")
    assert read.text.count(b"\n") == 20_001
    assert read.places == {b"needle001": ("first", None), b"needle002": ("b", None)}
    assert Read(opened, "bare").text.count(b"\n") == 20_000


def test_every_row_is_in_exactly_one_slice(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE many AS SELECT i, 'row<' || i || '>' || repeat('x', i % 300) AS t"
        " FROM generate_series(1, 20000) i",
        "DELETE FROM many WHERE i % 7 = 0",
    )
    size = unit(opened, "many").size
    assert size is not None and size > 1 << 20
    expected = sorted(b"row<%d>" % i for i in range(1, 20001) if i % 7)
    for step in (100_000, 1 << 18):
        found: list[bytes] = []
        for index, start in enumerate(range(0, size, step)):
            part = Slice(index, start, min(size, start + step))
            text = Read(opened, "many", part).text
            found += [line.split(b"\t")[1].split(b">")[0] + b">" for line in text.splitlines()]
        assert sorted(found) == expected


def test_rows_added_after_the_listing_do_not_hide_the_end(
    server: Server, opened: OpenStore
) -> None:
    server.run(DATABASE, "CREATE TABLE t(a text)", "INSERT INTO t VALUES ('first')")
    before = unit(opened, "t")
    server.run(DATABASE, "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 100)")
    server.run(DATABASE, "INSERT INTO t VALUES ('needle')")
    records = opened.open(before)
    part = Slice(0, 0, before.size)
    items = [item for _, item in walk(records, "t", part, registry.readers(), Limits())]
    assert any(b"needle" in bytes(item.data) for item in items if not isinstance(item, Problem))


def test_binary_values_that_are_formats_are_opened(server: Server, opened: OpenStore) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", "needle100 " * 50)
    server.run(DATABASE, "CREATE TABLE files(id int, body bytea, note text)")
    with server.connect(DATABASE) as connection:
        insert = "INSERT INTO files VALUES (%s, %s, %s)"
        connection.execute(insert, (1, packed.getvalue(), "needle101"))
        connection.execute(insert, (2, b"plain needle102 \x1f\x1e\x00\xff", "needle103"))
    read = Read(opened, "files")
    assert read.places[b"needle100"][0] == "body@(0,1)!inside.txt"
    assert read.places[b"needle101"][0] == "note"
    assert read.places[b"needle102"][0] == "body"
    assert read.places[b"needle103"][0] == "note"


def test_values_too_large_to_hold_are_read_in_pieces(
    server: Server, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_table, "LARGE", 1 << 20)
    server.run(
        DATABASE,
        "CREATE TABLE large(id int, t text, b bytea, j jsonb)",
        "ALTER TABLE large ALTER t SET STORAGE external",
        "INSERT INTO large VALUES (1, repeat('é', 3000000) || 'needle200', NULL,"
        " jsonb_build_object('k', repeat('z', 99) || 'needle201'))",
        "INSERT INTO large SELECT 2, NULL, convert_to(string_agg(md5(i::text), '')"
        " || 'needle202', 'UTF8'), NULL FROM generate_series(1, 300000) i",
    )
    read = Read(opened, "large")
    assert not read.problems
    assert read.places == {
        b"needle200": ("t@(0,1)", None),
        b"needle201": ("j", None),
        b"needle202": ("b@(0,2)", None),
    }
    assert read.text.count("é".encode()) == 3_000_000


def test_more_columns_than_a_function_takes_arguments(server: Server, opened: OpenStore) -> None:
    names = [f"c{i}" for i in range(300)]
    server.run(
        DATABASE,
        f"CREATE TABLE wide({', '.join(name + ' text' for name in names)})",
        "INSERT INTO wide(c0, c150, c299) VALUES ('needle001', 'needle002', 'needle003')",
        "CREATE TABLE nothing()",
        "INSERT INTO nothing DEFAULT VALUES",
    )
    places = {name: place[0] for name, place in Read(opened, "wide").places.items()}
    assert places == {b"needle001": "c0", b"needle002": "c150", b"needle003": "c299"}
    assert not Read(opened, "nothing").problems


def test_partitions_views_and_foreign_tables(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE p(a int, t text) PARTITION BY LIST (a)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)",
        "INSERT INTO p VALUES (1, 'needle301'), (2, 'needle302')",
        "CREATE SCHEMA other",
        "CREATE VIEW other.v AS SELECT * FROM p",
        "CREATE MATERIALIZED VIEW other.m AS SELECT * FROM p",
        "CREATE MATERIALIZED VIEW other.later AS SELECT * FROM p WITH NO DATA",
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw",
        "CREATE FOREIGN TABLE other.far(a int) SERVER elsewhere",
    )
    found = units(opened)
    tables = {name for name in found if not name.startswith("(")}
    assert tables == {"p1", "p2", "other.m", "other.later", "other.far"}
    far = found["other.far"]
    assert isinstance(far, Outcome) and far.reason is Reason.FOREIGN and "elsewhere" in far.detail
    assert list(Read(opened, "p1").places) == [b"needle301"]
    assert set(Read(opened, "other.m").places) == {b"needle301", b"needle302"}
    assert Read(opened, "other.later").text == b""


def test_places_that_are_no_table(server: Server) -> None:
    server.run(
        DATABASE,
        "CREATE EXTENSION pg_stat_statements",
        "CREATE TABLE t(a text DEFAULT 'needle400', CHECK (a <> 'needle401'))",
        "COMMENT ON TABLE t IS 'needle402'",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''needle403''::text'",
        "CREATE VIEW v AS SELECT 'needle404'::text",
        "INSERT INTO t SELECT 'needle405' FROM generate_series(1, 9)",
        "CREATE TABLE wide AS SELECT 'needle' AS a, 'needle413' AS b FROM generate_series(1, 99)",
        "CREATE STATISTICS together (mcv) ON (a || '412'), b FROM wide",
        "ANALYZE t, wide",
        "CREATE INDEX i ON t(a) WHERE a <> 'needle406'",
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD UPDATE t SET a = 'needle407'",
        "ALTER DATABASE reading SET application_name = 'needle408'",
        "COMMENT ON DATABASE reading IS 'needle409'",
        "CREATE EXTENSION postgres_fdw",
        "CREATE FOREIGN DATA WRAPPER f OPTIONS (a 'needle414')",
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw",
        "CREATE USER MAPPING FOR ct_admin SERVER far OPTIONS (user 'needle415')",
        "CREATE USER MAPPING FOR PUBLIC SERVER far",
        "CREATE PUBLICATION p FOR TABLE t WHERE (a <> 'needle416')",
        'CREATE TABLE shifted("needle417" text)',
        'CREATE ROLE "needle410"',
        'DROP ROLE "needle410"',
    )
    server.run(DATABASE, "SELECT lo_from_bytea(0, 'needle411')")
    options = {"large_objects": True}
    opened = STORE.connect(STORE.resolve(server.target(DATABASE), options), str)
    places = [Read(opened, key) for key in units(opened) if key.startswith("(")]
    keys = [key for key in units(opened) if key.startswith("(")]
    found = {key: sorted(read.places) for key, read in zip(keys, places, strict=True)}
    assert not [read.problems for read in places if read.problems], (
        "nothing is hidden from ct_admin"
    )
    opened.close()
    assert found["(column defaults)"] == [b"needle400"]
    assert found["(constraints and indexes)"] == [b"needle401", b"needle406", b"needle416"]
    assert found["(comments)"] == [b"needle402", b"needle409"]
    assert found["(function bodies)"] == [b"needle403"]
    assert found["(view definitions)"] == [b"needle404"]
    assert {b"needle405", b"needle412", b"needle413"} <= set(found["(pg_stats)"])
    assert found["(rules, triggers and policies)"] == [b"needle407"]
    assert found["(settings)"] == [b"needle408", b"needle414", b"needle415"]
    assert b"needle410" in found["(pg_stat_statements)"]  # utility statements keep their words
    assert found["(large objects)"] == [b"needle411"]
    assert found["(column names)"] == [b"needle417"]


def test_what_other_sessions_run_is_seen(server: Server, opened: OpenStore) -> None:
    with server.connect(DATABASE) as other:
        other.execute("SET application_name = 'needle501'")
        other.execute("SELECT 'needle500'")
        seen = Read(opened, "(pg_stat_activity)").places
        assert {b"needle500", b"needle501"} <= set(seen)


def test_a_role_that_may_read_some_of_it(server: Server) -> None:
    server.run("postgres", "DROP ROLE IF EXISTS narrow")
    server.run(
        DATABASE,
        "CREATE ROLE narrow LOGIN",
        "CREATE TABLE hidden(a text)",
        "CREATE TABLE part(a text, b text, c text)",
        "INSERT INTO part VALUES ('needle600', 'needle601', 'needle602')",
        "GRANT SELECT (a, c) ON part TO narrow",
        "CREATE TABLE filtered(a text)",
        "INSERT INTO filtered VALUES ('needle603'), ('needle604')",
        "GRANT SELECT ON filtered TO narrow",
        "ALTER TABLE filtered ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON filtered USING (a = 'needle603')",
    )
    opened = STORE.connect(STORE.resolve(server.target(DATABASE, "narrow"), {}), str)
    hidden = units(opened)["hidden"]
    assert isinstance(hidden, Outcome) and hidden.reason is Reason.ACCESS_DENIED
    part = Read(opened, "part")
    assert {key: place[0] for key, place in part.places.items()} == {
        b"needle600": "a",
        b"needle602": "c",
    }
    assert [p.reason for p in part.problems] == [Reason.ACCESS_DENIED]
    filtered = Read(opened, "filtered")
    assert list(filtered.places) == [b"needle603"]
    assert "row-level security" in filtered.problems[0].detail
    opened.close()
    server.run(DATABASE, "DROP OWNED BY narrow", "DROP ROLE narrow")


def test_a_locked_table_is_left_alone_and_the_rest_is_listed(server: Server) -> None:
    server.run(DATABASE, "CREATE TABLE busy(a text)", "CREATE TABLE free(a text)")
    opened = STORE.connect(STORE.resolve(server.target(DATABASE), {"lock_seconds": 1}), str)
    with server.connect(DATABASE) as holder, holder.transaction():
        holder.execute("LOCK TABLE busy IN ACCESS EXCLUSIVE MODE")
        assert {"busy", "free"} <= set(units(opened))
        with pytest.raises(Unreadable) as caught:
            Read(opened, "busy")
        assert caught.value.reason.skips and "lock" in caught.value.detail
        assert not Read(opened, "free").problems
    assert not Read(opened, "busy").problems
    opened.close()


def test_nothing_can_be_written_by_the_session(server: Server, opened: OpenStore) -> None:
    server.run(DATABASE, "CREATE TABLE t(a text)")
    session = opened._session  # type: ignore[attr-defined]  # the very session that reads
    with pytest.raises(Unreadable) as caught:
        session.rows("INSERT INTO public.t VALUES ('x') RETURNING a")
    assert "25006" in caught.value.detail  # read_only_sql_transaction
    assert server.rows(DATABASE, "SELECT * FROM t") == []
    ((name,),) = session.rows("SELECT current_setting('application_name')")
    assert name == "cardtrail"


def test_rows_that_moved_meanwhile_are_told(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE t(a int, b text)",
        "INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 2000) i",
    )
    records = opened.open(unit(opened, "t"))
    list(walk(records, "t", WHOLE, registry.readers(), Limits()))
    assert records.check() is None
    server.run(DATABASE, "UPDATE t SET b = b || 'y'", "SELECT pg_stat_force_next_flush()")
    changed = records.check()
    assert changed is not None and changed.reason == Reason.CHANGED


def test_damaged_blocks_cost_only_themselves(
    server: Server, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE t(a text)",
        "INSERT INTO t SELECT repeat('x', 1000) || i FROM generate_series(1, 200) i",
        "CHECKPOINT",
    )
    ((path,),) = server.rows(DATABASE, "SELECT pg_relation_filepath('t')")
    server.halt()
    with (server.data / path).open("r+b") as file:
        file.seek(8192 * 5)
        file.write(b"\xee" * 8192)
    server.start()
    read = Read(opened, "t")
    assert [p.reason for p in read.problems] == [Reason.CORRUPT]
    assert "block 5" in read.problems[0].detail
    assert read.text.count(b"\n") > 180


@pytest.mark.parametrize(
    ("schema", "name", "key"),
    [
        ("public", "cards", "cards"),
        ("shop", "cards", "shop.cards"),
        ("public", "a.b", '"a.b"'),
        ("a.b", 'c"d', '"a.b"."c""d"'),
        ("public", "(comments)", '"(comments)"'),
        ("x", "new\nline", "x.new\nline"),
    ],
)
def test_keys_are_unambiguous(schema: str, name: str, key: str) -> None:
    assert postgres_catalogue.spell(schema, name) == key
    assert postgres_catalogue.parts_of(key) == (schema, name)
