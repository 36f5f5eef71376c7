"""Calls outside S3 that read, or may have read, a store that is scanned."""

from __future__ import annotations

from typing import Any

import pytest

from scanner.access.cloudtrail import EVIDENCE
from scanner.contracts import EvidenceResult
from scanner.model import Access, Coverage, Store
from tests.access.trails import END, OWNER, START, delivered, event, heartbeat, opener, user

DATABASE = "postgresql://db/shop"
TABLES = "dynamodb://eu-west-1/cards"
HERE = f"eu-west-1:{OWNER}"
TABLE = f"arn:aws:dynamodb:{HERE}:table/cards"
CLUSTER = f"arn:aws:rds:{HERE}:cluster:shop"
SECRET = f"arn:aws:secretsmanager:{HERE}:secret:prod/shop-AbCdEf"
RESOURCES = {TABLE: TABLES, CLUSTER: DATABASE, SECRET: DATABASE}
ALICE = f"arn:aws:iam::{OWNER}:user/alice"


def call(source: str, name: str, parameters: Any = None, *arns: str, **more: Any) -> dict[str, Any]:
    return event(
        name,
        who=user(),
        eventSource=f"{source}.amazonaws.com",
        requestParameters=parameters,
        additionalEventData=None,
        resources=[{"ARN": arn, "accountId": OWNER, "type": "x"} for arn in arns],
        **more,
    )


def collect(*records: Any, resources: Any = RESOURCES) -> dict[str, EvidenceResult]:
    return dict(
        EVIDENCE.collect(
            {"uri": "folder", "resources": resources},
            opener({"a.json.gz": delivered(*records)}),
            [Store(TABLES, "dynamodb"), Store(DATABASE, "postgres"), Store("s3://pay", "s3")],
            (START, END),
            lambda name: name,
        )
    )


@pytest.mark.parametrize(
    ("record", "reads"),
    [
        (call("dynamodb", "GetItem", {"tableName": "cards", "key": {"pan": "4"}}), 1),
        (call("dynamodb", "GetItem", {"tableName": TABLE}), 1),
        (call("dynamodb", "Scan", {"tableName": "other"}, TABLE), 1),
        (call("dynamodb", "Query", None, f"{TABLE}/index/by-date"), 1),
        (call("dynamodb", "BatchGetItem", {"requestItems": {"cards": {}}}, TABLE), 1),
        (call("dynamodb", "TransactGetItems", None, TABLE), 1),
        (call("dynamodb", "ExecuteStatement", None, TABLE, readOnly=True), 1),
        (call("dynamodb", "ExecuteStatement", None, TABLE, readOnly=False), 0),
        (call("dynamodb", "PutItem", None, TABLE), 0),
        (call("dynamodb", "GetItem", {"tableName": "cards2"}), 0),
        (call("dynamodb", "GetItem", None, TABLE, errorCode="ValidationException"), 0),
        (call("s3", "GetItem", None, TABLE), 0),
    ],
)
def test_reads_of_a_table(record: Any, reads: int) -> None:
    result = collect(record)[TABLES]
    assert sum(each.reads or 0 for each in result.reads) == reads
    assert result.evidence.unparsed == 0
    assert all((each.principal, each.objects) == (ALICE, None) for each in result.reads)


@pytest.mark.parametrize(
    "record",
    [
        call("rds-data", "ExecuteStatement", {"resourceArn": CLUSTER, "sql": "**********"}),
        call("rds-data", "BatchExecuteStatement", None, CLUSTER),
        call("secretsmanager", "GetSecretValue", {"secretId": SECRET}),
        call("secretsmanager", "GetSecretValue", {"secretId": SECRET[:-7]}),
        call("secretsmanager", "GetSecretValue", {"secretId": "prod/shop"}),
        call("secretsmanager", "BatchGetSecretValue", {"secretIdList": ["x", "prod/shop"]}),
        call("dynamodb", "ExecuteStatement", None, TABLE, readOnly=None),
    ],
)
def test_what_may_have_been_a_read_is_never_a_number(record: Any) -> None:
    for uri, result in collect(record).items():
        if result.reads:
            (who,) = result.reads
            assert (who.principal, who.reads) == (ALICE, None)
            assert "1 call may have been reads" in result.evidence.detail
            assert Access(evidence=(result.evidence,), did_read=result.reads).answer != "not-read"
            assert uri != "s3://pay"
            return
    raise AssertionError("nobody is told of")


def test_refused_calls() -> None:
    record = call(
        "secretsmanager", "GetSecretValue", {"secretId": SECRET}, errorCode="AccessDenied"
    )
    (who,) = collect(record)[DATABASE].reads
    assert (who.reads, who.denied) == (0, 1)


def test_how_far_it_goes() -> None:
    nothing = collect()[DATABASE].evidence
    assert nothing.coverage is Coverage.NONE
    quiet = collect(*heartbeat())[DATABASE].evidence
    assert quiet.coverage is Coverage.UNKNOWN
    assert "either nobody made one or they are not recorded" in quiet.detail
    record = call("rds-data", "ExecuteStatement", None, CLUSTER)
    some = collect(*heartbeat(), record)[DATABASE].evidence
    assert some.coverage is Coverage.PARTIAL
    assert "shows in its own log only" in some.detail


def test_without_resources_only_buckets_are_answered_for() -> None:
    assert set(collect(resources={})) == {"s3://pay"}


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"shop": DATABASE}, "expected the ARN of a DynamoDB table, an RDS cluster or a secret"),
        ({CLUSTER: "postgresql://other/x"}, "expected the uri of a database that is scanned"),
        ({CLUSTER: "s3://pay"}, "expected the uri of a database that is scanned"),
        ({CLUSTER: 7}, "expected the uri of a database that is scanned"),
    ],
)
def test_settings_that_cannot_be_obeyed_are_said(resources: Any, words: str) -> None:
    found = collect(event(), resources=resources)
    assert words in found["s3://pay"].evidence.detail


def test_a_call_counts_once() -> None:
    record = call("dynamodb", "Scan", {"tableName": "cards"}, TABLE)
    (who,) = collect(record, record)[TABLES].reads
    assert who.reads == 1
