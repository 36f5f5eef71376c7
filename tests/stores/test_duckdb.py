"""DuckDB: every row and type, the write-ahead log too, and nobody who writes is kept out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import duckfile, registry
from scanner.contracts import Chunk, Limits, Member, Records
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Problem, Slice, Unit
from scanner.stores.duckdb import STORE, OpenDuckDb
from scanner.walk import walk
from tests.conftest import Cardtrail, Planted
from tests.stores.sqlite_lab import state

pytestmark = pytest.mark.usefixtures("home")
WHOLE = Slice(0, 0, None)


def make(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def opened(path: Path) -> OpenDuckDb:
    return STORE.connect(STORE.resolve(f"duckdb://{path}", {}), str)


def units(store: OpenDuckDb) -> dict[str, Unit]:
    listed = store.units(lambda name, is_folder: False)
    return {unit.key: unit for unit in listed if isinstance(unit, Unit)}


def items(
    store: OpenDuckDb, key: str, part: Slice = WHOLE
) -> Iterator[tuple[str | None, Chunk | Problem]]:
    records = store.open(units(store)[key])
    assert isinstance(records, Records)
    yield from walk(records, key, part, registry.readers(), Limits())


def text(store: OpenDuckDb, key: str, part: Slice = WHOLE) -> bytes:
    out = b""
    for _, item in items(store, key, part):
        assert isinstance(item, Chunk), vars(item) if isinstance(item, Problem) else item
        out += bytes(item.data[item.lo : item.hi])
    return out


@pytest.mark.parametrize("target", ["duckdb://", "duckdb://host/x.db", "duckdb:///tmp"])
def test_a_target_that_cannot_be(target: str) -> None:
    assert STORE.claims(target)
    with pytest.raises(UsageError, match="expected"):
        STORE.resolve(target, {})


TYPES = {
    "hugeint": ("4539120000000000006::HUGEINT", b"4539120000000000006"),
    "numeric": ("4539120000000006.25::DECIMAL(38,2)", b"4539120000000006.25"),
    "double": ("4539120000000006::DOUBLE", b"4539120000000006"),
    "long double": ("45391200000000065::DOUBLE", b"45391200000000064"),
    "fraction": ("0.5::FLOAT", b"0.5"),
    "json": ("""'{"a": {"pan": 4539120000000006}}'::JSON""", b'{"a": {"pan": 4539120000000006}}'),
    "list": ("['4539120000000006', NULL]", b"[4539120000000006, NULL]"),
    "struct": ("{'a': '4539120000000006'}", b"{'a': 4539120000000006}"),
    "map": ("MAP {'k': '4539120000000006'}", b"{k=4539120000000006}"),
    "array": ("['a', 'b']::VARCHAR[2]", b"[a, b]"),
    "bytes": ("'4539\\x0A0006'::BLOB", b"4539\\n0006"),
    "nested": ("{'b': '45390006'::BLOB}", b"{'b': 45390006}"),
    "date": ("DATE '1970-02-03'", b"1970-02-03"),
    "uuid": (
        "'2d341ac4-ac6a-4fec-8eee-7a383edfd1e1'::UUID",
        b"2d341ac4-ac6a-4fec-8eee-7a383edfd1e1",
    ),
    "enum": ("'x y'::ENUM('x y', 'z')", b"x y"),
    "text": ("'tab\there\nline\\end'", b"tab\\there\\nline\\\\end"),
    "null": ("NULL::VARCHAR", b"\\N"),
    "bit": ("'0101'::BIT", b"0101"),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_value_of_each_type(name: str, tmp_path: Path) -> None:
    value, wanted = TYPES[name]
    make(tmp_path / "a.duckdb", f"CREATE TABLE t AS SELECT 'before' AS a, {value} AS v, 'z' AS z")
    store = opened(tmp_path / "a.duckdb")
    line = text(store, "t").removesuffix(b"\n").split(b"\t")
    assert sorted(line) == sorted([b"before", wanted, b"z"])
    store.close()


def test_rows_and_columns_are_named(tmp_path: Path) -> None:
    make(
        tmp_path / "a.duckdb",
        "CREATE TABLE t(a VARCHAR, b BLOB, c VARCHAR)",
        "INSERT INTO t SELECT 'a' || i, 'b\\x09' || i, 'c' || i FROM range(5000) r(i)",
        "DELETE FROM t WHERE a = 'a3'",
    )
    store = opened(tmp_path / "a.duckdb")
    for _, chunk in items(store, "t"):
        assert isinstance(chunk, Chunk)
        for wanted, column in (("a4321", "a"), ("c4321", "c"), ("4321", "b")):
            raw = wanted.encode() if column != "b" else b"b\\t4321"
            start = bytes(chunk.data).index(raw)
            where = chunk.locate(start, start + 5)
            assert (where.row, where.field) == (4321, column)
    store.close()


def test_what_lies_in_a_blob_is_read_by_the_readers(tmp_path: Path) -> None:
    import gzip

    packed = "".join(f"\\x{byte:02X}" for byte in gzip.compress(b"inside the blob, " * 20))
    make(tmp_path / "a.duckdb", f"CREATE TABLE t AS SELECT 7 AS n, '{packed}'::BLOB AS doc")
    store = opened(tmp_path / "a.duckdb")
    seen = {
        member: bytes(c.data[c.lo : c.hi])
        for member, c in items(store, "t")
        if isinstance(c, Chunk)
    }
    assert seen["doc@0!doc@0"].startswith(b"inside the blob")
    assert seen[None] == b"7\t\n"
    store.close()


def test_schemas_views_macros_and_the_definitions(tmp_path: Path) -> None:
    make(
        tmp_path / "a.duckdb",
        "CREATE SCHEMA other",
        "CREATE TABLE other.\"a.b\"(x VARCHAR DEFAULT 'kept in a default')",
        "CREATE TABLE g(a VARCHAR, twice VARCHAR GENERATED ALWAYS AS (a || a))",
        "INSERT INTO g VALUES('once')",
        "CREATE VIEW v AS SELECT * FROM read_csv('/etc/passwd')",
        "CREATE MACRO encode(x) AS 'hijacked'",
        "CREATE MACRO duckdb_tables() AS TABLE SELECT 'hijacked'",
        "COMMENT ON COLUMN g.a IS 'kept in a comment'",
        "CREATE TYPE mood AS ENUM('kept in a type')",
    )
    store = opened(tmp_path / "a.duckdb")
    assert list(units(store)) == ["g", 'other."a.b"', "(definitions)"]
    assert text(store, "g") == b"once\n"
    kept = text(store, "(definitions)")
    for word in (b"kept in a default", b"kept in a comment", b"kept in a type", b"/etc/passwd"):
        assert word in kept
    store.close()


WRITER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE t AS SELECT 'in the file' AS a")
connection.execute("CHECKPOINT")
connection.execute("INSERT INTO t VALUES('in the log')")
print("ready", flush=True)
sys.stdin.readline()
connection.execute("INSERT INTO t VALUES('after the scan')")
print(connection.execute("SELECT count(*) FROM t").fetchone()[0], flush=True)
"""


