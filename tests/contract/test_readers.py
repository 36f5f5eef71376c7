"""Every reader through the same suite: whole, empty, cut off, damaged, huge."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import bson
import duckdb
import pytest

from scanner import registry
from scanner.contracts import Chunk, Limits, Reader, Source
from scanner.errors import Unreadable
from scanner.model import Problem, Slice
from scanner.walk import choose, walk
from tests.readers.packing import see
from tests.readers.test_archives import tar_of, zip_of
from tests.readers.test_bson import archive as mongodump
from tests.readers.test_pgdump import archive as pg_dump

ROOT = Path(__file__).resolve().parents[2]
TEXT = b"".join(b"%d,a line of text,%d\n" % (i, i * 7919) for i in range(300))

ROWS = [{"n": i, "words": "a line of text", "m": i * 7919} for i in range(300)]
DOCUMENTS = [bson.encode({"first": "of another length"}), *map(bson.encode, ROWS)]
SHOWN = b"".join(b"n: %d\twords: a line of text\tm: %d\t\n" % (i, i * 7919) for i in range(300))


@cache
def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t(n INTEGER, words TEXT, m INTEGER)")
    rows = [(i, "a line of text", i * 7919) for i in range(300)]
    connection.executemany("INSERT INTO t VALUES(?, ?, ?)", rows)
    connection.commit()
    return connection.serialize()


def duck(*statements: str) -> bytes:
    """The one file that DuckDB made of the rows of ``TEXT``."""
    with tempfile.TemporaryDirectory() as folder:
        connection = duckdb.connect(f"{folder}/db")
        connection.execute("SET threads = 1")
        rows = "SELECT i AS n, 'a line of text' AS words, i * 7919 AS m FROM range(300) r(i)"
        connection.execute(f"CREATE TABLE t AS {rows}")
        if statements:
            connection.execute(statements[0].replace("$", f"{folder}/out"))
            return Path(folder, "out").read_bytes()
        connection.close()
        return Path(folder, "db").read_bytes()


@cache
def duck_database() -> bytes:
    return duck()


@cache
def parquet() -> bytes:
    return duck("COPY t TO '$' (FORMAT parquet)")


def example(name: str) -> tuple[bytes, str, bytes | None]:
    """A source for the reader, its name, and what must come out; None: nothing can."""
    return {
        "text": lambda: (TEXT, "a.log", TEXT),
        "csv": lambda: (b"id,words,n\n" + TEXT, "a.csv", b"id,words,n\n" + TEXT),
        "json": lambda: (b'{"a": 1}\n' * 500, "a.json", b'{"a": 1}\n' * 500),
        "gzip": lambda: (gzip.compress(TEXT), "a.gz", TEXT),
        "bzip2": lambda: (bz2.compress(TEXT), "a.bz2", TEXT),
        "xz": lambda: (lzma.compress(TEXT), "a.xz", TEXT),
        "lzma": lambda: (lzma.compress(TEXT, lzma.FORMAT_ALONE), "a.lzma", TEXT),
        "tar": lambda: (tar_of({"a": TEXT}), "a.tar", TEXT),
        "zip": lambda: (zip_of({"a": TEXT}), "a.zip", TEXT),
        "sqlite": lambda: (database(), "a.db", TEXT.replace(b",", b"\t")),
        "duckdb": lambda: (duck_database(), "a.duckdb", TEXT.replace(b",", b"\t")),
        "parquet": lambda: (parquet(), "a.parquet", TEXT.replace(b",", b"\t")),
        "pg-dump": lambda: (pg_dump(TEXT.replace(b",", b"\t")), "a", TEXT.replace(b",", b"\t")),
        "bson": lambda: (b"".join(DOCUMENTS), "a.bson", SHOWN),
        "mongodump": lambda: (mongodump(("d", "c", ROWS)), "a.archive", SHOWN),
        "signatures": lambda: (b"%PDF-1.7\n" + TEXT, "a.pdf", None),
    }[name]()


READERS = {reader.name: reader for reader in registry.readers()}


@pytest.fixture(params=sorted(READERS))
def reader(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Reader:
    return READERS[request.param]


def test_it_is_chosen_for_its_own(reader: Reader) -> None:
    data, name, _ = example(reader.name)
    for given in (name, "no suffix") if reader.name not in ("csv", "bson") else (name,):
        source = Source(io.BytesIO(data), given, len(data))
        assert choose(source, given, registry.readers()).name == reader.name
        assert source.file.read(10) == data[:10]


@pytest.mark.parametrize("seekable", [True, False])
def test_all_of_it_comes_out(reader: Reader, seekable: bool) -> None:
    data, name, wanted = example(reader.name)
    seen = see(data, name, seekable=seekable)
    if wanted is None:
        assert seen.raised == "unsupported-format"
        return
    assert wanted in b"".join(seen.content.values())
    assert not seen.problems
    assert seen.bytes_read == len(data)


def test_slices_join_up_when_it_says_that_they_do(reader: Reader) -> None:
    data, name, wanted = example(reader.name)
    if not reader.sliceable:
        return
    assert wanted is not None
    joined = b""
    for index, start in enumerate(range(0, len(data), 1000)):
        source = Source(io.BytesIO(data), name, len(data))
        part = Slice(index, start, min(start + 1000, len(data)))
        walked = walk(source, name, part, registry.readers(), Limits())
        assert walked.sliceable
        for _, item in walked:
            assert isinstance(item, Chunk)
            joined += bytes(item.data[item.lo : item.hi])
    assert joined == wanted


def test_cut_off_anywhere(reader: Reader) -> None:
    data, name, wanted = example(reader.name)
    for size in {0, 1, 5, 100, 511, 513, len(data) // 3, len(data) // 2, len(data) - 1}:
        seen = see(data[:size], name)
        read = b"".join(seen.content.values())
        if reader.sliceable or read == data[:size] or (wanted is not None and wanted in read):
            continue  # read as it stands, or all that matters is there
        assert seen.problems or seen.raised, f"{size} bytes of it pass for the whole"


def test_damaged_anywhere(reader: Reader) -> None:
    data, name, _ = example(reader.name)
    dice = random.Random(reader.name)
    for _ in range(40):
        bad = bytearray(data)
        for _ in range(dice.choice([1, 8, 60])):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        see(bytes(bad), name, Limits(bytes=1 << 26, memory=1 << 22), seekable=dice.random() < 0.5)


def test_bytes_at_random_behind_its_own_head(reader: Reader) -> None:
    data, name, _ = example(reader.name)
    dice = random.Random(reader.name)
    for keep in (4, 16, 100, 512):
        see(data[:keep] + dice.randbytes(5000), name, Limits(memory=1 << 22))


def test_nothing_of_the_content_is_in_a_problem_or_an_error(reader: Reader) -> None:
    data, name, _ = example(reader.name)
    marked = data.replace(b"a line of text", b"MARKED-CONTENT")
    for broken in (marked, marked[: len(marked) // 2], marked[:-30] + bytes(30)):
        source = Source(io.BytesIO(broken), name, len(broken))
        try:
            walked = walk(source, name, Slice(0, 0, None), registry.readers(), Limits())
            for _, item in walked:
                told = f"{item.detail}{item.reason}" if isinstance(item, Problem) else repr(item)
                assert "MARKED" not in told
        except Unreadable as fault:
            assert "MARKED" not in f"{fault!r} {fault}"


# --- huge ---------------------------------------------------------------------------------------

SCRIPT = """
import resource, sys
from scanner import registry
from scanner.contracts import Limits
from scanner.model import Problem, Slice, Unit
from scanner.stores.files import STORE
from scanner.walk import walk
import numpy, isal.igzip_lib
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store = STORE.connect(STORE.resolve(sys.argv[1], {}), str)
(unit,) = store.units(lambda name, is_folder: False)
source = store.open(unit)
walked = walk(source, unit.name, Slice(0, 0, None), registry.readers(), Limits())
last = None
for member, item in walked:
    assert not isinstance(item, Problem), item.detail
    last = item.locate(item.hi - 1, item.hi)
    item.field_name(item.hi - 1)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) >> 10, walked.bytes_read, last.offset, last.line, last.column)
