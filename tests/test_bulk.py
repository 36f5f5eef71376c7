"""Values in bulk: a table gives the same counts, fields and records as value by value."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from detectors import pan, pii
from detectors.base import Bulk, Massing, Match, State
from detectors.luhn import check_digit
from detectors.pii_settings import PiiSettings, configure
from scanner import windows
from scanner.company import CompanyCollector
from scanner.contracts import Chunk
from scanner.fieldtally import Fields, Found, Sealed
from scanner.kinds import short
from scanner.rowcompany import each
from scanner.seal import Sealer
from scanner.tablerows import chunks
from scanner.tally import SliceResult, Tallies, add_up
from scanner.work import _Around, _sealed_matches
from tests.detectors.test_pii_dense import default_settings as default_settings
from tests.examples import seeds

SEALER = Sealer(b"k" * 32)
COLUMNS = ("id", "cardholder name", "email", "phone", "card", "expiry", "note")


def number(dice: random.Random, head: str, length: int) -> str:
    body = head + "".join(str(dice.randrange(10)) for _ in range(length - len(head) - 1))
    return body + check_digit(body)


def rows(seed: int, count: int = 3000) -> list[tuple[int, bytes]]:
    """A table of cards with what may go wrong in it, here and there."""
    dice = random.Random(seed)
    few = [number(dice, "4539", 16) for _ in range(40)]
    out = []
    for row in range(count):
        card = number(dice, "4539", 16) if dice.random() < 0.7 else dice.choice(few)
        if dice.random() < 0.2:
            card = number(dice, "3714", 15)
        odd = dice.randrange(120)
        if odd < 8:
            wrong = card[:-1] + str((int(card[-1]) + 1) % 10)
            spaced = " ".join(card[i : i + 4] for i in range(0, 16, 4))
            masked = card[:6] + "******" + card[-4:]
            torn, twice = f"{card}^", f"{card} {number(dice, '5500', 16)}"
            card = ["4111111111111111", wrong, spaced, masked, "", torn, twice, "n/a"][odd]
        note = number(dice, "4539", 16) if dice.random() < 0.02 else dice.choice(["", "called"])
        person = dice.choice(["Ann Roe", "Bob", "", "NULL"])
        mail = dice.choice(["ann.roe{}@mail.com", "ann@Mail{}.com", "info@mail.com", "{}"])
        phone = dice.choice(["(212) 555-{:04}", "212-555-{:04}", "+1415555{:04}", "x{}"])
        cells = (
            row,
            person,
            mail.format(dice.randrange(900)),
            phone.format(dice.randrange(10000)),
            card,
            dice.choice(["07/29", ""]),
            note,
        )
        out.append((row, "\t".join(map(str, cells)).encode() + b"\n"))
    return out


def scanned(
    table: list[tuple[int, bytes]], parts: int, in_bulk: bool, monkeypatch: Any, window: int
) -> SliceResult:
    monkeypatch.setattr("scanner.tablerows.WINDOW", window)
    size = -(-len(table) // parts)
    results = []
    for part in range(parts):
        piece = table[part * size : (part + 1) * size]
        tallies = Tallies(SEALER, part, 50)
        scans: list[Any] = [(each, each.scan()) for each in (pan.DETECTOR, pii.DETECTOR)]
        for _, scan in scans:
            assert isinstance(scan, Massing)
            scan.in_bulk = in_bulk
        around = _Around(SEALER, part, scans)
        for chunk in chunks(iter(piece), COLUMNS):
            assert isinstance(chunk, Chunk)
            around.chunk(chunk, *_sealed_matches(chunk, scans, tallies))
        result = SliceResult("u", part)
        result.tallies, result.crowds = tallies.done()
        result.columns, result.company = around.fields.done(), around.company.done()
        result.fields = {each.name: dict(scan.fields()) for each, scan in scans}
        results.append(result)
    return add_up(results)


def counts(total: SliceResult) -> tuple[Counter[Any], dict[Any, set[int]]]:
    """By entity, state and field: how many values, and which distinct ones."""
    found: Counter[Any] = Counter()
    which: dict[Any, set[int]] = {}
    for tally in total.tallies:
        key = (tally.kind.entity, tally.kind.state, tally.kind.field)
        found[key] += tally.count
        which.setdefault(key, set()).add(short(tally.fingerprint))
    for crowd in total.crowds:
        key = (crowd.kind.entity, crowd.kind.state, crowd.kind.field)
        found[key] += crowd.count
        prints = (crowd.prints[i : i + 8] for i in range(0, len(crowd.prints), 8))
        which.setdefault(key, set()).update(map(short, prints))
    return found, which


def by_column(fields: Fields) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for tally in fields.tallies:
        found[tally.field.name, tally.kind.entity, tally.kind.state] += tally.count
    return found


def records(total: SliceResult) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for some in total.company:
        found[some.beside, len(some.candidates)] += some.records
        for candidate, many in zip(some.candidates, some.numbers, strict=True):
            found[some.beside, candidate.kind.field, "numbers"] += many
    return found


@pytest.mark.parametrize("seed", seeds(1))
def test_as_value_by_value(
    seed: int, default_settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the table is cut, and however large the windows are."""
    configure(PiiSettings(list_at_most=None))
    table = rows(seed)
    singly = scanned(table, 1, False, monkeypatch, windows.WINDOW)
    configure(PiiSettings(list_at_most=100))
    for parts, window in ((1, windows.WINDOW), (1, 9000), (3, windows.WINDOW)):
        many = scanned(table, parts, True, monkeypatch, window)
        (one, ones), (other, others) = counts(singly), counts(many)
        cards = [key for key in one if key[0] != "PHONE_NUMBER"]
        assert [one[key] for key in cards] == [other[key] for key in cards]
        assert [ones[key] for key in cards] == [others[key] for key in cards]
        assert records_of_cards(singly) == records_of_cards(many)
        mine, theirs = by_column(singly.columns), by_column(many.columns)
        for key in mine:
            if key[1] != "PHONE_NUMBER":  # international ones are counted, and not told apart
                assert mine[key] == theirs[key], key
        places = {id(tally): len(tally.places) for tally in many.tallies}
        assert all(0 < count <= 15 for count in places.values())
        assert sum(t.count for t in many.tallies) + sum(c.count for c in many.crowds) > 3000