def test_beside_a_writer_that_holds_the_database(tmp_path: Path) -> None:
    """Its log is read, nothing is written beside it, and it goes on writing."""
    folder = tmp_path / "db"
    folder.mkdir()
    command = [sys.executable, "-c", WRITER, str(folder / "a.duckdb")]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as writer:
        assert writer.stdin and writer.stdout
        assert writer.stdout.readline() == "ready\n"
        before = state(folder)
        assert set(before) == {"a.duckdb", "a.duckdb.wal"}
        store = opened(folder / "a.duckdb")
        assert text(store, "t") == b"in the file\nin the log\n"
        assert state(folder) == before
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "3\n"
        store.close()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 400_000), max_size=4))
def test_slices_join_up(cuts: list[int]) -> None:
    path = PARTS / "a.duckdb"
    store = opened(path)
    unit = units(store)["t"]
    assert unit.size
    edges = [0, *sorted({cut % unit.size for cut in cuts} - {0}), None]
    parts = pairwise(edges)
    lines = [
        line
        for index, (start, end) in enumerate(parts)
        for line in text(store, "t", Slice(index, start or 0, end)).splitlines()
    ]
    assert lines == [b"%d" % number for number in range(30_000)]
    store.close()


PARTS = Path()


@pytest.fixture(autouse=True, scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> None:
    global PARTS
    PARTS = tmp_path_factory.mktemp("parts")
    make(PARTS / "a.duckdb", "CREATE TABLE t AS SELECT i FROM range(30000) r(i)")


def test_rows_too_large_to_be_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In smaller pieces then; what is too large even so is left out, and counted."""
    make(
        tmp_path / "a.duckdb",
        "CREATE TABLE t AS SELECT i, CASE WHEN i BETWEEN 3000 AND 3099"
        " THEN repeat('x', 1500000) ELSE 'small' END AS a FROM range(10000) r(i)",
    )
    monkeypatch.setitem(duckfile._SETTINGS, "memory_limit", "100MiB")
    store = opened(tmp_path / "a.duckdb")
    seen: list[int] = []
    problems = []
    for _, item in items(store, "t"):
        if isinstance(item, Problem):
            problems.append((item.reason, item.detail))
            continue
        lines = bytes(item.data[item.lo : item.hi]).splitlines()
        seen += [int(line.split(b"\t")[0]) for line in lines]
    lost = set(range(10_000)) - set(seen)
    assert len(seen) == len(set(seen))
    assert lost <= set(range(2048, 4096))
    detail = f"{len(lost):,} rows lie beside values too large for 512MiB of memory"
    assert problems == [(Reason.BUDGET_MEMORY, detail)] * bool(lost)
    store.close()


def test_no_database_an_encrypted_and_a_newer_one(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no database")
    make(tmp_path / "new", "CREATE TABLE t(a VARCHAR)")
    data = bytearray((tmp_path / "new").read_bytes())
    data[12] = 250  # the version of the storage
    (tmp_path / "new").write_bytes(data)
    with duckdb.connect() as connection:
        connection.execute("SET force_mbedtls_unsafe = 'true'")
        connection.execute(f"ATTACH '{tmp_path}/secret' AS s (ENCRYPTION_KEY 'key')")
        connection.execute("CREATE TABLE s.t(a VARCHAR)")
    wanted = {
        "text": Reason.UNSUPPORTED,
        "secret": Reason.ENCRYPTED,
        "missing": Reason.NOT_FOUND,
    }
    for name, reason in wanted.items():
        with pytest.raises(Unreadable) as caught:
            units(opened(tmp_path / name))
        assert caught.value.reason is reason, name
    with pytest.raises(Unreadable) as caught:
        units(opened(tmp_path / "new"))
    assert caught.value.reason in (Reason.UNSUPPORTED, Reason.CORRUPT)  # its header has a checksum


def test_a_scan_of_a_store_and_of_a_folder(
    cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    folder = planted.allow(tmp_path / "data")
    folder.mkdir()
    pan, other = planted.pan(), planted.pan()
    make(
        folder / "a.duckdb",
        f"CREATE TABLE pay AS SELECT i AS id, CASE i WHEN 77 THEN '{pan}' ELSE 'no' END AS note"
        " FROM range(100) r(i)",
        f"COPY (SELECT 'x' AS a, '{other}' AS card) TO '{folder}/b.parquet' (FORMAT parquet)",
    )
    for target, names in (
        (f"duckdb://{folder}/a.duckdb", {"pay"}),
        (str(folder), {"a.duckdb", "b.parquet"}),
    ):
        result = cardtrail("scan", target, "--format", "json", "-o", "-", "--jobs", "2")
        import json

        assert result.code == 1, result.err
        run = json.loads(result.out)
        assert {f["unit"] for f in run["findings"]} == names
        places = {f["unit"]: f["location"] for f in run["findings"]}
        where = places.get("pay") or places["a.duckdb"]
        assert (where["row"], where["field"]) == (77, "note")
        assert where["member"] == (None if "pay" in places else "pay")
        if "b.parquet" in places:
            assert places["b.parquet"]["field"] == "card"
        assert run["coverage"]["units"] == run["coverage"]["scanned"]


_ = Member
