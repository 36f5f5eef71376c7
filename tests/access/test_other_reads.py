"""Calls outside S3 that read, or may have read, a store that is scanned."""

from __future__ import annotations

from typing import Any

import pytest

from scanner.access.cloudtrail import EVIDENCE
from scanner.contracts import EvidenceResult
from scanner.known import Known
from scanner.model import Access, Coverage, Store
from tests.access.trails import (
    END,
    FOREIGN,
    OWNER,
    START,
    delivered,
    event,
    heartbeat,
    opener,
    user,
)

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


SELECT = {"statement": "SELECT pan FROM cards WHERE id = 'a'"}
WRITES = [
    {"statement": f"{words} WHERE id = 'select'"}
    for words in ("UPDATE cards SET x = ***(Redacted)", "DELETE FROM cards")
]


def partiql(name: str, parameters: Any) -> dict[str, Any]:
    """CloudTrail calls every one of them a write."""
    return call("dynamodb", name, parameters, TABLE, readOnly=False)


def collect(
    *records: Any, resources: Any = RESOURCES, known: Any = None
) -> dict[str, EvidenceResult]:
    return dict(
        EVIDENCE.collect(
            {"uri": "folder", "resources": resources},
            opener({"a.json.gz": delivered(*records)}),
            [Store(TABLES, "dynamodb"), Store(DATABASE, "postgres"), Store("s3://pay", "s3")],
            (START, END),
            lambda name: name,
            known,
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
        (call("dynamodb", "GetRecords", {"shardIterator": "x"}, TABLE), 1),
        (call("dynamodb", "GetRecords", None, f"{TABLE}/stream/2026-03-01T00:00:00.000"), 1),
        (call("dynamodb", "ExportTableToPointInTime", {"tableArn": TABLE}, eventCategory=None), 1),
        (partiql("ExecuteStatement", {"statement": "select * from cards"}), 1),
        (partiql("BatchExecuteStatement", {"requestItems": [*WRITES, SELECT]}), 1),
        (partiql("BatchExecuteStatement", {"statements": [SELECT, SELECT]}), 1),
        (partiql("ExecuteTransaction", {"transactStatements": [SELECT]}), 1),
        (partiql("ExecuteTransaction", {"transactStatements": WRITES}), 0),
        (partiql("ExecuteStatement", WRITES[0]), 0),
        (call("dynamodb", "PutItem", None, TABLE), 0),
        (call("dynamodb", "GetItem", {"tableName": "cards2"}), 0),
        (call("dynamodb", "GetItem", {"tableName": "cards"}, awsRegion="us-east-1"), 0),
        (call("dynamodb", "GetItem", {"tableName": "cards"}, recipientAccountId=FOREIGN), 0),
        (call("dynamodb", "GetItem", {"tableName": "cards"}, awsRegion=None), 1),
        (call("dynamodb", "GetItem", {"tableName": "prod/shop"}), 0),
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
        partiql("ExecuteStatement", None),
        partiql("BatchExecuteStatement", {"requestItems": [7, {"statement": None}]}),
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
        ({"shop": DATABASE}, "expected ARNs of DynamoDB tables, RDS clusters or secrets"),
        ({CLUSTER: "s3://pay"}, "expected the uri of a database, found s3://pay"),
        ({CLUSTER: 7}, "expected the uri of a database, found 7"),
    ],
)
def test_settings_that_cannot_be_right(resources: Any, words: str) -> None:
    (wrong,) = EVIDENCE.check({"resources": resources})
    assert words in f"expected {wrong.expected}, found {wrong.found}"
    assert not list(EVIDENCE.check({"resources": RESOURCES}))


def test_calls_that_name_no_table_are_not_said_to_be_of_none_with_cards() -> None:
    known = {TABLES: Known(units=2, cards=frozenset({1}))}
    record = call("dynamodb", "Scan", None, TABLE)
    found = collect(record, known=known)[TABLES]
    assert [each.card_reads for each in found.reads] == [None]
    assert "which tables 1 read were of is not told" in found.evidence.detail
    assert "that hold" not in found.evidence.detail
    asked = collect(
        call("rds-data", "ExecuteStatement", None, CLUSTER), known={DATABASE: known[TABLES]}
    )
    assert "1 call may have been reads" in asked[DATABASE].evidence.detail
    assert "that hold" not in asked[DATABASE].evidence.detail


def test_a_call_counts_once() -> None:
    record = call("dynamodb", "Scan", {"tableName": "cards"}, TABLE)
    (who,) = collect(record, record)[TABLES].reads
    assert who.reads == 1
