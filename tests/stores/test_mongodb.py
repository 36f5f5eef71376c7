"""MongoDB: every document of every type of id once, in slices and over lost connections."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bson import Binary, Int64, ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import registry
from scanner.contracts import Limits, Records
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Outcome, Problem, Slice, Tri, Unit
from scanner.stores.mongodb import STORE, OpenMongoDb
from scanner.walk import walk
from tests.conftest import Cardtrail, Planted
from tests.mongo_server import MongoServer

pytestmark = pytest.mark.usefixtures("home")
WHOLE = Slice(0, 0, None)


_OPENED: list[OpenMongoDb] = []


@pytest.fixture
def server() -> Iterator[MongoServer]:
    server = MongoServer()
    yield server
    while _OPENED:
        _OPENED.pop().close()
    server.stop()


def opened(server: MongoServer, database: str = "shop", **options: Any) -> OpenMongoDb:
    store = STORE.connect(STORE.resolve(f"{server.target}{database}", options), str)
    _OPENED.append(store)
    return store


def units(store: OpenMongoDb) -> dict[str, Unit]:
    listed = list(store.units(lambda name, is_folder: False))
    assert not [item for item in listed if isinstance(item, Outcome)], listed
    return {unit.key: unit for unit in listed if isinstance(unit, Unit)}


def lines(store: OpenMongoDb, unit: Unit, part: Slice = WHOLE) -> list[bytes]:
    records = store.open(unit)
    assert isinstance(records, Records)
    out = b""
    for _, item in walk(records, unit.name, part, registry.readers(), Limits()):
        assert not isinstance(item, Problem), item.detail
        out += bytes(item.data[item.lo : item.hi])
    return out.splitlines()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("mongodb://me:hunter2@db/shop", "password_env"),
        ("mongodb:///shop", "mongodb://user@host"),
        ("mongodb://db/a/b", "mongodb://user@host"),
        ("mongodb://db/a?password=hunter2", "authSource"),
        ("mongodb+srv://db/a?tls=false", "authSource"),
    ],
)
def test_a_target_that_cannot_be(target: str, words: str) -> None:
    with pytest.raises(UsageError, match="expected") as caught:
        STORE.resolve(target, {})
    assert words in str(caught.value) and "hunter2" not in str(caught.value)


def test_targets_and_options() -> None:
    store = STORE.resolve("mongodb://me@h1:27017,h2/shop?replicaSet=r&authSource=a", {})
    assert store.uri == "mongodb://h1:27017,h2/shop"
    assert store.options == {"user": "me", "replica_set": "r", "auth_source": "a"}
    with pytest.raises(UsageError, match="tls"):
        STORE.resolve("mongodb://h/shop", {"tls": "perhaps"})


def test_what_there_is(server: MongoServer) -> None:
    server.put("shop", "orders", {"_id": 1})
    server.put("shop", "a.b.c", {"_id": 1})
    server.put("other", "people", {"_id": 1})
    server.put("shop", "view", {"_id": 1})
    server.kinds["shop", "view"] = "view"
    store, whole = opened(server), opened(server, "")
    assert list(units(store)) == ["a.b.c", "orders"]
    assert list(units(whole)) == ["other.people", "shop.a.b.c", "shop.orders"]
    assert lines(whole, units(whole)["shop.a.b.c"]) == [b"_id: 1\t"]


MIXED = [
    *(Int64(n) for n in range(0, 3000, 3)),
    *(f"text {n}" for n in range(500)),
    *(ObjectId(f"{n:024x}") for n in range(500)),
    *(Binary(b"bytes %d" % n) for n in range(200)),
    None,
    True,
    datetime(2026, 1, 1, tzinfo=UTC),
]


def test_ids_of_every_type_come_once(server: MongoServer) -> None:
    """A comparison would stay within one type: what is asked passes over to the next."""
    server.put("shop", "mixed", *({"_id": value, "n": n} for n, value in enumerate(MIXED)))
    store = opened(server)
    seen = [int(line.split(b"n: ")[1].strip()) for line in lines(store, units(store)["mixed"])]
    assert sorted(seen) == list(range(len(MIXED)))
    assert server.said.count("find") > 5


@pytest.mark.parametrize("kind", ["int", "oid"])
def test_slices_join_up(server: MongoServer, kind: str) -> None:
    ids: list[Any] = [Int64(10**10 + 7 * n) for n in range(2000)]
    if kind == "oid":
        ids = [ObjectId(f"64b7f0{n * 91:06x}a1b2c3d4e5f6") for n in range(2000)]
    server.put("shop", "t", *({"_id": value, "n": n} for n, value in enumerate(ids)))
    store = opened(server)
    unit = units(store)["t"]
    assert unit.size and store.open(unit).sliceable

    @settings(max_examples=10, deadline=None)
    @given(st.lists(st.integers(1, unit.size - 1), max_size=4, unique=True))
    def join(cuts: list[int]) -> None:
        seen = [
            int(line.split(b"n: ")[1].strip())
            for index, (start, end) in enumerate(pairwise([0, *sorted(cuts), None]))
            for line in lines(store, unit, Slice(index, start or 0, end))
        ]
        assert seen == list(range(2000))

    join()


def test_a_lost_connection_is_made_again(server: MongoServer) -> None:
    server.put("shop", "t", *({"_id": n} for n in range(5000)))
    store = opened(server, patience=10)
    unit = units(store)["t"]
    server.drop_after = 3
    assert [int(line.split()[1]) for line in lines(store, unit)] == list(range(5000))


def test_large_documents_take_smaller_steps(server: MongoServer) -> None:
    server.put("shop", "t", *({"_id": n, "x": "y" * 400_000} for n in range(60)))
    store = opened(server)
    assert len(lines(store, units(store)["t"])) == 60


def test_a_collection_without_an_index_on_its_ids(server: MongoServer) -> None:
    server.put("shop", "capped", *({"ts": n} for n in range(700)))
    server.without_index.add(("shop", "capped"))
    store = opened(server)
    assert len(lines(store, units(store)["capped"])) == 700


def test_what_lies_in_a_document_and_where(server: MongoServer) -> None:
    packed = gzip.compress(b"inside the value, " * 20)
    server.put("shop", "t", {"_id": 12, "files": [{"name": "x", "data": packed}], "last": "word"})
    store = opened(server)
    seen: dict[str | None, bytes] = {}
    for member, item in walk(
        store.open(units(store)["t"]), "t", WHOLE, registry.readers(), Limits()
    ):
        assert not isinstance(item, Problem)
        seen[member] = bytes(item.data[item.lo : item.hi])
        if member is None:
            where = item.locate(seen[member].index(b"word"), 0)
            assert (where.row, where.field) == (12, "last")
    assert seen["files[].data@12!files[].data@12"].startswith(b"inside the value")


@pytest.mark.parametrize("command", ["find", "listCollections", "collStats"])
def test_what_the_role_may_not_do(server: MongoServer, command: str) -> None:
    server.put("shop", "t", {"_id": 1})
    server.denied = {command}
    store = opened(server)
    listed = list(store.units(lambda name, is_folder: False))
    assert len(listed) == 1
    if isinstance(listed[0], Outcome):
        assert command == "listCollections" and listed[0].reason == Reason.ACCESS_DENIED
    elif command == "find":
        with pytest.raises(Unreadable) as caught:
            lines(store, listed[0])
        assert caught.value.reason is Reason.ACCESS_DENIED
    else:
        assert lines(store, listed[0]) == [b"_id: 1\t"]


def test_a_server_that_is_not_there(server: MongoServer) -> None:
    server.stop()
    with pytest.raises(Unreadable) as caught:
        units(opened(server))
    assert caught.value.reason is Reason.UNREACHABLE


# --- facts --------------------------------------------------------------------------------------


def told(store: OpenMongoDb) -> dict[str, Tri]:
    return {fact.control: fact.state for fact in store.facts()}


CLOSED = {
    "security": {"authorization": "enabled", "enableEncryption": True},
    "net": {"tls": {"mode": "requireTLS"}, "bindIp": "0.0.0.0"},
    "auditLog": {"destination": "file"},
}


def test_facts_of_a_server_that_is_closed(server: MongoServer) -> None:
    server.options = CLOSED
    facts = told(opened(server))
    assert {name: facts[name] for name in ("public-access", "login-required", "tls-required")} == {
        "public-access": Tri.NO,
        "login-required": Tri.YES,
        "tls-required": Tri.YES,
    }
    assert facts["default-encryption"] is facts["access-logging"] is Tri.YES
    assert facts["scanned-over-tls"] is Tri.NO


def test_facts_of_one_that_is_open(server: MongoServer) -> None:
    server.options = {"net": {"bindIp": "0.0.0.0"}}
    store = opened(server)
    facts = told(store)
    assert facts["public-access"] is Tri.YES
    assert facts["login-required"] is facts["access-logging"] is facts["tls-required"] is Tri.NO
    access = store.access()
    assert [(g.principal, g.state) for g in access.could_read] == [("anyone", "allow")]
    server.options = {"net": {"bindIp": "127.0.0.1,localhost"}}
    assert told(store)["public-access"] is Tri.NO


def test_facts_that_may_not_be_asked_for(server: MongoServer) -> None:
    server.denied = {"getCmdLineOpts", "usersInfo", "connectionStatus", "listDatabases"}
    store = opened(server)
    facts = told(store)
    for name in (
        "public-access",
        "login-required",
        "tls-required",
        "access-logging",
        "read-only-role",
    ):
        assert facts[name] is Tri.UNKNOWN
    assert not store.access().could_read_known


def test_who_could_read(server: MongoServer) -> None:
    server.options = CLOSED
    may = {
        "root": [{"resource": {"anyResource": True}, "actions": ["anyAction"]}],
        "reader": [{"resource": {"db": "shop", "collection": ""}, "actions": ["find"]}],
        "every": [{"resource": {"db": "", "collection": ""}, "actions": ["find", "insert"]}],
        "other": [{"resource": {"db": "other", "collection": ""}, "actions": ["find"]}],
        "writer": [{"resource": {"db": "shop", "collection": ""}, "actions": ["insert"]}],
        "monitor": [{"resource": {"cluster": True}, "actions": ["find", "serverStatus"]}],
    }
    server.privileges = may
    server.users = [
        {"user": name, "db": "admin", "roles": [{"role": f"{name}Role", "db": "admin"}]}
        for name in may
    ]
    access = opened(server).access()
    assert access.could_read_known
    assert {g.principal for g in access.could_read} == {
        "user:root@admin",
        "user:reader@admin",
        "user:every@admin",
    }
    assert all("Role on admin" in grant.via for grant in access.could_read)


def test_a_scan(
    server: MongoServer, cardtrail: Cardtrail, planted: Planted, tmp_path: Path
) -> None:
    pan = planted.pan()
    server.put("shop", "orders", *({"_id": n, "note": "no card"} for n in range(300)))
    server.put("shop", "orders", {"_id": 4321, "payment": {"cards": [{"number": Int64(int(pan))}]}})
    result = cardtrail("scan", f"{server.target}shop", "--format", "json", "-o", "-", "--jobs", "1")
    assert result.code == 1, result.err
    run = json.loads(result.out)
    (finding,) = run["findings"]
    where = finding["location"]
    assert (finding["unit"], where["row"], where["field"]) == (
        "orders",
        4321,
        "payment.cards[].number",
    )
    assert set(server.said) <= {
        *("hello", "ismaster", "ping", "find", "getMore", "killCursors", "endSessions"),
        *("listDatabases", "listCollections", "collStats"),
        *("getCmdLineOpts", "usersInfo", "connectionStatus"),
    }
