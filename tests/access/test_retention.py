"""How long logs are kept, as a limit of the evidence: named with its time, for every kind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from scanner import registry
from scanner.access.gaps import Gaps, Hours, gaps
from scanner.model import Access, Store
from scanner.retention import Kept, Limit
from tests.access.postgres_logs import FORMS
from tests.access.test_whole_records import postgres
from tests.access.trails import END, EVERYTHING, START, delivered, event, heartbeat, one, opener
from tools.account_checks import PAY, case
from tools.account_logs import FORMATS
from tools.accounts import account

HOUR = timedelta(hours=1)
DELETED = "events are deleted after a day"


def kept(hours: float | None, *, part: bool = False) -> Kept:
    """So many hours of the window are over what is kept."""
    since = None if hours is None else START + hours * HOUR
    return Kept((Limit(DELETED, since, part),), ("a remark",))


def seen(*hours: int) -> Hours:
    made = Hours((START, END))
    for hour in hours:
        made.saw(START + hour * HOUR + timedelta(minutes=5))
    return made


@pytest.mark.parametrize(
    ("hours", "of", "limits", "quiet", "remarks"),
    [
        # what is gone has its cause, what is missing besides is quiet or lost
        ((3, 4, 5), kept(3), ["2026-03-01 03:00 UTC is kept no longer (3 hours"], [], []),
        ((4, 5), kept(3), ["(3 hours of the window"], ["in 1 hour of the window"], []),
        ((5,), kept(9), ["(5 hours of the window"], [], []),
        # what earlier runs have read is there, and so is what the window does not ask for
        ((0, 1, 2, 3, 4, 5), kept(3), [], [], ["2026-03-01 03:00 UTC is kept no longer"]),
        ((2, 3, 4, 5), kept(-9), [], ["in 2 hours"], ["2026-02-28 15:00 UTC is kept"]),
        # a part of an hour can be gone that has records
        ((0, 1, 2, 3, 4, 5), kept(3, part=True), ["some of what was written before"], [], []),
        ((0, 1, 2, 3, 4, 5), kept(-1, part=True), [], [], ["some of what was written before"]),
        ((3, 4, 5), kept(3, part=True), ["some of what"], ["in 3 hours"], []),
        # nothing yet
        ((0, 1, 2, 3, 4, 5), kept(None), [], [], [DELETED]),
    ],
)
def test_a_limit_is_a_gap_where_it_took_something(
    hours: tuple[int, ...], of: Kept, limits: list[str], quiet: list[str], remarks: list[str]
) -> None:
    found = gaps(seen(*hours), of)
    for said, wanted in (
        (found.limits, limits),
        (found.quiet, quiet),
        (found.remarks, ["a remark", *remarks]),
    ):
        assert len(said) == len(wanted)
        assert all(each in words for each, words in zip(wanted, said, strict=True)), said


def test_the_beginning_of_a_record_has_one_cause() -> None:
    long = START - timedelta(days=3)
    hours = Hours((long, END))
    for hour in range(6):
        hours.saw(START + hour * HOUR)
    guessed = gaps(hours, Kept(), begins=True)
    assert "begins at 2026-03-01 00:00 UTC only" in guessed.quiet[0]
    assert gaps(hours, kept(0), begins=True) == Gaps(
        [
            f"{DELETED}: what was written before 2026-03-01 00:00 UTC is kept no longer"
            " (72 hours of the window without a record of any kind)"
        ],
        [],
        ["a remark"],
    )


def test_a_trail_is_complete_only_within_what_is_kept() -> None:
    def answer(kept: Kept, *files: bytes) -> tuple[str, str]:
        settings: Any = {"kept": lambda: kept}
        found = one(*files, selectors=EVERYTHING, **settings)
        return Access(evidence=(found.evidence,), did_read=found.reads).answer, (
            f"{found.evidence.coverage}: {found.evidence.detail}"
        )

    other = event(bucket="other")
    whole = delivered(*heartbeat(), other)
    told, said = answer(kept(3), whole)  # the three hours were read while they were there
    assert told == "not-read" and said.startswith("complete") and DELETED in said
    told, said = answer(kept(3), delivered(*heartbeat()[3:], other))
    assert (told, said.startswith("partial")) == ("cannot-tell", True) and DELETED in said
    told, said = answer(kept(3, part=True), whole)
    assert (told, said.startswith("partial")) == ("cannot-tell", True)
    told, said = answer(kept(99), delivered())
    assert (told, said.startswith("none")) == ("cannot-tell", True)
    assert "(5 hours of the window without a record" in said


def test_a_log_of_a_database_is_complete_only_within_what_is_kept() -> None:
    form = FORMS["csv"]
    for part, told in ((False, "not-read"), (True, "cannot-tell")):
        found, answer = postgres(form, kept=lambda part=part: kept(2, part=part))
        assert answer == told, found.evidence.detail
        assert DELETED in found.evidence.detail


SMALL = account(3, days=2, window=1, people=2, misuse=False)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("there", [True, False])
def test_every_kind_names_what_is_not_kept(name: str, there: bool) -> None:
    """Where there are records and where there is none: then it is no zero but a cause."""
    form = FORMATS[name]
    uri = form.uri(PAY)
    settings = {"uri": "folder", **form.options, "kept": lambda: after(SMALL.window[1])}
    if form.kind == "pattern":
        settings["store"] = uri
    kind: Any = registry.evidence()[form.kind]
    files = dict(case(SMALL, name).files) if there else {}
    found = kind.collect(
        settings,
        opener(files),
        [Store(uri, form.scheme, options={"endpoint": "https://rgw.example"})],
        SMALL.window,
        lambda name: name,
    )[uri]
    assert DELETED in found.evidence.detail and "a remark" in found.evidence.detail
    access = Access(evidence=(found.evidence,), did_read=found.reads)
    assert there or access.answer == "cannot-tell"


def after(end: datetime) -> Kept:
    return Kept((Limit(DELETED, end + HOUR),), ("a remark",))
