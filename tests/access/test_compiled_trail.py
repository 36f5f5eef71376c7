"""The compiled reader of CloudTrail's files against decoding each record: one answer."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.access import compiled
from scanner.access.book import events_hashed
from scanner.access.cloudtrail import EVIDENCE, _owner
from scanner.access.cloudtrail_records import event_of
from scanner.access.identity import Callers
from scanner.access.plaincolumns import Doer, PlainColumns
from scanner.contracts import EvidenceResult, FactsAt, Source
from scanner.model import Store
from tests.examples import costly

NATIVE = compiled.native
built = pytest.mark.skipif(NATIVE is None, reason="the extension is not built: no C compiler")
WINDOW = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
STORES = [Store("s3://pay", "s3"), Store("s3://pay/cards", "s3"), Store("s3://other/x", "s3")]


def test_it_is_built_where_there_is_a_compiler() -> None:
    if os.environ.get("CARDTRAIL_ARRAYS"):
        pytest.skip("CARDTRAIL_ARRAYS is set")
    assert NATIVE is not None or shutil.which("cc") is None


def _record(rng: random.Random) -> dict[str, Any]:
    role = rng.choice(["etl", "web", "Ünï", "a\nb"])
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::111122223333:assumed-role/{role}/{rng.randrange(3)}",
            "accountId": "111122223333",
            "sessionContext": {"sessionIssuer": {"arn": f"arn:aws:iam::111122223333:role/{role}"}},
        },
        "eventTime": f"2026-03-0{rng.randrange(1, 8)}T{rng.randrange(24):02}:10:07Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "requestParameters": {
            "bucketName": rng.choice(["pay", "pay", "other", "elsewhere"]),
            "key": rng.choice(["cards/a", "cards", "b", "cärds/ä", 'cards/quote"d', ""]),
        },
        "additionalEventData": {"bytesTransferredOut": rng.choice([0, 17, 1.0, 2.5, 1 << 41])},
        "eventID": f"{rng.getrandbits(128):032x}-abc",
        "resources": [
            {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::pay", "accountId": "1" * 12}
        ],
        "recipientAccountId": "111122223333",
        "eventCategory": "Data",
        "managementEvent": False,
    }


_ODD: list[Any] = [
    *(
        None,
        "",
        "x",
        0,
        7,
        -1,
        1.5,
        1e300,
        True,
        [],
        ["a"],
        {},
        {"a": {"b": []}},
        "é",
        "a\\b",
        "\x7f",
    ),
    *(
        "2026-02-29T00:00:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T00:00:60Z",
        "0000-01-01T00:00:00Z",
    ),
    *("2026-03-02T01:00:00+02:00", "9999-12-31T23:59:59Z", "x" * 36, "Data", "HeadObject"),
    *("arn:aws:s3:eu-west-1:1:accesspoint/a", "a-s3alias", "CopyObject", "AccessDenied"),
]
_PLACES = [
    *(("eventTime",), ("eventID",), ("sharedEventID",), ("eventSource",), ("eventName",)),
    *(("eventCategory",), ("errorCode",), ("userIdentity",), ("userIdentity", "accountId")),
    *(("requestParameters",), ("requestParameters", "bucketName"), ("requestParameters", "key")),
    *(("additionalEventData",), ("additionalEventData", "bytesTransferredOut"), ("resources",)),
]


def _changed(record: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = place
    inner = record.get(first)
    if rest and not isinstance(inner, dict):
        return record
    return {**record, first: _changed(inner, tuple(rest), value) if rest else value}


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    """A file as delivered, some records changed, and maybe its bytes."""
    rng = random.Random(draw(st.integers(0, 1 << 30)))
    records: list[Any] = [_record(rng) for _ in range(draw(st.integers(0, 6)))]
    for record in list(records):
        if draw(st.booleans()):
            at = records.index(record)
            records[at] = _changed(
                record, draw(st.sampled_from(_PLACES)), draw(st.sampled_from(_ODD))
            )
    records += draw(st.lists(st.sampled_from([*_ODD, *records]), max_size=2))
    text = json.dumps(
        {"Records": records},
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 1])),
    )
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):  # twice the same member, and worse
        start = rng.randrange(len(text))
        piece = draw(
            st.sampled_from(
                ['"key":"b",', '"eventID":null,', "\\u0041", '"', "}", "{", "\x00", "0", ",", "é"]
            )
        )
        text = text[:start] + piece + text[start + draw(st.integers(0, 3)) :]
    return text.encode()


def _answer(data: bytes, *, native: bool) -> tuple[dict[str, EvidenceResult], list[Any]]:
    def open_files(uri: str) -> Iterator[tuple[str, Source]]:
        yield "a.json.gz", Source(io.BytesIO(gzip.compress(data, 1, mtime=0)), "a.json.gz")

    at = FactsAt()
    with mock.patch.object(compiled, "native", NATIVE if native else None):
        found = EVIDENCE.collect({"uri": "x"}, open_files, STORES, WINDOW, str, facts=at)
    at.close()
    rows = []
    for batch in at.batches:
        columns = dict(batch.columns)
        who = [batch.people[number] for number in columns.pop("who", np.zeros(0)).tolist()]
        rows += sorted(
            zip(map(repr, who), *(column.tolist() for column in columns.values()), strict=True)
        )
        rows += [batch.objects, [(f.notes, f.marks, f.samples, f.digest) for f in batch.files]]
    return dict(found), rows


def _with(*records: Any) -> bytes:
    return json.dumps({"Records": [_record(random.Random(1)), *records]}).encode()


@built
@example(data=_with(None, None))
@example(data=_with(7, _record(random.Random(2)), {"a": 1}, 7, {"a": 1}))
@given(data=_files())
@costly(10)
def test_one_answer(data: bytes) -> None:
    assert _answer(data, native=True) == _answer(data, native=False)


@built
def test_plain_reads_are_taken_and_all_else_is_left() -> None:
    assert NATIVE is not None
    plain = {**_record(random.Random(1)), "requestParameters": {"bucketName": "pay", "key": "k"}}
    plain["additionalEventData"] = {"bytesTransferredOut": 5.0}
    odd = [{**plain, "errorCode": "AccessDenied"}, {**plain, "eventName": "HeadObject"}, 7]
    away = {**plain, "requestParameters": {"bucketName": "away", "key": "k"}}
    data = json.dumps({"Records": [plain, *odd, away, plain]}).encode()
    found = NATIVE.read(data, (b"other", b"pay"), 1)
    assert found is not None
    events, elsewhere, groups, keys, rest = found
    assert len(events) == 2 * 48 and len(elsewhere) == 8 and len(groups) == 64 and keys == ["k"]
    spans = np.frombuffer(rest, "i8").reshape(-1, 2).tolist()
    assert [json.loads(data[start:end]) for start, end in spans] == odd
    numbers = np.frombuffer(events, "i8").reshape(2, -1)
    assert numbers[:, 3].tolist() == [5, 5]
    assert np.frombuffer(events[8:16], "u8")[0] == events_hashed([plain["eventID"]])[0]


_RESOURCE = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["AWS::S3::Bucket", "AWS::S3::Object", None, 7, "b\u00fc"]),
            "ARN": st.sampled_from(
                ["arn:aws:s3:::pay", "arn:aws:s3:::pay/k", "arn:aws:s3:::xpay", ":::pay", "pay", 1]
            ),
            "accountId": st.sampled_from(["444455556666", "", None, 5, ["x"], 'q"', "é"]),
            "more": st.sampled_from([{"type": "AWS::S3::Bucket"}, [], "x"]),
        },
    ),
    st.sampled_from([None, 3, "x", []]),
)


@built
@given(
    resources=st.one_of(st.lists(_RESOURCE, max_size=3), st.sampled_from([None, {}, "x", 4])),
    recipient=st.sampled_from(["111122223333", "", None, 6, "é", 'q"', {}]),
    left_out=st.sampled_from([(), (), ("resources",), ("recipientAccountId",)]),
    twice=st.booleans(),
)
def test_whose_bucket_it_is_comes_out_as_in_python(
    resources: Any, recipient: Any, left_out: tuple[str, ...], twice: bool
) -> None:
    record = {
        **_record(random.Random(1)),
        "requestParameters": {"bucketName": "pay", "key": "k"},
        "additionalEventData": None,
        "resources": resources,
        "recipientAccountId": recipient,
    }
    for name in left_out:
        del record[name]
    text = json.dumps(record)
    if twice:  # of two members of one name the last counts
        text = text.replace('"ARN":', '"ARN": "x", "ARN":')
    data = f'{{"Records": [{text}]}}'.encode()
    doers: list[Doer] = []
    sifted = PlainColumns(["pay"], Callers(), _owner, lambda found: doers.extend(found.doers))
    assert sifted.sift(data) is not None
    event = event_of(text.encode())
    assert event is not None
    assert [doer.owner for doer in doers] == [_owner(event, "pay")]


@built
def test_a_plain_owner_is_not_asked_for_again() -> None:
    assert NATIVE is not None
    data = json.dumps({"Records": [_record(random.Random(n)) for n in range(50)]}).encode()
    sifted = PlainColumns(
        ["pay", "other"], Callers(), mock.Mock(side_effect=AssertionError), mock.Mock()
    )
    assert sifted.sift(data) is not None


@built
@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b'{"Records":', b'{"Records":[', b'{"Records":[1,]}', b'{"Records":[]}x'),
        *(b'[{"Records":[]}]', b'{"Other":[]}', b'{"Records":[{"a":01}]}', b'{"Records":["\\x"]}'),
        *(b'{"Records":[{"a":"\x01"}]}', b'{"Records":[' + b"[" * 100 + b"]" * 100 + b"]}"),
        *(
            b'{"Records":[tru]}',
            b'{"Records":[1.]}',
            b'{"Records":[1e]}',
            b'{"Records":["\\u12G4"]}',
        ),
    ],
)
def test_what_is_no_such_file_is_not_taken_apart(data: bytes) -> None:
    assert NATIVE is not None
    assert NATIVE.read(data, (b"pay",), 1) is None


@built
def test_many_callers_and_keys_are_told_apart() -> None:
    assert NATIVE is not None
    plain = {**_record(random.Random(1)), "additionalEventData": None}
    records = [
        {
            **plain,
            "userIdentity": {"n": n % 7_001},
            "requestParameters": {"bucketName": "pay", "key": f"{n}"},
        }
        for n in range(20_000)
    ]
    found = NATIVE.read(json.dumps({"Records": records}).encode(), (b"pay",), 5)
    assert found is not None
    events = np.frombuffer(found[0], "u4").reshape(-1, 12)
    assert found[3] == [f"{n}" for n in range(20_000)]
    assert events[:, 0].tolist() == [n % 7_001 for n in range(20_000)]
    assert events[:, 1].tolist() == list(range(20_000))
