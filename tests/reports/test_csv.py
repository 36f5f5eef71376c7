"""The table: one row a store, finding and unread unit; no cell a spreadsheet would run."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.csv import COLUMNS, REPORT, cell
from scanner.model import Run, Status
from tests import runs
from tests.reports.drawing import draw


def rows(run: Run, record: str) -> list[dict[str, str]]:
    table = list(csv.DictReader(io.StringIO(draw(REPORT, run))))
    return [row for row in table if row["record"] == record]


@pytest.mark.parametrize("run", [runs.sample(), runs.empty(), runs.hostile()])
def test_every_line_is_a_row_with_every_column(run: Run) -> None:
    text = draw(REPORT, run)
    unread = [o for o in run.outcomes if o.status is not Status.SCANNED]
    beside = sum(len(each.beside.kinds) for each in run.stores if each.beside)
    fields = sum(len(each.fields) for each in run.stores)
    expected = 1 + len(run.stores) + fields + beside + len(run.findings) + len(unread)
    # names are printable, so no cell spans lines, and line tools can count
    assert text.count("\n") == expected
    table = list(csv.reader(io.StringIO(text)))
    assert {len(row) for row in table} == {len(COLUMNS)}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_formulas_are_defused(text: str) -> None:
    assert cell(text).startswith("'")


@given(st.text(max_size=20))
def test_no_text_begins_a_formula_or_holds_a_control_character(text: str) -> None:
    written = cell(text)
    assert written[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"}
    assert not any(ord(char) < 32 for char in written)


def test_numbers_are_not_quoted_as_text() -> None:
    assert (cell(-1), cell(0.5), cell(None), cell(True)) == ("-1", "0.5", "", "yes")


def test_unknown_numbers_are_empty_and_zero_is_zero() -> None:
    stores = {row["store"]: row for row in rows(runs.sample(), "store")}
    cannot, nobody = stores[runs.PAYMENTS], stores[runs.SITE]
    assert (cannot["read_answer"], cannot["reads"], cannot["did_read"]) == ("cannot-tell", "", "")
    assert (nobody["read_answer"], nobody["reads"], nobody["did_read"]) == ("not-read", "0", "0")


def test_units_read_in_full_are_accounted_for_by_store() -> None:
    run = runs.sample()
    assert sum(int(row["units"]) for row in rows(run, "store")) == run.coverage.units
    scanned = sum(int(row["units_scanned"]) for row in rows(run, "store"))
    assert scanned == run.coverage.scanned


def test_a_finding_row_has_place_and_requirement() -> None:
    (row,) = [r for r in rows(runs.sample(), "finding") if r["entity"] == "CVV"]
    assert (row["place"], row["field"], row["row"]) == ("row 7, field cvv2", "cvv2", "7")
    assert (row["requirements"], row["masked"]) == ("3.3.1.2 3.3.1", "")
