"""Counts of reads out of CloudTrail files."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.access import plain_reads
from scanner.access.cloudtrail import EVIDENCE
from scanner.contracts import EvidenceResult
from scanner.model import Access, Coverage, Reads, Store
from tests.access.trails import (
    ABROAD,
    ANONYMOUS,
    END,
    FOREIGN,
    OWNER,
    START,
    collect,
    copy,
    delivered,
    event,
    one,
    opener,
    role,
    user,
)
from tests.examples import costly

APP = f"arn:aws:iam::{OWNER}:role/app session app-1"


def by_principal(result: EvidenceResult) -> dict[str, Reads]:
    return {reads.principal: reads for reads in result.reads}


def test_reads_are_counted_by_principal() -> None:
    result = one(
        delivered(
            event(key="a", minute=10, sent=1.0),
            event(key="a", minute=5, sent=20),
            event("SelectObjectContent", key="b", minute=7, sent=300),
            event(key="c", who=user(), sent=0),
            event("HeadObject"),
            event("ListObjects", key=None),
            event("PutObject"),
            event("GetObjectAcl"),
        )
    )
    found = by_principal(result)
    assert found[APP] == Reads(
        principal=APP,
        reads=3,
        bytes=321,
        objects=2,
        denied=0,
        first=START + timedelta(minutes=5),
        last=START + timedelta(minutes=10),
    )
    alice = found[f"arn:aws:iam::{OWNER}:user/alice"]
    assert (alice.reads, alice.bytes, alice.objects, alice.rows) == (1, 0, 1, None)
    assert len(found) == 2


def test_refused_and_failed_calls_are_no_reads() -> None:
    result = one(
        delivered(
            event(errorCode="AccessDenied"),
            event("HeadObject", errorCode="AccessDenied"),
            event(errorCode="NoSuchKey"),
            event(errorCode="NotModified"),
        )
    )
    (reads,) = result.reads
    assert (reads.reads, reads.denied, reads.objects) == (0, 2, 0)
    assert Access(evidence=(result.evidence,), did_read=result.reads).answer == "cannot-tell"


def test_a_copy_reads_its_source() -> None:
    found = collect(
        delivered(
            copy("/pay/cards.csv"),
            copy("pay/dir/a%20b+c.csv?versionId=v1"),
            {**copy("/pay/cards.csv"), "eventName": "UploadPartCopy"},
            copy("other/x"),
        ),
        stores=("s3://pay", "s3://elsewhere", "s3://pay/dir/a b+c.csv"),
    )
    (reads,) = found["s3://pay"].reads
    assert (reads.reads, reads.objects, reads.bytes) == (3, 2, None)
    assert "bytes of 3 copies are not told" in found["s3://pay"].evidence.detail
    assert found["s3://elsewhere"].reads == ()
    assert found["s3://pay/dir/a b+c.csv"].reads[0].reads == 1


def test_the_part_of_a_bucket_that_the_store_is() -> None:
    found = collect(
        delivered(*(event(key=key) for key in ("p", "p/a", "p/b/c", "p-old/a", "q"))),
        stores=("s3://pay", "s3://pay/p", "s3://pay/p/b", "s3://pay/none"),
    )
    assert [sum(r.reads or 0 for r in found[uri].reads) for uri in found] == [5, 3, 1, 0]


def test_a_read_without_an_object_counts_and_is_said() -> None:
    result = collect(delivered(event(key=None)), stores=("s3://pay/p",))["s3://pay/p"]
    assert result.reads[0].reads == 1 and result.reads[0].objects is None
    assert "1 read does not name the object" in result.evidence.detail


def test_an_access_point_is_not_the_bucket() -> None:
    through = event(bucket="pay")
    through["requestParameters"]["bucketName"] = "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap"
    assert one(delivered(through)).reads[0].reads == 1


POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap"


@pytest.mark.parametrize(
    "source",
    [
        f"{POINT}/object/dir/cards.csv",
        quote(f"{POINT}/object/dir/cards.csv", safe=""),
        "ap-0123456789abcdefghijklmnop-s3alias/dir/cards.csv?versionId=1",
    ],
)
def test_a_copy_through_an_access_point_is_of_the_bucket_behind_it(source: str) -> None:
    """The resources name the copy, too, which often has the same key."""
    made, read = event(key="dir/cards.csv", bucket="elsewhere"), event(key="dir/cards.csv")
    record = copy(source, resources=[*made["resources"], *read["resources"]])
    record["requestParameters"]["key"] = "dir/cards.csv"
    (reads,) = one(delivered(record)).reads
    assert (reads.reads, reads.objects) == (1, 1)
    record["resources"] = made["resources"]
    untold = one(delivered(record))
    assert not untold.reads and untold.evidence.unparsed == 1


def test_directory_buckets() -> None:
    bucket = "fast--euw1-az1--x-s3"
    record = event(bucket=bucket, eventSource="s3express.amazonaws.com")
    uri = f"s3://{bucket}"
    (reads,) = collect(delivered(record), stores=(uri,))[uri].reads
    assert (reads.reads, reads.bytes, reads.flags) == (1, 100, ())


def test_bytes_that_are_not_told_are_unknown() -> None:
    for nothing in (None, "100", -1, True, [1], 1e300):
        (reads,) = one(delivered(event(sent=nothing))).reads
        assert reads.bytes is None
    (reads,) = one(delivered(event(additionalEventData=None))).reads
    assert (reads.reads, reads.bytes) == (1, None)


def test_anonymous_and_foreign_callers_are_flagged_with_numbers() -> None:
    result = one(
        delivered(
            event(who=ANONYMOUS, key="a", minute=1),
            event(who={**ANONYMOUS, "accountId": "anonymous"}, key="b", minute=2),  # since 2024
            event(who=ABROAD),
            event(who=role(account=FOREIGN), errorCode="AccessDenied"),
            event(who={"type": "AWSService", "invokedBy": "cloudfront.amazonaws.com"}),
            event(who=user()),
        )
    )
    flags = {r.principal: [(f.rule, f.sentence) for f in r.flags] for r in result.reads}
    assert flags["anonymous (no credentials)"] == [
        (
            "anonymous",
            "somebody without credentials read 2 times, 2 different objects, 200 bytes, between "
            "2026-03-01 00:01 and 2026-03-01 00:02 UTC",
        )
    ]
    (foreign,) = flags[f"account {FOREIGN} (AIDAEXAMPLE)"]
    assert foreign[0] == "foreign-account" and FOREIGN in foreign[1] and "once" in foreign[1]
    (refused,) = flags[f"arn:aws:iam::{FOREIGN}:role/app session app-1"]
    assert "was refused once" in refused[1]
    assert flags["cloudfront.amazonaws.com"] == flags[f"arn:aws:iam::{OWNER}:user/alice"] == []


def test_a_source_identity_is_told_beside_the_session() -> None:
    """It stays when one role takes another, whatever the session is called then."""
    records = []
    for number, source in enumerate(["ann@firm.example", "ann@firm.example", "bob", "", None, 7]):
        who = role(session=f"s-{number % 5}")
        who["sessionContext"]["sourceIdentity"] = source
        records.append(event(who=who, key=str(number)))
    told = [each.principal.partition("session ")[2] for each in one(delivered(*records)).reads]
    ann = ", source identity ann@firm.example"
    bob = "s-2, source identity bob"
    assert sorted(told) == ["s-0", f"s-0{ann}", f"s-1{ann}", bob, "s-3", "s-4"]


def test_events_outside_the_window_do_not_count() -> None:
    """To the hour: the facts do not tell the minutes of reads of one hour apart."""
    records = [event(minute=minute) for minute in (-1, 0, 360, 420)]
    assert one(delivered(*records)).reads[0].reads == 2


def test_times_of_other_zones_are_the_same_moment() -> None:
    moved = event(eventTime="2026-03-01T02:05:00+02:00")
    (reads,) = one(delivered(moved)).reads
    assert reads.first == START + timedelta(minutes=5)


def test_an_event_counts_once_however_often_it_comes() -> None:
    first, other = event(sharedEventID="s-1"), event(sharedEventID="s-1")
    plain = event()
    result = one(delivered(first, plain, plain), delivered(plain), delivered(other))
    assert result.reads[0].reads == 2


def test_names_that_hold_card_numbers_are_sealed() -> None:
    result = one(
        delivered(
            event(key="4111111111111111.csv", who=role(session="4111111111111111")),
            event(who={"type": "IAMUser", "userName": "4111111111111111"}),
            event(who={"type": "AWSAccount", "accountId": "4111111111111111"}),
            event(
                who={
                    "type": "AWSAccount",
                    "accountId": FOREIGN,
                    "principalId": "4111111111111111",
                }
            ),
        )
    )
    assert len(result.reads) == 3 and result.evidence.unparsed == 1
    assert "4111111111111111" not in repr(result)
    assert any("session [sealed]" in reads.principal for reads in result.reads)


def test_only_s3_stores_are_answered_for() -> None:
    assert collect(delivered(event()), stores=("sqlite:///a.db", "/srv/files")) == {}


def test_many_principals_share_an_entry_in_the_end() -> None:
    sessions = delivered(*(event(who=role(session=f"s{i}")) for i in range(60)))
    users = delivered(*(event(who=user(f"u{i}")) for i in range(2100)))
    result = one(sessions, users)
    assert sum(reads.reads or 0 for reads in result.reads) == 2160
    assert len(result.reads) <= 2000 + 51
    others = by_principal(result)
    assert others[f"arn:aws:iam::{OWNER}:role/app session other sessions"].reads == 10


# --- properties -----------------------------------------------------------------------------------

_KINDS = st.sampled_from(["GetObject", "HeadObject", "CopyObject", "PutObject"])


@st.composite
def _records(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for name in draw(st.lists(_KINDS, max_size=12)):
        key, minute = draw(st.sampled_from("abc")), draw(st.integers(0, 300))
        who = draw(st.sampled_from([role(), role("app-2"), user(), ANONYMOUS, ABROAD]))
        error = draw(st.sampled_from([None, None, "AccessDenied"]))
        if name == "CopyObject":
            made.append(copy(f"/pay/{key}", minute, who=who, errorCode=error))
        else:
            made.append(event(name, key, who=who, minute=minute, errorCode=error))
    return made


@given(_records(), st.randoms(), st.integers(1, 4))
@costly(6)
def test_order_repetition_and_files_never_change_a_count(
    records: list[dict[str, Any]], random: Any, parts: int
) -> None:
    mixed = [record for record in records for _ in range(random.randint(1, 3))]
    random.shuffle(mixed)
    files = [delivered(*mixed[part::parts]) for part in range(parts)]
    assert one(*files).reads == one(delivered(*records)).reads
    expected = sum(
        record["eventName"] in {"GetObject", "CopyObject"} and not record["errorCode"]
        for record in records
    )
    assert sum(reads.reads or 0 for reads in one(*files).reads) == expected


_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | _FINITE | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(event())), _ANYTHING, max_size=4), st.booleans())
@costly(15)
def test_wrong_types_never_stop_the_counting(wrong: dict[str, Any], inside: bool) -> None:
    bad = {**event(who=user("other")), **wrong}
    if inside:
        bad = {**event(), "userIdentity": {**role(), **wrong}, "requestParameters": wrong}
    result = one(delivered(bad, event(), "no record", 7, None))
    good = by_principal(result)[APP]
    assert good.reads and good.reads >= 1
    assert result.evidence.unparsed >= 3
    assert result.evidence.coverage is not Coverage.COMPLETE


def _one_by_one(reads: Any, found: Any) -> Any:
    yield from found


@given(_records(), st.sampled_from(["Z", ".5Z", "+02:00", "", "X"]), st.integers(1, 3))
@costly(4)
def test_many_at_once_and_one_by_one_agree(
    records: list[dict[str, Any]], zone: str, held: int
) -> None:
    for record in records[::2]:
        record["eventTime"] = record["eventTime"][:-1] + zone
    stores = ("s3://pay", "s3://pay/a", "s3://elsewhere")
    half_an_hour = (START + timedelta(minutes=30), START + timedelta(minutes=270))
    for window in ((START, END), half_an_hour):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plain_reads, "HELD", held)
            fast = collect(delivered(*records), stores=stores, window=window)
            patch.setattr(plain_reads.PlainReads, "sift", _one_by_one)
            slow = collect(delivered(*records), stores=stores, window=window)
        assert fast == slow


@pytest.mark.parametrize(
    "time", ["2026-W09-7T00:05:00Z", "20260301T0:05:00Z", "2026-03-01T٠0:05:00Z"]
)
def test_times_that_look_plain_and_are_not(time: str) -> None:
    result = one(delivered(event(eventTime=time), event()))
    assert sum(reads.reads or 0 for reads in result.reads) + result.evidence.unparsed == 2


# --- outside data ---------------------------------------------------------------------------------


@pytest.mark.skipif("CARDTRAIL_CORPORA" not in os.environ, reason="needs outside data")
def test_real_trails() -> None:
    folder = Path(os.environ["CARDTRAIL_CORPORA"]) / "access"
    files = {path.name: path.read_bytes() for path in sorted((folder / "cloudtrail").iterdir())}
    window = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))

    def answers(files: Any, *uris: str) -> dict[str, EvidenceResult]:
        stores = [Store(uri, "s3") for uri in uris]
        found = EVIDENCE.collect({"uri": "folder"}, opener(files), stores, window, lambda n: n)
        return dict(found)

    (blind,) = answers(files, "s3://any").values()
    assert blind.evidence.coverage is Coverage.NONE
    assert "2,900 CloudTrail records, none of them a data event" in blind.evidence.detail
    assert Access(evidence=(blind.evidence,)).answer == "cannot-tell"
    name = "s3_cloudtrail_events.json"
    records = json.loads((folder / name).read_text())
    buckets = {
        bucket
        for record in records
        if isinstance(bucket := (record["requestParameters"] or {}).get("bucketName"), str)
    } | {"guardiumuniversalconnectorbucket"}
    told = answers({name: (folder / name).read_bytes()}, *(f"s3://{each}" for each in buckets))
    # 140 records, 61 of them distinct: one GetObject and nine CopyObject among those
    assert sum(r.reads or 0 for result in told.values() for r in result.reads) == 10
    assert {result.evidence.unparsed for result in told.values()} == {0}
