"""Where a record begins and ends, in tables, lines, JSON and text that has none."""

from __future__ import annotations

import pytest

from detectors.base import Match, State
from scanner.company import CompanyCollector
from scanner.contracts import Chunk
from scanner.fieldtally import Found
from scanner.model import Location
from scanner.seal import Sealer

SEALER = Sealer(b"k" * 32)
PAN = b"4539120000000008"


def company(text: bytes, **others: bytes) -> dict[tuple[str, tuple[str, ...]], int]:
    """Records by what they are and what stands in them; ``others`` are values of entities."""
    found = []
    for entity, value in {"CREDIT_CARD": PAN, **others}.items():
        at = text.find(value)
        while at >= 0:
            match = Match("pan", entity, at, at + len(value), 0.95, State.CLEAR)
            found.append(Found(match, SEALER.fingerprint(f"{at}")))
            at = text.find(value, at + 1)
    collector = CompanyCollector(SEALER, 0)
    collector.chunk(Chunk(text, 0, len(text), lambda s, e: Location(offset=s)), found)
    return {(each.per, each.beside): each.records for each in collector.done()}


PRETTY = b"""{
  "customers": [
    {
      "name": "Ann Roe",
      "card": {
        "number": "4539120000000008",
        "exp": "12/29"
      }
    },
    {
      "name": "Bob Doe",
      "mail": "bob@example.org"
    }
  ]
}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"2026 pan=4539120000000008 exp=12/29 ok\nname=Ann Roe\n", ("line", ("EXPIRY_DATE",))),
        (b"pan=4539120000000008 cvv=123\n", ("line", ("CVV",))),
        (b'{"pan":"4539120000000008","cardHolder":"Ann Roe"}\n', ("object", ("PERSON",))),
        (PRETTY, ("object", ("EXPIRY_DATE", "PERSON"))),
        (b"x " * 9000 + b"4539120000000008 exp 12/29" + b" x" * 9000, ("window", ("EXPIRY_DATE",))),
        (b"4539120000000008\n", ("line", ())),
    ],
)
def test_the_record_of_a_number(text: bytes, expected: tuple[str, tuple[str, ...]]) -> None:
    assert company(text) == {expected: 1}


def test_findings_of_the_same_record_stand_beside_and_others_do_not() -> None:
    text = b"pan=4539120000000008 mail=a@b.example\npan=4539120000000008\nmail=a@b.example\n"
    assert company(text, EMAIL_ADDRESS=b"a@b.example") == {
        ("line", ("EMAIL_ADDRESS",)): 1,
        ("line", ()): 1,
    }


def test_a_record_of_two_numbers_counts_once() -> None:
    assert company(b"4539120000000008 4539120000000008\n4539120000000008\n") == {("line", ()): 2}


def test_two_objects_with_a_card_each_are_two_records() -> None:
    text = b'{"a":{"pan":"4539120000000008"},\n"b":{"pan":"4539120000000008"}}\n'
    assert company(text) == {("object", ()): 2}
