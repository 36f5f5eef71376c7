"""What S3 and CloudWatch say of how long they keep logs: rules as they are, and as moto tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from scanner.retention import Keeps, Kept, Limit
from scanner.stores import s3_client, s3_lifecycle
from scanner.stores.cloudwatch import STORE as CLOUDWATCH
from scanner.stores.s3 import STORE as S3
from tests import s3_server

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=30)
GONE: dict[str, Any] = {"Expiration": {"Days": 30}}


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with s3_server.environment():
        yield


def asked(uri: str) -> Kept:
    kind = CLOUDWATCH if CLOUDWATCH.claims(uri) else S3
    opened = kind.connect(kind.resolve(uri, {}), lambda name: name.replace("4111111111111111", "x"))
    assert isinstance(opened, Keeps)
    return opened.kept()


def limits(rule: dict[str, Any], prefix: str = "AWSLogs") -> list[Limit]:
    return list(s3_lifecycle.limits_of([{"Status": "Enabled", **rule}], prefix, NOW))


@pytest.mark.parametrize(
    ("rule", "said", "since", "part"),
    [
        ({**GONE, "ID": "r"}, "S3 deletes logs 30 days after they were written (rule r)", OLD, 0),
        ({**GONE, "Prefix": "AWSL"}, "S3 deletes logs 30 days after they were written", OLD, 0),
        ({**GONE, "Filter": {}}, "S3 deletes logs 30 days after they were written", OLD, 0),
        ({**GONE, "Filter": {"Prefix": "AWSLogs/"}}, "S3 deletes logs 30 days after", OLD, 0),
        (
            {**GONE, "Filter": {"Prefix": "AWSLogs/1/"}},
            "S3 deletes logs under AWSLogs/1/ 30 days after they were written",
            OLD,
            1,
        ),
        (
            {**GONE, "Filter": {"Tag": {"Key": "k", "Value": "v"}}},
            "S3 deletes logs with certain tags 30",
            OLD,
            1,
        ),
        (
            {
                **GONE,
                "Filter": {
                    "And": {
                        "Prefix": "AWSLogs/",
                        "Tags": [{"Key": "k", "Value": "v"}],
                        "ObjectSizeGreaterThan": 1024,
                        "ObjectSizeLessThan": 1 << 20,
                    }
                },
            },
            "S3 deletes logs with certain tags larger than 1,024 bytes smaller than 1,048,576",
            OLD,
            1,
        ),
        (
            {"Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]},
            "S3 moves logs to GLACIER 30 days after they were written, where they cannot be read",
            OLD,
            0,
        ),
        (
            {"Transitions": [{"Days": 0, "StorageClass": "DEEP_ARCHIVE"}]},
            "S3 moves logs to DEEP_ARCHIVE as soon as they are written",
            NOW,
            0,
        ),
        ({"Expiration": {"Date": NOW - timedelta(days=3)}}, "from 2026-02-26 on", NOW, 0),
        ({"Expiration": {"Date": NOW + timedelta(days=3)}}, "from 2026-03-04 on", None, 0),
    ],
)
def test_rules(rule: dict[str, Any], said: str, since: datetime | None, part: int) -> None:
    (found,) = limits(rule)
    assert said in found.said
    assert (found.since, found.part) == (since, bool(part))


@pytest.mark.parametrize(
    "rule",
    [
        {**GONE, "Status": "Disabled"},
        {**GONE, "Filter": {"Prefix": "AWSLogs-old/"}},
        {**GONE, "Prefix": "other/"},
        {"Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        {"Transitions": [{"Days": 30, "StorageClass": "GLACIER_IR"}]},
        {"Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}]},
    ],
)
def test_rules_that_take_no_log_from_us(rule: dict[str, Any]) -> None:
    assert limits(rule) == []


def test_one_rule_can_do_both() -> None:
    rule = {**GONE, "Transitions": [{"Days": 7, "StorageClass": "GLACIER"}], "ID": "r"}
    assert [limit.since for limit in limits(rule, "")] == [OLD, NOW - timedelta(days=7)]


def test_a_bucket_is_asked() -> None:
    s3 = s3_server.bucket("trail-bucket", {"AWSLogs/a": b"x"})
    found = asked("s3://trail-bucket/AWSLogs/")
    said = "no lifecycle rule takes logs away from s3://trail-bucket/AWSLogs"
    assert (list(found.limits), list(found.remarks)) == ([], [said])
    rules: Any = [
        {"ID": "o", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}},
        {
            "ID": "4111111111111111",
            "Status": "Enabled",
            "Filter": {"Prefix": "AWSLogs/2/"},
            "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}],
        },
    ]
    s3.put_bucket_lifecycle_configuration(
        Bucket="trail-bucket", LifecycleConfiguration={"Rules": rules}
    )
    s3.put_bucket_versioning(
        Bucket="trail-bucket", VersioningConfiguration={"Status": "Enabled", "MFADelete": "Enabled"}
    )
    found = asked("s3://trail-bucket/AWSLogs/")
    first, second = found.limits
    assert "(rule o)" in first.said and "(rule x)" in second.said
    assert (first.part, second.part) == (False, True)
    now = datetime.now(UTC)
    assert first.since is not None and second.since is not None
    assert abs(now - timedelta(days=30) - first.since) < timedelta(minutes=5)
    assert abs(now - timedelta(days=5) - second.since) < timedelta(minutes=5)
    assert "keeps versions" in found.remarks[0]


def test_a_lock_on_the_logs_is_told() -> None:
    s3 = s3_server.client()
    s3.create_bucket(Bucket="locked-trail", ObjectLockEnabledForBucket=True)
    try:
        s3.put_object_lock_configuration(
            Bucket="locked-trail",
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 365}},
            },
        )
        said = "; ".join(asked("s3://locked-trail").remarks)
        assert "object lock is on (COMPLIANCE, 365 days by default)" in said
    finally:
        s3.delete_bucket(Bucket="locked-trail")


def test_what_may_not_be_asked_is_unknown_with_the_permission() -> None:
    s3_server.bucket("trail-bucket")
    connection = s3_client.connect("trail-bucket", "", {})
    with Stubber(connection.client) as stub:
        for call in (
            "get_bucket_lifecycle_configuration",
            "get_bucket_versioning",
            "get_object_lock_configuration",
        ):
            stub.add_client_error(call, "AccessDenied", http_status_code=403)
        found = s3_lifecycle.kept(connection, "")
    assert list(found.limits) == []
    for said, permission in zip(
        found.remarks,
        ("GetLifecycleConfiguration", "GetBucketVersioning", "GetBucketObjectLockConfiguration"),
        strict=True,
    ):
        assert "not known" in said and f"these credentials lack s3:{permission}" in said


def test_a_log_group_is_asked() -> None:
    logs = s3_server.logs_client()
    for group in ("/kept", "/kept-longer"):
        logs.create_log_group(logGroupName=group)
    try:
        assert asked("cloudwatch://us-east-1//kept") == Kept(
            remarks=("the log group keeps its events for ever",)
        )
        logs.put_retention_policy(logGroupName="/kept", retentionInDays=14)
        (limit,) = asked("cloudwatch://us-east-1//kept").limits
        assert limit.said.endswith("deletes the events of the log group after 14 days")
        assert limit.since is not None
        distance = datetime.now(UTC) - timedelta(days=14) - limit.since
        assert abs(distance) < timedelta(minutes=5)
        missing = asked("cloudwatch://us-east-1//ke")
        assert "not known (the log group does not exist)" in missing.remarks[0]
    finally:
        for group in ("/kept", "/kept-longer"):
            logs.delete_log_group(logGroupName=group)
