"""Counts of reads out of S3 server access logs, and lines made to mislead."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.access.s3_access_lines import record
from scanner.access.s3_access_logs import EVIDENCE
from scanner.contracts import EvidenceResult
from scanner.known import known
from scanner.model import Access, Coverage, Problem, Reads, Store
from tests.access.trails import END, FOREIGN, OWNER, START, opener
from tests.examples import costly

OWNER_ID = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
ALICE = f"arn:aws:iam::{OWNER}:user/alice"
_ids = count()


def line(
    operation: str = "REST.GET.OBJECT",
    key: str = "cards.csv",
    *,
    bucket: str = "pay",
    requester: str = ALICE,
    status: str = "200",
    error: str = "-",
    sent: str = "100",
    uri: str = '"GET /cards.csv HTTP/1.1"',
    referer: str = '"-"',
    agent: str = '"aws-cli/2"',
    minute: float = 5,
    zone: str = "+0000",
    request: str | None = None,
    tail: str = "- h/ost= SigV4 ECDHE AuthHeader pay.s3.amazonaws.com TLSv1.3 - Yes eu-west-1",
) -> str:
    when = (START + timedelta(minutes=minute)).strftime("%d/%b/%Y:%H:%M:%S")
    request = request or f"{next(_ids):016X}"
    return (
        f"{OWNER_ID} {bucket} [{when} {zone}] 192.0.2.3 {requester} {request} {operation} {key}"
        f" {uri} {status} {error} {sent} 4000 17 16 {referer} {agent} {tail}"
    )


def collect(
    *files: str | bytes | Problem,
    stores: tuple[str, ...] = ("s3://pay",),
    window: tuple[datetime, datetime] = (START, END),
    cards: dict[str, list[str]] | None = None,
    **more: Any,
) -> dict[str, EvidenceResult]:
    folder = {
        f"{i:03}": data.encode() if isinstance(data, str) else data for i, data in enumerate(files)
    }
    return dict(
        EVIDENCE.collect(
            {"uri": "folder", **more},
            opener(folder),
            [Store(uri, "s3") for uri in stores],
            window,
            lambda name: name.replace("4111111111111111", "[sealed]"),
            {uri: known(100, names) for uri, names in (cards or {}).items()},
        )
    )


def one(*lines: str, **more: Any) -> EvidenceResult:
    return collect("\n".join(lines) + "\n", **more)["s3://pay"]


def test_what_is_a_read() -> None:
    result = one(
        line(key="a", minute=1),
        line(key="b", sent="-", status="206", minute=9),
        line("WEBSITE.GET.OBJECT", "c"),
        line("REST.COPY.OBJECT_GET", "d", uri="-", sent="-"),
        line("REST.COPY.PART_GET", "d", uri="-", sent="512"),
        line(status="304", sent="-"),
        line(status="404", error="NoSuchKey"),
        line(status="403", error="AccessDenied"),
        line("REST.HEAD.OBJECT"),
        line("REST.GET.OBJECT_TAGGING"),
        line("REST.GET.BUCKET", "-"),
        line("REST.PUT.OBJECT"),
        line("S3.EXPIRE.OBJECT", requester="AmazonS3", uri="-", status="-", sent="-"),
    )
    (reads,) = result.reads
    assert reads == Reads(
        principal=ALICE,
        reads=5,
        bytes=200,
        objects=4,
        denied=1,
        first=START + timedelta(minutes=1),
        last=START + timedelta(minutes=9),
    )
    assert result.evidence.unparsed == 0
    assert "bytes of 2 copies are not told" in result.evidence.detail


@pytest.mark.parametrize("fields", range(1, 11))
def test_fields_at_the_end_may_be_missing_or_new(fields: int) -> None:
    whole = ["v1", "host=", "SigV4", "ECDHE", "AuthHeader", "pay.s3", "TLSv1.3", "arn:ap", "Yes"]
    whole.append("eu-west-1")
    assert record(line(tail=" ".join(whole[:fields])).encode())
    assert record(line(tail=" ".join([*whole, *("new",) * fields])).encode())


def test_callers() -> None:
    role = f"arn:aws:sts::{OWNER}:assumed-role/app/i-0123"
    abroad = f"arn:aws:iam::{FOREIGN}:user/bob"
    result = one(
        line(requester=role),
        line(requester="-"),
        line(requester="Anonymous"),
        line(requester=OWNER_ID),
        line(requester="a" * 64),
        line(requester=abroad),
        account=OWNER,
    )
    flags = {r.principal: [flag.rule for flag in r.flags] for r in result.reads}
    assert flags == {
        f"arn:aws:iam::{OWNER}:role/app session i-0123": [],
        "anonymous (no credentials)": ["anonymous"],
        "the account of the bucket's owner (root, or not told)": [],
        f"canonical user {'a' * 16}": ["foreign-account"],
        abroad: ["foreign-account"],
    }
    unsaid = one(line(requester=abroad), line())
    assert not any(reads.flags for reads in unsaid.reads)
    assert "callers of 2 accounts" in unsaid.evidence.detail


QUOTED = [
    {"agent": '"Mozilla "quoted" agent"'},
    {"agent": '"""'},
    {"referer": '"http://x/"y""', "agent": '"a"b"'},
    {"uri": '"GET /cards.csv?q="x" HTTP/1.1"'},
    {"uri": '"GET /a b c HTTP/1.1"'},
    {"agent": '"unclosed'},
]


