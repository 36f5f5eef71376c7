"""Log groups of CloudWatch: names, pages, faults, and evidence out of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.stub import Stubber

from scanner.access.cloudtrail import EVIDENCE
from scanner.contracts import Source
from scanner.errors import Reason, Unreadable, UsageError
from scanner.model import Store, Tri, Unit
from scanner.stores.cloudwatch import STORE, LogGroup
from tests import s3_server
from tests.access.trails import END, START, event


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with s3_server.environment():
        yield


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.session.Session().client("logs", region_name="eu-west-1")
    monkeypatch.setattr(boto3.session.Session, "client", lambda self, name, **more: client)
    with Stubber(client) as found:
        yield found


def connect(uri: str = "cloudwatch://eu-west-1/group") -> LogGroup:
    opened = STORE.connect(STORE.resolve(uri, {}), lambda name: name)
    assert isinstance(opened, LogGroup)
    return opened


def listed(store: LogGroup) -> list[Unit]:
    return [unit for unit in store.units(lambda name, folder: False) if isinstance(unit, Unit)]


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("cloudwatch://eu-west-1//aws/rds/x", "cloudwatch://eu-west-1//aws/rds/x"),
        ("cloudwatch:///plain", "cloudwatch:///plain"),
        (
            "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/rds/x:*",
            "cloudwatch://eu-west-1//aws/rds/x",
        ),
        ("arn:aws-cn:logs:cn-north-1:123456789012:log-group:y", "cloudwatch://cn-north-1/y"),
    ],
)
def test_targets(target: str, uri: str) -> None:
    assert STORE.claims(target)
    assert STORE.resolve(target, {}).uri == uri


@pytest.mark.parametrize("target", ["cloudwatch://", "cloudwatch://x", "cloudwatch://EU/a b"])
def test_targets_that_cannot_be(target: str) -> None:
    with pytest.raises(UsageError, match="expected cloudwatch://REGION/GROUP"):
        STORE.resolve(target, {})


def test_streams_and_events_come_in_pages(stub: Stubber) -> None:
    stub.add_response(
        "describe_log_streams", {"logStreams": [{"logStreamName": "a"}], "nextToken": "t"}
    )
    stub.add_response(
        "describe_log_streams", {"logStreams": [{"logStreamName": "b", "lastIngestionTime": 7}]}
    )
    pages: list[tuple[list[str], str]] = [(["1", "2"], "x"), ([], "y"), (["3\n4"], "z"), ([], "z")]
    for messages, token in pages:
        events: Any = [{"message": text} for text in messages]
        stub.add_response("get_log_events", {"events": events, "nextForwardToken": token})
    store = connect()
    units = listed(store)
    assert [(unit.key, unit.version) for unit in units] == [("a", "0-0"), ("b", "7-0")]
    source = store.open(units[0])
    assert source.file.read() == b"1\n2\n3\n4\n"
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ResourceNotFoundException", Reason.NOT_FOUND),
        ("AccessDeniedException", Reason.ACCESS_DENIED),
        ("ThrottlingException", Reason.THROTTLED),
        ("ServiceUnavailableException", Reason.UNREACHABLE),
        ("InvalidOperationException", Reason.UNSUPPORTED),
        ("Odd <4111111111111111>", Reason.IO_ERROR),
    ],
)
def test_faults(stub: Stubber, code: str, reason: Reason) -> None:
    stub.add_client_error("describe_log_streams", code, "4111111111111111")
    with pytest.raises(Unreadable) as caught:
        listed(connect())
    assert caught.value.reason is reason
    assert "4111" not in caught.value.detail and "S3" not in caught.value.detail


def test_a_stream_that_is_gone_or_denied(stub: Stubber) -> None:
    for code, reason in (
        ("ResourceNotFoundException", Reason.VANISHED),
        ("AccessDeniedException", Reason.ACCESS_DENIED),
    ):
        stub.add_client_error("get_log_events", code)
        with pytest.raises(Unreadable) as caught:
            connect().open(Unit("s", "a", "a")).file.read()
        assert caught.value.reason is reason


def test_facts(stub: Stubber) -> None:
    group: Any = {"logGroupName": "group", "retentionInDays": 30, "kmsKeyId": "arn:x"}
    stub.add_response("describe_log_groups", {"logGroups": [{"logGroupName": "group2"}, group]})
    facts = {fact.control: fact for fact in connect().facts()}
    assert facts["default-encryption"].state is Tri.YES
    assert "KMS key of the account" in facts["default-encryption"].detail
    assert "deleted after 30 days" in facts["versioning"].detail
    stub.add_client_error("describe_log_groups", "AccessDeniedException")
    assert {fact.state for fact in connect().facts()} == {Tri.UNKNOWN}


def test_a_trail_in_a_log_group_is_evidence(tmp_path: Path) -> None:
    client = s3_server.logs_client()
    group, now = "/trail-test", time.time_ns() // 1_000_000
    client.create_log_group(logGroupName=group)
    try:
        for stream in ("123456789012_CloudTrail_eu-west-1", "123456789012_CloudTrail_eu-west-1_2"):
            client.create_log_stream(logGroupName=group, logStreamName=stream)
            messages: Any = [
                {"timestamp": now + n, "message": json.dumps(event(key=str(n)))} for n in range(3)
            ]
            client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=messages)
        store = connect(f"cloudwatch://us-east-1/{group}")

        def open_files(uri: str) -> Iterator[tuple[str, Source]]:
            for unit in listed(store):
                yield unit.name, store.open(unit)

        stores = [Store("s3://pay", "s3")]
        window = (START, END)
        found = EVIDENCE.collect({"uri": "x"}, open_files, stores, window, lambda name: name)
        assert sum(reads.reads or 0 for reads in found["s3://pay"].reads) == 6
    finally:
        client.delete_log_group(logGroupName=group)


def test_how_long_events_are_kept_may_not_be_asked(stub: Stubber) -> None:
    stub.add_client_error("describe_log_groups", "AccessDeniedException")
    (said,) = connect().kept().remarks
    assert "not known" in said and "these credentials lack logs:DescribeLogGroups" in said
