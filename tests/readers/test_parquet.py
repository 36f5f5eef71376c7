"""Parquet: every row under its column, read where it lies, and damage told."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from scanner import duckfile, registry
from scanner.contracts import Limits
from scanner.model import Problem, Slice, Unit
from scanner.stores.files import STORE
from scanner.walk import walk
from tests.readers.packing import see

pytestmark = pytest.mark.usefixtures("home")
QUERY = (
    "SELECT i AS id, 'note ' || i AS note, [i, i + 1] AS listed, {'a': i} AS held,"
    " 4539120000000006::DOUBLE AS number, 'by\\x09tes'::BLOB AS raw FROM range(5000) r(i)"
)


def make(path: Path, query: str = QUERY, options: str = "") -> Path:
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048 {options})"
        )
    return path


def test_a_file_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.parquet")

    def never(size: int) -> None:
        raise AssertionError("a file that is there needs no copy")

    monkeypatch.setattr(duckfile, "Scratch", never)
    store = STORE.connect(STORE.resolve(str(path), {}), str)
    (unit,) = store.units(lambda name, is_folder: False)
    assert isinstance(unit, Unit)
    walked = walk(store.open(unit), unit.name, Slice(0, 0, None), registry.readers(), Limits())
    lines = []
    for _, item in walked:
        assert not isinstance(item, Problem)
        text = bytes(item.data[item.lo : item.hi])
        lines += text.splitlines()
        if b"note 4321" in text:
            where = item.locate(item.lo + text.index(b"note 4321"), 0)
            assert (where.row, where.field) == (4321, "note")
    assert lines[17] == rb"17	note 17	[17, 18]	{'a': 17}	4539120000000006	by\ttes"
    assert len(lines) == 5000
    assert walked.bytes_read == path.stat().st_size
    store.close()


def test_inside_something_else_and_as_a_stream(tmp_path: Path) -> None:
    data = make(tmp_path / "a.parquet").read_bytes()
    for given, name in ((gzip.compress(data), "a.parquet.gz"), (data, "a")):
        seen = see(given, name, seekable=False)
        assert not seen.problems
        assert b"note 4999" in b"".join(seen.content.values())


def test_a_column_that_has_the_name_of_the_row_number(tmp_path: Path) -> None:
    path = make(tmp_path / "a", "SELECT i AS file_row_number, 'x' AS b FROM range(5000) r(i)")
    lines = b"".join(see(path.read_bytes()).content.values()).splitlines()
    assert lines == [b"%d\tx" % number for number in range(5000)]


def test_metadata_of_the_file(tmp_path: Path) -> None:
    path = make(tmp_path / "a", "SELECT 1 AS a", ", KV_METADATA {note: 'kept beside the rows'}")
    assert b"kept beside the rows" in b"".join(see(path.read_bytes()).content.values())


def test_one_that_is_encrypted(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET force_mbedtls_unsafe = 'true'")
        connection.execute("PRAGMA add_parquet_key('k', '0123456789112345')")
        options = "FORMAT parquet, ENCRYPTION_CONFIG {footer_key: 'k'}"
        connection.execute(f"COPY (SELECT 'x' AS a) TO '{tmp_path}/a.parquet' ({options})")
    assert see((tmp_path / "a.parquet").read_bytes(), "a.parquet").raised == "encrypted"