@pytest.mark.parametrize("hostile", QUOTED)
def test_a_quote_hides_no_line(hostile: dict[str, str]) -> None:
    (reads,) = one(line(**hostile)).reads  # type: ignore[arg-type] # every value is a str
    assert (reads.reads, reads.bytes) == (1, 100)


FORGED = '" 403 AccessDenied 0 - 1 1 "-" "x'


@pytest.mark.parametrize("place", ["uri", "referer", "agent"])
def test_a_forged_result_hides_no_read(place: str) -> None:
    result = one(line(**{place: f'"GET /a HTTP/1.1{FORGED}"'}))  # type: ignore[arg-type] # a str
    (reads,) = result.reads
    assert (reads.reads, reads.bytes, reads.denied) == (1, None, 0)
    assert "1 line holds quotes that make their result uncertain" in result.evidence.detail


def test_a_forged_line_cannot_be_smuggled_into_the_key() -> None:
    forged = f"x%0A{OWNER_ID}%20pay"
    result = one(line(key=forged))
    assert [reads.reads for reads in result.reads] == [1]


def test_what_does_not_parse_is_counted() -> None:
    good = line()
    lines = [good, "garbage", good[:120], good.replace("/Mar/", "/Mxr/"), "\x00\xff", "{}"]
    result = one(*lines)
    assert result.evidence.unparsed == 5
    assert "5 lines could not be understood" in result.evidence.detail
    assert result.reads[0].reads == 1


