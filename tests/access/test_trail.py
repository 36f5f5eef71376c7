"""What CloudTrail says of a trail or an event data store: failures, stops, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3.session
import pytest
from botocore.stub import Stubber

from scanner.access.trail import Trail, look_up
from scanner.contracts import EvidenceResult
from scanner.model import Coverage
from tests import s3_server
from tests.access.trails import (
    END,
    EVERYTHING,
    START,
    delivered,
    event,
    heartbeat,
    management,
    one,
)


@pytest.fixture
def trail(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    for name, value in s3_server.variables().items():
        monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("cloudtrail", region_name="eu-west-1")
    asked: list[Any] = []
    monkeypatch.setattr(
        boto3.session.Session, "client", lambda self, name, **more: asked.append(more) or client
    )
    return Stubber(client)


def status(**more: Any) -> dict[str, Any]:
    return {
        "IsLogging": True,
        "StartLoggingTime": START - timedelta(days=9),
        "LatestDeliveryTime": END,
        **more,
    }


ARN = "arn:aws:cloudtrail:eu-west-1:123456789012:trail/main"


BUCKET = {"S3BucketName": "trail-bucket", "LogFileValidationEnabled": True}


def answered(trail: Stubber, about: Any, state: Any) -> EvidenceResult:
    """Of files without a gap."""
    with trail:
        trail.add_response("get_trail", {"Trail": {"IsMultiRegionTrail": True, **about}})
        trail.add_response("get_trail_status", state, {"Name": ARN})
        trail.add_response("get_event_selectors", EVERYTHING, {"TrailName": ARN})
        return one(delivered(*heartbeat(), event()), trail=ARN)


@pytest.mark.parametrize(
    ("about", "state", "cause"),
    [
        ({}, status(), None),
        ({}, status(StopLoggingTime=START - timedelta(days=20)), None),
        ({}, status(IsLogging=False, StopLoggingTime=END), "not logging since 2026-03-01 06:00"),
        ({}, status(IsLogging=False), "the trail is not logging;"),
        ({}, status(StartLoggingTime=START + timedelta(hours=1)), "logs since 2026-03-01 01:00"),
        (
            {},
            status(
                StopLoggingTime=START + timedelta(hours=1),
                StartLoggingTime=START + timedelta(hours=2),
            ),
            "was not logging from 2026-03-01 01:00 UTC to 2026-03-01 02:00 UTC",
        ),
        (
            {},
            status(LatestDeliveryError="NoSuchBucket", LatestDeliveryTime=START),
            "latest delivery of files failed (NoSuchBucket), the last that succeeded at"
            " 2026-03-01 00:00 UTC",
        ),
        (
            {},
            status(LatestDeliveryError="<4111111111111111>"),
            "failed (a code of another kind), the last",
        ),
        ({}, status(LatestDeliveryTime=START), "delivered its latest files at 2026-03-01 00:00"),
        (
            {"IsMultiRegionTrail": False, "HomeRegion": "us-east-1"},
            status(),
            "region us-east-1 only",
        ),
    ],
)
def test_a_trail_is_asked(trail: Stubber, about: Any, state: Any, cause: str | None) -> None:
    result = answered(trail, about, state)
    assert (result.evidence.coverage is Coverage.COMPLETE) is (cause is None)
    assert cause is None or cause in result.evidence.detail
    assert "4111" not in result.evidence.detail


FAILED = {"LatestCloudWatchLogsDeliveryError": "AccessDenied"}


@pytest.mark.parametrize(
    ("uri", "about", "state", "causes", "remarks"),
    [
        ("s3://trail-bucket/AWSLogs", BUCKET, status(**FAILED), 0, []),
        ("cloudwatch://eu-west-1/trail", BUCKET, status(LatestDeliveryError="NoSuchBucket"), 0, []),
        ("cloudwatch://eu-west-1/trail", BUCKET, status(**FAILED), 1, []),
        ("s3://copy/", BUCKET, status(), 0, ["delivers to s3://trail-bucket now, not to where"]),
        ("", {"LogFileValidationEnabled": False}, status(), 0, ["writes no digests"]),
        (
            "",
            {},
            status(LatestDigestDeliveryError="AccessDenied", LatestNotificationError="NotFound"),
            0,
            ["delivery of a digest file: ", "delivery of a notification: "],
        ),
    ],
)
def test_what_fails_matters_where_it_is_read_from(
    trail: Stubber, uri: str, about: Any, state: Any, causes: int, remarks: list[str]
) -> None:
    with trail:
        trail.add_response("get_trail", {"Trail": {"IsMultiRegionTrail": True, **about}})
        trail.add_response("get_trail_status", state)
        trail.add_response("get_event_selectors", EVERYTHING)
        found = look_up({"trail": ARN, "uri": uri}, (START, END))
    assert len(found.causes) == causes
    assert len(found.remarks) == len(remarks)
    assert all(each in said for each, said in zip(remarks, found.remarks, strict=True))


def test_remarks_do_not_make_a_gap(trail: Stubber) -> None:
    result = answered(trail, {"LogFileValidationEnabled": False}, status())
    assert result.evidence.coverage is Coverage.COMPLETE
    assert "writes no digests" in result.evidence.detail


def test_another_trail_that_stops_does_not_matter(trail: Stubber) -> None:
    other = management(
        "StopLogging", 9, "cloudtrail.amazonaws.com", requestParameters={"name": "other"}
    )
    with trail:
        trail.add_response("get_trail", {"Trail": {"IsMultiRegionTrail": True}})
        trail.add_response("get_trail_status", status())
        trail.add_response("get_event_selectors", EVERYTHING)
        result = one(delivered(*heartbeat(), event(), other), trail=ARN)
    assert result.evidence.coverage is Coverage.COMPLETE


@pytest.mark.parametrize("refused", ["get_trail", "get_trail_status", "get_event_selectors"])
def test_a_trail_that_may_not_be_asked_is_a_cause(trail: Stubber, refused: str) -> None:
    answers: dict[str, Any] = {
        "get_trail": {"Trail": {"IsMultiRegionTrail": True}},
        "get_trail_status": status(),
        "get_event_selectors": EVERYTHING,
    }
    with trail:
        for call, answer in answers.items():
            if call == refused:
                trail.add_client_error(call, "AccessDeniedException", "secret words")
            else:
                trail.add_response(call, answer)
        found = look_up({"trail": ARN}, (START, END))
    assert (found.selectors is None) is (refused == "get_event_selectors")
    permission = "".join(part.title() for part in refused.split("_"))
    assert found.causes == [
        "CloudTrail could not be asked about the trail (AccessDeniedException: these credentials"
        f" lack cloudtrail:{permission})"
    ]


def test_what_moto_says_of_a_trail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trail that was never started, started, and stopped."""
    with s3_server.environment():
        s3_server.bucket("trail-of-moto")
        client = boto3.session.Session().client("cloudtrail", region_name="us-east-1")
        client.create_trail(Name="moto", S3BucketName="trail-of-moto", IsMultiRegionTrail=True)
        try:
            now = datetime.now(UTC)

            def asked() -> Trail:
                settings = {"trail": "moto", "uri": "s3://trail-of-moto"}
                return look_up(settings, (now - timedelta(days=1), now))

            assert asked().causes == ["the trail is not logging"]
            client.start_logging(Name="moto")
            (cause,) = asked().causes
            assert cause.startswith(f"the trail logs since {now:%Y-%m-%d}")
            client.stop_logging(Name="moto")
            (cause,) = asked().causes
            assert cause.startswith(f"the trail is not logging since {now:%Y-%m-%d}")
            assert asked().selectors is not None and asked().region is None
        finally:
            client.delete_trail(Name="moto")


