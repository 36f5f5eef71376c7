"""BSON and mongodump archives, beside pymongo's own encoder: every value, under its path."""

from __future__ import annotations

import io
import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from scanner.bsonlines import Damaged, Documents
from scanner.contracts import Limits, Source
from scanner.model import Problem, Slice
from scanner.readers.bson import READER
from tests.readers.packing import see
from tests.readers.test_archives import zip_of

FILES, ARCHIVES = READER


def lines(*documents: dict[str, Any]) -> bytes:
    held = Documents()
    for number, document in enumerate(documents):
        held.add(bson.encode(document), number, str(number))
    chunk = held.chunk(b"")
    return bytes(chunk.data)


VALUES = {
    "text": ("4539 1200 0000 0006", b"4539 1200 0000 0006"),
    "int32": (12, b"12"),
    "int64": (Int64(4539120000000006), b"4539120000000006"),
    "double": (4539120000000006.0, b"4539120000000006"),
    "fraction": (1.5, b"1.5"),
    "huge": (1e300, b"1e+300"),
    "nan": (math.nan, b"nan"),
    "decimal": (Decimal128("4539120000000006.25"), b"4539120000000006.25"),
    "negative decimal": (Decimal128("-0.5"), b"-0.5"),
    "no number": (Decimal128("NaN"), b"NaN"),
    "infinity": (Decimal128("Infinity"), b"Infinity"),
    "date": (datetime(1970, 2, 3, 4, 5, 6, tzinfo=UTC), b"1970-02-03T04:05:06+00:00"),
    "bool": (True, b"true"),
    "null": (None, b""),
    "id": (ObjectId("64b7f0c2a1b2c3d4e5f60718"), b"64b7f0c2a1b2c3d4e5f60718"),
    "bytes": (b"45391200", b"45391200"),
    "old bytes": (Binary(b"45391200", 2), b"45391200"),
    "uuid": (Binary(UUID(int=7).bytes, 4), UUID(int=7).hex.encode()),
    "regex": (Regex("^45", "i"), b"^45 i "),
    "code": (Code("f(4539)"), b"f(4539)"),
    "timestamp": (Timestamp(1, 2), b"0200000001000000"),
    "min": (MinKey(), b""),
    "max": (MaxKey(), b""),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_each_type(name: str) -> None:
    value, wanted = VALUES[name]
    assert lines({"a": "x", "v": value, "z": "y"}) == b"a: x\tv: " + wanted + b"\tz: y\t\n"


def test_code_with_a_scope_and_a_reference() -> None:
    text = lines({"c": Code("f()", {"kept": "in the scope"}), "r": DBRef("there", 5), "z": 1})
    for word in (b"f()", b"kept: in the scope", b"there", b"z: 1"):
        assert word in text


def test_nested_values_have_their_path() -> None:
    document = {
        "order": {"cards": [{"number": "first"}, {"number": "second"}], "tags": ["a-tag", "b-tag"]},
        "last": 7,
    }
    held = Documents("shop.orders")
    held.add(bson.encode({"before": 1}), 8, "8")
    held.add(bson.encode(document), None, "9")
    chunk = held.chunk(b"")
    paths = {
        "second": "order.cards[].number",
        "b-tag": "order.tags[]",
        "7\t": "last",
        "last": "last",
    }
    for word, path in paths.items():
        where = chunk.locate(bytes(chunk.data).index(word.encode()), 0)
        assert (where.field, where.row, where.member) == (path, None, "shop.orders")
    assert chunk.locate(9, 9).row == 8


_LEAVES = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.binary(max_size=20),
    st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12
    ),
)
_KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_DOCUMENTS = st.dictionaries(
    _KEYS,
    st.recursive(
        _LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    ),
    max_size=5,
)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return Decimal128(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _leaves(value: Any) -> list[bytes]:
    if isinstance(value, dict):
        return [word for key, inner in value.items() for word in (key.encode(), *_leaves(inner))]
    if isinstance(value, list):
        return [word for inner in value for word in _leaves(inner)]
    if isinstance(value, bool):
        return [b"true" if value else b"false"]
    if isinstance(value, Decimal):
        return [f"{value:f}".encode()]
    return [value if isinstance(value, bytes) else str(value).encode()]


@given(_DOCUMENTS)
def test_every_key_and_value_is_there_in_order(document: dict[str, Any]) -> None:
    text, at = lines(_plain(document)), 0
    for word in _leaves(document):
        at = text.index(word, at) + len(word)


@given(_DOCUMENTS, st.data())
def test_damage_is_damage_and_nothing_else(document: dict[str, Any], data: st.DataObject) -> None:
    raw = bytearray(bson.encode(_plain(document)))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    held = Documents()
    try:
        held.add(bytes(raw), 1, "1")
    except Damaged as fault:
        assert str(fault) == "a document is damaged"
    held.chunk(b"")


def test_a_file_of_documents() -> None:
    documents = [
        {"_id": n, "note": f"note {n}", "doc": zip_of({"a": b"packed %d" % n})} for n in range(3)
    ]
    seen = see(b"".join(map(bson.encode, documents)), "dump/shop/orders.bson")
    assert not seen.problems
    text = b"".join(seen.content.values())
    for number in range(3):
        assert b"note %d" % number in text and b"packed %d" % number in text
    assert any("doc@2!a" in str(member) for member in seen.content)


def archive(*runs: tuple[str, str, list[dict[str, Any]]]) -> bytes:
    end = b"\xff\xff\xff\xff"
    out = b"\x6d\xe2\x99\x81" + bson.encode(
        {
            "concurrent_collections": 4,
            "version": "0.1",
            "server_version": "7.0.2",
            "tool_version": "100.9.4",
        }
    )
    out += bson.encode({"db": "shop", "collection": "orders", "metadata": "{}", "size": 1}) + end
    for db, collection, documents in runs:
        out += bson.encode({"db": db, "collection": collection, "EOF": False, "CRC": Int64(0)})
        out += b"".join(map(bson.encode, documents)) + end
    return out


def test_an_archive_of_interleaved_collections() -> None:
    data = archive(
        ("shop", "orders", [{"n": 1}, {"n": 2}]),
        ("shop", "people", [{"name": "Ada"}]),
        ("shop", "orders", [{"n": 3}]),
    )
    source = Source(io.BytesIO(data), "a", len(data))
    assert ARCHIVES.claims(data[:4096], "any")
    rows: dict[str | None, list[tuple[int | None, bytes]]] = {}
    for item in ARCHIVES.read(source, Slice(0, 0, None), Limits()):
        assert not isinstance(item, Problem)
        text, at = bytes(item.data[item.lo : item.hi]), item.lo  # type: ignore[union-attr]
        for line in text.splitlines(keepends=True):
            where = item.locate(at, at + 1)  # type: ignore[union-attr]
            rows.setdefault(where.member, []).append((where.row, line.strip()))
            at += len(line)
    assert rows["shop.orders"] == [(1, b"n: 1"), (2, b"n: 2"), (3, b"n: 3")]
    assert rows["shop.people"] == [(1, b"name: Ada")]
    assert (None, b"-- Dumped by mongodump 100.9.4") in rows["(head)"]


def test_one_damaged_document_costs_only_itself() -> None:
    good, bad = bson.encode({"n": "good"}), bytearray(bson.encode({"n": "bad"}))
    bad[4] = 0x55
    seen = see(good + bytes(bad) + good, "a.bson")
    assert b"".join(seen.content.values()).count(b"good") == 2
    assert seen.problems == [(None, "corrupt")] or len(seen.problems) == 1


def test_it_is_never_taken_for_another(tmp_path: object) -> None:
    assert not FILES.claims(b"text that is no BSON", "a.bson")
    assert not FILES.claims(bson.encode({"a": 1}), "a.bin")
    assert FILES.claims(bson.encode({}), "a.bson")


_ = (CodecOptions, re)
