from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import FieldCounts
from detectors.fieldcount import Counter, is_ids
from detectors.fieldstats import Evidence, length, settle, shift
from detectors.words import key_weight


@pytest.mark.parametrize("seen", [20, 100, 10_000])
def test_twenty_values_settle_it(seen: int) -> None:
    ids, cards = FieldCounts(seen, seen // 10), FieldCounts(seen, seen - seen // 50)
    assert settle(0.9, (), ids)[0] < 0.1 and settle(0.5, (), cards)[0] > 0.95
    assert "as chance would" in settle(0.9, (), ids)[1][0]


def test_nothing_seen_says_nothing() -> None:
    assert shift(None) == shift(FieldCounts()) == shift(FieldCounts(1, 1)) == 0.0
    assert settle(0.42, ("a",), None)[1] == ("a",)


@given(st.integers(2, 400), st.data())
def test_more_good_check_digits_never_lower_it(seen: int, data: st.DataObject) -> None:
    good = data.draw(st.integers(1, seen - 1))
    assert shift(FieldCounts(seen, good)) <= shift(FieldCounts(seen, good + 1)) + 1e-9


def test_a_mixture_is_judged_by_its_share() -> None:
    """One card to ten ids: of eleven numbers two pass, one of them a card."""
    assert -3 < shift(FieldCounts(1100, 100 + 100)) < 0


_COLUMN, _TEXT = 1 + ((4 << 4 | 2) << 13), 1 + ((4 << 4 | 6) << 13)
"""a field of 16-digit numbers behind a comma, and one behind a space"""


@pytest.mark.parametrize("seen", [10, 40, 200, 10_000])
def test_a_name_is_no_excuse_for_a_column_of_ids(seen: int) -> None:
    ids = FieldCounts(seen, seen // 10)
    assert settle(0.9998, (), ids, _COLUMN)[0] < 0.3
    assert settle(0.9998, (), FieldCounts(seen, seen - seen // 20), _COLUMN)[0] > 0.95


def test_words_near_a_number_are_its_own() -> None:
    few = FieldCounts(4, 1)
    assert settle(0.995, (), few, _TEXT)[0] > 0.8 > settle(0.995, (), few, _COLUMN)[0]


@pytest.mark.parametrize(("seen", "good"), [(1_000, 30), (10_000, 2), (600, 4)])
def test_fewer_good_check_digits_than_by_chance_are_cards_among_tokens(
    seen: int, good: int
) -> None:
    score, why = settle(0.9998, (), FieldCounts(seen, good), _COLUMN)
    assert score > 0.95 and "fewer than by chance" in why[0]
    # not where nothing says that cards are there; nor of a number with a bad check digit
    assert settle(0.9, (), FieldCounts(seen, good), _COLUMN)[0] < 0.01
    assert settle(0.98, (), FieldCounts(seen, good), -_COLUMN)[0] < 0.01


def test_a_rare_field_takes_after_its_group() -> None:
    group = 5 << 13
    fields = {1 + (group | fine): FieldCounts(3, 0) for fine in range(100)}
    own = 1 + (group | 7)
    found = Evidence(fields).of(own)
    assert found is not None and found.seen == 300 and found.weight < 1
    assert -3 < shift(found) < -0.5
    assert Evidence({own: FieldCounts(30, 3)}).of(own) == FieldCounts(30, 3)
    assert Evidence({}).of(own) is None and Evidence(fields).of(0) is None


@given(
    st.lists(st.tuples(st.integers(1, 1 << 20), st.booleans()), max_size=300), st.integers(0, 300)
)
def test_counts_add_up_wherever_they_are_cut(rows: list[tuple[int, bool]], cut: int) -> None:
    def counts(part: list[tuple[int, bool]], counter: Counter) -> dict[int, tuple[int, int]]:
        field = np.array([f for f, _ in part], np.int64)
        luhn = np.array([g for _, g in part], np.bool_)
        counter.add(field, luhn, np.arange(len(part)), 0, len(part))
        return {f: (c.seen, c.luhn) for f, c in counter.counts().items()}

    whole = counts(rows, Counter())
    left, right = counts(rows[:cut], Counter()), counts(rows[cut:], Counter())
    total = {
        f: tuple(map(sum, zip(left.get(f, (0, 0)), right.get(f, (0, 0)), strict=True)))
        for f in left | right
    }
    assert total == whole


def test_large_counts_go_to_tables_and_stay_the_same() -> None:
    rng = np.random.default_rng(1)
    field = rng.integers(1, 1 << 20, 200_000)
    luhn = rng.random(200_000) < 0.1
    counter = Counter()
    for part in range(0, 200_000, 10_000):
        some = slice(part, part + 10_000)
        counter.add(field[some], luhn[some], np.arange(10_000), 0, 10_000)
    counts = counter.counts()
    assert sum(c.seen for c in counts.values()) == 200_000
    assert sum(c.luhn for c in counts.values()) == int(luhn.sum())
    assert all(12 <= length(f) <= 19 for f in counts)


def test_ids_beyond_doubt() -> None:
    assert is_ids(1000, 100) and is_ids(100, 15)
    assert not is_ids(1000, 200) and not is_ids(50, 5) and not is_ids(1000, 990)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("card_number", 4, 6),
        ("cardNumber", 4, 6),
        ("CCNumber", 4, 6),
        ("PAN", 4, 6),
        ("Kartennummer", 4, 6),
        ("номер_карты", 4, 6),
        ("card", 4, 6),
        ("order_id", -6, -4),
        ("X-Request-Id", -6, -4),
        ("traceId", -6, -4),
        ("imei", -6, -4),
        ("card_id", -2, 0),
        ("number", -0.5, 0.5),
        ("n", -0.5, 0.5),
    ],
)
def test_keys(name: str, low: float, high: float) -> None:
    assert low <= key_weight(name) <= high
