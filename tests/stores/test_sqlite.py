"""SQLite: every row as it would be after recovery, and not a byte beside or in the original."""

from __future__ import annotations

import os
import random
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import scratch, sqlitefile
from scanner.contracts import Chunk, Limits, Member, Records, Source
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Location, Problem, Slice, Unit
from scanner.scratch import Scratch
from scanner.stores.files import STORE as FILES
from scanner.stores.sqlite import STORE, OpenSqlite
from scanner.tablerows import _line

WHOLE = Slice(0, 0, None)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, home: Path) -> None:
    """Scratch copies lie in a place of the test's own (or in memory)."""


def opened(path: Path) -> OpenSqlite:
    return STORE.connect(STORE.resolve(f"sqlite://{path}", {}), str)


def units(store: OpenSqlite) -> list[Unit]:
    return [unit for unit in store.units(lambda name, is_folder: False) if isinstance(unit, Unit)]


def items(store: OpenSqlite, table: str) -> Iterator[Chunk | Member | Problem]:
    unit = next(unit for unit in units(store) if unit.key == table)
    records = store.open(unit)
    assert isinstance(records, Records)
    return records.chunks(WHOLE)


def text(store: OpenSqlite, table: str) -> bytes:
    out = b""
    for item in items(store, table):
        assert isinstance(item, Chunk), vars(item) if isinstance(item, Problem) else item
        out += bytes(item.data[item.lo : item.hi])
    return out


def state(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in folder.iterdir()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "db").mkdir()
    return tmp_path / "db"


def make(path: Path, *statements: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    return connection


# --- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["sqlite://", "sqlite://host/x.db", "sqlite:///no/such.db", "sqlite:///tmp"]
)
def test_a_target_that_cannot_be(target: str) -> None:
    assert STORE.claims(target)
    with pytest.raises(UsageError, match="expected"):
        STORE.resolve(target, {})


def test_the_spellings_of_one_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(folder / "a.db", "CREATE TABLE t(a)").close()
    monkeypatch.chdir(folder)
    spellings = (f"sqlite://{folder}/a.db", f"sqlite:///{folder}/a.db", "sqlite:///a.db")
    uris = {STORE.resolve(target, {}).uri for target in (*spellings, "sqlite://./a.db")}
    assert uris == {f"sqlite://{folder}/a.db"}


def test_a_uri_leads_back(folder: Path) -> None:
    path = folder / "a %#?ü.db"
    make(path, "CREATE TABLE t(a)").close()
    quoted = STORE.resolve(f"sqlite://{folder}/a%20%25%23%3F%C3%BC.db", {}).uri
    assert STORE.resolve(quoted, {}).uri == quoted
    store = STORE.connect(STORE.resolve(quoted, {}), str)
    assert [unit.name for unit in units(store)] == ["sqlite_master", "t"]
    store.close()


# --- rows ---------------------------------------------------------------------------------------


def test_rows_are_lines_with_row_and_column(folder: Path) -> None:
    make(
        folder / "a.db",
        "CREATE TABLE pay(id INTEGER PRIMARY KEY, holder TEXT, pan TEXT, amount REAL, n INT)",
        "INSERT INTO pay VALUES(7, 'A\tB', 'x\ny', 1.5, NULL), (9, 'back\\slash', x'00ff', 2, 3)",
    ).close()
    store = opened(folder / "a.db")
    (chunk,) = items(store, "pay")
    assert isinstance(chunk, Chunk)
    assert bytes(chunk.data) == (b"7\tA\\tB\tx\\ny\t1.5\t\\N\n9\tback\\\\slash\t\x00\xff\t2.0\t3\n")
    at = bytes(chunk.data).index(b"\\ny")
    assert chunk.locate(at, at + 1) == Location(row=7, field="pan")
    assert chunk.field_name(at) == "pan"
    at = len(chunk.data) - 2
    assert chunk.locate(at, at + 1) == Location(row=9, field="n")
    store.close()


