"""MongoDB's audit log: permission checks of reads, counted once, refused ones apart."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.access.mongodb_audit import EVIDENCE, NOBODY
from scanner.contracts import EvidenceResult
from scanner.known import known
from scanner.model import Coverage, Reads, Store
from tests.access.trails import END, START, opener

PAN = "4111111111111111"
SHOP = "mongodb://db/shop"
GOLDEN = Path(__file__).parent / "golden/mongodb_audit.json"


def check(
    command: str = "find",
    collection: str = "cards",
    *,
    user: str | None = "alice",
    result: int = 0,
    minute: float = 5,
    args: Any = None,
    atype: str = "authCheck",
    database: str = "shop",
    **param: Any,
) -> dict[str, Any]:
    arguments = {command: collection, "filter": {"pan": PAN}} if args is None else args
    told = {"command": command, "ns": f"{database}.{collection}", "args": arguments} | param
    return {
        "atype": atype,
        "ts": {"$date": (START + timedelta(minutes=minute)).isoformat(timespec="milliseconds")},
        "uuid": {"$binary": "n0xqnnv8QxCGmGOB1KtUZw==", "$type": "04"},
        "local": {"ip": "127.0.0.1", "port": 27017},
        "remote": {"ip": "10.0.0.7", "port": 51000 + int(minute * 10)},
        "users": [] if user is None else [{"user": user, "db": "admin"}],
        "roles": [{"role": "read", "db": "shop"}],
        "param": told if atype == "authCheck" else param,
        "result": result,
    }


def one(*records: dict[str, Any] | bytes, **more: Any) -> EvidenceResult:
    lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]
    found = EVIDENCE.collect(
        {"uri": "folder", **more},
        opener({"a": b"\n".join(lines), "copy": b"\n".join(lines)}),
        [Store(SHOP, "mongodb")],
        (START, END),
        lambda name: name.replace(PAN, "[sealed]"),
        {SHOP: known(3, ["cards"])},
    )
    return found[SHOP]


def by_user(result: EvidenceResult) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


def test_reads_are_told_from_the_rest() -> None:
    result = one(
        check("find", minute=1),
        check("getMore", minute=1.1),
        check("count", minute=2),
        check("distinct", "other", minute=3),
        check("insert", minute=4),
        check("find", "elsewhere", database="other"),
        check("find", user="bob", result=13),
        check("find", user=None),
    )
    found = by_user(result)
    assert (found["alice@admin"].reads, found["alice@admin"].objects) == (3, 2)
    assert (found["alice@admin"].card_reads, found["alice@admin"].rows) == (2, None)
    assert (found["bob@admin"].reads, found["bob@admin"].denied) == (0, 1)
    assert found[NOBODY].reads == 1
    assert "not how many documents it gave" in result.evidence.detail
    assert result.evidence.coverage is Coverage.PARTIAL and result.evidence.unparsed == 0
    assert PAN not in repr(result)


def test_a_store_of_all_databases() -> None:
    found = EVIDENCE.collect(
        {"uri": "folder"},
        opener({"a": json.dumps(check()).encode()}),
        [Store("mongodb://db", "mongodb")],
        (START, END),
        str,
        {"mongodb://db": known(3, ["shop.cards"])},
    )
    assert found["mongodb://db"].reads[0].card_reads == 1


def test_an_aggregation_reads_what_its_stages_name() -> None:
    stages = [
        {"$match": {"pan": PAN}},
        {"$lookup": {"from": "cards", "pipeline": [{"$unionWith": "old"}]}},
        {"$facet": {"x": [{"$unionWith": {"coll": "older"}}]}},
    ]
    result = one(
        check("aggregate", "orders", args={"aggregate": "orders", "pipeline": stages}, minute=1),
        check("aggregate", "orders", args={}, minute=2),
    )
    (alice,) = result.reads
    assert (alice.reads, alice.objects, alice.card_reads) == (2, 4, 1)
    assert "1 command may read more than is named" in result.evidence.detail


def test_without_granted_checks_nothing_is_claimed() -> None:
    result = one(check(result=13))
    assert result.evidence.coverage is Coverage.UNKNOWN
    assert "auditAuthorizationSuccess is not set" in result.evidence.detail
    assert one(check(atype="authenticate")).evidence.coverage is Coverage.NONE


def test_filters_starts_and_changes_are_named() -> None:
    filtered = {"auditLog": {"destination": "file", "filter": "{ 'users.user': 'x' }"}}
    result = one(
        check(),
        check(atype="startup", startupOptions=filtered, minute=10),
        check(atype="auditConfigure", user="root", minute=20),
    )
    detail = result.evidence.detail
    assert "started with auditLog.filter" in detail and "started once" in detail
    assert "1 change of settings of the audit, the first at 2026-03-01 00:20 UTC by root" in detail


@pytest.mark.parametrize(
    "stamp",
    [
        {"$date": "2026-03-01T01:05:00.000+01:00"},
        {"$date": {"$numberLong": "1772323500000"}},
        1772323500000,
    ],
)
def test_forms_of_time(stamp: Any) -> None:
    (alice,) = one({**check(), "ts": stamp}).reads
    assert alice.first == START + timedelta(minutes=5)


def test_damage_is_counted() -> None:
    result = one(
        check(), b'{"atype": "authCheck", "ts": 5', b"[1]", b'{"atype": 7}', check(minute=6)
    )
    assert result.reads[0].reads == 2 and result.evidence.unparsed == 3  # copies are one


def test_golden() -> None:
    """A log as the documentation describes it, of a server of version 6."""
    result = one(*[line.encode() for line in GOLDEN.read_text().splitlines()])
    found = by_user(result)
    assert {who: (each.reads, each.denied) for who, each in found.items()} == {
        "app@shop": (2, 0),
        "report@admin": (1, 0),
        "intern@admin": (0, 1),
    }
    assert result.evidence.unparsed == 0
