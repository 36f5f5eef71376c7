"""Accounts made from a seed, written down in every form of log: the counts come out exactly, every
gap is named, nothing is said never to have been read where something is missing, misuse is found.

``python tools/accuracy_access.py`` does the same over months and for every gap of every form.
"""

from __future__ import annotations

import os
from typing import Any
from unittest import mock

import pytest

from scanner.stores.s3_readers import _Judge
from tools.account_callers import wrong_callers
from tools.account_checks import can_be_complete, case, misuse, wrong_counts, zeros
from tools.account_doors import wrong_doors
from tools.account_gaps import wrong_gaps
from tools.account_logs import FORMATS
from tools.account_rights import wrong_rights
from tools.accounts import account

ALL = "CARDTRAIL_EXAMPLES" in os.environ
WITH_GAPS = ["CloudTrail", "pgaudit jsonlog", "server_audit"]
"""a record of each sort that can be whole; the others with the tool"""
WITH_MISUSE = ["CloudTrail", "pgaudit csvlog", "server_audit", "general log", "MongoDB audit"]
SMALL = account(3, days=12, window=10, people=3, misuse=False)


@pytest.mark.parametrize("name", FORMATS)
def test_counts_come_out_exactly(name: str) -> None:
    assert list(wrong_counts(case(SMALL, name))) == []


@pytest.mark.parametrize("name", FORMATS if ALL else WITH_GAPS)
def test_every_gap_is_named_and_no_zero_is_said(name: str) -> None:
    assert list(zeros(case(SMALL, name), complete=can_be_complete(name))) == []
    assert list(wrong_gaps(SMALL, name)) == []


@pytest.mark.parametrize("name", FORMATS if ALL else WITH_MISUSE)
def test_misuse_of_every_kind_is_found_and_nothing_else(name: str) -> None:
    score = misuse(case(account(1, people=4), name))
    assert score.injected and score.missed == [] and score.wrong == []


def test_who_could_and_who_did() -> None:
    assert list(wrong_rights(account(1, people=4))) == []


@pytest.mark.parametrize("seed", range(20) if ALL else (1, 2))
def test_callers_of_every_kind_are_told_as_who_they_are(seed: int) -> None:
    assert list(wrong_callers(seed)) == []


def test_who_could_read_behind_doors_of_every_kind() -> None:
    """A second for twenty buckets."""
    assert [text for seed in range(300 if ALL else 20) for text in wrong_doors(seed)] == []


def test_a_door_that_is_judged_wrong_is_noticed() -> None:
    def as_is(self: Any, who: Any, key: Any, decision: Any) -> Any:
        return decision

    with mock.patch.object(_Judge, "_decrypted", as_is):
        assert any("conditional" in text for seed in range(9) for text in wrong_doors(seed))