def test_many_rows_are_cut_between_rows(folder: Path) -> None:
    connection = make(folder / "a.db", "CREATE TABLE t(a TEXT, b INT)", "BEGIN")
    rows = [("x" * (i % 90), i) for i in range(60_000)]
    connection.executemany("INSERT INTO t VALUES(?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()
    store = opened(folder / "a.db")
    whole = b"".join(b"%s\t%d\n" % (a.encode(), b) for a, b in rows)
    joined = b""
    number = 0
    for item in items(store, "t"):
        assert isinstance(item, Chunk)
        data = bytes(item.data)
        window = data[item.lo : item.hi]
        assert whole.startswith(data[: item.lo], len(joined) - item.lo)
        assert len(data) - item.hi >= min(768, len(whole) - len(joined) - len(window))
        assert whole.startswith(data[item.lo :], len(joined))
        assert item.locate(item.lo, item.lo).row == joined.count(b"\n") + 1
        assert window.endswith(b"\n")
        joined += window
        number += 1
    assert number > 1
    assert joined == whole
    store.close()


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.integers(-(2**63), 2**63 - 1),
            st.binary(max_size=40),
            st.sampled_from([b"\\N", b"a\tb", b"\r\n", b"\\", b"x" * 50]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_line_gives_its_values_back(values: list[int | bytes | None]) -> None:
    line, packed = _line(values)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    parts = line[:-1].split(b"\t")
    assert len(parts) == len(values)
    unescape = {b"\\\\": b"\\", b"\\t": b"\t", b"\\n": b"\n", b"\\r": b"\r"}
    for place, (part, value) in enumerate(zip(parts, values, strict=True)):
        if place in packed:
            assert part == b""
        elif value is None:
            assert part == b"\\N"
        else:
            plain, i = b"", 0
            while i < len(part):
                step = 2 if part[i : i + 1] == b"\\" else 1
                plain += unescape.get(part[i : i + step], part[i : i + step])
                i += step
            assert plain == (value if isinstance(value, bytes) else str(value).encode())


def test_names_of_any_spelling_and_tables_of_any_kind(folder: Path) -> None:
    make(
        folder / "a.db",
        'CREATE TABLE "we""ird\nname"("se lect" TEXT, "rowid" INT, "a""b")',
        """INSERT INTO "we""ird\nname" VALUES('one', 'two', 'three')""",
        'CREATE TABLE keyed(k TEXT PRIMARY KEY, "v w") WITHOUT ROWID',
        "INSERT INTO keyed VALUES('k', 'v')",
        "CREATE TABLE computed(a, twice AS (a || a) VIRTUAL, kept AS (a || '!') STORED)",
        "INSERT INTO computed(a) VALUES('x')",
        "CREATE VIEW view AS SELECT * FROM keyed",
        "CREATE TABLE hidden(rowid TEXT, _rowid_ TEXT, oid TEXT)",
        "INSERT INTO hidden VALUES('r', 's', 't')",
        "CREATE TABLE empty(a)",
    ).close()
    store = opened(folder / "a.db")
    assert [unit.key for unit in units(store)] == [
        *("sqlite_master", "computed", "empty", "hidden", "keyed", 'we"ird\nname'),
    ]
    assert text(store, 'we"ird\nname') == b"one\ttwo\tthree\n"
    assert text(store, "keyed") == b"k\tv\n"
    assert text(store, "computed") == b"x\tx!\n"
    assert text(store, "hidden") == b"r\ts\tt\n"
    assert text(store, "empty") == b""
    assert b"CREATE VIEW view" in text(store, "sqlite_master")
    (chunk,) = items(store, "keyed")
    assert isinstance(chunk, Chunk)
    assert chunk.locate(2, 3) == Location(row=1, field="v w")
    store.close()


def test_full_text_tables_are_read_through_their_content(folder: Path) -> None:
    make(
        folder / "a.db",
        "CREATE VIRTUAL TABLE notes USING fts5(body)",
        "INSERT INTO notes VALUES('call me')",
    ).close()
    store = opened(folder / "a.db")
    assert "notes" not in [unit.key for unit in units(store)]
    assert text(store, "notes_content") == b"1\tcall me\n"
    store.close()


def test_a_packed_value_is_a_member(folder: Path) -> None:
    import gzip

    packed = gzip.compress(random.Random(1).randbytes(100))
    connection = make(folder / "a.db", "CREATE TABLE t(a, b)")
    connection.execute("INSERT INTO t VALUES('x', ?)", (packed,))
    connection.close()
    store = opened(folder / "a.db")
    member, chunk = items(store, "t")
    assert isinstance(member, Member)
    assert (member.name, member.size) == ("b@1", len(packed))
    assert member.open().file.read() == packed
    assert isinstance(chunk, Chunk)
    assert bytes(chunk.data) == b"x\t\n"
    store.close()


def test_a_value_too_large_to_hold_is_streamed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlitefile, "_VALUE", 100_000)
    monkeypatch.setattr(sqlitefile, "_VALUE_AT_LEAST", 1)
    connection = make(folder / "a.db", "CREATE TABLE t(a, b, c)")
    connection.execute("INSERT INTO t VALUES('small', 1, 2)")
    connection.execute("INSERT INTO t VALUES(?, ?, 'beside')", ("y" * 300_000, b"z" * 150_000))
    connection.execute("INSERT INTO t VALUES('last', 3, 4)")
    connection.close()
    store = opened(folder / "a.db")
    members: dict[str, bytes] = {}
    rows = b""
    for item in items(store, "t"):
        if isinstance(item, Member):
            members[item.name] = item.open().file.read(1 << 20)
        else:
            assert isinstance(item, Chunk)
            rows += bytes(item.data[item.lo : item.hi])
    assert members == {"a@2": b"y" * 300_000, "b@2": b"z" * 150_000}
    assert rows == b"small\t1\t2\n\\N\t\\N\tbeside\nlast\t3\t4\n"
    store.close()


# --- journals -----------------------------------------------------------------------------------


def test_rows_in_the_wal_are_seen_and_nothing_is_touched(folder: Path) -> None:
    writer = make(
        folder / "a.db",
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE t(a)",
        "INSERT INTO t VALUES('only in the WAL')",
    )
    assert (folder / "a.db-wal").stat().st_size > 0
    before = state(folder)
    store = opened(folder / "a.db")
    assert text(store, "t") == b"only in the WAL\n"
    store.close()
    assert state(folder) == before
    writer.close()


def test_a_commit_that_was_cut_off_is_rolled_back(folder: Path, tmp_path: Path) -> None:
    """A hot journal, as a crash leaves it: the copy is taken while a transaction is spilled."""
    path = tmp_path / "live.db"
    writer = make(path, "PRAGMA cache_size = 2", "CREATE TABLE t(a)", "BEGIN")
    writer.executemany("INSERT INTO t VALUES(?)", [("committed",)] * 500)
    writer.execute("COMMIT")
    writer.execute("BEGIN")
    writer.execute("UPDATE t SET a = 'never committed'")
    writer.execute("INSERT INTO t SELECT a || a || a FROM t")
    for suffix in ("", "-journal"):
        (folder / f"a.db{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    writer.execute("ROLLBACK")
    writer.close()
    assert b"never committed" in (folder / "a.db").read_bytes()
    before = state(folder)
    store = opened(folder / "a.db")
    assert text(store, "t") == b"committed\n" * 500
    store.close()
    assert state(folder) == before


@pytest.mark.parametrize("there", [True, False])
def test_a_journal_cannot_name_a_file_to_delete(folder: Path, tmp_path: Path, there: bool) -> None:
    victim = tmp_path / "precious"
    if there:
        victim.write_text("not a journal")
    path = folder / "a.db"
    make(path, "CREATE TABLE t(a)", "INSERT INTO t VALUES('x')").close()
    name = os.fsencode(victim)
    checksum = sum(struct.unpack(f"{len(name)}b", name)) & 0xFFFFFFFF
    magic = bytes.fromhex("d9d505f920a163d7")
    page = 4096
    header = magic + struct.pack(">5L", 0, 0, 2, 512, page)
    trailer = struct.pack(">L", 0x40000000 // page + 1) + name
    trailer += struct.pack(">2L", len(name), checksum) + magic
    Path(f"{path}-journal").write_bytes(header.ljust(512, b"\0") + trailer)
    before = state(folder)
    store = opened(path)
    assert text(store, "t") == b"x\n"
    store.close()
    assert state(folder) == before
    assert victim.exists() == there


def test_a_database_written_while_it_is_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.db"
    make(path, "CREATE TABLE t(a)").close()
    write = Scratch.write
    times: list[int] = []

    def disturbed(self: Scratch, name: str, file: object) -> int:
        size = write(self, name, file)  # type: ignore[arg-type]  # handed on
        if name.endswith(".db") and len(times) < limit:
            times.append(1)
            time.sleep(0.01)
            make(path, f"INSERT INTO t VALUES('row {len(times)}')").close()
        return size

    monkeypatch.setattr(Scratch, "write", disturbed)
    limit = 2
    store = opened(path)
    assert text(store, "t") == b"row 1\nrow 2\n"
    store.close()
    limit = 99
    store = opened(path)
    with pytest.raises(Unreadable) as caught:
        units(store)
    assert caught.value.reason is Reason.CHANGED
    store.close()


def test_a_writer_that_only_appends_to_the_wal_disturbs_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.db"
    writer = make(
        path,
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE t(a)",
        "INSERT INTO t VALUES('first')",
    )
    write = Scratch.write

    def disturbed(self: Scratch, name: str, file: object) -> int:
        size = write(self, name, file)  # type: ignore[arg-type]  # handed on
        if name.endswith("-wal"):
            writer.execute("INSERT INTO t VALUES('later')")
        return size

    monkeypatch.setattr(Scratch, "write", disturbed)
    store = opened(path)
    assert text(store, "t").startswith(b"first\n")
    store.close()
    writer.close()


# --- hostile and damaged ------------------------------------------------------------------------


def test_what_is_no_database(folder: Path) -> None:
    (folder / "text.db").write_text("hello " * 1000)
    (folder / "cipher.db").write_bytes(random.Random(2).randbytes(1 << 16))
    (folder / "empty.db").touch()
    (folder / "header.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    for name, reason in (("text.db", Reason.UNSUPPORTED), ("cipher.db", Reason.ENCRYPTED)):
        with pytest.raises(Unreadable) as caught:
            opened(folder / name)
        assert caught.value.reason is reason
    store = opened(folder / "header.db")
    with pytest.raises(Unreadable) as caught:
        units(store)
    assert caught.value.reason is Reason.CORRUPT
    store.close()
    store = opened(folder / "empty.db")
    assert [unit.key for unit in units(store)] == ["sqlite_master"]
    store.close()


def test_no_code_of_the_schema_runs(folder: Path) -> None:
    connection = make(
        folder / "a.db",
        "CREATE TABLE t(a, b AS (hex(zeroblob(300000000))) VIRTUAL)",
        "INSERT INTO t(a) VALUES('x')",
        "CREATE INDEX i ON t(length(a))",
        "CREATE VIEW v AS SELECT load_extension('/tmp/x') AS a",
    )
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "INSERT INTO sqlite_master VALUES('table', 'evil', 'evil', 0,"
        " 'CREATE VIRTUAL TABLE evil USING csv(filename=''/etc/passwd'')')"
    )
    connection.close()
    store = opened(folder / "a.db")
    seen = {unit.key: list(items(store, unit.key)) for unit in units(store)}
    (chunk,) = seen["t"]
    assert isinstance(chunk, Chunk)
    assert bytes(chunk.data) == b"x\n"
    assert "evil" not in seen
    store.close()


def test_damage_at_random_never_breaks_anything(folder: Path) -> None:
    path = folder / "a.db"
    connection = make(path, "CREATE TABLE t(a, b)", "CREATE INDEX i ON t(a)", "BEGIN")
    connection.executemany(
        "INSERT INTO t VALUES(?, ?)", [(f"row {i}", "x" * (i % 3000)) for i in range(300)]
    )
    connection.execute("COMMIT")
    connection.close()
    good = path.read_bytes()
    dice = random.Random(3)
    outcomes: set[str] = set()
    for _ in range(80):
        bad = bytearray(good)
        for _ in range(dice.choice([1, 10, 200])):
            bad[dice.randrange(16, len(bad))] = dice.randrange(256)
        path.write_bytes(bad[: dice.choice([len(bad), dice.randrange(512, len(bad))])])
        store = opened(path)
        try:
            for unit in units(store):
                for item in items(store, unit.key):
                    outcomes.add(type(item).__name__)
        except Unreadable as fault:
            outcomes.add(str(fault.reason))
        store.close()
    assert outcomes >= {"Chunk", "Problem", "corrupt"}


def test_a_table_that_takes_too_long_is_broken_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = make(folder / "a.db", "CREATE TABLE t(a)", "BEGIN")
    connection.executemany("INSERT INTO t VALUES(?)", [("x",)] * 100_000)
    connection.execute("COMMIT")
    connection.close()
    with FILES.connect(FILES.resolve(str(folder / "a.db"), {}), str).open_target().file as file:
        database = sqlitefile.Database(Source(file, "a.db", None), Limits(seconds=1000))
    database._deadline = 0.0
    from scanner.tablerows import sqlite_rows

    (table,) = (table for table in database.tables if table.name == "t")
    last = list(sqlite_rows(database, table))[-1]
    assert isinstance(last, Problem)
    assert last.reason is Reason.BUDGET_TIME
    database.close()


# --- scratch ------------------------------------------------------------------------------------


def test_tables_of_a_database_share_one_copy_until_it_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    init = Scratch.__init__
    monkeypatch.setattr(
        Scratch, "__init__", lambda self, size: (made.append(size), init(self, size))[1]
    )
    path = folder / "a.db"
    make(path, "CREATE TABLE t(a)", "CREATE TABLE u(a)", "INSERT INTO u VALUES(1)").close()
    store = opened(path)
    for table in ("t", "u", "t"):
        text(store, table)
    assert len(made) == 1
    time.sleep(0.01)
    make(path, "INSERT INTO u VALUES(2)").close()
    assert text(store, "u") == b"1\n2\n"
    assert len(made) == 2
    store.close()


def killed(script: str, *arguments: str) -> list[Path]:
    """Scratch folders that a process made before it was killed."""
    before = (
        "import io, os, sys\n"
        "from scanner.scratch import Scratch\n"
        "init = Scratch.__init__\n"
        "def told(self, size):\n"
        "    init(self, size)\n"
        "    print(self.path, flush=True)\n"
        "Scratch.__init__ = told\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{before}{script}os.kill(os.getpid(), 9)\n", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


def test_nothing_is_left_after_a_kill(folder: Path) -> None:
    make(folder / "a.db", "CREATE TABLE t(a)", "INSERT INTO t VALUES('x')").close()
    script = (
        "from scanner.stores.sqlite import STORE\n"
        "store = STORE.connect(STORE.resolve(sys.argv[1], {}), str)\n"
        "units = list(store.units(lambda name, is_folder: False))\n"
        "rows = store.open(units[-1])\n"
    )
    (made,) = killed(script, f"sqlite://{folder}/a.db")
    assert not made.exists()


def test_leftovers_of_dead_processes_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_YOUNG", -1.0)
    (left,) = killed("Scratch(10).write('x', io.BytesIO(b'x'))\n")
    assert (left / "x").exists()
    mine = Scratch(10)
    assert scratch.sweep() >= 1
    assert not left.exists()
    assert mine.path.exists()  # its owner lives
    mine.close()
    assert not mine.path.exists()


def test_a_scratch_folder_is_private_and_knows_its_room(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    with Scratch(10) as made:
        assert made.path.stat().st_mode & 0o777 == 0o700
        made.write("x", io.BytesIO(b"y"))
        assert (made.path / "x").stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(scratch, "_free", lambda folder: 1000)
    with pytest.raises(Unreadable) as caught:
        Scratch(5000)
    assert caught.value.reason is Reason.SCRATCH_FULL
    with Scratch(10) as made, pytest.raises(Unreadable) as caught:
        made.write("x", io.BytesIO(bytes(2000)))
    assert caught.value.reason is Reason.SCRATCH_FULL
