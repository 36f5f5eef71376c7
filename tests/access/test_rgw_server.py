"""A real Ceph gateway: what was done by script is what its operations log says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scanner.access.rgw import EVIDENCE
from scanner.model import Store
from tests import ceph_server
from tests.access.trails import opener
from tests.ceph_server import Gateway

pytestmark = [
    pytest.mark.skipif(ceph_server.missing() is not None, reason=str(ceph_server.missing())),
    pytest.mark.xdist_group("ceph"),
]
KEYS = ["cards.csv", 'dir/a b+c%"ü.csv', "open.csv"]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.stop()


def test_scripted_reads_are_counted(gateway: Gateway) -> None:
    users = [f"user{number}" for number in range(5)]
    for name in ("owner", *users):
        gateway.user(name)
    owner = gateway.client("owner")
    owner.create_bucket(Bucket="pay")
    for key in KEYS:
        owner.put_object(Bucket="pay", Key=key, Body=b"x" * 100)
    owner.put_object_acl(Bucket="pay", Key="open.csv", ACL="public-read")
    done: dict[str, tuple[int, int]] = {"owner": (0, 0)}
    for number, name in enumerate(users):
        client = gateway.client(name)
        for _ in range(number + 1):
            client.get_object(Bucket="pay", Key="open.csv")["Body"].read()
        for _ in range(number):
            with pytest.raises(ClientError):
                client.get_object(Bucket="pay", Key="cards.csv")
        done[name] = (number + 1, number)
    for key in KEYS:
        owner.get_object(Bucket="pay", Key=key)["Body"].read()
        owner.head_object(Bucket="pay", Key=key)
        owner.copy_object(Bucket="pay", Key="copy", CopySource={"Bucket": "pay", "Key": key})
    owner.list_objects_v2(Bucket="pay")
    done["owner"] = (len(KEYS), 0)
    gateway.client(None).get_object(Bucket="pay", Key="open.csv")["Body"].read()
    done["anonymous (no credentials)"] = (1, 0)
    with suppress(ClientError):
        gateway.client("owner", "a wrong secret").get_object(Bucket="pay", Key="cards.csv")
    now = datetime.now(UTC)
    found: Any = EVIDENCE.collect(
        {"uri": "folder"},
        opener({"ops.log": gateway.log.read_bytes()}),
        [Store("s3://pay", "s3", options={"endpoint": gateway.endpoint})],
        (now - timedelta(hours=1), now + timedelta(minutes=5)),
        lambda name: name,
    )
    result = found["s3://pay"]
    assert {r.principal: (r.reads, r.denied) for r in result.reads} == done
    assert {r.principal: r.bytes for r in result.reads}["owner"] == 100 * len(KEYS)
    assert "3 copies whose source the log does not tell" in result.evidence.detail
    assert "whose signature was wrong" in result.evidence.detail
    assert result.evidence.unparsed == 0