# --- event data stores ----------------------------------------------------------------------------

LAKE = "arn:aws:cloudtrail:eu-west-1:123456789012:eventdatastore/0f1e2d3c"
OF_LAKE: dict[str, Any] = {
    "EventDataStoreArn": LAKE,
    "Status": "ENABLED",
    "AdvancedEventSelectors": [
        {
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Data"]},
                {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
            ]
        }
    ],
    "MultiRegionEnabled": True,
    "RetentionPeriod": 366,
    "CreatedTimestamp": START - timedelta(days=9),
}


@pytest.mark.parametrize(
    ("more", "region", "causes"),
    [
        ({}, None, []),
        ({"MultiRegionEnabled": False}, "eu-west-1", []),
        ({"Status": "STOPPED_INGESTION"}, None, ["not take in events now (STOPPED_INGESTION)"]),
        ({"Status": "PENDING_DELETION"}, None, ["not take in events now (PENDING_DELETION)"]),
        ({"CreatedTimestamp": END}, None, ["was made at 2026-03-01 06:00 UTC"]),
    ],
)
def test_an_event_data_store_is_asked(
    trail: Stubber, more: dict[str, Any], region: str | None, causes: list[str]
) -> None:
    with trail:
        trail.add_response("get_event_data_store", {**OF_LAKE, **more}, {"EventDataStore": LAKE})
        found = look_up({"trail": LAKE}, (START, END))
    assert (found.region, len(found.causes)) == (region, len(causes))
    assert all(each in said for each, said in zip(causes, found.causes, strict=True))
    (limit,) = found.limits
    assert limit.said.endswith("deletes the events of the event data store after 366 days")
    assert limit.since is not None
    age = datetime.now(UTC) - timedelta(days=366) - limit.since
    assert abs(age) < timedelta(minutes=5)


def test_what_an_event_data_store_has_deleted_is_a_gap(trail: Stubber) -> None:
    with trail:
        trail.add_response("get_event_data_store", {**OF_LAKE, "RetentionPeriod": 7})
        result = one(delivered(*heartbeat()[2:], event(minute=200)), trail=LAKE)
    assert result.evidence.coverage is Coverage.PARTIAL
    assert "of the event data store after 7 days: what was written before" in result.evidence.detail


def test_an_event_data_store_that_may_not_be_asked(trail: Stubber) -> None:
    with trail:
        trail.add_client_error("get_event_data_store", "AccessDeniedException")
        found = look_up({"trail": LAKE}, (START, END))
    assert found.selectors is None and found.limits == []
    assert "these credentials lack cloudtrail:GetEventDataStore" in found.causes[0]
