"""Archives of pg_dump: of the real tool where there is a server, and by hand for the odd ones."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner import registry
from scanner.contracts import Limits, Source
from scanner.model import Problem, Slice
from scanner.walk import walk
from tests import mariadb_server, postgres_server
from tests.conftest import Cardtrail, Planted
from tests.readers.packing import see


class Out:
    """An archive by hand, as ``pg_backup_archiver.c`` writes it."""

    def __init__(self, version: tuple[int, int] = (1, 16), method: int = 1) -> None:
        self.version = version
        self.data = b"PGDMP" + bytes([*version, 0, 4, 8, 1])
        self.data += bytes([method]) if version >= (1, 15) else self.number(-1 if method else 0)
        for part in (5, 4, 3, 2, 0, 126, 0):  # 2026-01-02 03:04:05
            self.data += self.number(part)
        for text in (b"shop", b"16.1", b"16.2"):
            self.data += self.text(text)

    @staticmethod
    def number(value: int) -> bytes:
        return bytes([value < 0]) + abs(value).to_bytes(4, "little")

    def text(self, value: bytes | None) -> bytes:
        return self.number(-1) if value is None else self.number(len(value)) + value

    def table(self, number: int, schema: bytes, name: bytes, copy: bytes) -> bytes:
        out = self.number(number) + self.number(1) + self.text(b"1259") + self.text(b"16385")
        out += self.text(name) + self.text(b"TABLE DATA") + self.number(3)
        out += self.text(b"") + self.text(b"") + self.text(copy)
        out += self.text(schema) + self.text(b"")
        out += self.text(b"heap") if self.version >= (1, 14) else b""
        out += self.number(114) if self.version >= (1, 16) else b""
        out += self.text(b"owner") + self.text(b"false") + self.text(b"7") + self.text(None)
        return out + b"\x02" + bytes(8)

    def block(self, number: int, data: bytes, piece: int = 1000) -> bytes:
        out = b"\x01" + self.number(number)
        for start in range(0, len(data), piece):
            part = data[start : start + piece]
            out += self.number(len(part)) + part
        return out + self.number(0)


def archive(
    text: bytes,
    version: tuple[int, int] = (1, 16),
    method: int = 1,
    columns: bytes = b"n, words, m",
) -> bytes:
    out = Out(version, method)
    out.data += out.number(1) + out.table(
        9, b"public", b"t", b"COPY public.t (%s) FROM stdin;\n" % columns
    )
    return out.data + out.block(9, zlib.compress(text) if method == 1 else text)


@pytest.mark.parametrize("version", [(1, 12), (1, 13), (1, 14), (1, 15), (1, 16)])
@pytest.mark.parametrize("method", [0, 1])
def test_every_version_of_the_archive(version: tuple[int, int], method: int) -> None:
    text = b"1\ta line\t2\n" * 500
    for seekable in (True, False):
        seen = see(archive(text, version, method), "a.dump", seekable=seekable)
        assert not seen.problems
        assert seen.content["public.t.tsv"] == b"n\twords\tm\n" + text
        assert b"-- Started on 2026-01-02 03:04:05" in seen.content[None]


@pytest.mark.parametrize(("method", "name"), [(2, "lz4"), (3, "zstd")])
def test_what_is_packed_in_another_way_is_told(method: int, name: str) -> None:
    seen = see(archive(b"packed", method=method), "a.dump")
    assert seen.problems == [("public.t.tsv", "unsupported-format")]
    assert b"\\connect shop" in seen.content[None]


def test_an_archive_of_a_version_to_come() -> None:
    assert see(archive(b"", (1, 17)), "a.dump").raised == "unsupported-format"


def test_columns_of_any_name() -> None:
    data = archive(b"1\t2\t3\n", columns=b'id, "pan, no", "say ""x"" (y)"')
    for member, item in walk(
        Source(io.BytesIO(data), "a", len(data)),
        "a",
        Slice(0, 0, None),
        registry.readers(),
        Limits(),
    ):
        if member == "public.t.tsv":
            assert not isinstance(item, Problem)
            at = bytes(item.data).index(b"3\n")
            assert [item.field_name(at - 4 + 2 * place) for place in range(3)] == [
                "id",
                "pan, no",
                'say "x" (y)',
            ]


@pytest.fixture(scope="module")
def shop() -> Iterator[postgres_server.Server]:
    if postgres_server.missing():
        pytest.skip(str(postgres_server.missing()))
    server = postgres_server.server()
    with server.database("shop"):
        server.run(
            "shop",
            "CREATE SCHEMA other",
            'CREATE TABLE other."we ird, ""x"(id int PRIMARY KEY, "the note" text)',
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 -- kept in a function'",
        )
        yield server


def dump(server: postgres_server.Server, path: Path, *options: str) -> Path:
    # the tool of the server: an older one refuses
    command = [server._binaries / "pg_dump", "-h", "127.0.0.1", "-p", str(server.port)]
    command += ["-U", postgres_server.ADMIN, *options, "-f", str(path), "shop"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return path


FORMS = {
    "plain.sql": (),
    "plain-create.sql": ("-C", "-v"),
    "custom.dump": ("-Fc",),
    "custom-not-packed.dump": ("-Fc", "-Z0"),
    "tar.dump": ("-Ft",),
    "folder": ("-Fd",),
}


def test_a_card_in_a_dump_of_every_form(
    shop: postgres_server.Server, cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    """Found in each, and each named as what it is: of which database, by what, when."""
    pan, large = planted.pan(), planted.pan()
    table = 'other."we ird, ""x"'
    shop.run("shop", f"TRUNCATE {table}", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    shop.run("shop", f"INSERT INTO {table} SELECT i, 'no card' FROM generate_series(1, 5000) i")
    shop.run("shop", f"UPDATE {table} SET \"the note\" = 'card {pan}' WHERE id = 4321")
    shop.run("shop", f"SELECT lo_from_bytea(0, convert_to('large {large}', 'UTF8'))")
    folder = planted.allow(tmp_path / "dumps")
    folder.mkdir()
    for name, options in FORMS.items():
        dump(shop, folder / name, *options)
    result = cardtrail("scan", str(folder), "--format", "json", "-o", "-", "--jobs", "1")
    assert result.code == 1, result.err
    run = json.loads(result.out)
    assert run["coverage"]["units"] == run["coverage"]["scanned"]
    dumps = {f["unit"]: f["why"][0] for f in run["findings"] if f["entity"] == "DATABASE_DUMP"}
    assert set(dumps) == {*(name for name in FORMS if name != "folder"), "folder/toc.dat"}
    assert all("PostgreSQL" in why and "pg_dump version" in why for why in dumps.values())
    for name in ("custom.dump", "tar.dump", "folder/toc.dat", "plain-create.sql"):
        assert "database shop" in dumps[name] and "made 20" in dumps[name]
    cards = [f for f in run["findings"] if f["entity"] == "CREDIT_CARD"]
    for name in FORMS:
        mine = [f for f in cards if f["unit"].split("/")[0] == name]
        assert len({f["fingerprint"] for f in mine}) == 2, name
    custom = [f["location"] for f in cards if f["unit"] == "custom.dump"]
    where = next(place for place in custom if place["field"])
    assert (where["member"], where["field"]) == ('other.we ird, "x.tsv', "the note")


def test_a_dump_of_mariadb(cardtrail: Cardtrail, planted: Planted, tmp_path: Path) -> None:
    if mariadb_server.missing():
        pytest.skip(str(mariadb_server.missing()))
    server = mariadb_server.server()
    pan = planted.pan()
    server.run(None, "DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop")
    server.run("shop", "CREATE TABLE t(a text)", f"INSERT INTO t VALUES('card {pan}')")
    folder = planted.allow(tmp_path / "dumps")
    folder.mkdir()
    with (folder / "a.sql").open("wb") as out:
        command = ["mariadb-dump", "--no-defaults", "-h127.0.0.1", f"-P{server.port}"]
        subprocess.run([*command, f"-u{mariadb_server.ADMIN}", "shop"], stdout=out, check=True)
    server.run(None, "DROP DATABASE shop")
    with tarfile.open(folder / "b.tar.gz", "w:gz") as tar:
        tar.add(folder / "a.sql", "backup.sql")
    result = cardtrail("scan", str(folder), "--format", "json", "-o", "-", "--jobs", "1")
    findings = json.loads(result.out)["findings"]
    for name in ("a.sql", "b.tar.gz"):
        mine = {f["entity"]: f for f in findings if f["unit"] == name}
        assert set(mine) == {"CREDIT_CARD", "DATABASE_DUMP"}
        why = mine["DATABASE_DUMP"]["why"][0]
        assert "database shop" in why and "MariaDB 1" in why and "made 20" in why
        assert mine["DATABASE_DUMP"]["severity"] == "low"
