from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import iin, luhn
from detectors.testpans import TEST_PANS, is_test


@pytest.mark.parametrize(
    ("digits", "brands"),
    [
        ("4111111111111111", ("visa",)),
        ("4222222222222", ("visa",)),
        ("5555555555554444", ("mastercard",)),
        ("2223003122003222", ("mastercard",)),
        ("2200000000000004", ("mir",)),
        ("378282246310005", ("amex",)),
        ("6500330000000000", ("elo", "discover", "rupay", "troy")),
        ("6221261111117766", ("discover", "unionpay")),
        ("5019555544445555", ("dankort", "maestro")),
        ("411111111111111", ()),  # no brand at this length
        ("0000000000000000", ()),
        ("41111111111111111111", ()),
        ("4111", ()),
        ("", ()),
        ("4111 1111 1111 1111", ()),
        ("４１１１１１１１１１１１１１１１", ()),
    ],
)
def test_brands(digits: str, brands: tuple[str, ...]) -> None:
    assert iin.brands(digits) == brands


def _by_hand(digits: str) -> set[str]:
    """Straight from the rules, without the segments."""
    return {
        rule.brand
        for rule in iin.RULES
        if len(digits) in rule.lengths and rule.low <= digits[: len(rule.low)] <= rule.high
    }


@given(st.from_regex(r"[0-9]{12,19}", fullmatch=True))
def test_segments_say_what_the_rules_say(digits: str) -> None:
    found = iin.brands(digits)
    assert set(found) == _by_hand(digits)
    mask = iin.length_masks()[int(digits[:6])]
    assert bool(mask >> (len(digits) - 12) & 1) == bool(found)
    assert set(found) <= set(iin.prefix_brands(digits))


def test_longest_prefix_comes_first() -> None:
    lengths = [
        max(len(rule.low) for rule in iin.RULES if rule.brand == brand and rule.low[0] == "5")
        for brand in iin.brands("5019555544445555")
    ]
    assert iin.brands("5019555544445555")[0] == "dankort" and lengths == [4, 2]


def test_published_test_numbers() -> None:
    assert len(TEST_PANS) == 142
    assert all(luhn.valid(pan) and is_test(pan) for pan in TEST_PANS)
    assert [pan for pan in TEST_PANS if not iin.brands(pan)] == ["1000000000000008"]


@given(st.from_regex(r"[0-9]{11,18}", fullmatch=True))
def test_exactly_one_check_digit_is_right(body: str) -> None:
    right = [digit for digit in "0123456789" if luhn.valid(body + digit)]
    assert right == [luhn.check_digit(body)]


def test_tables_need_no_numpy() -> None:
    code = (
        "import sys, detectors, detectors.iin, detectors.luhn, detectors.base;"
        "detectors.all_detectors(); assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