def test_other_files_and_damage() -> None:
    packed = gzip.compress("\n".join(line(minute=i) for i in range(2000)).encode())
    found = collect(
        line(), packed[: len(packed) // 2], "readme\n", b"", Problem("access-denied", "")
    )["s3://pay"]
    assert 1 < (found.reads[0].reads or 0) < 2000
    for said in ("1 file is cut off", "1 file could not be read", "2 other files passed over"):
        assert said in found.evidence.detail, found.evidence.detail
    assert found.evidence.unparsed == 1  # the line the damage cut


def test_a_line_without_end_is_counted_and_what_follows_is_read() -> None:
    huge = b"x" * (5 << 20)
    data = b"\n".join([line().encode(), huge, line().encode()])
    (reads,) = (result := collect(data)["s3://pay"]).reads
    assert reads.reads == 2 and result.evidence.unparsed == 1


def test_repeated_lines_count_once_and_parts_of_a_copy_apart() -> None:
    first = line(request="A" * 16)
    read = line("REST.COPY.OBJECT_GET", "a", uri="-", request="B" * 16)
    written = line("REST.COPY.OBJECT", "b", request="B" * 16)
    found = collect("\n".join([first, read, written]), f"{first}\n{written}\n{read}")["s3://pay"]
    assert found.reads[0].reads == 2


def test_time_zones_and_the_window() -> None:
    inside = line(minute=5 + 120, zone="+0200")
    assert one(inside).reads[0].first == START + timedelta(minutes=5)
    before = line(minute=60, zone="+0200")  # an hour before the window in UTC
    result = one(before, line())
    assert result.reads[0].reads == 1


def test_prefixes_with_keys_encoded_twice() -> None:
    result = collect(
        line(key="dir%252520a%2Fb") + "\n" + line(key="dir%2520a/b") + "\n" + line(key="q"),
        stores=("s3://pay", "s3://pay/dir a", "s3://pay/dir%20a", "s3://else"),
    )
    counts = {uri: sum(r.reads or 0 for r in each.reads) for uri, each in result.items()}
    assert counts == {"s3://pay": 3, "s3://pay/dir a": 1, "s3://pay/dir%20a": 2, "s3://else": 0}
    assert result["s3://else"].evidence.coverage is Coverage.UNKNOWN


def test_coverage_is_never_complete() -> None:
    every_hour = [line(minute=60 * hour + 1) for hour in range(6)]
    result = one(*every_hour)
    assert result.evidence.coverage is Coverage.PARTIAL
    assert "best-effort" in result.evidence.detail and "hours" not in result.evidence.detail[200:]
    gap = one(every_hour[0], every_hour[4])
    assert "no line of this store in 3 hours" in gap.evidence.detail
    writes = one(line("REST.PUT.OBJECT"))
    assert Access(evidence=(writes.evidence,), did_read=writes.reads).answer == "cannot-tell"
    nothing = collect("")["s3://pay"]
    assert nothing.evidence.coverage is Coverage.NONE


def test_names_are_sealed() -> None:
    result = one(
        line(
            key="4111111111111111.csv", requester="arn:aws:iam::123456789012:user/x4111111111111111"
        ),
        line(requester=f"arn:aws:sts::{OWNER}:assumed-role/a/4111111111111111"),
    )
    assert "4111111111111111" not in repr(result) and len(result.reads) == 2


def test_reads_of_what_holds_cards() -> None:
    result = one(
        line(key="a"),
        line(key="4111111111111111"),
        line(key="b", requester="-"),
        cards={"s3://pay": ["a", "[sealed]"]},
    )
    said = "2 of the reads seen, by 1 principal, were of the 2 objects that hold cards"
    assert said in result.evidence.detail


def test_json_forms() -> None:
    watch = {
        "schema_version_id": "V_1_0",
        "bucket_name": "pay",
        "request_time": "2026-03-01T00:05:00.123Z",
        "bucket_owner_id": OWNER_ID,
        "requester": None,
        "request_id": "1",
        "operation": "REST.GET.OBJECT",
        "key_name": "a%20b",
        "http_status": 200,
        "error_code": None,
        "bytes_sent": 7,
    }
    table = {
        "bucketowner": OWNER_ID,
        "bucket_name": "pay",
        "requestdatetime": "01/Mar/2026:00:06:00 +0000",
        "requester": ALICE,
        "requestid": "2",
        "operation": "REST.GET.OBJECT",
        "key": "a",
        "httpstatus": "403",
        "bytessent": "-",
    }
    wrong = [
        {**watch, "operation": 7},
        {**watch, "request_time": "soon"},
        {**watch, "requester": []},
    ]
    result = one(*(json.dumps(each) for each in (watch, table, table, *wrong)))
    by = {reads.principal: reads for reads in result.reads}
    assert (by["anonymous (no credentials)"].reads, by["anonymous (no credentials)"].bytes) == (
        1,
        7,
    )
    assert (by[ALICE].reads, by[ALICE].denied) == (0, 1)
    assert result.evidence.unparsed == 3


@pytest.mark.parametrize(
    ("key", "request_uri", "name"),
    [
        ("a%2520b.csv", "GET /a%20b.csv HTTP/1.1", "a b.csv"),
        ("a%20b.csv", "GET /pay/a%20b.csv?versionId=1 HTTP/1.1", "a b.csv"),
        ("a b.csv", "GET /a%20b.csv HTTP/1.1", "a b.csv"),
        ("a%20b.csv", "GET /a%2520b.csv HTTP/1.1", "a%20b.csv"),
        ("a%2520b.csv", None, "a b.csv"),
        ("a b.csv", None, "a b.csv"),
    ],
)
def test_keys_of_json_are_the_ones_asked_for(key: str, request_uri: str | None, name: str) -> None:
    """However often the export has encoded them."""
    entry = {
        "bucket_name": "pay",
        "request_time": "2026-03-01T00:05:00.123Z",
        "operation": "REST.GET.OBJECT",
        "key_name": key,
        "request_uri": request_uri,
        "http_status": 200,
        "requester": ALICE,
        "source_region": "eu-west-1",
    }
    (reads,) = one(json.dumps(entry), cards={"s3://pay": [name]}).reads
    assert reads.card_reads == 1


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_a_record_or_none(data: bytes) -> None:
    record(data)
    record(line(agent='"' + data.decode("latin-1").replace("\n", "") + '"').encode())


@given(st.lists(st.sampled_from(range(12)), max_size=30), st.randoms(), st.integers(1, 3))
@costly(5)
def test_order_repetition_and_files_never_change_a_count(
    picks: list[int], random: Any, parts: int
) -> None:
    pool = [line(key=str(i % 5), minute=i, request=f"R{i}") for i in range(12)]
    mixed = [pool[i] for i in picks for _ in range(random.randint(1, 2))]
    random.shuffle(mixed)
    files = ["\n".join(mixed[part::parts]) for part in range(parts)]
    reads = collect(*files)["s3://pay"].reads
    assert sum(r.reads or 0 for r in reads) == len(set(picks))


@pytest.mark.skipif("CARDTRAIL_CORPORA" not in os.environ, reason="needs outside data")
def test_records_that_others_wrote() -> None:
    folder = Path(os.environ["CARDTRAIL_CORPORA"]) / "access"
    cases = json.loads((folder / "labelled_events_and_bucket_configs.json").read_text())
    logs = [case["log"] for case in cases if "S3.ServerAccess" in case["rule"]]
    whole = [log for log in logs if {"time", "bucket", "operation"} <= set(log)]
    found = [record(json.dumps(log).encode()) for log in whole]
    assert len(whole) >= 8 and all(found)
    reads = [each for each in found if each and each.reads]
    assert {each.succeeded for each in reads} == {True, False}
    assert all(each.when < datetime(2030, 1, 1, tzinfo=UTC) for each in reads)
