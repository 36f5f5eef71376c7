"""The figures of ``make accuracy`` on one small seed, so that a change that spoils them fails.

Outside data is tried only when ``CARDTRAIL_CORPORA`` names its folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from detectors.base import CONFIRMED

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import accuracy
import generate


@pytest.fixture(scope="module")
def tally() -> accuracy.Tally:
    tally = accuracy.Tally()
    tally.add(generate.document(21, 4))
    for name in generate.WHOLE:
        tally.add(generate.encoded(21, 1, name))
    tally.add(generate.noise_only(21, 500_000))
    return tally


def test_recall_by_layout_and_brand(tally: accuracy.Tally) -> None:
    cards, hits = tally.totals()
    assert cards > 1400 and hits / cards >= 0.99, tally.missed


def test_no_false_find(tally: accuracy.Tally) -> None:
    assert [text for score, text in tally.false if score >= CONFIRMED] == []
    assert len(tally.false) <= 1


def test_probabilities_are_calibrated(
    tally: accuracy.Tally, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accuracy.calibration(tally.scored) <= 0.05
    assert "expected calibration error" in capsys.readouterr().out


def test_tables() -> None:
    assert accuracy.levels(generate.order_table(20_000).data) == (0, 0)
    assert accuracy.levels(generate.card_table(200).data) == (200, 0)
    assert accuracy.levels(accuracy._dense()[:2_000_000]) == (0, 0)


def test_tokens_under_the_name_of_a_card() -> None:
    """By chance a tenth satisfies Luhn, and the name is no excuse; tokens made to fail it do not
    hide the cards among them."""
    for rows in (60, 300, 5_000):
        for listed in (False, True):
            ids = generate.tokens(rows, 0, by_chance=True, listed=listed)
            assert accuracy.levels(ids.data) == (0, 0)
    some = generate.tokens(1_000, 30, by_chance=False, listed=False)
    assert accuracy.levels(some.data) == (30, 0)


def test_generated_cards_are_what_they_say() -> None:
    document = generate.document(3, 1)
    for label in document.labels:
        text = document.data[label.start : label.end].decode()
        digits = "".join(c for c in text if c.isascii() and c.isdigit())
        if label.layout in ("plain", "space", "dash", "json", "xml", "sql"):
            assert digits == label.pan


@pytest.mark.skipif("CARDTRAIL_CORPORA" not in os.environ, reason="outside data is not named")
def test_outside_data(tally: accuracy.Tally, capsys: pytest.CaptureFixture[str]) -> None:
    accuracy.corpora(Path(os.environ["CARDTRAIL_CORPORA"]), tally)
    out = capsys.readouterr().out
    assert "212 of 212 confirmed, 0 other" in out and "100 of 100 confirmed, 0 other" in out
    assert out.count("     0 confirmed     0 possible") == 5
