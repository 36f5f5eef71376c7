"""How far the evidence goes: complete only when nothing speaks against it, every cause named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scanner.access.gaps import Hours, gaps
from scanner.access.selectors import BadSelectors, recorded
from scanner.model import Access, Coverage, Problem
from scanner.retention import Kept
from tests.access.trails import (
    EVERYTHING,
    START,
    collect,
    delivered,
    event,
    heartbeat,
    management,
    one,
    user,
)


def test_complete_takes_selectors_and_records_of_every_hour() -> None:
    result = one(delivered(*heartbeat(), event()), selectors=EVERYTHING)
    assert result.evidence.coverage is Coverage.COMPLETE, result.evidence.detail
    assert (result.evidence.start, result.evidence.end) == (
        START + timedelta(minutes=5),
        START + timedelta(minutes=330),
    )


def test_nobody_read_it_is_said_only_then() -> None:
    def answer(*records: Any, **more: Any) -> str:
        result = one(delivered(*records), **more)
        return Access(evidence=(result.evidence,), did_read=result.reads).answer

    other = event(bucket="other")
    assert answer(*heartbeat(), other, selectors=EVERYTHING) == "not-read"
    assert answer(*heartbeat(), other) == "cannot-tell"
    assert answer(*heartbeat(), event()) == "read"
    assert answer(*heartbeat()) == "cannot-tell"
    # a trail that records reads, and a time in which nobody read anything anywhere
    assert answer(*heartbeat(), selectors=EVERYTHING) == "not-read"


@pytest.mark.parametrize(
    ("records", "coverage", "words"),
    [
        ([], Coverage.NONE, "no CloudTrail record of the window was found"),
        (
            [event(minute=-600), event(minute=900)],
            Coverage.NONE,
            "2 records from 2026-02-28 14:00 UTC to 2026-03-01 15:00 UTC lie outside it",
        ),
        (heartbeat(), Coverage.NONE, "6 CloudTrail records, none of them a data event"),
        ([event(bucket="other")], Coverage.UNKNOWN, "no data event names this store"),
        ([event("PutObject")], Coverage.UNKNOWN, "writes only"),
        ([event()], Coverage.PARTIAL, "whether all of them, the files do not tell"),
    ],
)
def test_without_selectors_it_is_never_complete(
    records: list[Any], coverage: Coverage, words: str
) -> None:
    result = one(delivered(*records))
    assert result.evidence.coverage is coverage
    assert words in result.evidence.detail


def trail_event(name: str, minute: float = 100, **more: Any) -> dict[str, Any]:
    return management(
        name, minute, "cloudtrail.amazonaws.com", requestParameters={"name": "main"}, **more
    )


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (
            [trail_event("StopLogging", who=user("mallory"))],
            "StopLogging at 2026-03-01 01:40 UTC by",
        ),
        ([trail_event("PutEventSelectors")], "PutEventSelectors at"),
        ([trail_event("DeleteTrail")], "DeleteTrail at"),
        ([event(eventTime="yesterday")], "1 record could not be understood"),
        ([event(eventID=7)], "1 record could not be understood"),
        ([{"eventCategory": "Aggregated"}], "1 record is a five-minute summary"),
    ],
)
def test_each_thing_that_speaks_against_it_is_named(extra: list[Any], words: str) -> None:
    result = one(delivered(*heartbeat(), event(), *extra), selectors=EVERYTHING)
    assert result.evidence.coverage is Coverage.PARTIAL
    assert words in result.evidence.detail


def test_a_failed_change_of_the_trail_changed_nothing() -> None:
    refused = trail_event("StopLogging", errorCode="AccessDenied")
    result = one(delivered(*heartbeat(), event(), refused), selectors=EVERYTHING)
    assert result.evidence.coverage is Coverage.COMPLETE


def test_a_record_that_begins_late_says_so() -> None:
    """Whether logs are not kept that long, or were not written, the files do not tell."""
    window = (START, START + timedelta(hours=50))

    def quiet(*hours: int, begins: bool = True) -> list[str]:
        seen = Hours.known(window, [int(START.timestamp()) // 3600 + hour for hour in hours])
        return gaps(seen, Kept(), begins=begins).quiet

    begins, some = quiet(*range(30, 50))
    assert begins.startswith("the record begins at 2026-03-02 06:00 UTC only") and "30 h" in some
    for more, hours in ((False, range(30, 50)), (True, range(23, 50)), (True, [0, *range(30, 50)])):
        (alone,) = quiet(*hours, begins=more)
        assert "begins" not in alone


def test_missing_hours_are_named() -> None:
    beats = heartbeat()
    result = one(delivered(*beats[:2], *beats[4:], event()), selectors=EVERYTHING)
    assert result.evidence.coverage is Coverage.PARTIAL
    assert "2 hours of the window (2026-03-01 02:00 UTC to 2026-03-01 04:00 UTC)" in (
        result.evidence.detail
    )


def test_without_management_events_a_stop_would_not_show() -> None:
    hourly = [event(minute=60 * hour + 1) for hour in range(6)]
    result = one(delivered(*hourly), selectors=EVERYTHING)
    assert result.evidence.coverage is Coverage.PARTIAL
    assert "a change of the trail would not show" in result.evidence.detail


def test_files_that_could_not_be_read_are_counted() -> None:
    whole = delivered(*heartbeat(), event())
    denied = one(whole, Problem("access-denied"), selectors=EVERYTHING)
    assert "1 file could not be read" in denied.evidence.detail
    cut = one(whole, whole[:-20], selectors=EVERYTHING)
    assert "1 file is cut off or corrupt" in cut.evidence.detail
    assert {denied.evidence.coverage, cut.evidence.coverage} == {Coverage.PARTIAL}
    passed = one(whole, b"an ordinary log\n", selectors=EVERYTHING)
    assert passed.evidence.coverage is Coverage.COMPLETE
    assert "1 other file passed over" in passed.evidence.detail


@pytest.mark.parametrize(
    ("selectors", "words"),
    [
        ([1], "expected the JSON object"),
        ({}, "expected the lists EventSelectors or AdvancedEventSelectors"),
    ],
)
def test_selectors_that_are_none(selectors: Any, words: str) -> None:
    result = one(delivered(*heartbeat(), event()), selectors=selectors)
    assert result.evidence.coverage is Coverage.PARTIAL
    assert words in result.evidence.detail


def test_a_missing_file_of_selectors() -> None:
    result = one(delivered(event()), **{"selectors": None})
    assert "whether all of them" in result.evidence.detail
    found = collect(delivered(event()))["s3://pay"]
    assert found.evidence.coverage is Coverage.PARTIAL


# --- selectors ------------------------------------------------------------------------------------

DATA = {"Field": "eventCategory", "Equals": ["Data"]}
OBJECTS = {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}


def advanced(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"AdvancedEventSelectors": [{"FieldSelectors": [DATA, OBJECTS, *fields]}]}


def basic(kind: str, *values: str) -> dict[str, Any]:
    resource = {"Type": "AWS::S3::Object", "Values": list(values)}
    return {"EventSelectors": [{"ReadWriteType": kind, "DataResources": [resource]}]}


def field(name: str, operator: str, *values: str) -> dict[str, Any]:
    return {"Field": name, operator: list(values)}


B = "arn:aws:s3:::b/"


@pytest.mark.parametrize(
    ("document", "reads", "gap"),
    [
        (basic("All", "arn:aws:s3"), True, None),
        (basic("All", "arn:aws:s3:::"), True, None),
        (basic("All", B), True, None),
        (basic("All", "arn:aws-cn:s3:::b/"), True, None),
        (basic("All", "arn:aws:s3:::b/p/"), True, None),
        (basic("All", "arn:aws:s3:::b/p/q"), True, "under arn:aws:s3:::b/p/q only"),
        (basic("ReadOnly", B), True, "copies out of the store"),
        (basic("WriteOnly", B), True, "leave out reads"),
        (basic("All", "arn:aws:s3:::other/"), False, "leave out reads"),
        (basic("All"), False, "leave out reads"),
        ({"EventSelectors": [{"ReadWriteType": "All", "DataResources": []}]}, False, "leave out"),
        (advanced(), True, None),
        ({"AdvancedEventSelectors": [{"FieldSelectors": [DATA]}]}, False, "leave out reads"),
        (
            {
                "AdvancedEventSelectors": [
                    {"FieldSelectors": [field("eventCategory", "Equals", "Management")]}
                ]
            },
            False,
            "leave out reads",
        ),
        (advanced(field("readOnly", "Equals", "true")), True, "copies out of the store"),
        (advanced(field("resources.ARN", "StartsWith", B)), True, None),
        (advanced(field("resources.ARN", "StartsWith", "arn:aws:s3:::c/")), False, "leave out"),
        (advanced(field("resources.ARN", "NotStartsWith", "arn:aws:s3:::c/")), True, None),
        (advanced(field("resources.ARN", "NotStartsWith", B)), False, "leave out reads"),
        (
            advanced(field("resources.ARN", "NotStartsWith", f"{B}p/x/")),
            True,
            "leaves out reads under",
        ),
        (advanced(field("resources.ARN", "NotEquals", f"{B}p/x")), True, "1 named object"),
        (advanced(field("resources.ARN", "Equals", f"{B}p/x")), True, "1 named object only"),
        (advanced(field("resources.ARN", "EndsWith", ".csv")), True, "how their names end"),
        (advanced(field("eventName", "Equals", "DeleteObject")), False, "leave out reads"),
        (
            advanced(field("eventName", "Equals", "GetObject", "CopyObject")),
            True,
            "leave out GetObjectTorrent, SelectObjectContent",
        ),
        (advanced(field("eventName", "NotEquals", "GetObject")), True, "leave out GetObject"),
        (
            advanced(field("userIdentity.arn", "NotEquals", "arn:x")),
            True,
            "leaves out what is done by callers arn:x",
        ),
        (
            advanced(field("userIdentity.arn", "StartsWith", "arn:a", "arn:b", "c", "d")),
            True,
            "records only what is done by callers whose ARN begins with arn:a, arn:b, c and 1 more",
        ),
        (
            advanced(field("sessionCredentialFromConsole", "Equals", "true")),
            True,
            "choose by sessionCredentialFromConsole",
        ),
        (advanced(field("eventSource", "Equals", "dynamodb.amazonaws.com")), False, "leave out"),
    ],
)
def test_selectors(document: Any, reads: bool, gap: str | None) -> None:
    found = recorded(document, "b", "p")
    assert found.reads is reads
    assert found.whole is (gap is None)
    if gap:
        assert any(gap in each for each in found.gaps), found.gaps


DIRECTORIES = field("resources.type", "Equals", "AWS::S3Express::Object")
OF_DIRECTORY = "arn:aws:s3express:eu-west-1:123456789012:bucket/b--euw1-az1--x-s3"


def of_directories(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"AdvancedEventSelectors": [{"FieldSelectors": [DATA, DIRECTORIES, *fields]}]}


@pytest.mark.parametrize(
    ("document", "reads"),
    [
        (EVERYTHING, False),
        (of_directories(), True),
        (of_directories(field("resources.ARN", "StartsWith", f"{OF_DIRECTORY}/")), True),
        (of_directories(field("resources.ARN", "StartsWith", f"{OF_DIRECTORY}x/")), False),
    ],
)
def test_directory_buckets_have_data_events_of_their_own(document: Any, reads: bool) -> None:
    found = recorded(document, "b--euw1-az1--x-s3", "p")
    assert (found.reads, found.whole) == (reads, reads)


def test_several_selectors_add_up() -> None:
    both = basic("ReadOnly", B)
    both["EventSelectors"] += basic("WriteOnly", "arn:aws:s3")["EventSelectors"]
    assert recorded(both, "b", "").whole


@pytest.mark.parametrize("document", [None, [], "x", {"EventSelectors": 3}, {"a": 1}])
def test_documents_that_are_no_selectors(document: Any) -> None:
    with pytest.raises(BadSelectors, match="expected"):
        recorded(document, "b", "")


def test_a_store_whose_reads_are_left_out_cannot_tell() -> None:
    result = one(
        delivered(*heartbeat(), event(bucket="other")),
        selectors=basic("All", "arn:aws:s3:::other/"),
    )
    assert result.evidence.coverage is Coverage.NONE


def test_the_window_may_be_of_any_length() -> None:
    window = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
    result = one(delivered(*heartbeat(), event()), selectors=EVERYTHING, window=window)
    assert result.evidence.coverage is Coverage.PARTIAL
    assert len(result.evidence.detail) < 600
