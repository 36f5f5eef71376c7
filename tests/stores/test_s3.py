"""The S3 store against moto's server: listing, prefixes, keys of any spelling, reading."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.contracts import Buffer, Source
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Outcome, Status, Unit
from scanner.stores import s3_client, s3_listing, s3_object
from scanner.stores.s3 import S3, STORE
from tests import s3_server


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with s3_server.environment():
        yield


def connect(uri: str, **options: object) -> S3:
    opened = STORE.connect(STORE.resolve(uri, options), lambda name: name)
    assert isinstance(opened, S3)
    return opened


def units(store: S3) -> list[Unit]:
    found = list(store.units(lambda name, folder: False))
    assert all(isinstance(item, Unit) for item in found)
    return [item for item in found if isinstance(item, Unit)]


def read(store: S3, unit: Unit) -> bytes:
    source = store.open(unit)
    assert isinstance(source, Source)
    return source.file.read()


ODD_KEYS = [
    "plain",
    "a/b",
    "a//b",
    "//two",
    "/one",
    "one",
    "folder",
    "folder/",
    "x/../y",
    "./dot",
    "a/./b",
    "..",
    "esc\x1b[0m",
    "tab\tx",
    "cr\rx",
    "del\x7f",
    "a+b",
    "a b",
    "100%",
    "%41",
    "a%2Fb",
    "h#x",
    "q?x",
    "back\\slash",
    "a&b=c",
    "<m>",
    "'q\"",
    "ünï/日本",
    "\u202ebidi",
    "\U0001f4b3",
    "..a/b",
    "k" * 900,
]


def test_keys_of_any_spelling_are_listed_and_read_exactly() -> None:
    bodies = {key: f"body {i}".encode() for i, key in enumerate(ODD_KEYS)}
    s3_server.bucket("odd-keys", bodies)
    store = connect("s3://odd-keys")
    assert {unit.key: read(store, unit) for unit in units(store)} == bodies


def test_the_order_is_that_of_the_keys_and_the_version_that_of_the_content() -> None:
    s3 = s3_server.bucket("order", {"b": b"1", "a/z": b"2", "a": b"3"})
    first = units(connect("s3://order"))
    assert [unit.key for unit in first] == ["a", "a/z", "b"]
    s3.put_object(Bucket="order", Key="b", Body=b"other")
    second = units(connect("s3://order"))
    assert [a.version == b.version for a, b in zip(first, second, strict=True)] == [1, 1, 0]
    assert [a.id for a in first] == [b.id for b in second]


def test_more_than_a_page() -> None:
    keys = [f"k {i}+%" for i in range(7)]
    s3 = s3_server.bucket("pages", dict.fromkeys(keys, b""))
    s3_listing.prepare(s3)
    assert [item.key for item in s3_listing.objects(s3, "pages", "", limit=2)] == keys


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("s3://prefixes", ["p", "p-old/z", "p/a", "p/p", "p/q/r"]),
        ("s3://prefixes/p", ["p", "a", "./p", "q/r"]),
        ("s3://prefixes/p/", ["p", "a", "./p", "q/r"]),
        ("s3://prefixes/p/a", ["a"]),
        ("s3://prefixes/p/q", ["r"]),
        ("s3://prefixes/none", []),
    ],
)
def test_a_prefix_is_a_folder_or_an_object(uri: str, names: list[str]) -> None:
    keys = ["p", "p-old/z", "p/a", "p/p", "p/q/r"]
    s3_server.bucket("prefixes", {key: key.encode() for key in keys})
    store = connect(uri)
    found = units(store)
    assert [unit.name for unit in found] == names
    assert len({unit.id for unit in found}) == len(found)
    assert all(read(store, unit) == unit.key.encode() for unit in found)


def test_excluded_keys_are_asked_for_by_the_name_under_the_prefix() -> None:
    s3_server.bucket("ignoring", {"p/a.log": b"1", "p/b.txt": b"2"})
    asked: list[tuple[str, bool]] = []

    def ignore(name: str, folder: bool) -> bool:
        asked.append((name, folder))
        return name.endswith(".log")

    found = list(connect("s3://ignoring/p").units(ignore))
    assert [item.name for item in found if isinstance(item, Unit)] == ["b.txt"]
    assert asked == [("a.log", False), ("b.txt", False)]


def test_an_object_replaced_or_deleted_since_the_listing_is_not_mixed_up() -> None:
    s3 = s3_server.bucket("changing", {"a": b"old", "gone": b"x", "big": b"1" * (5 << 20)})
    store = connect("s3://changing")
    listed = {unit.key: unit for unit in units(store)}
    s3.put_object(Bucket="changing", Key="a", Body=b"new")
    s3.delete_object(Bucket="changing", Key="gone")
    for key, reason in (("a", Reason.CHANGED), ("gone", Reason.VANISHED)):
        with pytest.raises(Unreadable) as caught:
            read(store, listed[key])
        assert caught.value.reason is reason
    source = store.open(listed["big"])
    assert isinstance(source, Source)
    assert source.file.read(100) == b"1" * 100
    s3.put_object(Bucket="changing", Key="big", Body=b"2" * (5 << 20))
    source.file.seek(3 << 20)
    with pytest.raises(Unreadable) as caught:
        source.file.read(100)
    assert caught.value.reason is Reason.CHANGED


def test_archived_objects_are_skipped_without_being_asked_for() -> None:
    s3 = s3_server.bucket("archive", {"hot": b"1"})
    s3.put_object(Bucket="archive", Key="cold", Body=b"22", StorageClass="DEEP_ARCHIVE")
    found = list(connect("s3://archive").units(lambda name, folder: False))
    outcome = found[0]
    assert isinstance(outcome, Outcome)
    assert (outcome.unit, outcome.status, outcome.reason, outcome.size) == (
        "cold",
        Status.SKIPPED,
        Reason.ARCHIVED,
        2,
    )
    assert isinstance(found[1], Unit)


def test_names_are_sealed() -> None:
    s3_server.bucket("sealing", {"in/1234.csv": b"1"})
    store = STORE.connect(STORE.resolve("s3://sealing/in", {}), lambda name: name[::-1])
    (unit,) = store.units(lambda name, folder: False)
    assert isinstance(unit, Unit)
    assert unit.name == "vsc.4321" and "1234" not in repr(unit)


def test_a_sibling_is_the_object_beside() -> None:
    s3_server.bucket("siblings", {"a.db": b"main", "a.db-wal": b"log"})
    store = connect("s3://siblings")
    source = store.open(units(store)[0])
    assert isinstance(source, Source)
    beside = source.sibling("-wal")
    assert beside is not None and beside.file.read() == b"log" and beside.size == 3
    assert source.sibling("-shm") is None


def test_a_large_object_reads_the_same_in_any_way() -> None:
    body = os.urandom(1 << 20) * 21 + b"end"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("large", body)
        archive.writestr("small", b"hello")
    s3_server.bucket("large", {"a": body, "b.zip": packed.getvalue()})
    store = connect("s3://large")
    plain, zipped = units(store)
    assert read(store, plain) == body
    source = store.open(zipped)
    assert isinstance(source, Source)
    with zipfile.ZipFile(source.file) as archive:
        assert archive.read("small") == b"hello"
        assert archive.read("large") == body
    store.close()


def test_without_obstore_in_a_forked_child_boto_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    s3_server.bucket("forked", {"a": b"1" * (5 << 20)})
    monkeypatch.setattr(s3_client, "_runtime_pid", os.getpid() + 1)
    store = connect("s3://forked")
    assert s3_client.data_store(store._connection) is None
    assert read(store, units(store)[0]) == b"1" * (5 << 20)


def test_a_bucket_that_does_not_exist() -> None:
    with pytest.raises(Unreadable) as caught:
        connect("s3://there-is-no-such-bucket")
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("target", ["s3://", "s3:///a", "s3://a b/c", "s3://-x", "s3://a\nb"])
def test_targets_that_cannot_be_right(target: str) -> None:
    assert STORE.claims(target)
    with pytest.raises(UsageError, match="expected s3://bucket"):
        STORE.resolve(target, {})


@pytest.mark.parametrize(
    "endpoint", ["localhost:9000", "ftp://x", "http://", "https://user:secret@host"]
)
def test_endpoints_that_cannot_be_right(endpoint: str) -> None:
    with pytest.raises(UsageError, match="expected http://host:port") as caught:
        STORE.resolve("s3://bucket", {"endpoint": endpoint})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("s3://b1", "s3://b1"),
        ("s3://b1/", "s3://b1"),
        ("s3://b1/p/", "s3://b1/p"),
        ("s3://b1/p//", "s3://b1/p"),
        ("s3://b1/a%20b?c#d", "s3://b1/a%20b?c#d"),
    ],
)
def test_canonical_uris(target: str, uri: str) -> None:
    assert STORE.resolve(target, {}).uri == uri


def test_endpoints_of_aws_for_obstore() -> None:
    s3_server.bucket("endpoints")

    def endpoint(bucket: str, url: str, aws: bool) -> tuple[str, bool]:
        connection = connect("s3://endpoints")._connection
        connection.bucket, connection.endpoint, connection.aws = bucket, url, aws
        return s3_client._data_endpoint(connection)

    aws = "https://s3.eu-west-1.amazonaws.com"
    assert s3_client.is_aws(aws) and not s3_client.is_aws("https://amazonaws.com.example.org")
    assert endpoint("b", aws, True) == ("https://b.s3.eu-west-1.amazonaws.com", True)
    assert endpoint("b.c", aws, True) == (aws, False)
    assert endpoint("b", "http://minio:9000", False) == ("http://minio:9000", False)


# --- the file over ranges, without a server -------------------------------------------------------

_OPS = st.lists(
    st.one_of(
        st.tuples(st.just("seek"), st.integers(0, 400), st.just(0)),
        st.tuples(st.just("seek"), st.integers(-50, 50), st.just(1)),
        st.tuples(st.just("seek"), st.integers(-300, 0), st.just(2)),
        st.tuples(st.just("read"), st.integers(-1, 150), st.just(0)),
        st.tuples(st.just("readinto"), st.integers(0, 150), st.just(0)),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(size=st.integers(0, 300), ops=_OPS, whole=st.sampled_from([0, 50, 1000]))
def test_the_file_behaves_like_bytes(
    size: int, ops: list[tuple[str, int, int]], whole: int
) -> None:
    body = bytes(i % 251 for i in range(size))
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int, entire: bool = False) -> bytes:
        asked.append((start, end))
        assert 0 <= start < end <= size
        return body[start:end]

    def ahead(fetch: Callable[..., Buffer], start: int, end: int) -> s3_object.Future[Buffer]:
        if start % 3 == 0:  # reading ahead may fail
            return pool.submit(fail)
        return pool.submit(fetch, start, end)

    def fail() -> Buffer:
        raise Unreadable(Reason.UNREACHABLE)

    patch = pytest.MonkeyPatch()
    patch.setattr(s3_object, "WHOLE", whole)
    patch.setattr(s3_object, "FIRST", 16)
    patch.setattr(s3_object, "LARGEST", 64)
    with patch.context():
        pool = s3_object.ThreadPoolExecutor(1)
        file = io.BufferedReader(s3_object.ObjectFile(fetch, size, ahead), 8)
        model = io.BytesIO(body)
        for name, amount, whence in ops:
            if name == "seek":
                try:
                    expected = model.seek(amount, whence)
                except ValueError:
                    continue
                if model.tell() < 0 or (whence and {1: file.tell(), 2: size}[whence] + amount < 0):
                    model.seek(file.tell())
                    continue
                assert file.seek(amount, whence) == expected
            elif name == "read":
                assert file.read(amount) == model.read(amount)
            else:
                one, two = bytearray(amount), bytearray(amount)
                assert file.readinto(one) == model.readinto(two)
                assert one == two
            assert file.tell() == model.tell()
        pool.shutdown()
    patch.undo()
    if size <= whole:
        assert len(asked) <= 1


@settings(deadline=None)
@given(st.text(max_size=20))
def test_obstore_is_asked_only_for_keys_it_takes_as_they_are(key: str) -> None:
    import obstore
    from obstore.store import MemoryStore

    if key and s3_object.obstore_can_name(key):
        store = MemoryStore()
        obstore.put(store, key, b"x")
        assert [meta["path"] for meta in obstore.list(store).collect()] == [key]
