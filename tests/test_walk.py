"""Budgets, nesting and faults: everything ends, and says what was left out."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import time
import zipfile
from collections.abc import Iterator

import pytest

from scanner import registry
from scanner.contracts import Chunk, Limits, Member, Records, Source
from scanner.errors import Reason, Unreadable
from scanner.model import Location, Problem, Slice
from scanner.walk import choose, join, walk
from tests.readers.packing import see
from tests.readers.test_archives import tar_of, zip_of


def nested(depth: int, data: bytes) -> bytes:
    for _ in range(depth):
        data = zip_of({"in": data})
    return data


def test_paths_of_members() -> None:
    assert join(None, None) is None
    assert join("a.tar", None) == "a.tar"
    assert join("a.tar", "b/c") == "a.tar!b/c"
    assert join(None, "table") == "table"


def test_nesting_up_to_the_limit_is_read_and_beyond_it_told() -> None:
    assert see(nested(8, b"text")).content == {"!".join(["in"] * 8): b"text"}
    deep = see(nested(9, b"text"))
    assert not deep.content
    assert deep.problems == [("!".join(["in"] * 9), "budget-depth")]


def test_a_member_too_deep_does_not_hide_its_neighbours() -> None:
    packed = tar_of({"deep.zip": nested(3, b"x"), "plain": b"text"})
    seen = see(packed, limits=Limits(depth=2))
    assert seen.content == {"plain": b"text"}
    assert seen.reasons == {"budget-depth"}


def test_too_many_entries_end_the_unit() -> None:
    packed = tar_of({f"f{i}": b"x" for i in range(20)})
    seen = see(packed, limits=Limits(entries=5))
    assert len(seen.content) == 5
    assert [reason for _, reason in seen.problems] == ["budget-entries"]


@pytest.mark.parametrize("limits", [Limits(bytes=80 << 20), Limits(ratio=100)])
def test_a_bomb_is_broken_off(limits: Limits) -> None:
    packed = gzip.compress(bytes(120 << 20), 1)
    seen = see(packed, "bomb.gz", limits)
    assert (64 << 20) - (2 << 20) < len(seen.content["bomb"]) <= 80 << 20
    assert seen.problems == [("bomb", "budget-bytes")]


def test_a_slow_unit_is_broken_off() -> None:
    packed = tar_of({f"f{i}": b"x" for i in range(50)})
    source = Source(io.BytesIO(packed), "a.tar", len(packed))
    limits = Limits(seconds=0.05)
    reasons = []
    for _, item in walk(source, "a.tar", Slice(0, 0, None), registry.readers(), limits):
        time.sleep(0.02)
        if isinstance(item, Problem):
            reasons.append(item.reason)
    assert reasons == [Reason.BUDGET_TIME]


def test_text_says_that_it_may_be_cut_and_a_stream_not() -> None:
    for data, name, seekable, wanted in (
        (b"text", "a.log", True, True),
        (b"text", "a.log", False, False),
        (b"a,b\n1,2\n", "a.csv", True, True),
        (gzip.compress(b"text"), "a.gz", True, False),
    ):
        source = Source(io.BytesIO(data), name, len(data), seekable)
        walked = walk(source, name, Slice(0, 0, None), registry.readers(), Limits())
        assert walked.sliceable is wanted


def test_a_slice_counts_its_own_bytes_only() -> None:
    data = b"line\n" * 1000
    for start, end, wanted in ((0, 2000, 2000), (2000, None, 3000), (4000, 9000, 1000)):
        source = Source(io.BytesIO(data), "a.log", len(data))
        walked = walk(source, "a.log", Slice(1, start, end), registry.readers(), Limits())
        assert sum(item.hi - item.lo for _, item in walked if isinstance(item, Chunk)) == wanted
        assert walked.bytes_read == wanted


def test_rows_and_the_members_among_them() -> None:
    packed = gzip.compress(b"in the blob")

    def chunks(part: Slice) -> Iterator[Chunk | Member | Problem]:
        yield Chunk(b"a\tb\n", 0, 4, lambda start, end: Location(row=1))
        source = Source(io.BytesIO(packed), "b@1", len(packed))
        yield Member("b@1", len(packed), lambda: source)

    walked = walk(Records(chunks), "t", Slice(0, 0, None), registry.readers(), Limits())
    seen = []
    for member, item in walked:
        assert isinstance(item, Chunk)
        place = item.locate(0, 1)
        seen.append((member, bytes(item.data), place.row, place.member))
    assert seen == [
        (None, b"a\tb\n", 1, None),
        ("b@1!b@1", b"in the blob", None, "b@1!b@1"),
    ]


def test_a_member_that_cannot_be_opened_costs_only_itself() -> None:
    def refuse() -> Source:
        raise Unreadable(Reason.ENCRYPTED, "locked")

    def chunks(part: Slice) -> Iterator[Chunk | Member | Problem]:
        yield Member("locked", None, refuse)
        yield Chunk(b"x", 0, 1, lambda start, end: Location())

    items = list(walk(Records(chunks), "t", Slice(0, 0, None), registry.readers(), Limits()))
    assert [member for member, _ in items] == ["locked", None]


def test_the_right_reader_is_chosen() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    wanted = {
        ("a.log", b"2026-01-01 hello"): "text",
        ("x", b""): "text",
        ("x", b"\x7fELF\1\1\1\0\0\0"): "text",
        ("x.csv", b"a,b\n"): "csv",
        ("x", b'{"a": 1}\n'): "json",
        ("x", b"%PDF-1.7\n"): "signatures",
        ("x.txt", b"ORCHARD: a list of trees\n"): "text",
        ("x", b"ORC\3\0\0\0\1\2"): "signatures",
        ("x.csv", b"%PDF-1.7\n"): "signatures",
        ("x", gzip.compress(b"x")): "gzip",
        ("x", zip_of({"a": b"b"})): "zip",
        ("x", archive.getvalue()): "tar",
        ("x", b"SQLite format 3\0" + bytes(100)): "sqlite",
    }
    got = {
        (name, data): choose(Source(io.BytesIO(data), name, 1), name, registry.readers()).name
        for name, data in wanted
    }
    assert got == wanted


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7\n...", "unsupported-format"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "unsupported-format"),
        (b"Salted__" + random.Random(1).randbytes(600), "encrypted"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(30), "unsupported-format"),
    ],
)
def test_what_cannot_be_read_is_told(data: bytes, reason: str) -> None:
    assert see(data).raised == reason
    assert see(tar_of({"in": data})).problems == [("in", reason)]


def test_an_old_office_document_is_searched_and_said_to_be_read_in_part() -> None:
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + b"some text"
    seen = see(data)
    assert seen.content == {None: data}
    assert seen.problems == [(None, "unsupported-format")]
    locked = see(data + "EncryptedPackage".encode("utf-16-le"))
    assert locked.problems == [(None, "encrypted")]


def test_damage_at_random_ends_and_is_told() -> None:
    """No exception but ``Unreadable``, no hang, and flat memory, whatever is broken."""
    dice = random.Random(4)
    text = b"".join(b"%d some words of a line\n" % dice.randrange(10**9) for _ in range(400))
    files = {
        "a.txt": text,
        "b.json": b'{"k": [1, 2, {"x": "y"}]}' * 50,
        "c.csv": b"a,b\n1,2\n" * 99,
    }
    originals = [
        tar_of(files),
        tar_of(files, tarfile.GNU_FORMAT),
        zip_of(files),
        zip_of(files, zipfile.ZIP_LZMA),
        gzip.compress(tar_of(files)),
        zip_of({"in.tar": tar_of(files), "in.zip": zip_of(files)}),
    ]
    told = 0
    for round_ in range(400):
        bad = bytearray(dice.choice(originals))
        for _ in range(dice.choice([1, 1, 5, 100])):
            bad[dice.randrange(len(bad))] = dice.choice([0, 255, dice.randrange(256)])
        if dice.random() < 0.3:
            del bad[dice.randrange(len(bad)) :]
        if dice.random() < 0.2:
            place = dice.randrange(len(bad) + 1)
            bad[place:place] = dice.randbytes(dice.randrange(600))
        seen = see(bytes(bad), f"f{round_}", Limits(bytes=1 << 26, memory=1 << 22))
        told += bool(seen.problems or seen.raised)
    assert told > 100
