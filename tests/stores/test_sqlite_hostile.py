"""SQLite: journals, damage, hostile schemas, and what a scratch copy leaves behind."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scanner import scratch, sqlitefile
from scanner.contracts import Chunk, Limits, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Problem
from scanner.scratch import Scratch
from scanner.stores.files import STORE as FILES
from tests.stores.sqlite_lab import items, make, opened, state, text, units

pytestmark = pytest.mark.usefixtures("home")
"""scratch copies lie in a place of the test's own (or in memory)"""


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
