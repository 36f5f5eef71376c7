"""SQLite: every row as it would be after recovery, and not a byte beside or in the original."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import sqlitefile
from scanner.contracts import Chunk, Member
from scanner.errors import UsageError
from scanner.model import Location
from scanner.stores.sqlite import STORE
from scanner.tablerows import Lines, _line, _text, sqlite_rows
from tests.stores.sqlite_lab import items, make, opened, text, units

pytestmark = pytest.mark.usefixtures("home")
"""scratch copies lie in a place of the test's own (or in memory)"""


# --- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["sqlite://", "sqlite://host/x.db", "sqlite:///tmp"])
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


_VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=9),
    st.sampled_from([b"\\N", b"a\tb", b"\r", b"\n", b"\\", b"x" * 50, b"PK\3\4" + bytes(40)]),
)


@given(
    st.one_of(
        st.lists(st.tuples(_VALUES, _VALUES, _VALUES), min_size=1, max_size=4),
        st.lists(st.tuples(st.integers(0, 9), st.just(b"plain"), st.none()), min_size=1),
    )
)
def test_rows_at_once_are_the_lines_of_each(rows: list[tuple[int | float | bytes | None]]) -> None:
    text = _text([*zip(*rows, strict=True)])
    lines = [_line(row) for row in rows]
    plain = all(
        b"\t".join(_shown(v) for v in row) + b"\n" == line
        for row, (line, _) in zip(rows, lines, strict=True)
    )
    assert (text is not None) == (plain and not any(packed for _, packed in lines))
    assert text in (None, b"".join(line for line, _ in lines))


def _shown(value: float | bytes | None) -> bytes:
    if isinstance(value, bytes):
        return value
    return b"\\N" if value is None else str(value).encode()


def test_rows_at_once_and_large_ones_between(folder: Path) -> None:
    """Each row once, in order, whatever has to be read one by one."""
    connection = make(folder / "a.db", "CREATE TABLE t(a, b)", "BEGIN")
    wanted = [
        (b"z" * 40_000 if i in (700, 701, 2500, 3999) else b"q\t" if i % 900 == 5 else b"v", i)
        for i in range(4000)
    ]
    connection.executemany("INSERT INTO t VALUES(?, ?)", wanted)
    connection.execute("DELETE FROM t WHERE b BETWEEN 1000 AND 1010")
    connection.execute("COMMIT")
    connection.close()
    store = opened(folder / "a.db")
    (table,) = (table for table in store._opened().tables if table.name == "t")
    ids: list[int] = []
    text = b""
    for item in sqlite_rows(store._opened(), table):
        assert isinstance(item, Lines | tuple)
        ids += item.ids if isinstance(item, Lines) else [item[0]]
        text += item.text if isinstance(item, Lines) else item[1]
    kept = [i for i in range(4000) if not 1000 <= i <= 1010]
    assert ids == [i + 1 for i in kept]
    assert text == b"".join(_line(wanted[i])[0] for i in kept)
    store.close()


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
