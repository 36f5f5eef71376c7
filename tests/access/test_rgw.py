"""The operations log of Ceph's gateway: a real one, and hostile ones."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.access.rgw import EVIDENCE
from scanner.access.rgw_lines import record
from scanner.contracts import EvidenceResult
from scanner.model import Coverage, Reads, Store
from tests.access.trails import opener

LOG = (Path(__file__).parent / "rgw_ops.log").read_bytes()
"""what Ceph 16.2.15 wrote of scripted requests"""
WINDOW = (datetime(2026, 11, 24, 7, tzinfo=UTC), datetime(2026, 11, 24, 9, tzinfo=UTC))
GATEWAY = "https://rgw.example"
CARD = "4111111111111111"


def collect(*files: bytes, stores: tuple[str, ...] = ("s3://pay",), **more: Any) -> Any:
    return EVIDENCE.collect(
        {"uri": "folder", **more},
        opener({str(number): data for number, data in enumerate(files)}),
        [Store(uri, "s3", options={"endpoint": GATEWAY}) for uri in stores],
        WINDOW,
        lambda name: name.replace(CARD, "[sealed]"),
    )


def one(*files: bytes, **more: Any) -> EvidenceResult:
    found: EvidenceResult = collect(*files, **more)["s3://pay"]
    return found


def by(result: EvidenceResult) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


def test_a_real_log() -> None:
    result = one(LOG)
    found = by(result)
    etl = found["etl"]
    # three, then three names, a range, one with If-None-Match, one with a query
    assert (etl.reads, etl.bytes, etl.objects, etl.denied) == (9, 7207, 4, 0)
    assert (found["bob"].reads, found["bob"].denied) == (1, 1)
    somebody = found["anonymous (no credentials)"]
    assert (somebody.reads, somebody.denied) == (2, 1)
    assert [flag.rule for flag in somebody.flags] == ["anonymous"]
    assert found["acme$eve"].reads == 1
    evidence = result.evidence
    assert evidence.coverage is Coverage.PARTIAL and evidence.unparsed == 0
    assert "2 copies whose source the log does not tell" in evidence.detail
    assert "not requests whose signature was wrong" in evidence.detail
    assert CARD not in repr(result)


def test_every_way_the_log_comes() -> None:
    whole = one(LOG).reads
    entries = [json.loads(line) for line in LOG.splitlines()]
    socket = b"[" + b"".join(json.dumps(entry).encode() + b",\n" for entry in entries)
    shown = json.dumps({"bucket_id": "x", "log_entries": entries}, indent=4).encode()
    for data in (gzip.compress(LOG), b"\n" + LOG.replace(b"\n", b"\n\n"), socket, shown):
        assert one(data).reads == whole
    assert one(gzip.compress(shown)).reads == whole
    assert one(LOG, LOG, shown).reads == whole


def test_the_part_of_a_bucket() -> None:
    (reads,) = collect(LOG, stores=("s3://pay/dir",))["s3://pay/dir"].reads
    assert (reads.reads, reads.principal) == (1, "etl")


def test_only_stores_of_such_servers_are_answered_for() -> None:
    files = opener({"a": LOG})
    aws = [Store("s3://pay", "s3")]
    assert EVIDENCE.collect({"uri": "folder"}, files, aws, WINDOW, str) == {}
    assert collect(LOG, endpoint="https://other.example") == {}
    assert collect(LOG, endpoint=GATEWAY)


def entry(**more: Any) -> bytes:
    plain = {
        "bucket": "pay",
        "time": "2026-11-24T07:30:00.5Z",
        "operation": "get_obj",
        "user": "etl",
        "uri": "GET /pay/a HTTP/1.1",
        "http_status": "200",
        "bytes_sent": 5,
        "trans_id": f"tx-{more}",
    }
    return json.dumps({**plain, **more}).encode() + b"\n"


@pytest.mark.parametrize(
    ("more", "reads"),
    [
        ({}, 1),
        ({"uri": "GET /a HTTP/1.1"}, 1),
        ({"uri": "GET /acme:pay/a HTTP/1.1", "bucket": "acme/pay"}, 1),
        ({"uri": "GET /swift/v1/AUTH_x/pay/a HTTP/1.1"}, 1),
        ({"uri": "GET /pay/a?versionId=1?versionId=1 HTTP/1.1"}, 1),
        ({"uri": "HEAD /pay/a HTTP/1.1"}, 0),
        ({"http_status": "304"}, 0),
        ({"http_status": 206}, 1),
        ({"operation": "put_obj", "uri": "PUT /pay/a HTTP/1.1"}, 0),
        ({"bucket": "other"}, 0),
        ({"time": "2026-11-24T09:30:00+02:00"}, 1),
        ({"object": "a", "uri": "GET /x HTTP/1.1"}, 1),
    ],
)
def test_entries(more: dict[str, Any], reads: int) -> None:
    result = one(entry(**more))
    assert sum(each.reads or 0 for each in result.reads) == reads
    assert result.evidence.unparsed == 0


def test_a_user_of_another_tenant_is_flagged() -> None:
    (reads,) = one(entry(user="acme$eve")).reads
    assert [flag.rule for flag in reads.flags] == ["foreign-account"]
    assert "tenant acme" in reads.flags[0].sentence


@pytest.mark.parametrize(
    "line",
    [
        entry(time="yesterday"),
        entry(uri=""),
        entry(bucket=7),
        entry(bytes_sent="x"),
        entry()[:-20],
        b'{"trans_id": "' + b"x" * 1000,
        b"[" * 5000 + b'"trans_id"',
    ],
)
def test_what_is_not_understood_is_counted(line: bytes) -> None:
    result = one(entry() + line + b"\n" + entry(user="bob"))
    assert sum(each.reads or 0 for each in result.reads) == 2
    assert result.evidence.unparsed == 1
    assert "1 line could not be understood" in result.evidence.detail


def test_names_that_are_no_text() -> None:
    line = entry(uri="GET /pay/x HTTP/1.1").replace(b"/pay/x", b"/pay/\xff")
    assert one(line).reads[0].reads == 1


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@settings(max_examples=100, deadline=None)
def test_any_line(line: bytes) -> None:
    record(line)
    record(b'{"bucket":"b","time":"2026-01-01T00:00:00Z","operation":"get_obj","uri":"' + line)
