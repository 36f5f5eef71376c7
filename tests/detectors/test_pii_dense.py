"""Values that stand by the thousand: counted in masses, and exactly."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import cast

import pytest

from detectors import pii, pii_look
from detectors.base import AFTER, BEFORE, CONFIRMED, NoHints, State
from detectors.pii_settings import PiiSettings, configure
from detectors.pii_wide import Wide
from tests.detectors.test_pii import Columns
from tests.examples import seeds


@pytest.fixture
def default_settings() -> object:
    yield
    configure(PiiSettings())


def test_dense_values_are_counted(default_settings: object) -> None:
    """Listed and counted ones together are what is there."""
    lines = [
        f"u{i}@mail{i % 7}.cardtrail.org (415) 555-{i:04} ip 9.8.{i % 250}.7 s {i + 130}-45-6789"
        for i in range(400)
    ]
    data = "\n".join(lines).encode()
    configure(PiiSettings(list_at_most=100))
    scan, listed = pii.DETECTOR.scan(), Counter[str]()
    for lo in range(0, len(data), 2048):
        hi = min(lo + 2048, len(data))
        listed.update(match.entity for match in scan.find(data, lo, hi, NoHints()))
    counted = Counter[str]()
    for (entity, field, score), count in cast(Wide, scan).more().items():
        assert (field > 0) == (entity == "US_SSN")
        assert score >= CONFIRMED
        counted[entity] += count
    for entity in ("EMAIL_ADDRESS", "PHONE_NUMBER", "IP_ADDRESS"):
        assert listed[entity] == 100
        assert counted[entity] == 300
    assert listed["US_SSN"] == 100
    assert counted["US_SSN"] == 300


def messy(seed: int) -> bytes:
    """Addresses and numbers in every sort of company, good ones and bad ones."""
    dice = random.Random(seed)
    locals_ = ["ann", "ann.roe", "a{}", "ann.roe{}", "a..b{}", ".a{}", "a{}.", "webmaster", "git"]
    locals_ += ["x+{}", "0123456789{}", "a-{}_b", "support{}", "é{}", "user{}", "u%{}", "-a{}"]
    domains = ["cardtrail.org", "a-new-domain.com", "example.com", "nowhere.zzzz", "a.b", "x.co.uk"]
    domains += ["mail.cardtrail.org.", "-x.com", "cardtrail.org-x", "cardtrail.org_y", "é.fr"]
    numbers = [
        "(415) 555-{:04}",
        "(415)555-{:04}",
        "415-555-{:04}",
        "(045) 555-{:04}",
        "1 (415) 555-{:04}",
    ]
    numbers += ["(415) 555-{:04} x12", "(415) 555-{:04} 99", "415-155-{:04}", "+1 415-555-{:04}"]
    numbers += [
        "x415-555-{:04}",
        "415-555-{:04}-1",
        "222-222-2222",
        "020 7946 0{:03}",
        "415.555.{:04}",
    ]
    numbers += [
        "+1415555{:04}",
        "+1415555{:04};",
        "x+1415555{:04}",
        "+44207946{:04}",
        "+99912345{:03}",
    ]
    numbers += ["+1415555{:04} 12", "+1415555{:04}x12", "+1(415)555{:04}", "+141555{:04}123456"]
    numbers += ["+99912345{:03}"]
    socials = ["308-63-{:04}", "000-12-{:04}", "666-12-{:04}", "912-70-{:04}", "308-00-{:04}"]
    socials += [
        "308-63-{:04}.5",
        "1 308-63-{:04}",
        "308-63-{:04} 1",
        "x308-63-{:04}",
        "308-63-{:04}-",
    ]
    socials += ["111-11-1111", "123-45-6789", "078-05-1120", "308-63-0000", "ssn=308-63-{:04}"]
    socials += ["itin 912-70-{:04}", "ssn: 308-63-{:04}", "social 308-63-{:04}.", "308-63-{:04}-"]
    ibans = ["GB82WEST12345698765432", "DE89370400440532013000", "NO9386011117947", "{}"]
    ibans += ["GB82 WEST 1234 5698 7654 32", "gb82west12345698765432", "GB83WEST12345698765432"]
    ibans += ["xGB82WEST12345698765432", "GB82WEST123456987654321", "GB82WEST12345698765432_"]
    ibans += ["iban GB82WEST12345698765432", "IBAN: DE89370400440532013000 1", "iban=NO93860111179"]
    out = []
    for _ in range(450):
        number = dice.randrange(1000)
        address = f"{dice.choice(locals_)}@{dice.choice(domains)}".format(number)
        phone = dice.choice(numbers).format(number)
        front, sign = (
            dice.choice(["", "x ", "phone ", "mail=", "'", "<", "\\n", "http://u:"]),
            " ,;\t|>'",
        )
        parts = [front + address, phone, dice.choice([str(number), *socials]).format(number)]
        parts.append(dice.choice(ibans).format(number))
        dice.shuffle(parts)
        out.append(dice.choice(sign).join(parts))
    return "\n".join(out).encode()


def confirmed_counts(
    data: bytes, size: int, limit: int | None, tabs: bool
) -> tuple[Counter[str], dict[int, tuple[int, int]]]:
    """By entity; and by field, how many were tested and how many passed."""
    configure(PiiSettings(list_at_most=limit))
    scan, counts = pii.DETECTOR.scan(), Counter[str]()
    for lo in range(0, len(data), size):
        hi, first = min(lo + size, len(data)), max(0, lo - BEFORE)
        chunk = data[first : hi + AFTER]
        hints = Columns(chunk, "phone", "mail", "id", sign=b"\t") if tabs else NoHints()
        for match in scan.find(chunk, lo - first, hi - first, hints):
            counts[match.entity] += match.score >= CONFIRMED and match.state is State.CLEAR
    for (entity, _, score), count in cast(Wide, scan).more().items():
        counts[entity] += count * (score >= CONFIRMED)
    return counts, {field: (c.seen, c.luhn) for field, c in scan.fields().items()}


@pytest.mark.parametrize("seed", seeds(1))
@pytest.mark.parametrize("tabs", [False, True])
def test_counting_in_masses_is_exact(
    seed: int, tabs: bool, default_settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as when each is looked at by itself, wherever the stream is cut."""
    data = messy(seed)
    if tabs:
        data = b"".join(
            b"\t".join(re.split(rb"[\t\n]", line + b"\t\t")[:3]) + b"\n"
            for line in data.split(b"\n")
        )
    listed, _ = confirmed_counts(data, len(data), None, tabs)
    for size in (len(data), 911):
        with monkeypatch.context() as patch:
            patch.setattr(pii_look.Look, "masses", lambda self, hits: hits)
            one_by_one = confirmed_counts(data, size, 20, tabs)
        counted = confirmed_counts(data, size, 20, tabs)
        assert counted == one_by_one, size
        for entity in ("EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN", "IBAN_CODE"):
            assert counted[0][entity] > 50
            # what overlaps is settled among listed values only: a social security number in a
            # column of telephone numbers may be one
            assert (0.8 if tabs else 0.96) < listed[entity] / counted[0][entity] <= 1


def test_a_later_slice_goes_on_where_the_first_stopped(default_settings: object) -> None:
    """What the first slice of a unit listed counts: the same sums, and fewer are listed."""
    data = messy(3)
    whole, _ = confirmed_counts(data, len(data), 20, tabs=False)
    scan = cast(Wide, pii.DETECTOR.scan())
    scan.go_on({"US_SSN": 20, "EMAIL_ADDRESS": 5})
    listed = Counter(
        match.entity
        for match in scan.find(data, 0, len(data), NoHints())
        if match.score >= CONFIRMED and match.state is State.CLEAR
    )
    sums = Counter(listed)
    for (entity, _, score), count in scan.more().items():
        sums[entity] += count * (score >= CONFIRMED)
    assert sums == whole
    assert listed["US_SSN"] == 0
    assert 10 < listed["EMAIL_ADDRESS"] <= 15
    assert listed["IBAN_CODE"] >= 20