def records_of_cards(total: SliceResult) -> Counter[Any]:
    """Without telephone numbers, of which not all are told apart."""
    found: Counter[Any] = Counter()
    for (beside, *rest), many in records(total).items():
        found[tuple(kind for kind in beside if kind != "PHONE_NUMBER"), *rest] += many
    return found


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("score", [0.01, 0.5, 0.95])
def test_a_number_beside_one_in_bulk_counts_as_it_would_one_by_one(
    state: State, score: float
) -> None:
    """Also one that is none: published for tests, cut, or too unlikely."""
    dice = random.Random(4)
    table = [
        (row, f"{number(dice, '4539', 16)}\t{number(dice, '5500', 16)}\n".encode())
        for row in range(9)
    ]
    (chunk,) = chunks(iter(table), ("card", "note"))
    assert isinstance(chunk, Chunk)
    starts = np.arange(9, dtype=np.int64) * 34
    bulk = Bulk(Match("pan", "CREDIT_CARD", 0, 16, 0.95), starts, starts + 16, column="card")
    shorts = SEALER.prints(chunk.data, bulk.starts, bulk.ends, bulk.form)[:, :8].copy().view("<u8")
    many = [Sealed(bulk, shorts[:, 0])]
    beside = [
        Found(Match("pan", "CREDIT_CARD", at + 17, at + 33, score, state), b"%016d" % at)
        for at in starts[:5].tolist()
    ]
    one_by_one, at_once = CompanyCollector(SEALER, 0), CompanyCollector(SEALER, 0)
    one_by_one.chunk(chunk, [*beside, *each(many)])
    at_once.chunk(chunk, beside, many)
    assert at_once.done() and records(total(at_once)) == records(total(one_by_one))


def total(company: CompanyCollector) -> SliceResult:
    result = SliceResult("u", 0)
    result.company = company.done()
    return result


def test_most_cards_come_in_bulk() -> None:
    scan, got, single = pan.DETECTOR.scan(), 0, 0
    assert isinstance(scan, Massing)
    scan.in_bulk = True
    for chunk in chunks(iter(rows(9)), COLUMNS):
        single += len(scan.find(chunk.data, chunk.lo, chunk.hi, chunk))
        got += sum(len(some.starts) for some in scan.bulk())
    assert got > 1500 > single


def test_a_column_of_ids_is_never_settled() -> None:
    dice = random.Random(1)
    table = [
        (row, b"%d\t\t\t\t4539%012d\t\t\n" % (row, dice.randrange(10**12))) for row in range(4000)
    ]
    scan = pan.DETECTOR.scan()
    assert isinstance(scan, Massing)
    scan.in_bulk = True
    for chunk in chunks(iter(table), COLUMNS):
        scan.find(chunk.data, chunk.lo, chunk.hi, chunk)
        assert not scan.bulk()
