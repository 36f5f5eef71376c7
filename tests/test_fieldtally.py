"""Fields of slices add up to those of the unit, whatever the order and wherever it was cut."""

from __future__ import annotations

import random

import msgspec
import numpy as np  # noqa: F401 - loaded before anything is timed
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Match, State
from scanner.company import Company, CompanyCollector, add_company
from scanner.contracts import Chunk, Rows
from scanner.fieldtally import MOST, FieldCollector, Fields, Found, add_fields
from scanner.model import Location
from scanner.seal import Sealer

SEALER = Sealer(b"k" * 32)
NAMES = ("id", "card_number", "name", "exp")
CELLS = st.tuples(
    st.integers(1, 999).map(str),
    st.sampled_from(["4539120000000008", "4539120000000016", "-", ""]),
    st.sampled_from(["Ann Roe", "", "x1"]),
    st.sampled_from(["12/29", ""]),
)


def table(rows: list[tuple[str, ...]]) -> tuple[Chunk, list[Found]]:
    """A chunk of tab-separated rows, and a match for each number of a card's length in it."""
    data = "".join("\t".join(row) + "\n" for row in rows).encode()
    found, at = [], 0
    for row in rows:
        start = at + len(row[0]) + 1
        if len(row[1]) == 16:
            match = Match("pan", "CREDIT_CARD", start, start + 16, 0.95, State.CLEAR, field=9)
            found.append(Found(match, SEALER.fingerprint(row[1])))
        at += sum(map(len, row)) + len(row)

    def field_name(start: int) -> str | None:
        begin = data.rfind(b"\n", 0, start) + 1
        return NAMES[data.count(b"\t", begin, start)]

    def locate(start: int, end: int) -> Location:
        return Location(offset=start, field=field_name(start))

    rows_of = Rows(NAMES, b"\t", b"\n")
    return Chunk(data, 0, len(data), locate, field_name, rows=rows_of), found


def collected(rows: list[tuple[str, ...]], part: int = 0) -> tuple[Fields, list[Company]]:
    fields, company = FieldCollector(SEALER), CompanyCollector(SEALER, part)
    chunk, found = table(rows)
    fields.chunk(chunk, found, ())
    company.chunk(chunk, found)
    return fields.done(), company.done()


SLICES = st.lists(st.lists(CELLS, min_size=1, max_size=12), min_size=1, max_size=4)


@given(SLICES, st.randoms())
def test_the_order_of_slices_does_not_matter(
    slices: list[list[tuple[str, ...]]], rng: random.Random
) -> None:
    def total(order: list[int]) -> bytes:
        made = [collected(slices[i], i) for i in order]
        return msgspec.json.encode(
            (add_fields(f for f, _ in made), add_company(c for _, c in made))
        )

    order = list(range(len(slices)))
    straight = total(order)
    rng.shuffle(order)
    assert total(order) == straight


@given(SLICES)
def test_slices_count_what_the_whole_counts(slices: list[list[tuple[str, ...]]]) -> None:
    rows = [row for part in slices for row in part]
    made = [collected(part, i) for i, part in enumerate(slices)]
    parts, whole = add_fields(f for f, _ in made), add_fields([collected(rows)[0]])
    assert parts.tallies == whole.tallies and parts.tables == whole.tables
    together = add_company(c for _, c in made)
    once = add_company([collected(rows)[1]])
    for many, one in zip(together, once, strict=True):
        assert (many.beside, many.records, many.cards) == (one.beside, one.records, one.cards)
    assert whole.tables[0].rows == len(rows)
    cards = [row for row in rows if len(row[1]) == 16]
    assert sum(each.records for each in once) == len(cards)
    named = sum(each.records for each in once if "PERSON" in each.beside)
    assert named == sum(row[2] == "Ann Roe" for row in cards)
    dated = sum(each.records for each in once if "EXPIRY_DATE" in each.beside)
    assert dated == sum(row[3] == "12/29" for row in cards)


def keyed(names: list[str]) -> tuple[Chunk, list[Found]]:
    data = b"".join(name.encode() + b"=4539120000000008\n" for name in names)
    found, at = [], 0
    for name in names:
        at = data.index(b"=", at) + 1
        match = Match("pan", "CREDIT_CARD", at, at + 16, 0.95)
        found.append(Found(match, SEALER.fingerprint(name)))
    return Chunk(data, 0, len(data), lambda start, end: Location(offset=start)), found


def test_keys_beyond_the_limit_are_counted_and_not_told_apart() -> None:
    fields = FieldCollector(SEALER)
    names = [f"k{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(MOST + 40)]
    fields.chunk(*keyed(names * 2), ())
    done = fields.done()
    assert len({each.field for each in done.tallies}) == MOST
    assert done.further.count == 40 and done.further_values == 80


def test_keys_that_are_data_become_one_name() -> None:
    fields = FieldCollector(SEALER)
    fields.chunk(*keyed(["user48213", "user77120", "no078-05-1120", "cvv2"]), ())
    names = sorted({each.field.name for each in fields.done().tallies})
    assert names == ["cvv2", "no#", "user#"]


def test_a_key_that_is_part_of_a_value_is_no_name() -> None:
    fields = FieldCollector(SEALER)
    chunk, found = keyed(["hunter", "pan"])
    secret = Found(Match("secrets", "SECRET_KEYWORD", 0, 7, 0.9), SEALER.fingerprint("s"))
    fields.chunk(chunk, [secret, *found], ())
    assert {each.field.name for each in fields.done().tallies} == {"pan"}


def test_a_card_number_in_a_name_is_sealed() -> None:
    fields, company = FieldCollector(SEALER), CompanyCollector(SEALER, 0)
    chunk, found = table([("1", "4539120000000008", "Ann Roe", "12/29")])
    chunk.field_name = lambda start: "4539120000000008"
    chunk.locate = lambda start, end: Location(member="a/4539120000000008.db", field="x")
    fields.chunk(chunk, found, ())
    company.chunk(chunk, found)
    packed = msgspec.msgpack.encode((fields.done(), company.done()))
    assert b"4539120000000008" not in packed and b"Ann" not in packed
