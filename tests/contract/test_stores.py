"""Every kind of store through the same suite, over a fake or a real small one of its kind."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, Protocol

import duckdb
import pytest

from scanner import registry
from scanner.contracts import Limits, OpenStore, Records, SealName, StoreKind
from scanner.errors import Reason, Unreadable
from scanner.model import Outcome, Problem, Slice, Tri, Unit
from scanner.stores import mysql_places, postgres_places
from scanner.walk import walk
from tests import mariadb_server, postgres_server, s3_server
from tests.mongo_server import MongoServer
from tests.s3_server import logs_client

NAMES = ["plain", "new\nline", "\x1b[31mred\x1b[0m", "<b>&amp;", "café ☕", "%41 #?", "deep/er"]


class Lab(Protocol):
    """A store of one kind that can be filled."""

    target: str
    names: ClassVar[list[str]]
    """of ``NAMES``, those this kind can hold"""
    own: ClassVar[set[str]]
    """units that are there without anything being put"""
    versions: ClassVar[bool]
    """whether the kind can tell that content changed"""
    shown: ClassVar[str]
    """how a text that was put comes out"""

    def put(self, name: str, text: str) -> None: ...
    def drop(self, name: str) -> None: ...
    def destroy(self) -> None: ...


class FilesLab:
    versions: ClassVar[bool] = True
    shown: ClassVar[str] = "{}"
    own: ClassVar[set[str]] = set()
    names: ClassVar[list[str]] = NAMES

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "store"
        self.folder.mkdir()
        self.target = str(self.folder)

    def put(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)

    def drop(self, name: str) -> None:
        (self.folder / name).unlink()

    def destroy(self) -> None:
        self.folder.rename(self.folder.with_name("gone"))


class SqliteLab:
    versions: ClassVar[bool] = True
    shown: ClassVar[str] = "{}"
    own: ClassVar[set[str]] = {"sqlite_master"}
    names: ClassVar[list[str]] = NAMES

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a.db"
        self.target = f"sqlite://{self.path}"
        self._run("CREATE TABLE t(a)", "DROP TABLE t")

    def _run(self, *statements: str) -> None:
        connection = sqlite3.connect(self.path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    def put(self, name: str, text: str) -> None:
        self._run(
            f'DROP TABLE IF EXISTS "{name}"',
            f'CREATE TABLE "{name}"(a)',
            f"""INSERT INTO "{name}" VALUES('{text}')""",
        )

    def drop(self, name: str) -> None:
        self._run(f'DROP TABLE "{name}"')

    def destroy(self) -> None:
        self.path.unlink()


class DuckDbLab:
    versions: ClassVar[bool] = True
    shown: ClassVar[str] = "{}"
    own: ClassVar[set[str]] = {"(definitions)"}
    names: ClassVar[list[str]] = NAMES

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a.duckdb"
        self.target = f"duckdb://{self.path}"
        self._run("SELECT 1")

    def _run(self, *statements: str) -> None:
        with duckdb.connect(str(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def put(self, name: str, text: str) -> None:
        self._run(
            f'CREATE OR REPLACE TABLE "{name}"(a VARCHAR)',
            f"""INSERT INTO "{name}" VALUES('{text}')""",
        )

    def drop(self, name: str) -> None:
        self._run(f'DROP TABLE "{name}"')

    def destroy(self) -> None:
        self.path.unlink()


class S3Lab:
    versions: ClassVar[bool] = True
    shown: ClassVar[str] = "{}"
    own: ClassVar[set[str]] = set()
    names: ClassVar[list[str]] = [name for name in NAMES if name.isprintable() and "?" not in name]
    """moto refuses the others"""

    def __init__(self, folder: Path) -> None:
        self.client = s3_server.bucket("contract")
        self.target = "s3://contract"

    def put(self, name: str, text: str) -> None:
        self.client.put_object(Bucket="contract", Key=name, Body=text.encode())

    def drop(self, name: str) -> None:
        self.client.delete_object(Bucket="contract", Key=name)

    def destroy(self) -> None:
        for item in self.client.list_objects_v2(Bucket="contract").get("Contents", []):
            self.drop(item["Key"])
        self.client.delete_bucket(Bucket="contract")


class CloudWatchLab:
    own: ClassVar[set[str]] = set()
    versions: ClassVar[bool] = True
    shown: ClassVar[str] = "{}"
    names: ClassVar[list[str]] = [name for name in NAMES if name.isprintable()]

    def __init__(self, folder: Path) -> None:
        self.client = logs_client()
        self.target = "cloudwatch://us-east-1//contract"
        if any(g["logGroupName"] == "/contract" for g in self._groups()):
            self.destroy()
        self.client.create_log_group(logGroupName="/contract")
        self._time = time.time_ns() // 1_000_000

    def _groups(self) -> Sequence[Any]:
        return self.client.describe_log_groups()["logGroups"]

    def put(self, name: str, text: str) -> None:
        streams = self.client.describe_log_streams(logGroupName="/contract")["logStreams"]
        if any(stream["logStreamName"] == name for stream in streams):
            self.drop(name)
        self.client.create_log_stream(logGroupName="/contract", logStreamName=name)
        self._time += 1
        self.client.put_log_events(
            logGroupName="/contract",
            logStreamName=name,
            logEvents=[{"timestamp": self._time, "message": text}],
        )

    def drop(self, name: str) -> None:
        self.client.delete_log_stream(logGroupName="/contract", logStreamName=name)

    def destroy(self) -> None:
        self.client.delete_log_group(logGroupName="/contract")


class PostgresLab:
    own: ClassVar[set[str]] = set(postgres_places.BY_KEY)
    versions: ClassVar[bool] = True
    shown: ClassVar[str] = "{}"
    names: ClassVar[list[str]] = NAMES

    def __init__(self, folder: Path) -> None:
        self.server = postgres_server.server()
        self.destroy()
        self.server.run("postgres", "CREATE DATABASE contract TEMPLATE template0")
        self.target = self.server.target("contract")

    def put(self, name: str, text: str) -> None:
        table = f'public."{name}"'
        self.server.run(
            "contract",
            f"DROP TABLE IF EXISTS {table}",
            f"CREATE TABLE {table}(a text)",
            f"INSERT INTO {table} VALUES('{text}')",
        )

    def drop(self, name: str) -> None:
        self.server.run("contract", f'DROP TABLE public."{name}"')

    def destroy(self) -> None:
        self.server.drop("contract")


class SqlAlchemyLab(PostgresLab):
    """The generic store, over a server that there is."""

    own: ClassVar[set[str]] = set()
    versions: ClassVar[bool] = False
    shown: ClassVar[str] = "{}"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.target = self.target.replace("postgresql://", "postgresql+psycopg://")


class MongoLab:
    """A server of our own: see ``tests.mongo_server``."""

    own: ClassVar[set[str]] = {"own"}
    names: ClassVar[list[str]] = NAMES
    versions: ClassVar[bool] = True
    shown: ClassVar[str] = ": {}\t"

    def __init__(self, folder: Path) -> None:
        self.server = MongoServer()
        self.server.put("contract", "own", {"_id": 1})
        self.target = f"{self.server.target}contract"

    def put(self, name: str, text: str) -> None:
        self.server.data["contract"].pop(name, None)
        self.server.put("contract", name, {"": text})

    def drop(self, name: str) -> None:
        del self.server.data["contract"][name]

    def destroy(self) -> None:
        self.server.data.clear()


class MysqlLab:
    versions: ClassVar[bool] = True
    shown: ClassVar[str] = "{}"
    own: ClassVar[set[str]] = set(mysql_places.BY_KEY)
    names: ClassVar[list[str]] = NAMES

    def __init__(self, folder: Path) -> None:
        self.server = mariadb_server.server()
        self.destroy()
        self.server.run(None, "CREATE DATABASE contract")
        self.target = self.server.target("contract")

    def put(self, name: str, text: str) -> None:
        self.server.run(
            "contract",
            f"DROP TABLE IF EXISTS `{name}`",
            f"CREATE TABLE `{name}`(a text)",
            f"INSERT INTO `{name}` VALUES('{text}')",
        )

    def drop(self, name: str) -> None:
        self.server.run("contract", f"DROP TABLE `{name}`")

    def destroy(self) -> None:
        self.server.run(None, "DROP DATABASE IF EXISTS contract")


LABS: dict[str, Callable[[Path], Lab]] = {
    "files": FilesLab,
    "sqlite": SqliteLab,
    "duckdb": DuckDbLab,
    "s3": S3Lab,
    "cloudwatch": CloudWatchLab,
    "postgresql": PostgresLab,
    "mysql": MysqlLab,
    "sqlalchemy": SqlAlchemyLab,
    "mongodb": MongoLab,
}
MISSING: dict[str, Callable[[], str | None]] = {
    "postgresql": postgres_server.missing,
    "mysql": mariadb_server.missing,
    "sqlalchemy": postgres_server.missing,
}
"""Why a kind cannot be tried on this machine."""
KINDS = dict(registry.stores())

pytestmark = pytest.mark.xdist_group("contract-stores")


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> StoreKind:
    return KINDS[request.param]


@pytest.fixture
def lab(kind: StoreKind, tmp_path: Path, home: Path) -> Iterator[Lab]:
    assert kind.kind in LABS, f"a store of kind {kind.kind} needs a lab in this suite"
    missing = MISSING.get(kind.kind, lambda: None)()
    if missing:
        pytest.skip(missing)
    if kind.kind in ("s3", "cloudwatch"):
        with s3_server.environment():
            yield LABS[kind.kind](tmp_path)
    else:
        yield LABS[kind.kind](tmp_path)


def connect(kind: StoreKind, lab: Lab, seal: SealName = lambda name: name) -> OpenStore:
    return kind.connect(kind.resolve(lab.target, {}), seal)


def keep(name: str, is_folder: bool) -> bool:
    return False


def units(store: OpenStore, lab: Lab) -> list[Unit]:
    listed = list(store.units(keep))
    assert not [item for item in listed if isinstance(item, Outcome)]
    return [item for item in listed if isinstance(item, Unit) and item.key not in lab.own]


def content(store: OpenStore, unit: Unit) -> bytes:
    opened = store.open(unit)
    seen = b""
    for _, item in walk(opened, unit.name, Slice(0, 0, None), registry.readers(), Limits()):
        assert not isinstance(item, Problem), item.detail
        seen += bytes(item.data[item.lo : item.hi])
    assert opened.check() is None
    if not isinstance(opened, Records):
        opened.file.close()
    return seen.rstrip(b"\n")


def test_the_target_and_its_uri_are_one_store(kind: StoreKind, lab: Lab) -> None:
    assert kind.claims(lab.target)
    assert [other.kind for other in KINDS.values() if other.claims(lab.target)] == [kind.kind]
    store = kind.resolve(lab.target, {})
    assert store.kind == kind.kind
    assert kind.claims(store.uri)
    assert kind.resolve(store.uri, {}).uri == store.uri
    assert store.uri.isascii()


def test_an_empty_store(kind: StoreKind, lab: Lab) -> None:
    store = connect(kind, lab)
    assert units(store, lab) == []
    store.close()


def test_names_of_any_kind_are_units_and_are_read(kind: StoreKind, lab: Lab) -> None:
    for number, name in enumerate(lab.names):
        lab.put(name, f"content {number}")
    store = connect(kind, lab)
    found = units(store, lab)
    assert {unit.key for unit in found} == set(lab.names)
    assert len({unit.id for unit in found}) == len(lab.names)
    for unit in found:
        unit.name.encode("utf-8")
        wanted = lab.shown.format(f"content {lab.names.index(unit.key)}")
        assert content(store, unit) == wanted.encode()
    store.close()


def test_the_listing_is_the_same_every_time(kind: StoreKind, lab: Lab) -> None:
    for name in lab.names:
        lab.put(name, "x")
    listings = []
    for _ in range(2):
        store = connect(kind, lab)
        listings.append([(unit.id, unit.name, unit.version) for unit in units(store, lab)])
        store.close()
    assert listings[0] == listings[1]
    assert all(version for _, _, version in listings[0]) or not lab.versions


def test_a_unit_is_opened_by_another_process_with_the_unit_alone(kind: StoreKind, lab: Lab) -> None:
    lab.put("plain", "content")
    store = connect(kind, lab)
    (unit,) = units(store, lab)
    store.close()
    other = connect(kind, lab)
    assert content(other, unit) == lab.shown.format("content").encode()
    other.close()


def test_names_are_sealed_and_keys_not_shown(kind: StoreKind, lab: Lab) -> None:
    lab.put("secret", "x")
    store = connect(kind, lab, lambda name: name.replace("secret", "SEALED"))
    (unit,) = units(store, lab)
    assert unit.name == "SEALED"
    assert "secret" not in repr(unit)
    store.close()


def test_what_is_excluded_is_no_unit(kind: StoreKind, lab: Lab) -> None:
    for name in ("keep", "leave"):
        lab.put(name, "x")
    store = connect(kind, lab)
    listed = [
        item.key
        for item in store.units(lambda name, is_folder: name == "leave")
        if isinstance(item, Unit) and item.key not in lab.own
    ]
    assert listed == ["keep"]
    store.close()


def test_a_unit_that_is_gone(kind: StoreKind, lab: Lab) -> None:
    for name in ("plain", "other"):
        lab.put(name, "content")
    store = connect(kind, lab)
    unit = next(unit for unit in units(store, lab) if unit.key == "plain")
    lab.drop("plain")
    with pytest.raises(Unreadable) as caught:
        content(store, unit)
    assert caught.value.reason in (Reason.VANISHED, Reason.NOT_FOUND)
    store.close()


def test_a_version_tells_that_the_content_changed(kind: StoreKind, lab: Lab) -> None:
    versions = []
    for text in ("one", "two and more"):
        lab.put("plain", text)
        store = connect(kind, lab)
        (unit,) = units(store, lab)
        versions.append(unit.version)
        store.close()
    assert versions[0] != versions[1] or (versions == [None, None] and not lab.versions)


def test_a_store_that_is_gone_is_unreadable_as_a_whole(kind: StoreKind, lab: Lab) -> None:
    named = kind.resolve(lab.target, {})
    lab.destroy()
    with pytest.raises(Unreadable) as caught, closing(kind.connect(named, str)) as store:
        list(store.units(keep))
    assert caught.value.reason is Reason.NOT_FOUND


def test_facts_and_grants(kind: StoreKind, lab: Lab) -> None:
    lab.put("plain", "x")
    store = connect(kind, lab)
    facts = store.facts()
    assert {"public-access", "default-encryption", "versioning", "access-logging"} <= {
        fact.control for fact in facts
    }
    assert len({fact.control for fact in facts}) == len(facts)
    assert all(fact.detail for fact in facts if fact.state is Tri.UNKNOWN)
    access = store.access()
    assert access.did_read == ()
    assert all(grant.via for grant in access.could_read)
    assert access.answer == "cannot-tell"
    store.close()


def test_facts_of_a_store_that_goes_away(kind: StoreKind, lab: Lab) -> None:
    """Never raise: what cannot be asked is unknown, with the reason."""
    lab.put("plain", "x")
    store = connect(kind, lab)
    lab.destroy()
    assert store.facts()
    store.access()
    store.close()
