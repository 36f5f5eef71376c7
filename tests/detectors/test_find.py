"""The library call, and what the card detectors make of whole texts."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass, field

import pytest

import detectors
from detectors import luhn
from detectors.base import CONFIRMED, POSSIBLE, State

LIVE = "453957876362148"
LIVE += luhn.check_digit(LIVE)  # made up: no published number


def _cards(data: bytes | str, **options: object) -> list[tuple[float, State]]:
    found = detectors.find(data, **options)  # type: ignore[arg-type]  # forwarded
    return [(m.score, m.state) for m in found if m.entity == "CREDIT_CARD"]


def test_text_gives_offsets_in_characters() -> None:
    text = f"Größe: groß. Kreditkarte {LIVE}, gültig bis 11/29 – ok"
    (match,) = [m for m in detectors.find(text) if m.entity == "CREDIT_CARD"]
    assert text[match.start : match.end] == LIVE
    assert match.score >= CONFIRMED and match.state is State.CLEAR and match.brands == ("visa",)
    assert any("kreditkarte" in why for why in match.why)


def test_lone_surrogates_are_text_too() -> None:
    (match,) = detectors.find(f"\ud800 card {LIVE}")
    assert match.start == 7


def test_only_what_is_likely_enough() -> None:
    order = f"order_id={LIVE}"
    assert detectors.find(order) == []
    assert [m.score < POSSIBLE for m in detectors.find(order, at_least=0.0)] in ([True], [])


def test_names_of_detectors_are_unique() -> None:
    names = [detector.name for detector in detectors.all_detectors()]
    assert len(set(names)) == len(names) and {"pan", "sad", "truncated"} <= set(names)


@pytest.mark.parametrize(
    "text",
    [
        "номер карты {} срок 05/28",
        "信用卡号 {} 有效期",
        "tarjeta de crédito {}",
        "kredi kartı {}",
        "carta di credito {}",
        "قم بطاقة {}",
        "cardNumber: {}",
        "<CreditCardNumber>{}</CreditCardNumber>",
        "cc# {}",
    ],
)
def test_words_of_many_languages_raise_it(text: str) -> None:
    bare = _cards(f"foo {LIVE} bar")[0][0]
    assert _cards(text.format(LIVE))[0][0] > max(bare, 0.95)


@pytest.mark.parametrize(
    "text",
    [
        "order {} shipped",
        "traceId={}",
        '{{"request_id": "{}"}}',
        "tracking number {}",
        "imei {}",
        "заказ {}",
        "0.{}",
        "f{}a9",
        "https://x.org/a/{}/b",
        "id-{}-ab",
    ],
)
def test_what_names_it_otherwise_silences_it(text: str) -> None:
    assert _cards(text.format(LIVE)) == []


# --- fields --------------------------------------------------------------------------------------


def _ids(count: int, seed: int = 3) -> list[str]:
    rng = random.Random(seed)
    return [str(rng.randrange(4 * 10**15, 5 * 10**15)) for _ in range(count)]


def _pans(count: int, seed: int = 3) -> list[str]:
    bodies = [number[:15] for number in _ids(count, seed)]
    return [body + luhn.check_digit(body) for body in bodies]


TEMPLATES = [
    "{},x,{},9",
    '{{"a": {}, "ref": "{}"}}',
    "2026-03-01 12:00:0{} INFO ref={} ok",
    "{}\t{}\tz",
    "row {} <v>{}</v>",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_field_of_ids_is_silent_and_one_of_cards_is_not(template: str) -> None:
    ids = "\n".join(template.format(i % 10, n) for i, n in enumerate(_ids(400)))
    assert _cards(ids) == []
    cards = "\n".join(template.format(i % 10, n) for i, n in enumerate(_pans(40)))
    scores = [score for score, _ in _cards(cards)]
    assert len(scores) == 40 and min(scores) >= CONFIRMED


def test_two_columns_of_one_table() -> None:
    """Ids beside cards: only the column of cards is found."""
    rows = zip(_ids(300, 1), _pans(300, 2), strict=True)
    text = "\n".join(f"{i},{n},{p},EUR" for i, (n, p) in enumerate(rows))
    found = [m for m in detectors.find(text) if m.entity == "CREDIT_CARD"]
    assert len(found) == 300
    assert {text[: m.start].rsplit("\n", 1)[-1].count(",") for m in found} == {2}


def test_a_card_among_many_ids_in_another_place() -> None:
    lines = [f"INFO order={n} done" for n in _ids(2000)]
    lines.insert(1000, f"WARN customer wrote: my card is {LIVE}, exp 12/29")
    assert [score >= CONFIRMED for score, _ in _cards("\n".join(lines))] == [True]


# --- columns that the reader knows ---------------------------------------------------------------


@dataclass
class Table:
    """Tab-separated rows, as a reader of tables hands them over."""

    names: list[str]
    rows: list[list[str]]
    data: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.data = "".join("\t".join(row) + "\n" for row in self.rows).encode()

    def field_name(self, start: int) -> str | None:
        line = self.data[: start + 1].rsplit(b"\n", 1)[-1]
        return self.names[line.count(b"\t")]


def test_column_names_are_evidence() -> None:
    number = "5038" + "00000001"  # twelve digits: hardly ever a card
    number = number[:11] + luhn.check_digit(number[:11])
    table = Table(["a", "card_number", "order_id"], [["x", number, LIVE]])
    found = detectors.find(table.data, hints=table)
    assert [table.data[m.start : m.end].decode() for m in found] == [number]


@pytest.mark.parametrize("column", ["ts", "created_at", "order_id", "sha256"])
@pytest.mark.parametrize(
    ("cell", "a_card"),
    [
        (f"card {LIVE}", True),
        (f"{LIVE} was her Kreditkarte", True),
        (f"'{LIVE}':2 'paid':1", True),  # a text index of PostgreSQL
        (LIVE, False),
        (f"order {LIVE}", False),
    ],
)
def test_a_cell_of_prose_is_not_what_its_column_is_called(
    column: str, cell: str, a_card: bool
) -> None:
    table = Table([column, "card"], [[cell, "none"]])
    assert bool(detectors.find(table.data, hints=table)) is a_card


@pytest.mark.parametrize("column", ["pan_sha256", "card_number_hmac", "cardHash", "sha256"])
def test_digits_in_a_hash_of_a_card_are_no_card(column: str) -> None:
    """One hash in six thousand holds digits that are a card's, or one's whose last was lost."""
    hashes = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(30_000)]
    digits = [h for h in hashes if any(len(run) >= 12 for run in re.findall("[0-9]+", h))]
    table = Table([column], [[each] for each in digits])
    assert len(digits) > 1_000
    assert detectors.find(table.data, hints=table) == []


@pytest.mark.parametrize("length", [32, 40, 64, 128])
def test_what_a_digest_begins_with_is_no_card_whatever_the_column_is_called(length: int) -> None:
    digest = (LIVE + "e9b07f" * 20)[:length]
    table = Table(["pan"], [[digest], [digest[::-1]]])
    assert detectors.find(table.data, hints=table) == []
    assert detectors.find(f"pan={digest}\n") == []


def test_groups_in_several_cells_are_no_number() -> None:
    row = [LIVE[i : i + 4] for i in range(0, 16, 4)]
    assert detectors.find("\t".join(row).encode())  # nobody knows that these are columns
    table = Table(list("abcd"), [row])
    assert detectors.find(table.data, hints=table) == []
    halves = [[LIVE[:8]], [LIVE[8:]]]
    table = Table(["card"], halves)
    assert detectors.find(table.data, hints=table) == []


def test_codes_and_pin_blocks_by_column() -> None:
    rows = [["7", "123", "04AA11BB22CC33DD", "99"], ["8", "9876", "04AA11BB22CC33DE", "100"]]
    table = Table(["id", "CVV2", "pin_block", "zip"], rows)
    found = detectors.find(table.data, hints=table)
    values = [(m.entity, table.data[m.start : m.end].decode()) for m in found]
    assert values == [
        ("CVV", "123"),
        ("PIN_BLOCK", "04AA11BB22CC33DD"),
        ("CVV", "9876"),
        ("PIN_BLOCK", "04AA11BB22CC33DE"),
    ]


def test_a_spreadsheet_number_that_lost_its_last_digit() -> None:
    table = Table(["card_number"], [[LIVE[:15] + "0"]])
    (match,) = detectors.find(table.data, hints=table)
    (plug,) = [d for d in detectors.all_detectors() if d.name == "pan"]
    assert match.layout == "lost-digit" and plug.value(table.data, match).text == LIVE
    float_text = f"card_number={LIVE[0]}.{LIVE[1:15]}E+15".encode()
    (match,) = detectors.find(float_text)
    assert plug.value(float_text, match).text == LIVE


@pytest.mark.parametrize("count", [3, 30, 300, 3000])
def test_a_column_of_numbers_that_lost_their_last_digit(count: int) -> None:
    """One in ten satisfies Luhn, as of ids; that all of them end in 0 tells them apart."""
    bodies = [f"45391{i * 7919 % 10**9:09}7" for i in range(count)]
    table = Table(["id", "card"], [[str(i), body + "0"] for i, body in enumerate(bodies)])
    found = detectors.find(table.data, hints=table)
    assert len(found) == count and min(match.score for match in found) >= 0.8
    tokens = [body + str(i % 10) for i, body in enumerate(bodies)]
    table = Table(["id", "card"], [[str(i), token] for i, token in enumerate(tokens)])
    assert not [m for m in detectors.find(table.data, hints=table) if m.layout == "lost-digit"]


@pytest.mark.parametrize("count", [10, 100, 2000])
@pytest.mark.parametrize("lost", [False, True])
def test_what_fails_luhn_beside_cards_lost_its_digit_only_where_it_ends_in_0(
    count: int, lost: bool
) -> None:
    bodies = [f"45391{i * 7919 % 10**9:09}7" for i in range(2 * count)]
    good = [body + luhn.check_digit(body) for body in bodies[:count]]
    others = [body + ("0" if lost else str(i % 10)) for i, body in enumerate(bodies[count:])]
    bad = [number for number in others if not luhn.valid(number)]
    table = Table(
        ["card"], [[number] for pair in zip(good, others, strict=True) for number in pair]
    )
    found = [match.layout for match in detectors.find(table.data, hints=table)]
    assert found.count("lost-digit") == (len(bad) if lost else 0)
    assert len(found) - found.count("lost-digit") == 2 * count - len(bad)


# --- tracks, truncations, hashes -----------------------------------------------------------------


def test_a_track_is_two_findings() -> None:
    text = f"%B{LIVE}^DOE/J^29121010000000000000?;{LIVE}=29121010000000000000?"
    found = [(m.entity, text[m.start : m.end][:3]) for m in detectors.find(text)]
    assert found == [
        ("TRACK_1", "%B4"),
        ("CREDIT_CARD", "453"),
        ("TRACK_2", ";45"),
        ("CREDIT_CARD", "453"),
    ]


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_an_unkeyed_hash_beside_a_truncation_is_undone(algorithm: str) -> None:
    digest = hashlib.new(algorithm, LIVE.encode()).hexdigest()
    text = f"id=1 pan={LIVE[:6]}******{LIVE[-4:]} h={digest}\n"
    found = {m.entity: m for m in detectors.find(text)}
    assert found["PAN_HASH"].state is State.HASHED and found["PAN_HASH"].score > 0.99
    assert found["CREDIT_CARD"].state is State.TRUNCATED
    assert LIVE not in repr(found)
    other = text.replace(digest, hashlib.new(algorithm, b"keyed" + LIVE.encode()).hexdigest())
    assert "PAN_HASH" not in {m.entity for m in detectors.find(other)}


def test_a_column_of_hashes_is_settled_by_a_sample() -> None:
    rows = [
        f"{pan[:6]}******{pan[-4:]},{hashlib.sha256(pan.encode()).hexdigest()}" for pan in _pans(40)
    ]
    found = [m for m in detectors.find("\n".join(rows)) if m.entity == "PAN_HASH"]
    assert len(found) == 40 and sum("undone after" in m.why[0] for m in found) == 8


def test_keyed_hashes_cost_a_bounded_effort() -> None:
    rows = [
        f"{pan[:6]}******{pan[-4:]},{hashlib.sha256(b'k' + pan.encode()).hexdigest()}"
        for pan in _pans(200)
    ]
    entities = {m.entity for m in detectors.find("\n".join(rows))}
    assert entities == {"CREDIT_CARD"}
