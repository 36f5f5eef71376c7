"""The MySQL and MariaDB store over a real server: every type, every place, every row once."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator

import pytest

from scanner import registry
from scanner.contracts import Limits, OpenStore
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Outcome, Problem, Slice
from scanner.stores import mysql_table, mysql_target
from scanner.stores.mysql import STORE
from scanner.walk import walk
from tests import mariadb_server
from tests.conftest import Cardtrail, Planted
from tests.mariadb_server import ADMIN, Server
from tests.stores.reading import WHOLE, Read, unit, units

pytestmark = mariadb_server.MARKS
DATABASE = "reading"


@pytest.fixture
def server() -> Iterator[Server]:
    server = mariadb_server.server()
    with server.database(DATABASE):
        yield server


def test_every_type_is_read_under_its_column(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        """CREATE TABLE types (id bigint PRIMARY KEY, t text, v varchar(40) CHARACTER SET latin1,
           c char(20) CHARACTER SET utf16, j json, e enum('needle003', 'x'), s set('needle004'),
           b blob, vb varbinary(30), n decimal(30,2), f double, big bigint unsigned,
           `wei``rd\t%name` text, d datetime, bi bit(8), empty text,
           padded bigint(20) zerofill)""",
        """INSERT INTO types VALUES (7, 'needle000', 'needle001 é', 'needle002',
           '{"k": "needle009"}', 'needle003', 'needle004', 'needle005', 'needle006',
           4539148803436467, 4539148803436467, 4539148803436467, 'needle007', now(), b'1', NULL,
           4539148803436467)""",
        "INSERT INTO types (id, t, v) VALUES (8, 'tab\\there\\nline\\n needle020', 'needle021')",
    )
    read = Read(opened, "types")
    assert not read.problems
    columns = ["t", "v", "c", "e", "s", "b", "vb", "wei`rd\t%name"]
    assert read.places == {
        **{b"needle%03d" % i: (name, 7) for i, name in enumerate(columns)},
        b"needle009": ("j", 7),
        b"needle020": ("t", 8),
        b"needle021": ("v", 8),
    }
    # the double in its digits too, and no zeros in front
    assert read.text.count(b"\t4539148803436467") == 4
    assert "needle001 é".encode() in read.text


def test_character_sets_and_collations_of_every_sort(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE mixed (id int PRIMARY KEY, a text COLLATE utf8mb4_bin,"
        " b text COLLATE utf8mb3_swedish_ci, c text COLLATE ascii_bin, d text COLLATE latin1_bin,"
        " e text CHARACTER SET sjis, f text COLLATE utf16_bin, g text COLLATE utf8mb4_general_ci)",
        "INSERT INTO mixed VALUES (1, 'needle050 ☕', 'needle051 é', 'needle052', 'needle053 é',"
        " 'needle054 カ', 'needle055 é', 'needle056 ☕')",
    )
    read = Read(opened, "mixed")
    assert read.places == {b"needle05%d" % i: (name, 1) for i, name in enumerate("abcdefg")}
    for words in ("050 ☕", "051 é", "053 é", "054 カ", "055 é", "056 ☕"):
        assert words.encode() in read.text


@pytest.mark.parametrize("key", [" PRIMARY KEY", ""])
@pytest.mark.parametrize("blob", ["", ", b blob DEFAULT 'needle052'"])
@pytest.mark.parametrize(
    ("charset", "letters"), [("latin1", "é€"), ("cp1251", "Жя"), ("koi8r", "Жя"), ("latin7", "ž")]
)
def test_one_character_set_of_one_byte_is_converted_here(
    server: Server, opened: OpenStore, key: str, blob: str, charset: str, letters: str
) -> None:
    server.run(
        DATABASE,
        f"CREATE TABLE mixed (id int{key}, a text, e enum('{letters}'){blob}) CHARSET {charset}",
        f"INSERT INTO mixed (id, a, e) VALUES (1, 'needle050 {letters}', '{letters}'),"
        " (2, 'needle051', NULL), (3, NULL, NULL)",
    )
    read = Read(opened, "mixed")
    row = 1 if key else None
    assert read.places[b"needle050"] == ("a", 1) or not row
    assert read.text.count(letters.encode()) == 2 and b"needle051" in read.text
    assert read.text.count(b"needle052") == (3 if blob else 0)
    assert read.text.count(b"\n") == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id int", "seq"),
        ("id bigint unsigned", "18446744073709000000 + seq"),
        ("id varchar(20)", "concat(if(seq % 2, 'k', 'K'), seq)"),
        ("id varbinary(20)", "concat(char(255), seq, char(0))"),
        ("id decimal(20,3)", "seq / 3"),
        ("id datetime(6)", "date_add('2020-03-29', INTERVAL seq * 7 MINUTE)"),
        ("id float", "seq / 3"),
        (None, "seq"),
    ],
)
def test_every_row_comes_once_whatever_the_key(
    server: Server, opened: OpenStore, monkeypatch: pytest.MonkeyPatch, key: str | None, value: str
) -> None:
    monkeypatch.setattr(mysql_table, "_MOST_ROWS", 700)
    server.run(
        DATABASE,
        f"CREATE TABLE many ({f'{key} PRIMARY KEY' if key else 'id int'}, t text)",
        f"INSERT INTO many SELECT {value}, concat('row<', seq, '>') FROM seq_1_to_3000",
    )
    read = Read(opened, "many")
    assert not read.problems
    for number in range(1, 3001):
        assert read.text.count(b"row<%d>" % number) == 1


def test_keys_that_lie_close_then_far_apart_then_close(
    server: Server, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_table, "_MOST_ROWS", 400)
    asked: list[str] = []
    session = opened._session  # type: ignore[attr-defined]  # it is what reads
    rows = session.rows
    monkeypatch.setattr(session, "rows", lambda *a: (asked.append(a[0]), rows(*a))[1])
    server.run(
        DATABASE,
        "CREATE TABLE many (id bigint PRIMARY KEY, t text)",
        "INSERT INTO many SELECT cast(seq AS signed) - 700,"
        " concat('row<', seq, '>', repeat('x', 900)) FROM seq_1_to_1000",
        "INSERT INTO many SELECT 5000000000 * seq, concat('row<', seq, '>') FROM seq_1001_to_1300",
        "INSERT INTO many SELECT 9000000000000 + seq, concat('row<', seq, '>') FROM"
        " seq_1301_to_3000",
        "ANALYZE TABLE many",
    )
    read = Read(opened, "many")
    assert not read.problems
    for number in range(1, 3001):
        assert read.text.count(b"row<%d>" % number) == 1
    assert len(asked) < 60  # the gap is not walked through number by number


def test_keys_of_several_columns(
    server: Server, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_table, "_MOST_ROWS", 100)
    server.run(
        DATABASE,
        "CREATE TABLE many (a int, b varchar(9), c int, t text, PRIMARY KEY (b, a, c))",
        "INSERT INTO many SELECT seq % 7, concat('k', seq % 3), seq, concat('row<', seq, '>')"
        " FROM seq_1_to_2000",
    )
    read = Read(opened, "many")
    for number in range(1, 2001):
        assert read.text.count(b"row<%d>" % number) == 1


def test_every_row_is_in_exactly_one_slice(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE many (id int PRIMARY KEY, t text)",
        "INSERT INTO many SELECT cast(seq AS signed) * 3 - 5000,"
        " concat('row<', seq, '>', repeat('x', 200)) FROM seq_1_to_5000",
        "ANALYZE TABLE many",
    )
    item = unit(opened, "many")
    assert item.size is not None and item.size > 500_000
    server.run(DATABASE, "INSERT INTO many VALUES (900000, 'row<later>'), (-9000, 'row<earlier>')")
    found: list[bytes] = []
    for index, start in enumerate(range(0, item.size, 70_000)):
        part = Slice(index, start, min(item.size, start + 70_000))
        text = Read(opened, item, part).text
        found += [line.split(b"\t")[1].split(b">")[0] for line in text.splitlines()]
    expected = [b"row<%d" % number for number in range(1, 5001)]
    assert sorted(found) == sorted([*expected, b"row<later", b"row<earlier"])


def test_rows_of_the_past_are_read_too(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE t (id int PRIMARY KEY, a text) WITH SYSTEM VERSIONING",
        "INSERT INTO t VALUES (1, 'needle100')",
        "UPDATE t SET a = 'needle101'",
        "DELETE FROM t",
    )
    assert set(Read(opened, "t").places) == {b"needle100", b"needle101"}


def test_binary_values_that_are_formats_are_opened(server: Server, opened: OpenStore) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", "needle200 " * 50)
    server.run(
        DATABASE,
        "CREATE TABLE files(id int PRIMARY KEY, body longblob, note text)",
        f"INSERT INTO files VALUES (1, x'{packed.getvalue().hex()}', 'needle201')",
        f"INSERT INTO files VALUES (2, x'{b'plain needle202'.hex()}1f1e00ff', 'needle203')",
    )
    read = Read(opened, "files")
    assert read.places[b"needle200"][0] == "body@1!inside.txt"
    assert read.places[b"needle201"] == ("note", 1)
    assert read.places[b"needle202"] == ("body", 2)
    assert read.places[b"needle203"] == ("note", 2)


@pytest.mark.parametrize("key", [" PRIMARY KEY", ""])
def test_values_too_large_to_hold(
    server: Server, opened: OpenStore, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(mysql_table, "LARGE", 1 << 20)
    server.run(
        DATABASE,
        f"CREATE TABLE large(id int{key}, t longtext, b longblob)",
        "INSERT INTO large VALUES (1, concat(repeat('é', 3000000), 'needle300'), 'needle301'),"
        " (2, 'needle302', concat(repeat('z', 3000000), 'needle303'))",
    )
    read = Read(opened, "large")
    small = {b"needle301": "b", b"needle302": "t"}
    if key:
        small |= {b"needle300": "t@1", b"needle303": "b@2"}
        assert not read.problems
        assert read.text.count("é".encode()) == 3_000_000
    else:
        assert [problem.reason for problem in read.problems] == [Reason.BUDGET_MEMORY]
        assert "2 values" in read.problems[0].detail
    assert {name: place[0] for name, place in read.places.items()} == small


def test_places_that_are_no_table(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        f"ALTER DATABASE {DATABASE} COMMENT 'needle409'",
        "CREATE TABLE shifted(`needle411` int)"
        " PARTITION BY HASH (needle411) (PARTITION p COMMENT 'needle410')",
        "CREATE TABLE t(a varchar(40) DEFAULT 'needle400' COMMENT 'needle401',"
        " CHECK (a <> 'needle402')) COMMENT 'needle403'",
        "CREATE PROCEDURE p() SELECT 'needle404'",
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 'needle405'",
        "CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR COMMENT 'needle412' DO SELECT 'needle406'",
        "CREATE VIEW v AS SELECT 'needle407' AS a",
        "INSERT INTO t VALUES ('x')",
        "UPDATE t SET a = 'needle408'",
        "ANALYZE TABLE t PERSISTENT FOR ALL",
    )
    with server.connect(DATABASE) as other, other.cursor() as cursor:
        cursor.execute("SET @kept = 'needle413'")
        keys = [key for key in units(opened) if key.startswith("(")]
        found = {key: sorted(Read(opened, key).places) for key in keys}
    numbers = (401, 403, 409, 410, 412)
    assert found["(comments)"] == [b"needle%03d" % number for number in numbers]
    assert found["(column names)"] == [b"needle411"]
    assert b"needle413" in found["(performance_schema)"]
    assert found["(column defaults)"] == [b"needle400"]
    assert found["(constraints and partitions)"] == [b"needle402"]
    assert found["(routine bodies)"] == [b"needle404", b"needle405", b"needle406"]
    assert found["(view definitions)"] == [b"needle407"]
    assert found["(column statistics)"] == [b"needle408"]
    assert {"(processlist)", "(performance_schema)"} <= set(found)


def test_logs_that_are_tables_are_read_also_when_they_are_off(
    server: Server, opened: OpenStore
) -> None:
    assert not {"(general log)", "(slow log)"} & set(units(opened))
    server.run(None, "SET GLOBAL log_output = 'TABLE', general_log = 1, slow_query_log = 1")
    with server.connect(DATABASE) as other, other.cursor() as cursor:
        cursor.execute("SET long_query_time = 0")
        cursor.execute("SELECT 'needle511'")
        for _ in range(600):
            cursor.execute("SELECT 1")
        cursor.execute("PREPARE kept FROM \"SELECT 'needle512'\"")
        server.run(None, "SET GLOBAL log_output = 'FILE', general_log = 0, slow_query_log = 0")
        general, slow = Read(opened, "(general log)"), Read(opened, "(slow log)")
        statements = Read(opened, "(performance_schema)")
    assert b"needle511" in general.places and not general.problems
    assert b"needle511" in slow.places and not slow.problems
    assert b"needle512" in statements.places and not statements.problems
    server.run(None, "TRUNCATE mysql.general_log", "TRUNCATE mysql.slow_log")


def test_what_other_sessions_run_is_seen(server: Server, opened: OpenStore) -> None:
    with server.connect(DATABASE) as other, other.cursor() as cursor:
        running = threading.Thread(
            target=cursor.execute, args=("SELECT 'needle500', sleep(1.5)",), daemon=True
        )
        running.start()
        found: set[bytes] = set()
        while running.is_alive() and not found:
            found = set(Read(opened, "(processlist)").places)
        running.join()
    assert found == {b"needle500"}


def test_an_account_that_may_read_some_of_it(server: Server) -> None:
    server.run(
        DATABASE,
        "CREATE USER IF NOT EXISTS narrow@localhost",
        "CREATE TABLE hidden(a text)",
        "CREATE TABLE part(id int PRIMARY KEY, a text, b text)",
        "INSERT INTO part VALUES (1, 'needle600', 'needle601')",
        f"GRANT SELECT (a) ON {DATABASE}.part TO narrow@localhost",
        f"GRANT INSERT ON {DATABASE}.hidden TO narrow@localhost",
    )
    opened = STORE.connect(STORE.resolve(server.target(DATABASE, "narrow"), {}), str)
    hidden = units(opened)["hidden"]
    assert isinstance(hidden, Outcome) and hidden.reason is Reason.ACCESS_DENIED
    read = Read(opened, "part")
    assert read.places == {b"needle600": ("a", None)}
    assert b"needle601" not in read.text
    opened.close()
    server.run(None, "DROP USER narrow@localhost")


def test_a_locked_table_is_left_alone(server: Server) -> None:
    server.run(DATABASE, "CREATE TABLE busy(a text)", "CREATE TABLE free(a text)")
    opened = STORE.connect(STORE.resolve(server.target(DATABASE), {"lock_seconds": 1}), str)
    with server.connect(DATABASE) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES busy WRITE")
        assert {"busy", "free"} <= set(units(opened))
        with pytest.raises(Unreadable) as caught:
            Read(opened, "busy")
        assert caught.value.reason.skips and "lock" in caught.value.detail
        assert not Read(opened, "free").problems
    assert not Read(opened, "busy").problems
    opened.close()


def test_nothing_can_be_written_by_the_session(server: Server, opened: OpenStore) -> None:
    server.run(DATABASE, "CREATE TABLE t(a text)")
    with pytest.raises(Unreadable) as caught:
        opened._session.rows("INSERT INTO t VALUES ('x')")  # type: ignore[attr-defined]  # it is what reads
    assert "1792" in caught.value.detail  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    assert server.rows(DATABASE, "SELECT * FROM t") == ()


def test_a_server_that_restarts_is_waited_for(server: Server, opened: OpenStore) -> None:
    server.run(
        DATABASE,
        "CREATE TABLE many (id int PRIMARY KEY, t text)",
        "INSERT INTO many SELECT seq, concat('row<', seq, '>', repeat('x', 900))"
        " FROM seq_1_to_20000",
    )
    records = opened.open(unit(opened, "many"))
    text, restarted = b"", False
    for _, chunk in walk(records, "many", WHOLE, registry.readers(), Limits()):
        assert not isinstance(chunk, Problem), chunk.detail
        text += bytes(chunk.data[chunk.lo : chunk.hi])
        if not restarted and len(text) > 3_000_000:
            server.halt()
            threading.Timer(0.5, server.start).start()
            restarted = True
    assert restarted
    assert all(text.count(b"row<%d>" % number) == 1 for number in range(1, 20001, 97))
    assert text.count(b"row<") == 20_000


def test_the_ordinary_command(server: Server, cardtrail: Cardtrail, planted: Planted) -> None:
    pans = [planted.pan() for _ in range(5)]
    values = ", ".join(f"({i}, 'x', '{pan}')" for i, pan in enumerate(pans))
    server.run(
        DATABASE,
        "CREATE TABLE orders (id int PRIMARY KEY, note text, card_number varchar(30))",
        f"INSERT INTO orders VALUES {values}",
    )
    excluded = 'exclude = ["(performance_schema)", "(processlist)"]\n'
    (cardtrail.cwd / "cardtrail.toml").write_text(excluded)
    done = cardtrail("scan", server.target(DATABASE), "-o", "run.json")
    assert done.code == 1, done.err
    document = json.loads((cardtrail.cwd / "run.json").read_text())
    places = sorted(
        (place["row"], place["field"])
        for finding in document["findings"]
        for place in finding["locations"]
    )
    assert places == [(number, "card_number") for number in range(5)]


# --- targets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "uri", "user"),
    [
        ("mysql://ann@db.example/shop", "mysql://db.example/shop", "ann"),
        ("mariadb://db.example:3306/sh%20op", "mysql://db.example/sh%20op", None),
        ("mysql://[::1]:3307/shop", "mysql://[::1]:3307/shop", None),
        ("mysql://%2Frun%2FMy.sock/shop", "mysql://%2Frun%2FMy.sock/shop", None),
    ],
)
def test_targets(target: str, uri: str, user: str | None) -> None:
    store = STORE.resolve(target, {})
    assert store.uri == uri
    assert store.options.get("user") == user
    assert STORE.resolve(uri, {}).uri == uri


@pytest.mark.parametrize(
    "target", ["mysql://ann:s3cret@db/shop", "mysql://db/shop?password=s3cret"]
)
def test_a_password_in_a_target_is_refused_and_not_repeated(target: str) -> None:
    with pytest.raises(UsageError) as caught:
        STORE.resolve(target, {})
    assert "s3cret" not in str(caught.value)


def test_certificates_are_verified_unless_the_server_is_here() -> None:
    context = mysql_target.parameters("mysql://db.example/x", {})["ssl"]
    assert context.check_hostname and context.verify_mode.name == "CERT_REQUIRED"
    assert "ssl" not in mysql_target.parameters("mysql://127.0.0.1/x", {})
    loose = mysql_target.parameters("mysql://db.example/x", {"ssl_mode": "require"})["ssl"]
    assert not loose.check_hostname


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("mysql://{admin}@127.0.0.1:{port}/no_such", Reason.NOT_FOUND),
        ("mysql://no_such@127.0.0.1:{port}/reading", Reason.CREDENTIALS),
        ("mysql://{admin}@127.0.0.1:1/reading", Reason.UNREACHABLE),
    ],
)
def test_why_a_store_cannot_be_reached(server: Server, target: str, reason: Reason) -> None:
    filled = target.format(admin=ADMIN, port=server.port)
    opened = STORE.connect(STORE.resolve(filled, {}), str)
    with pytest.raises(Unreadable) as caught:
        list(opened.units(lambda name, is_folder: False))
    assert caught.value.reason is reason
    opened.close()