"""


def huge(path: Path) -> list[int]:
    """MiB of memory that reading took, bytes read, and where the last byte stands."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_a_sparse_file_of_10_gb_is_one_line_and_costs_nothing(tmp_path: Path) -> None:
    path, size = tmp_path / "sparse.log", 10 << 30
    with path.open("wb") as file:
        file.write(b"one line")
        file.seek(size - 4)
        file.write(b"4111")
    if path.stat().st_blocks * 512 > 1 << 20:
        pytest.skip("no sparse files on this file system")
    memory, read, offset, line, column = huge(path)
    assert (read, offset, line, column) == (size, size - 1, 1, size)
    assert memory < 16


@pytest.mark.parametrize("name", ["a.log", "a.csv", "a.json"])
def test_one_long_line_takes_no_more_memory_than_a_short_one(name: str, tmp_path: Path) -> None:
    path, size = tmp_path / name, 256 << 20
    with path.open("wb") as file:
        file.write(b'{"key, ')
        for _ in range(size >> 20):
            file.write(b"x" * (1 << 20))
    memory, read, offset, line, column = huge(path)
    assert (read, offset, line, column) == (size + 7, size + 6, 1, size + 7)
    assert memory < 24


def test_what_unpacks_to_half_a_gigabyte_takes_no_more_memory(tmp_path: Path) -> None:
    path, size = tmp_path / "a.gz", 512 << 20
    with gzip.open(path, "wb", 1) as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1024) * 1024)
    memory, read, offset, line, _ = huge(path)
    assert read == path.stat().st_size
    assert offset == size - 1
    assert line > 1
    assert memory < 24


def test_the_measure_sees_memory() -> None:
    """``ru_maxrss`` is in KiB here, so the bounds above mean what they say."""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 10_000
