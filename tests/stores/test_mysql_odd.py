"""What hides a number in MySQL and MariaDB: bits, shapes, and what the server knows of others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scanner.contracts import OpenStore
from scanner.errors import Reason, Unreadable
from scanner.stores import mysql_target
from scanner.stores.mysql import STORE
from tests import mariadb_server
from tests.mariadb_server import ADMIN, Server
from tests.stores.reading import Read, units

pytestmark = mariadb_server.MARKS
DATABASE = "odd"


@pytest.fixture
def server() -> Iterator[Server]:
    server = mariadb_server.server()
    with server.database(DATABASE):
        yield server


@pytest.mark.parametrize("key", [" PRIMARY KEY", ""])
@pytest.mark.parametrize("more", ["", ", extra blob DEFAULT 'x'", ", t text DEFAULT 'é'"])
def test_bits_and_shapes_show_their_numbers(
    server: Server, opened: OpenStore, key: str, more: str
) -> None:
    server.run(
        DATABASE,
        f"CREATE TABLE odd (id int{key}, b bit(64), place point, area geometry{more})"
        " CHARSET latin1",
        "INSERT INTO odd (id, b, place, area) VALUES (1, 4539148803436467,"
        " ST_GeomFromText('POINT(4539148803436475 2)'),"
        " ST_GeomFromText('LINESTRING(0 0, 4539148803436483 7)')), (2, NULL, NULL, NULL)",
    )
    read = Read(opened, "odd")
    assert not read.problems
    # the card detector knows both ways to write a number of sixteen digits
    for number in (b"\t4539148803436467", b"(4.539148803436475e15", b",4.539148803436483e15"):
        assert number in read.text
    assert "t text" not in more or "é".encode() in read.text


def test_where_the_server_logs_in_elsewhere_is_read_by_whom_it_is_shown(
    server: Server, opened: OpenStore
) -> None:
    assert "(servers)" not in units(opened)
    server.run(
        DATABASE,
        "CREATE SERVER far FOREIGN DATA WRAPPER mysql"
        " OPTIONS (USER 'needle701', PASSWORD 'needle702', HOST 'needle703', DATABASE 'd')",
        "CREATE USER narrow_s@localhost",
        f"GRANT SELECT ON {DATABASE}.* TO narrow_s@localhost",
    )
    narrow = STORE.connect(STORE.resolve(server.target(DATABASE, "narrow_s"), {}), str)
    try:
        places = Read(opened, "(servers)").places
        assert set(places) == {b"needle701", b"needle702", b"needle703"}
        assert "(servers)" not in units(narrow)
    finally:
        narrow.close()
        server.run(None, "DROP SERVER far", "DROP USER narrow_s@localhost")


@pytest.mark.parametrize(
    ("target", "reason", "words"),
    [
        ("mysql://{admin}@127.0.0.1:1/x", Reason.UNREACHABLE, "Connection refused"),
        ("mysql://{admin}@no-such.invalid/x", Reason.UNREACHABLE, "not known"),
        ("mysql://{admin}@127.0.0.1:{port}/no_such", Reason.NOT_FOUND, "no such database"),
        ("mysql://nobody@127.0.0.1:{port}/mysql", Reason.CREDENTIALS, "login"),
        ("mysql://{admin}@127.0.0.1:{port}/x?ssl_mode=require", Reason.CREDENTIALS, "speak TLS"),
        ("mysql://{admin}@127.0.0.1:{port}/x?ssl_ca=none", Reason.CREDENTIALS, "ssl_ca: none"),
    ],
)
def test_why_a_store_cannot_be_reached(
    server: Server, target: str, reason: Reason, words: str
) -> None:
    store = STORE.resolve(
        target.format(admin=ADMIN, port=server.port),
        {"ssl_mode": "verify"} if "ssl_ca" in target else {},
    )
    opened = STORE.connect(store, str)
    with pytest.raises(Unreadable, match=words) as caught:
        list(opened.units(lambda name, is_folder: False))
    assert caught.value.reason is reason
    opened.close()


def test_an_iam_token_is_signed_here_and_goes_over_tls_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unused")
    uri, options = "mysql://db.example:3307/shop", {"user": "app", "iam_region": "eu-west-1"}
    token = mysql_target.parameters(uri, options)["password"]
    assert token.startswith("db.example:3307/?Action=connect&DBUser=app&")
    assert "eu-west-1" in token and "X-Amz-Signature=" in token
    for wrong in ({"ssl_mode": "disable"}, {"user": ""}):
        with pytest.raises(Unreadable, match="iam_region"):
            mysql_target.parameters(uri, {**options, **wrong})
