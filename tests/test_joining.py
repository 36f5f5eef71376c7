"""Reads that stand in two sources are not added up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scanner.joining import join
from scanner.model import Flag, Reads

START = datetime(2026, 3, 1, tzinfo=UTC)
APP = "arn:aws:iam::123456789012:role/app session i-1"
WITH_PATH = "arn:aws:iam::123456789012:role/team/prod/app session i-1"


def test_the_larger_number_stands_and_what_one_tells_is_kept() -> None:
    trail = Reads(WITH_PATH, 10, None, 500, 3, 0, START, START, (Flag("bulk", "a"),))
    later = START + timedelta(days=1)
    log = Reads(APP, 8, 7, 900, None, 2, later, later, (Flag("bulk", "b"), Flag("share", "c")))
    alone = Reads("alice", 4)
    assert join([[trail], [log, alone]]) == (
        Reads(WITH_PATH, 10, 7, 900, 3, 2, START, later, (Flag("bulk", "a"), Flag("share", "c"))),
        alone,
    )


def test_other_names_are_other_principals() -> None:
    names = [
        "role/app",
        f"{APP}2",
        APP,
        APP.replace("role/app", "role/team/other"),
        "x session a/b",
    ]
    assert len(join([[Reads(name, 1)] for name in names])) == len(names)


def test_not_counted_is_not_zero() -> None:
    assert join([[Reads("a", None)], [Reads("a", None)]])[0].reads is None
    assert join([[Reads("a", None)], [Reads("a", 0)]])[0].reads is None
    assert join([[Reads("a", 0)], [Reads("a", 3)]])[0].reads == 3


_READS = st.builds(Reads, st.sampled_from(["a", "b", APP]), st.none() | st.integers(0, 9))


@given(st.lists(_READS, unique_by=lambda r: r.principal), st.integers(1, 3))
def test_the_same_source_twice_changes_nothing(source: list[Reads], times: int) -> None:
    assert join([source] * times) == join([source])
    grown = [replace(each, reads=(each.reads or 0) + 1) for each in source]
    assert sum(r.reads or 0 for r in join([source, grown])) == sum(r.reads or 0 for r in grown)
